//! TCP to one name server, for what UDP has no room for (RFC 7766): a connection for each question.
//!
//! Such questions are rare, and a connection that is kept may be dead without anybody having said
//! so: a firewall forgot it, or the host slept.

use std::net::SocketAddr;

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::DnsResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::question_message::QuestionMessage;
use super::response;

/// Connections at a time: name servers have room for few (Unbound for 10 on each of its threads).
const CONNECTIONS: usize = 10;

/// The connections to one name server.
pub(super) struct TcpConnections {
    server: SocketAddr,
    room: Semaphore,
}

impl TcpConnections {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self { server, room: Semaphore::new(CONNECTIONS) }
    }

    /// `true` if a question would not have to wait for others.
    pub(super) fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    /// Sends `question` and waits for its response, for as long as the caller does.
    pub(super) async fn exchange(
        &self,
        question: &QuestionMessage,
    ) -> Result<DnsResponse, NetError> {
        let _room = self.room.acquire().await.map_err(|_| NetError::Busy)?;
        let octets = question.octets();
        let length = u16::try_from(octets.len()).map_err(|_| NetError::Message("too long"))?;
        let mut stream = TcpStream::connect(self.server).await?;
        // Length and question in one segment: some servers read no further (RFC 7766 section 8).
        stream.write_all(&[&length.to_be_bytes()[..], octets].concat()).await?;
        let mut reply = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut reply).await?;
        let response = DnsResponse::from_buffer(reply)?;
        if response.id != question.id() || !response::is_about(&response, question.query()) {
            return Err(NetError::Message("a response to another question"));
        }
        if response.truncation {
            return Err(NetError::Truncated);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests;
