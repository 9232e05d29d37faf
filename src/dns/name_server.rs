//! The ways to one name server: UDP, and TCP for an answer that was truncated.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::{DnsRequest, DnsResponse};

use super::tcp::TcpConnections;
use super::udp::{UdpReply, UdpSockets};
use crate::clock::Clock;

/// One name server.
pub(super) struct NameServerClient {
    udp: UdpSockets,
    tcp: TcpConnections,
    timeout: Duration,
}

impl NameServerClient {
    pub(super) fn new(address: SocketAddr, timeout: Duration, clock: Clock) -> Self {
        let (udp, tcp) = (UdpSockets::new(address, clock), TcpConnections::new(address));
        Self { udp, tcp, timeout }
    }

    /// Sends `request` and waits for the whole response.
    ///
    /// # Errors
    /// None came in time, or none that can be read.
    pub(super) async fn exchange(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        match self.udp.exchange(request, self.timeout).await? {
            UdpReply::Whole(response) => Ok(response),
            UdpReply::Truncated => self.tcp.exchange(request).await,
        }
    }
}
