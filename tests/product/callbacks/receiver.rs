//! A receiver of callbacks that answers as it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::process::TIME_LIMIT;

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    head: String,
    pub(super) body: String,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        found.unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}

/// The receiver. Requests for which it has no answer are left waiting.
pub(super) struct Receiver {
    pub(super) url: String,
    answers: Arc<Mutex<Vec<String>>>,
    received: mpsc::Receiver<Received>,
    _serving: JoinSet<()>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let answers: Arc<Mutex<Vec<String>>> = Arc::default();
        let (sender, received) = mpsc::channel(1000);
        let mut serving = JoinSet::new();
        let answering = Arc::clone(&answers);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&answering), sender.clone()));
            }
        });
        Self { url, answers, received, _serving: serving }
    }

    /// Gives this answer to the next request.
    pub(super) fn answer(&self, answer: &str) {
        self.answers.lock().unwrap().push(answer.to_owned());
    }

    /// The next request.
    pub(super) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(TIME_LIMIT, self.received.recv());
        next.await.expect("a call back").unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Arc<Mutex<Vec<String>>>,
    received: mpsc::Sender<Received>,
) {
    let mut octets = Vec::new();
    let (head, body) = loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(length) if length > 0 => octets.extend(&piece[..length]),
            _ => return,
        }
        let text = String::from_utf8_lossy(&octets).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.is_none_or(|length| length.parse() == Ok(body.len())) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let answer = {
        let mut answers = answers.lock().unwrap();
        (!answers.is_empty()).then(|| answers.remove(0))
    };
    // A test may have heard enough.
    let _ = received.send(Received { head, body }).await;
    let Some(answer) = answer else { return std::future::pending().await };
    let _gone = stream.write_all(answer.as_bytes()).await;
    // What is still to come is not waited for, but the connection stays.
    let _gone = stream.read(&mut [0; 16]).await;
}
