//! Opening one TCP connection to one target, from a chosen source address, within a time limit.
//!
//! It takes a [`Target`], so an address that was not checked cannot be dialled. Which host, and
//! what to do next when it fails, is the caller's matter. A session runs on any stream, so a
//! connection through a proxy can take this one's place.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout_at;

use crate::clock::Clock;
use crate::smtp::{NoReply, Target};

/// Result of dialling.
#[derive(Debug)]
pub enum Dialled {
    /// The connection is open.
    Open(TcpStream),
    /// There is none: [`NoReply::ConnectFailed`] or [`NoReply::Timeout`].
    NoConnection(NoReply),
}

/// Failure of this machine to open a connection at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No socket, or no port to connect from, is to be had: too many are open.
    #[error(
        "no socket could be made: {0}; raise the limit of open files or lower the number of sessions"
    )]
    Socket(#[source] io::Error),
    /// The source address is not one of this machine's, or not of the target's family.
    #[error("cannot connect from {source_address}: {error}; name an address of this machine")]
    Source {
        /// The address that was asked for.
        source_address: IpAddr,
        /// The system's reason.
        #[source]
        error: io::Error,
    },
}

/// Opens a connection to `target` before `deadline`, from `source` if one is given.
///
/// # Errors
/// If this machine is at fault. A server that refuses or is silent is a
/// [`Dialled::NoConnection`], and so is one at an IPv6 address where this machine has no IPv6.
pub async fn connect(
    target: Target,
    port: u16,
    source: Option<IpAddr>,
    clock: &Clock,
    deadline: SystemTime,
) -> Result<Dialled, ConnectError> {
    let address = SocketAddr::new(target.address(), port);
    let socket = match if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() } {
        Ok(socket) => socket,
        // A kernel without IPv6 makes sockets of the other family all the same.
        Err(error) if address.is_ipv6() && TcpSocket::new_v4().is_ok() => {
            return Ok(no_connection(&error));
        }
        Err(error) => return Err(ConnectError::Socket(error)),
    };
    // Flights are written whole: there is nothing to wait for. Not having it costs time only.
    let _ = socket.set_nodelay(true);
    if let Some(source_address) = source {
        socket
            .bind(SocketAddr::new(source_address, 0))
            .map_err(|error| ConnectError::Source { source_address, error })?;
    }
    match timeout_at(clock.instant(deadline), socket.connect(address)).await {
        Ok(Ok(stream)) => Ok(Dialled::Open(stream)),
        Ok(Err(error)) => unconnected(error, target.address()),
        Err(_) => Ok(Dialled::NoConnection(NoReply::Timeout)),
    }
}

/// The result of a connection to `target` that failed. That there is no address to connect from
/// means over IPv4 that all ports are in use, and over IPv6 that this machine has no address there.
fn unconnected(error: io::Error, target: IpAddr) -> Result<Dialled, ConnectError> {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable if target.is_ipv4() => Err(ConnectError::Socket(error)),
        _ => Ok(no_connection(&error)),
    }
}

fn no_connection(error: &io::Error) -> Dialled {
    Dialled::NoConnection(NoReply::ConnectFailed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::smtp::AllowedNetworks;

    async fn dial(source: Option<&str>, port: u16) -> Result<Dialled, ConnectError> {
        let lab = AllowedNetworks::new([AllowedNetworks::parse("127.0.0.0/8").unwrap()]);
        let target = lab.target([127, 0, 0, 1].into()).unwrap();
        let clock = Clock::start();
        let deadline = clock.now() + Duration::from_secs(5);
        connect(target, port, source.map(|s| s.parse().unwrap()), &clock, deadline).await
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_source_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let Dialled::Open(_stream) = dial(Some("127.0.0.9"), port).await.unwrap() else { panic!() };
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(from.ip(), IpAddr::from([127, 0, 0, 9]));
    }

    #[tokio::test]
    async fn a_refused_connection_is_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let dialled = dial(None, port).await.unwrap();
        assert!(
            matches!(&dialled, Dialled::NoConnection(NoReply::ConnectFailed(why)) if why.contains("refused")),
            "{dialled:?}"
        );
    }

    #[tokio::test]
    async fn a_source_address_that_is_not_ours_is_our_failure() {
        for source in ["192.0.2.1", "::1"] {
            let error = dial(Some(source), 9).await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("cannot connect from {source}")), "{error}");
        }
    }

    #[test]
    fn a_machine_without_ipv6_has_no_connection_there_and_no_fault() {
        let failed = |target: &str| {
            let error = io::Error::from(io::ErrorKind::AddrNotAvailable);
            unconnected(error, target.parse().unwrap())
        };
        assert!(matches!(
            failed("2001:db8::1"),
            Ok(Dialled::NoConnection(NoReply::ConnectFailed(_)))
        ));
        assert!(matches!(failed("192.0.2.1"), Err(ConnectError::Socket(_))));
    }
}
