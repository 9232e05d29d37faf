//! The ways to one name server: UDP, and TCP for an answer that was truncated.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::DnsResponse;

use super::question_message::QuestionMessage;
use super::tcp::TcpConnections;
use super::udp::{UdpReply, UdpSockets};
use crate::clock::Clock;

/// One name server.
pub(super) struct NameServerClient {
    udp: UdpSockets,
    tcp: TcpConnections,
}

impl NameServerClient {
    pub(super) fn new(address: SocketAddr, clock: Clock) -> Self {
        Self { udp: UdpSockets::new(address, clock), tcp: TcpConnections::new(address) }
    }

    /// Sends `question` and waits for the whole response: for a datagram as long as `timeout`, over
    /// TCP as long as the caller does.
    ///
    /// # Errors
    /// None came in time, or none that can be read.
    pub(super) async fn exchange(
        &self,
        question: &mut QuestionMessage,
        timeout: Duration,
    ) -> Result<DnsResponse, NetError> {
        match self.udp.exchange(question, timeout).await? {
            UdpReply::Whole(response) => Ok(response),
            UdpReply::Truncated => self.tcp.exchange(question).await,
        }
    }
}
