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
    wants_authenticity: bool,
}

/// One way to the name server.
#[derive(Clone)]
pub(super) struct NameServerConnection {
    transport: Transport,
    wants_authenticity: bool,
}

/// The transport of questions.
#[derive(Clone)]
enum Transport {
    Udp(Arc<UdpSockets>, Duration),
    Tcp(DnsExchange<TokioRuntimeProvider>),
}

impl Connections {
    pub(super) fn new(server: SocketAddr, clock: Clock) -> Self {
        let udp = Arc::new(UdpSockets::new(server, clock));
        Self { udp, runtime: TokioRuntimeProvider::default(), wants_authenticity: false }
    }

    /// The same connections, whose questions ask for the AD bit (RFC 6840 section 5.7).
    pub(super) fn wanting_authenticity(self) -> Self {
        Self { wants_authenticity: true, ..self }
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
        let wants_authenticity = self.wants_authenticity;
        let connection = move |transport| NameServerConnection { transport, wants_authenticity };
        if matches!(config.protocol, ProtocolConfig::Udp) {
            let udp = Transport::Udp(Arc::clone(&self.udp), cx.options.timeout);
            return Ok(std::future::ready(Ok(connection(udp))).boxed());
        }
        let tcp = self.runtime.new_connection(ip, config, cx)?;
        Ok(tcp.map(move |tcp| tcp.map(Transport::Tcp).map(connection)).boxed())
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.runtime
    }
}

impl DnsHandle for NameServerConnection {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, mut request: DnsRequest) -> Self::Response {
        request.metadata.authentic_data = self.wants_authenticity;
        match &self.transport {
            Transport::Udp(sockets, timeout) => {
                stream::once(Arc::clone(sockets).exchange(request, *timeout)).boxed()
            }
            Transport::Tcp(exchange) => exchange.send(request).boxed(),
        }
    }
}
