//! Connections that no admitted call has come on yet, and the number of connections of each peer.
//!
//! A connection costs its peer three octets and us a place. Until it has proved its use it lives
//! for the time of a handshake, and when all places are taken the oldest of these gives way.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Connections without an admitted call, the oldest first. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Newcomers(Arc<Mutex<NewcomerList>>);

#[derive(Debug, Default)]
struct NewcomerList {
    next: u64,
    waiting: BTreeMap<u64, WaitingConnection>,
}

/// One of them.
#[derive(Debug)]
struct WaitingConnection {
    peer: IpAddr,
    is_kept: bool,
    evicted: CancellationToken,
}

impl Newcomers {
    /// Adds a connection of `ip` that has just been accepted. One that `is_kept` for this machine
    /// takes no place among all, and none of its peer's.
    pub(super) fn enter(&self, ip: IpAddr, is_kept: bool) -> Newcomer {
        let (peer, evicted) = (network(ip), CancellationToken::new());
        let mut list = self.0.lock();
        let number = list.next;
        list.next += 1;
        let waiting = WaitingConnection { peer, is_kept, evicted: evicted.clone() };
        list.waiting.insert(number, waiting);
        Newcomer { list: self.clone(), number, is_kept, evicted }
    }

    /// Ends the oldest of them; `false` if there is none.
    pub(super) fn evict_oldest(&self) -> bool {
        self.evict(|_| true)
    }

    /// Ends the oldest of those with a place among all; `false` if there is none.
    pub(super) fn evict_oldest_in_room(&self) -> bool {
        self.evict(|one| !one.is_kept)
    }

    /// Ends the oldest of those among the places of the peer of `ip`; `false` if there is none.
    pub(super) fn evict_oldest_of(&self, ip: IpAddr) -> bool {
        let peer = network(ip);
        self.evict(|one| !one.is_kept && one.peer == peer)
    }

    /// Ends the oldest of those that are kept for this machine; `false` if there is none.
    pub(super) fn evict_oldest_kept(&self) -> bool {
        self.evict(|one| one.is_kept)
    }

    fn evict(&self, gives_way: impl Fn(&WaitingConnection) -> bool) -> bool {
        let mut list = self.0.lock();
        let oldest = list.waiting.iter().find(|(_, one)| gives_way(one));
        let number = oldest.map(|(number, _)| *number);
        let oldest = number.and_then(|number| list.waiting.remove(&number));
        oldest.map(|oldest| oldest.evicted.cancel()).is_some()
    }
}

/// The entry of one connection; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Newcomer {
    list: Newcomers,
    number: u64,
    is_kept: bool,
    evicted: CancellationToken,
}

impl Newcomer {
    /// `true` for a connection in one of the places that are kept for this machine.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Cancelled when the connection has to make room.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }

    /// Takes the connection off the list: an admitted call has come on it.
    pub(super) fn settle(&self) {
        self.list.0.lock().waiting.remove(&self.number);
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.settle();
    }
}

/// The number of connections of each peer. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct PeerCounts {
    most: usize,
    counts: Arc<Mutex<HashMap<IpAddr, PeerCount>>>,
    /// Told whenever a connection has gone.
    freed: Arc<Notify>,
}

/// The connections of one peer.
#[derive(Debug, Default)]
struct PeerCount {
    connections: usize,
    /// `true` once it had as many as it may, as long as it has some.
    was_full: bool,
}

impl PeerCounts {
    pub(super) fn new(most: usize) -> Self {
        Self { most, counts: Arc::default(), freed: Arc::default() }
    }

    /// Counts a connection of `ip`; `None` if it has as many as it may.
    pub(super) fn enter(&self, ip: IpAddr) -> Option<PeerSlot> {
        let ip = network(ip);
        let mut counts = self.counts.lock();
        let count = counts.entry(ip).or_default();
        if count.connections >= self.most {
            return None;
        }
        count.connections += 1;
        Some(PeerSlot { peers: self.clone(), ip })
    }

    /// Counts a connection of `ip` as soon as it has fewer than it may.
    pub(super) async fn enter_when_freed(&self, ip: IpAddr) -> PeerSlot {
        loop {
            let freed = self.freed.notified();
            if let Some(slot) = self.enter(ip) {
                return slot;
            }
            freed.await;
        }
    }

    /// Notes that a connection of `ip` is turned away; `true` if it is the first one.
    pub(super) fn note_full(&self, ip: IpAddr) -> bool {
        let mut counts = self.counts.lock();
        let count = counts.get_mut(&network(ip));
        count.is_some_and(|count| !mem::replace(&mut count.was_full, true))
    }
}

/// One connection of a peer, counted until it is dropped.
#[derive(Debug)]
pub(super) struct PeerSlot {
    peers: PeerCounts,
    ip: IpAddr,
}

impl Drop for PeerSlot {
    fn drop(&mut self) {
        let mut counts = self.peers.counts.lock();
        if let Some(count) = counts.get_mut(&self.ip) {
            count.connections -= 1;
            if count.connections == 0 {
                counts.remove(&self.ip);
            }
        }
        drop(counts);
        self.peers.freed.notify_waiters();
    }
}

/// What one peer has for itself: an IPv4 address, or a network of 64 bits in IPv6.
pub(super) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_connection_without_an_admitted_call_gives_way() {
        let newcomers = Newcomers::default();
        let enter = |ip: &str| newcomers.enter(ip.parse().unwrap(), false);
        let (first, second) = (enter("192.0.2.1"), enter("192.0.2.1"));
        first.settle();
        assert!(newcomers.evict_oldest());
        assert!(!first.evicted().is_cancelled() && second.evicted().is_cancelled());
        assert!(!newcomers.evict_oldest());
        drop(enter("192.0.2.1"));
        assert!(!newcomers.evict_oldest(), "one that went is on no list");
    }

    #[test]
    fn a_peer_makes_room_for_itself_with_its_own_connections_alone() {
        let newcomers = Newcomers::default();
        let enter = |ip: &str| newcomers.enter(ip.parse().unwrap(), false);
        let (other, first, second) =
            (enter("192.0.2.1"), enter("2001:db8::1"), enter("2001:db8::2"));
        assert!(newcomers.evict_oldest_of("2001:db8::3".parse().unwrap()));
        assert!(first.evicted().is_cancelled() && !second.evicted().is_cancelled());
        assert!(!newcomers.evict_oldest_of("192.0.2.2".parse().unwrap()));
        assert!(!other.evicted().is_cancelled());
    }

    #[test]
    fn a_connection_that_is_kept_for_this_machine_makes_room_for_none_but_such() {
        let newcomers = Newcomers::default();
        let ip = "127.0.0.1".parse().unwrap();
        let kept = newcomers.enter(ip, true);
        assert!(!newcomers.evict_oldest_in_room() && !newcomers.evict_oldest_of(ip));
        assert!(!kept.evicted().is_cancelled());
        let other = newcomers.enter(ip, false);
        assert!(newcomers.evict_oldest_kept() && kept.evicted().is_cancelled());
        assert!(!newcomers.evict_oldest_kept() && !other.evicted().is_cancelled());
    }

    #[tokio::test]
    async fn a_peer_enters_when_one_of_its_connections_has_gone_and_is_told_of_once() {
        let peers = PeerCounts::new(1);
        let ip = "192.0.2.1".parse().unwrap();
        let held = peers.enter(ip).unwrap();
        assert!(peers.note_full(ip) && !peers.note_full(ip));
        let entering = peers.enter_when_freed(ip);
        let (_slot, ()) = tokio::join!(entering, async { drop(held) });
        assert!(peers.enter(ip).is_none());
    }

    #[test]
    fn connections_are_bounded_for_each_address_and_ipv6_network() {
        let peers = PeerCounts::new(2);
        let enter = |ip: &str| peers.enter(ip.parse().unwrap());
        let held = [enter("192.0.2.1").unwrap(), enter("::ffff:192.0.2.1").unwrap()];
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
        drop(held);
        assert!(enter("192.0.2.1").is_some());
        let _held = [enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap()];
        assert!(enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::3").is_some());
    }
}
