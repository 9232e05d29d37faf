//! A listener for callers who come many at once.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted, if the system allows as many (`net.core.somaxconn`).
/// The usual 128 are few where each call comes with a connection of its own: the system ignores
/// what is beyond, and its client tries again after 1 second, then after 3.
const BACKLOG: u32 = 4096;

/// Listens on `address`.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A service that was restarted listens at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn connections_by_the_hundred_wait_to_be_accepted() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts one: what did not fit would never be connected.
        let connections = join_all((0..200).map(|_| TcpStream::connect(address)));
        let connected = timeout(Duration::from_secs(30), connections).await.expect("all wait");
        assert!(connected.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn an_address_in_use_is_told() {
        let listener = listen("[::1]:0".parse().unwrap());
        let listener = match listener {
            Ok(listener) => listener,
            Err(_) => listen("127.0.0.1:0".parse().unwrap()).unwrap(),
        };
        let again = listen(listener.local_addr().unwrap());
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
