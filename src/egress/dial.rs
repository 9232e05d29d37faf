//! Opening a connection: directly, or through a SOCKS5 proxy.

use std::net::IpAddr;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_socks::tcp::Socks5Stream;

use super::connect::{Dialled, connect};
use super::identity::Socks5;
use crate::clock::Clock;
use crate::smtp::{NoReply, Target};

/// A bidirectional byte stream of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection.
pub struct Connection {
    /// The bytes.
    pub stream: Box<dyn Stream>,
    /// Our address on it, as far as known: what `EHLO` says where no name is configured.
    pub local: Option<IpAddr>,
}

/// Options of one connection: source, proxy, port and deadline.
pub struct DialOptions<'a> {
    /// The address to connect from; `None`: the system chooses.
    pub source: Option<IpAddr>,
    /// The proxy to connect through.
    pub socks5: Option<&'a Socks5>,
    /// The exchanger's port.
    pub port: u16,
    /// Time at which to give up.
    pub deadline: SystemTime,
}

/// Opens connections, so that a test can be the network.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// Connects to `target`. The error says why there is no connection:
    /// [`NoReply::ConnectFailed`], [`NoReply::ProxyFailed`] or [`NoReply::Timeout`].
    async fn dial(&self, target: Target, options: DialOptions<'_>) -> Result<Connection, NoReply>;
}

/// Connections over TCP.
pub struct Tcp {
    clock: Clock,
}

impl Tcp {
    /// On this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl Dial for Tcp {
    async fn dial(&self, target: Target, options: DialOptions<'_>) -> Result<Connection, NoReply> {
        let Some(proxy) = options.socks5 else {
            let dialled =
                connect(target, options.port, options.source, &self.clock, options.deadline).await;
            return match dialled {
                Ok(Dialled::Open(stream)) => Ok(connection(stream)),
                Ok(Dialled::NoConnection(why)) => Err(why),
                Err(error) => {
                    tracing::warn!(%error, "no connection, and it is our fault");
                    Err(NoReply::ConnectFailed(error.to_string()))
                }
            };
        };
        let through = through_proxy(proxy, (target.address(), options.port).into());
        match timeout_at(self.clock.instant(options.deadline), through).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) if is_about_the_target(&error) => {
                Err(NoReply::ConnectFailed(format!("SOCKS5 proxy: {error}")))
            }
            Ok(Err(error)) => {
                tracing::warn!(proxy = %proxy.address, %error, "the SOCKS5 proxy failed");
                Err(NoReply::ProxyFailed(error.to_string()))
            }
            Err(_) => Err(NoReply::Timeout),
        }
    }
}

/// `true` if the proxy did its part and the exchanger could not be reached (RFC 1928 section 6).
fn is_about_the_target(error: &tokio_socks::Error) -> bool {
    use tokio_socks::Error::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TtlExpired};
    matches!(error, ConnectionRefused | HostUnreachable | NetworkUnreachable | TtlExpired)
}

fn connection(stream: TcpStream) -> Connection {
    let local = stream.local_addr().ok().map(|address| address.ip());
    Connection { stream: Box::new(stream), local }
}

async fn through_proxy(
    proxy: &Socks5,
    target: std::net::SocketAddr,
) -> Result<Connection, tokio_socks::Error> {
    let stream = TcpStream::connect(proxy.address).await?;
    // Flights are written whole. Not having it costs time only.
    let _ = stream.set_nodelay(true);
    let stream = match &proxy.user {
        Some(user) => {
            let password = proxy.password.as_deref().unwrap_or_default();
            Socks5Stream::connect_with_password_and_socket(stream, target, user, password).await?
        }
        None => Socks5Stream::connect_with_socket(stream, target).await?,
    };
    // What the exchanger sees is the proxy's address, not ours.
    Ok(Connection { stream: Box::new(stream), local: Some(proxy.address.ip()) })
}
