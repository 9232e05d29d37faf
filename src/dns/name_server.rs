//! The ways to one name server: UDP, and TCP for an answer that was truncated.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::DnsResponse;
use tokio::time::timeout_at;

use super::question_message::QuestionMessage;
use super::tcp::TcpConnections;
use super::udp::{UdpReply, UdpSockets};
use crate::clock::Clock;

/// The part of its time that a question over TCP leaves: what became of it is known before the name
/// server counts as silent.
const MARGIN: u32 = 10;

/// One name server.
pub(super) struct NameServerClient {
    clock: Clock,
    udp: UdpSockets,
    tcp: TcpConnections,
}

impl NameServerClient {
    pub(super) fn new(address: SocketAddr, clock: Clock) -> Self {
        Self { clock, udp: UdpSockets::new(address, clock), tcp: TcpConnections::new(address) }
    }

    /// Sends `question` and waits for the whole response, as long as `timeout`.
    ///
    /// # Errors
    /// None came in time, or none that can be read; [`NetError::Msg`] if one came in part and not
    /// over TCP, [`NetError::Busy`] if our own questions left no room for it.
    pub(super) async fn exchange(
        &self,
        question: &mut QuestionMessage,
        timeout: Duration,
    ) -> Result<DnsResponse, NetError> {
        let end = self.clock.now() + timeout;
        match self.udp.exchange(question, timeout).await? {
            UdpReply::Whole(response) => Ok(response),
            // Boxed: it is rare, and large.
            UdpReply::Truncated => Box::pin(self.exchange_over_tcp(question, end)).await,
        }
    }

    /// Asks for what a datagram had no room for. The name server has answered: whatever fails here,
    /// the way or our own queue for it, is not its silence.
    async fn exchange_over_tcp(
        &self,
        question: &QuestionMessage,
        end: SystemTime,
    ) -> Result<DnsResponse, NetError> {
        let now = self.clock.now();
        let left = end.duration_since(now).unwrap_or_default();
        let until = self.clock.instant(now + (left - left / MARGIN));
        let asked = timeout_at(until, self.tcp.exchange(question)).await;
        let error = if self.tcp.has_room() { NetError::Timeout } else { NetError::Busy };
        asked.unwrap_or(Err(error)).map_err(|error| match error {
            NetError::Proto(_) | NetError::Truncated | NetError::Busy => error,
            error => NetError::Msg(format!("in part, and not over TCP: {error}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;
    use crate::address::DomainName;
    use crate::dns::{Config, DnsFailure, Lookup as _, Resolver};

    #[tokio::test]
    async fn a_truncated_answer_that_tcp_does_not_bring_is_a_failure_and_no_silence() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let nameservers = vec![server.local_addr().unwrap()];
        let config = Config { nameservers, ..Config::default() };
        let resolver = Resolver::new(config, Clock::start()).unwrap();
        let name = DomainName::from_ascii("a.test");
        let mut is_plain = false;
        let answering = async {
            let mut octets = [0; 512];
            loop {
                let (length, client) = server.recv_from(&mut octets).await.unwrap();
                // No additional record, so no EDNS: a second round. The same may come again.
                is_plain |= octets[11] == 0;
                // QR and TC.
                octets[2] |= 0x82;
                server.send_to(&octets[..length], client).await.unwrap();
            }
        };
        let found = tokio::select! {
            found = resolver.domain(&name) => found,
            () = answering => unreachable!("it answers for ever"),
        };
        let Err(DnsFailure::ServerFailure(words)) = &found else { panic!("{found:?}") };
        assert!(words.starts_with("in part, and not over TCP"), "{words}");
        assert!(!is_plain, "it was not silent");
    }
}
