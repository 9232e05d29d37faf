//! The ways to one name server: UDP over sockets of our own, and hickory's TCP for an answer that
//! was truncated.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle as _, FirstAnswer as _};
use hickory_resolver::proto::op::{DnsRequest, DnsResponse};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};

use super::udp::UdpSockets;
use crate::clock::Clock;

/// Requests in flight on one TCP connection. Hickory's 32 would answer "busy" under load.
const TCP_REQUESTS: usize = 1024;

/// One name server.
pub(super) struct NameServerClient {
    udp: UdpSockets,
    tcp: NameServerPool<TokioRuntimeProvider>,
    timeout: Duration,
}

impl NameServerClient {
    pub(super) fn new(
        address: SocketAddr,
        timeout: Duration,
        clock: Clock,
    ) -> Result<Self, NetError> {
        let mut way = ConnectionConfig::tcp();
        way.port = address.port();
        let mut options = ResolverOpts::default();
        options.timeout = timeout;
        options.max_active_requests = TCP_REQUESTS;
        let tcp = NameServerPool::from_config(
            [NameServerConfig::new(address.ip(), true, vec![way])],
            Arc::new(PoolContext::new(options, TlsConfig::new()?)),
            TokioRuntimeProvider::default(),
        );
        Ok(Self { udp: UdpSockets::new(address, clock), tcp, timeout })
    }

    /// Sends `request` and waits for the whole response.
    ///
    /// # Errors
    /// None came in time, or none that can be read.
    pub(super) async fn exchange(&self, request: DnsRequest) -> Result<DnsResponse, NetError> {
        let response = self.udp.exchange(&request, self.timeout).await?;
        if response.truncation {
            return self.tcp.send(request).first_answer().await;
        }
        Ok(response)
    }
}
