//! An SMTP client that only a test could love: it says what it is told and waits for the answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest that a server may take to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// The name that the client gives itself.
pub(crate) const CLIENT: &str = "client.mailvet.test";

/// A server's answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// RFC 3463, as text.
    pub(crate) enhanced: Option<String>,
    /// What follows the codes, a line feed between lines.
    pub(crate) text: String,
}

impl Reply {
    fn of(lines: &[String]) -> Self {
        let code = lines[0][..3].parse().unwrap();
        let enhanced = |line: &str| {
            let word = line.split(' ').next()?;
            let numbers: Vec<u16> =
                word.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            (numbers.len() == 3).then(|| word.to_owned())
        };
        let rest: Vec<&str> = lines.iter().map(|line| line.get(4..).unwrap_or("")).collect();
        let status = enhanced(rest[0]);
        let texts = rest.iter().map(|line| match enhanced(line) {
            Some(word) => line[word.len()..].trim_start(),
            None => line,
        });
        Self { code, enhanced: status, text: texts.collect::<Vec<_>>().join("\n") }
    }
}

/// A conversation with a server.
pub(crate) struct Dialogue {
    stream: BufReader<TcpStream>,
}

impl Dialogue {
    /// Connects, and returns the greeting too.
    pub(crate) async fn open(server: SocketAddr) -> (Self, Reply) {
        let mut dialogue = Self::open_rudely(server).await;
        let greeting = dialogue.listen().await;
        (dialogue, greeting)
    }

    /// Connects and does not wait for the greeting.
    pub(crate) async fn open_rudely(server: SocketAddr) -> Self {
        let stream = timeout(LIMIT, TcpStream::connect(server)).await.unwrap().unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Connects, says EHLO and MAIL FROM, and expects both to be accepted.
    pub(crate) async fn from(server: SocketAddr, sender: &str) -> Self {
        let (mut dialogue, greeting) = Self::open(server).await;
        assert_eq!(greeting.code, 220, "{greeting:?}");
        let hello = dialogue.say(&format!("EHLO {CLIENT}")).await;
        assert_eq!(hello.code, 250, "{hello:?}");
        let mail = dialogue.say(&format!("MAIL FROM:<{sender}>")).await;
        assert_eq!(mail.code, 250, "{mail:?}");
        dialogue
    }

    /// Says a line and waits for the answer.
    pub(crate) async fn say(&mut self, line: &str) -> Reply {
        self.tell(line).await;
        self.listen().await
    }

    /// Says a line.
    pub(crate) async fn tell(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    /// Names a recipient and waits for the answer.
    pub(crate) async fn rcpt(&mut self, recipient: &str) -> Reply {
        self.say(&format!("RCPT TO:<{recipient}>")).await
    }

    /// Waits for an answer.
    pub(crate) async fn listen(&mut self) -> Reply {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = timeout(LIMIT, self.stream.read_until(b'\n', &mut line));
            let read = read.await.expect("the server answers in time").unwrap();
            assert!(read > 0, "the server hung up after {lines:?}");
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            if line.get(3) != Some(&b'-') {
                return Reply::of(&lines);
            }
        }
    }
}

/// What `server` answers to RCPT TO in a session of its own.
pub(crate) async fn answer_to(server: SocketAddr, recipient: &str) -> Reply {
    let mut dialogue = Dialogue::from(server, "").await;
    let reply = dialogue.rcpt(recipient).await;
    dialogue.say("QUIT").await;
    reply
}
