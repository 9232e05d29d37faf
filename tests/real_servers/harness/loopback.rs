//! Loopback addresses and a port that nobody else uses.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use super::network::is_own_network;

/// The port that every server of this process listens on, each at an address of its own: one
/// `--smtp-port` reaches them all. 25 in a network of the test's own.
pub(crate) fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        if is_own_network() {
            return 25;
        }
        let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        everywhere.local_addr().unwrap().port()
    })
}

/// The next address for a server, in 127.128.0.0/9, and [`port`]. The process id is part of it, so
/// that test runs side by side do not meet.
///
/// # Panics
/// After 254 addresses.
pub(crate) fn next_address() -> SocketAddr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    assert!((1..255).contains(&count), "too many servers for one test process");
    let [.., high, low] = std::process::id().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 128 | high, low, count), port()))
}

/// Whether a process listens at `address`: read from the kernel, because a connection would count
/// against the limits that a test sets.
pub(crate) fn is_listening(address: SocketAddrV4) -> bool {
    const LISTEN: &str = "0A";
    // The kernel prints the address as the machine holds it in memory.
    let ip = u32::from_ne_bytes(address.ip().octets());
    let wanted = format!("{ip:08X}:{:04X}", address.port());
    let sockets = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    sockets.lines().any(|line| {
        let mut columns = line.split_whitespace();
        columns.nth(1) == Some(&wanted) && columns.nth(1) == Some(LISTEN)
    })
}
