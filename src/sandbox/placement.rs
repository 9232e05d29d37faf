//! Placement of a sandbox: which loopback addresses and ports it takes.
//!
//! On Linux all of 127.0.0.0/8 is local. Every sandbox takes a block of it that the process id and
//! a counter choose, and one SMTP port that is free on every address of its exchangers; if two
//! sandboxes do meet on a block, their ports differ.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::Ipv4Net;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use super::SandboxError;

/// Addresses and ports of a sandbox. By default everything is chosen at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The name server's address and port.
    pub nameserver: Option<SocketAddr>,
    /// The port of all exchangers.
    pub smtp_port: Option<u16>,
    /// The network the exchangers' addresses are taken from, in order.
    pub network: Option<Ipv4Net>,
}

/// Attempts to find a free port.
const ATTEMPTS: u32 = 64;

/// Addresses at the start of the network that are not exchangers: the network's own, and the
/// name server's.
const RESERVED: u32 = 2;

/// The network that a sandbox with this number of exchanger addresses takes.
pub(super) fn network(place: &Placement, addresses: usize) -> Result<Ipv4Net, SandboxError> {
    let wanted = u32::try_from(addresses).unwrap_or(u32::MAX).saturating_add(RESERVED);
    if let Some(network) = place.network {
        let room = u64::from(u32::from(network.broadcast()) - u32::from(network.network())) + 1;
        return if u64::from(wanted) <= room { Ok(network) } else { Err(SandboxError::NoRoom) };
    }
    let size = wanted.max(256).checked_next_power_of_two().filter(|s| *s <= 1 << 20);
    let size = size.ok_or(SandboxError::NoRoom)?;
    // Blocks of 127.0.0.0/8 without its first and last 65,536 addresses, so that neither 127.0.0.1
    // nor the broadcast address is taken.
    let margin = ((1 << 16) / size).max(1);
    let blocks = (1 << 24) / size - 2 * margin;
    let chosen = std::process::id().wrapping_mul(2_654_435_761).wrapping_add(next()) % blocks;
    let first = (127 << 24) + (margin + chosen) * size;
    let prefix = u8::try_from(32 - size.trailing_zeros()).unwrap_or(32);
    Ok(Ipv4Net::new_assert(Ipv4Addr::from(first), prefix))
}

/// A number of its own for every sandbox of this process.
fn next() -> u32 {
    static SANDBOXES: AtomicU32 = AtomicU32::new(0);
    SANDBOXES.fetch_add(1, Ordering::Relaxed)
}

/// The `n`th exchanger address of a network.
pub(super) fn address(network: Ipv4Net, n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network.network()) + RESERVED + n)
}

/// The name server's sockets, on the same port.
pub(super) async fn nameserver(
    place: &Placement,
    network: Ipv4Net,
) -> Result<(UdpSocket, TcpListener), SandboxError> {
    let own = SocketAddr::from((own_address(network), 0));
    let wanted = place.nameserver.unwrap_or(own);
    let failed = |source| SandboxError::Nameserver { address: wanted, source };
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        let udp = UdpSocket::bind(wanted).await.map_err(failed)?;
        let chosen = udp.local_addr().map_err(failed)?;
        match TcpListener::bind(chosen).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// The name server's address in a network, which other servers beside the exchangers have too.
pub(super) fn own_address(network: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network.network()) + 1)
}

/// A socket on the name server's address of the network.
pub(super) async fn beside_nameserver(
    network: Ipv4Net,
) -> Result<(TcpListener, SocketAddr), SandboxError> {
    let address = SocketAddr::from((own_address(network), 0));
    let failed = |source| SandboxError::Nameserver { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let chosen = listener.local_addr().map_err(failed)?;
    Ok((listener, chosen))
}

/// Socket on an exchanger's address.
pub(super) enum ExchangerSocket {
    /// A listening socket.
    Listening(TcpListener),
    /// The port is held, so that no other process listens on it, and connections are refused.
    Held(TcpSocket),
}

/// The exchangers' sockets, all on one port: for each address whether it listens.
pub(super) async fn exchangers(
    place: &Placement,
    addresses: &[(Ipv4Addr, bool)],
) -> Result<(u16, Vec<ExchangerSocket>), SandboxError> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        match on_one_port(place.smtp_port, addresses).await {
            Ok(found) => return Ok(found),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && place.smtp_port.is_none() => {
                last = error;
            }
            Err(error) => {
                last = error;
                break;
            }
        }
    }
    Err(SandboxError::Exchangers { port: place.smtp_port, source: last })
}

async fn on_one_port(
    port: Option<u16>,
    addresses: &[(Ipv4Addr, bool)],
) -> io::Result<(u16, Vec<ExchangerSocket>)> {
    let mut port = port.unwrap_or(0);
    let mut sockets = Vec::with_capacity(addresses.len());
    for (address, listens) in addresses {
        let at = SocketAddr::new(IpAddr::V4(*address), port);
        let socket = if *listens {
            let listener = TcpListener::bind(at).await?;
            port = listener.local_addr()?.port();
            ExchangerSocket::Listening(listener)
        } else {
            let held = TcpSocket::new_v4()?;
            held.bind(at)?;
            port = held.local_addr()?.port();
            ExchangerSocket::Held(held)
        };
        sockets.push(socket);
    }
    Ok((port, sockets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_on_loopback_and_large_enough() {
        for exchangers in [0, 1, 254, 255, 500, 65_536, 1 << 19] {
            let network = network(&Placement::default(), exchangers).unwrap();
            let last = address(network, u32::try_from(exchangers).unwrap().max(1) - 1);
            assert!(network.contains(&last), "{network} {exchangers}");
            assert!(network.network().is_loopback() && network.broadcast().is_loopback());
            assert!(!network.contains(&Ipv4Addr::LOCALHOST), "{network}");
        }
        assert!(network(&Placement::default(), 1 << 21).is_err());
    }

    #[test]
    fn sandboxes_of_one_process_take_different_networks() {
        let first = network(&Placement::default(), 10).unwrap();
        let second = network(&Placement::default(), 10).unwrap();
        assert!(!first.contains(&second.network()), "{first} {second}");
    }
}
