//! Opening a connection: directly, or through a SOCKS5 proxy.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_socks::tcp::Socks5Stream;
use tokio_util::io::InspectReader;

use super::connect::{ConnectError, Dialled, connect};
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
    /// Connects to `target`. The error says why there is no connection: the exchanger
    /// ([`NoReply::ConnectFailed`], [`NoReply::Timeout`]), the identity's own way out
    /// ([`NoReply::ProxyFailed`], [`NoReply::SourceFailed`]) or this machine
    /// ([`NoReply::SocketFailed`]).
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
                    Err(match error {
                        ConnectError::Source { .. } => NoReply::SourceFailed(error.to_string()),
                        ConnectError::Socket(_) => NoReply::SocketFailed(error.to_string()),
                    })
                }
            };
        };
        let until = self.clock.instant(options.deadline);
        let dialled = through_proxy(proxy, (target.address(), options.port).into(), until).await;
        if let Err(NoReply::ProxyFailed(error)) = &dialled {
            tracing::warn!(proxy = %proxy.address, error, "the SOCKS5 proxy failed");
        }
        dialled
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

/// Connects to `target` through a proxy. A proxy that says nothing at all until then failed; of one
/// that answered it is the exchanger that is silent.
async fn through_proxy(
    proxy: &Socks5,
    target: SocketAddr,
    until: Instant,
) -> Result<Connection, NoReply> {
    let is_mute = || NoReply::ProxyFailed("no answer in time".to_owned());
    let mut stream = match timeout_at(until, TcpStream::connect(proxy.address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(NoReply::ProxyFailed(error.to_string())),
        Err(_) => return Err(is_mute()),
    };
    // Flights are written whole. Not having it costs time only.
    let _ = stream.set_nodelay(true);
    let mut has_answered = false;
    let heard = InspectReader::new(&mut stream, |octets: &[u8]| has_answered |= !octets.is_empty());
    let asked = async {
        match &proxy.user {
            Some(user) => {
                let password = proxy.password.as_deref().unwrap_or_default();
                Socks5Stream::connect_with_password_and_socket(heard, target, user, password)
                    .await
                    .map(drop)
            }
            None => Socks5Stream::connect_with_socket(heard, target).await.map(drop),
        }
    };
    let asked = timeout_at(until, asked).await;
    match asked {
        // What the exchanger sees is the proxy's address, not ours.
        Ok(Ok(())) => Ok(Connection { stream: Box::new(stream), local: Some(proxy.address.ip()) }),
        Ok(Err(error)) if is_about_the_target(&error) => {
            Err(NoReply::ConnectFailed(format!("SOCKS5 proxy: {error}")))
        }
        Ok(Err(error)) => Err(NoReply::ProxyFailed(error.to_string())),
        Err(_) if has_answered => Err(NoReply::Timeout),
        Err(_) => Err(is_mute()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;
    use crate::smtp::AllowedNetworks;

    /// The end of a minute's wait for a proxy that answers with `greeting` and then says no more.
    /// The minute passes once it has read what it was sent.
    async fn dial(greeting: &'static [u8]) -> NoReply {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut proxy = JoinSet::new();
        proxy.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 3]).await.unwrap();
            if !greeting.is_empty() {
                stream.write_all(greeting).await.unwrap();
                stream.read_exact(&mut [0; 10]).await.unwrap();
            }
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(61)).await;
            // Held until the client leaves.
            let _ = stream.read(&mut [0; 1]).await;
        });
        let clock = Clock::start();
        let lab = AllowedNetworks::new([AllowedNetworks::parse("127.0.0.0/8").unwrap()]);
        let target = lab.target([127, 0, 0, 1].into()).unwrap();
        let socks5 = Socks5 { address, user: None, password: None };
        let options = DialOptions {
            source: None,
            socks5: Some(&socks5),
            port: 25,
            deadline: clock.now() + Duration::from_secs(60),
        };
        let end = Tcp::new(clock).dial(target, options).await.err().unwrap();
        tokio::time::resume();
        end
    }

    #[tokio::test]
    async fn a_proxy_that_says_nothing_failed_and_behind_one_that_does_the_exchanger_is_silent() {
        let silent = NoReply::ProxyFailed("no answer in time".to_owned());
        assert_eq!(dial(b"").await, silent);
        assert_eq!(dial(&[5, 0]).await, NoReply::Timeout);
    }

    #[tokio::test]
    async fn a_source_address_that_is_not_there_is_no_fault_of_the_exchanger() {
        let clock = Clock::start();
        let lab = AllowedNetworks::new([AllowedNetworks::parse("127.0.0.0/8").unwrap()]);
        let target = lab.target([127, 0, 0, 1].into()).unwrap();
        let options = DialOptions {
            source: Some([192, 0, 2, 1].into()),
            socks5: None,
            port: 9,
            deadline: clock.now() + Duration::from_secs(5),
        };
        let why = Tcp::new(clock).dial(target, options).await.err().unwrap();
        assert!(matches!(&why, NoReply::SourceFailed(why) if why.contains("192.0.2.1")), "{why:?}");
    }
}
