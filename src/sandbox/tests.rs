//! Raw SMTP and real DNS queries against sandboxes, over sockets.

mod dns;
mod faults;
mod limits;
mod smtp;
mod world;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::*;

/// No step of any test may take longer.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A sandbox of this world, in TOML.
async fn sandbox(world: &str) -> Sandbox {
    Sandbox::start(World::from_toml(world).unwrap()).await.unwrap()
}

/// A sandbox whose one exchanger, `mx.a.test` for `a.test`, has `jane` and these settings.
async fn one(settings: &str) -> Sandbox {
    sandbox(&format!(
        "names.\"a.test\".mx = [\"10 mx.a.test\"]\n\
         [exchangers.\"mx.a.test\"]\nrecipients.jane = \"accept\"\n{settings}\n"
    ))
    .await
}

/// A client that says what it is told to, and reads replies.
struct Client<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl Client<TcpStream> {
    /// Connects, and reads nothing yet.
    async fn open(sandbox: &Sandbox, host: &str) -> Self {
        let address = sandbox.exchanger(host).unwrap();
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    async fn open_from(source: [u8; 4], to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from(source), 0).into()).unwrap();
        Self::new(socket.connect(to).await.unwrap())
    }

    /// Connects to `mx.a.test`, reads the banner, says EHLO.
    async fn ready(sandbox: &Sandbox) -> Self {
        let mut client = Self::open(sandbox, "mx.a.test").await;
        assert!(client.reply().await.starts_with("220 "));
        assert!(client.ask("EHLO client.test").await.starts_with("250"));
        client
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// One whole reply, its lines joined by a line feed; empty if the server closed.
    async fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line);
            if !more {
                return lines.join("\n");
            }
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return String::from_utf8(line[..end].to_vec()).unwrap();
            }
            if self.more().await == 0 {
                return String::new();
            }
        }
    }

    /// Reads whatever comes next; 0 if the server closed.
    async fn more(&mut self) -> usize {
        timeout(TIME_LIMIT, self.stream.read_buf(&mut self.buffer)).await.unwrap().unwrap()
    }

    async fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n")).await;
        self.reply().await
    }

    /// Each command's reply, asked one after the other.
    async fn all(&mut self, commands: &[&str]) -> Vec<String> {
        let mut replies = Vec::new();
        for command in commands {
            replies.push(self.ask(command).await);
        }
        replies
    }

    /// RCPT for a recipient in a transaction of its own; only the code.
    async fn probe(&mut self, recipient: &str) -> String {
        let commands = ["MAIL FROM:<>", &format!("RCPT TO:<{recipient}>"), "RSET"];
        self.all(&commands).await[1].chars().take(9).collect()
    }

    async fn is_closed(&mut self) -> bool {
        self.more().await == 0
    }
}
