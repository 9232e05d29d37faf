//! One connection of HTTP/1.1, driven by the exchange that uses it: no task stands behind it.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::HttpAnswer;

/// Octets of the head of an answer that are looked at.
const LARGEST_HEAD: usize = 64 * 1024;

/// The reading and writing of a connection, until it ends.
type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// An open connection.
pub(super) struct HttpConnection {
    pub(super) opened_at: SystemTime,
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
}

/// The failure of an exchange, in words.
#[derive(Debug)]
pub(super) enum ExchangeFailure {
    /// The connection ended before there was an answer.
    Unanswered(String),
    /// The answer is none, or breaks a bound.
    Broken(String),
}

impl ExchangeFailure {
    pub(super) fn into_words(self) -> String {
        match self {
            Self::Unanswered(words) | Self::Broken(words) => words,
        }
    }
}

impl HttpConnection {
    /// A connection on a stream that was opened at `opened_at`.
    pub(super) async fn new<S>(stream: S, opened_at: SystemTime) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut client = Builder::new();
        client.max_buf_size(LARGEST_HEAD);
        let opened = client.handshake(TokioIo::new(stream)).await;
        let (sender, driver) = opened.map_err(|error| broke_off(&error))?;
        Ok(Self { opened_at, sender, driver: Some(Box::pin(driver)) })
    }

    /// Makes a request and reads its answer; of its body at most `largest_body` octets, none if
    /// that is zero.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        largest_body: usize,
    ) -> Result<HttpAnswer, ExchangeFailure> {
        let Self { sender, driver, .. } = self;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| {
                let words = broke_off(&error);
                match error.is_parse() {
                    true => ExchangeFailure::Broken(words),
                    false => ExchangeFailure::Unanswered(words),
                }
            })?;
            read(answer, largest_body).await.map_err(ExchangeFailure::Broken)
        };
        tokio::pin!(exchange);
        while let Some(running) = driver {
            tokio::select! {
                biased;
                answer = &mut exchange => return answer,
                _ = running => *driver = None,
            }
        }
        exchange.await
    }

    /// `true` if another request may be made: the last answer was read to its end, the server keeps
    /// the connection open, and it has sent nothing that was not asked for.
    pub(super) fn is_idle(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(&mut context).is_ready()
        {
            self.driver = None;
        }
        self.driver.is_some() && self.sender.is_ready()
    }
}

fn broke_off(error: &hyper::Error) -> String {
    format!("the exchange broke off: {error}")
}

async fn read(answer: Response<Incoming>, largest_body: usize) -> Result<HttpAnswer, String> {
    let (head, mut incoming) = answer.into_parts();
    let mut body = Vec::new();
    while largest_body > 0
        && let Some(frame) = incoming.frame().await
    {
        let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
        let Some(data) = frame.data_ref() else { continue };
        if body.len() + data.len() > largest_body {
            return Err(format!("the answer is larger than {largest_body} octets"));
        }
        body.extend_from_slice(data);
    }
    Ok(HttpAnswer { status: head.status.as_u16(), headers: head.headers, body })
}
