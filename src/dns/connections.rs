//! How hickory reaches a name server: over our UDP sockets, and over its own TCP.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsExchange, DnsHandle};
use hickory_resolver::proto::op::{DnsRequest, DnsResponse};
use hickory_resolver::{ConnectionProvider, PoolContext};

use super::udp::UdpSockets;
use crate::clock::Clock;

/// Connections to one name server.
#[derive(Clone)]
pub(super) struct Connections {
    udp: Arc<UdpSockets>,
    runtime: TokioRuntimeProvider,
}

/// One way to the name server.
#[derive(Clone)]
pub(super) enum NameServerConnection {
    Udp(Arc<UdpSockets>, Duration),
    Tcp(DnsExchange<TokioRuntimeProvider>),
}

impl Connections {
    pub(super) fn new(server: SocketAddr, clock: Clock) -> Self {
        let udp = Arc::new(UdpSockets::new(server, clock));
        Self { udp, runtime: TokioRuntimeProvider::default() }
    }
}

impl ConnectionProvider for Connections {
    type Conn = NameServerConnection;
    type FutureConn = BoxFuture<'static, Result<NameServerConnection, NetError>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        cx: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        if matches!(config.protocol, ProtocolConfig::Udp) {
            let connection = NameServerConnection::Udp(Arc::clone(&self.udp), cx.options.timeout);
            return Ok(std::future::ready(Ok(connection)).boxed());
        }
        let tcp = self.runtime.new_connection(ip, config, cx)?;
        Ok(tcp.map(|tcp| tcp.map(NameServerConnection::Tcp)).boxed())
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.runtime
    }
}

impl DnsHandle for NameServerConnection {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        match self {
            Self::Udp(sockets, timeout) => {
                stream::once(Arc::clone(sockets).exchange(request, *timeout)).boxed()
            }
            Self::Tcp(exchange) => exchange.send(request).boxed(),
        }
    }
}
