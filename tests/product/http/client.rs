//! A client of HTTP/1.1 that shows what is on the wire.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::TIME_LIMIT;

/// An answer.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    head: String,
    /// The body as text; octets that are none are replaced.
    pub(crate) body: String,
    /// The body as it came.
    pub(crate) octets: Vec<u8>,
}

impl HttpAnswer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A request, to be sent.
#[derive(Clone, Debug)]
pub(crate) struct HttpRequest {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl HttpRequest {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { line: format!("{method} {path} HTTP/1.1"), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A request with a JSON body.
    pub(crate) fn post(path: &str, body: impl ToString) -> Self {
        Self::new("POST", path).header("content-type", "application/json").body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(format!("{name}: {value}"));
        self
    }

    pub(crate) fn body(self, body: impl ToString) -> Self {
        self.octets(body.to_string())
    }

    pub(crate) fn octets(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on a connection of its own, and reads the answer to its end.
    pub(crate) async fn send(self, to: SocketAddr) -> HttpAnswer {
        let length = self.body.len();
        self.send_with_length(to, length).await
    }

    /// The same, saying that the body has this length, whatever it has.
    pub(crate) async fn send_with_length(self, to: SocketAddr, length: usize) -> HttpAnswer {
        let mut head = vec![self.line, "connection: close".into()];
        if !self.headers.iter().any(|header| header.starts_with("host:")) {
            head.push(format!("host: {to}"));
        }
        head.extend(self.headers);
        head.push(format!("content-length: {length}"));
        let head = format!("{}\r\n\r\n", head.join("\r\n"));
        let request = [head.as_bytes(), &self.body].concat();
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let mut octets = Vec::new();
        let reading = stream.read_to_end(&mut octets);
        // A server that does not wait for a body may reset the connection behind its answer.
        let _reset = tokio::time::timeout(TIME_LIMIT, reading).await.expect("an answer");
        parse(&octets)
    }
}

fn parse(answer: &[u8]) -> HttpAnswer {
    let (head, body) = split(answer, b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(head).unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let octets = if is_chunked { unchunk(body) } else { body.to_owned() };
    let body = String::from_utf8_lossy(&octets).into_owned();
    HttpAnswer { status, head: head.to_owned(), body, octets }
}

/// The chunks put together (RFC 9112 section 7.1); the last one must be there.
fn unchunk(mut octets: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let (size, rest) = split(octets, b"\r\n").unwrap_or_else(|| {
            panic!("broke off: {}", String::from_utf8_lossy(&whole));
        });
        let size = usize::from_str_radix(std::str::from_utf8(size).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend(&rest[..size]);
        octets = rest[size..].strip_prefix(b"\r\n").unwrap();
    }
}

/// The octets before and behind the first `mark`.
fn split<'a>(octets: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = octets.windows(mark.len()).position(|window| window == mark)?;
    Some((&octets[..place], &octets[place + mark.len()..]))
}
