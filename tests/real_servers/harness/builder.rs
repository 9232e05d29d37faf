//! What every server to be is told in the same way.

use std::net::SocketAddr;

use super::loopback;

/// A server to be: what all have, and its own settings.
#[derive(Default)]
pub(crate) struct Builder<Settings> {
    address: Option<SocketAddr>,
    pub(super) mailboxes: Vec<String>,
    pub(super) catch_all: Vec<String>,
    pub(super) own: Settings,
}

impl<Settings> Builder<Settings> {
    /// Listens at `address` and not at the next free one.
    pub(crate) fn listen_on(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Has the mailbox `address`, and no other of its domain (but see [`Self::catch_all`]).
    pub(crate) fn mailbox(mut self, address: &str) -> Self {
        self.mailboxes.push(address.to_owned());
        self
    }

    /// Has the mailboxes `ok0@domain`, `ok1@domain` and so on.
    pub(crate) fn mailboxes(self, count: usize, domain: &str) -> Self {
        (0..count).fold(self, |server, n| server.mailbox(&format!("ok{n}@{domain}")))
    }

    /// Takes every address of `domain`.
    pub(crate) fn catch_all(mut self, domain: &str) -> Self {
        self.catch_all.push(domain.to_owned());
        self
    }

    /// Where it is to listen.
    pub(super) fn address(&self) -> SocketAddr {
        self.address.unwrap_or_else(loopback::next_address)
    }
}
