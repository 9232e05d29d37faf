//! Our own names and addresses, as a server may repeat them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Our own names and addresses: a reply that finds fault with one of them is about us, whatever
/// else it says. By default none is known.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Ourselves<'a> {
    /// The address that we connect from.
    pub address: Option<IpAddr>,
    /// The name in `EHLO`.
    pub helo: Option<&'a str>,
    /// The address in `MAIL FROM`: its local part, as on the wire, and its domain.
    pub sender: Option<(&'a str, &'a str)>,
}

impl Ourselves<'_> {
    /// `true` if `word`, without brackets around it, is one of our names or addresses.
    pub(super) fn has_name(&self, word: &str) -> bool {
        let is = |name: &str| name.trim_end_matches('.').eq_ignore_ascii_case(word);
        self.helo.is_some_and(is) || self.sender.is_some_and(|(_, domain)| is(domain))
    }

    /// `true` if `word` is the address we connect from.
    pub(super) fn has_address(&self, word: &str) -> bool {
        self.address.is_some_and(|address| ip_address(word) == Some(address))
    }

    /// `true` if `word` is our sender.
    pub(super) fn has_sender(&self, word: &str) -> bool {
        word.rsplit_once('@').is_some_and(|(theirs, host)| self.is_sender(theirs, host))
    }

    /// `true` if the mailbox is our sender. Local parts are compared without case: servers change
    /// it.
    pub(super) fn is_sender(&self, theirs: &str, host: &str) -> bool {
        self.sender.is_some_and(|(local, domain)| {
            theirs.eq_ignore_ascii_case(local) && host.eq_ignore_ascii_case(domain)
        })
    }
}

impl fmt::Debug for Ourselves<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ourselves")
            .field("address", &self.address)
            .field("helo", &self.helo)
            .field("sender_domain", &self.sender.map(|(_, domain)| domain))
            .finish_non_exhaustive()
    }
}

/// The address in `192.0.2.7`, `192.0.2.7:25`, `192.0.2.7/24`, `IPv6:2001:db8::1`.
pub(super) fn ip_address(piece: &str) -> Option<IpAddr> {
    let address = piece.split_once('/').map_or(piece, |(address, _)| address);
    let address = address.strip_prefix("IPv6:").unwrap_or(address);
    let v4 = address.split_once(':').map_or(address, |(address, _)| address);
    let v4 = v4.parse::<Ipv4Addr>().map(IpAddr::V4);
    v4.or_else(|_| address.parse::<Ipv6Addr>().map(IpAddr::V6)).ok()
}
