//! The listener: accepts connections, no more than there is room for, and takes them through their
//! TLS handshakes side by side. Nothing that one of them does ends it or holds it up.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::arrivals::{Newcomer, Newcomers, PeerCounts, PeerSlot};
use super::client_certificate::ClientCertificate;
use super::config::Limits;
use super::connection::{ClientConnection, Place, Wire};
use super::tls::Tls;
use crate::clock::Clock;

/// Connections from this machine that are taken when all room, or all that it may have, is taken.
/// They may ask for the health alone, as `mailvet health` does: a proxy on this machine would fill
/// them with its calls, and keep them.
const KEPT_FOR_LOOPBACK: usize = 8;

/// Time to wait when the system gives no connection: it has no file descriptors or memory left,
/// and needs time to find some.
const BREATH: Duration = Duration::from_millis(100);

/// Time a connection that has to make room gets for it.
const MAKE_ROOM: Duration = Duration::from_millis(100);

/// The connections of `listener`.
pub(super) fn connections(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: &Limits,
    clock: Clock,
) -> impl Stream<Item = io::Result<ClientConnection>> + use<> {
    let limits = limits.clone();
    let newcomers = Newcomers::default();
    let acceptor = Acceptor {
        listener,
        room: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
        kept: Arc::new(Semaphore::new(KEPT_FOR_LOOPBACK)),
        newcomers: newcomers.clone(),
        peers: PeerCounts::new(limits.connections_per_peer),
        was_full: false,
    };
    let handshakes = Handshakes {
        turns: Arc::new(Semaphore::new(limits.handshakes.min(Semaphore::MAX_PERMITS))),
        newcomers,
        tls,
    };
    // Each of them has a place, so accepting never waits for a handshake.
    let at_a_time = limits.connections.saturating_add(KEPT_FOR_LOOPBACK);
    stream::unfold(acceptor, |mut acceptor| async move {
        let accepted = acceptor.accept().await;
        Some((accepted, acceptor))
    })
    .map(move |accepted| connect(accepted, handshakes.clone(), limits.clone(), clock))
    .buffer_unordered(at_a_time)
    .filter_map(|connection| async move { connection.map(Ok) })
}

/// A connection with a place to be in.
struct Accepted {
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    newcomer: Newcomer,
}

struct Acceptor {
    listener: TcpListener,
    room: Arc<Semaphore>,
    kept: Arc<Semaphore>,
    newcomers: Newcomers,
    peers: PeerCounts,
    /// `true` if the last one was turned away: logged once, not for each.
    was_full: bool,
}

impl Acceptor {
    async fn accept(&mut self) -> Accepted {
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_about_one_connection(&error) => continue,
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            if let Some(place) = self.place_for(address.ip()).await {
                // Without it, small messages may wait for each other; they still arrive.
                drop(stream.set_nodelay(true));
                let newcomer = self.newcomers.enter(address.ip(), place.is_kept());
                return Accepted { stream, address, place, newcomer };
            }
        }
    }

    async fn place_for(&mut self, ip: IpAddr) -> Option<Place> {
        if let Some(slot) = self.slot_for(ip).await
            && let Some(room) = self.room().await
        {
            return Some(Place { _room: room, slot: Some(slot) });
        }
        if !ip.to_canonical().is_loopback() {
            return None;
        }
        Some(Place { _room: self.kept_place().await?, slot: None })
    }

    /// One of the places that are kept for this machine. What asks for the health is soon done: the
    /// oldest gives way to the next.
    async fn kept_place(&self) -> Option<OwnedSemaphorePermit> {
        let mut kept = Arc::clone(&self.kept).try_acquire_owned().ok();
        if kept.is_none() && self.newcomers.evict_oldest_kept() {
            let freed = tokio::time::timeout(MAKE_ROOM, Arc::clone(&self.kept).acquire_owned());
            kept = freed.await.ok().and_then(Result::ok);
        }
        kept
    }

    /// A place among those of the peer. Behind a proxy or a balancer all callers are one peer:
    /// those that call nothing must not keep the others out.
    async fn slot_for(&self, ip: IpAddr) -> Option<PeerSlot> {
        let mut slot = self.peers.enter(ip);
        if slot.is_none() && self.newcomers.evict_oldest_of(ip) {
            let freed = tokio::time::timeout(MAKE_ROOM, self.peers.enter_when_freed(ip));
            slot = freed.await.ok();
        }
        if slot.is_none() && self.peers.note_full(ip) {
            tracing::warn!(
                peer = %ip,
                "a peer has all of its server.limits.connections_per_peer: others are turned away"
            );
        }
        slot
    }

    /// A place among all.
    async fn room(&mut self) -> Option<OwnedSemaphorePermit> {
        let mut room = Arc::clone(&self.room).try_acquire_owned().ok();
        if room.is_none() && self.newcomers.evict_oldest_in_room() {
            let freed = tokio::time::timeout(MAKE_ROOM, Arc::clone(&self.room).acquire_owned());
            room = freed.await.ok().and_then(Result::ok);
        }
        if room.is_none() && !self.was_full {
            tracing::warn!("server.limits.connections are all in use: others are turned away");
        }
        self.was_full = room.is_none();
        room
    }
}

/// `true` if only this connection is lost, before it was ours.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// TLS handshakes, no more than there are turns for.
#[derive(Clone)]
struct Handshakes {
    turns: Arc<Semaphore>,
    newcomers: Newcomers,
    tls: Option<Arc<Tls>>,
}

/// Shakes hands, if TLS is on. A handshake that fails, takes too long or has to make room ends that
/// connection.
async fn connect(
    accepted: Accepted,
    handshakes: Handshakes,
    limits: Limits,
    clock: Clock,
) -> Option<ClientConnection> {
    let Accepted { stream, address, place, newcomer } = accepted;
    let (wire, certificate) = match handshakes.tls {
        None => (Wire::Plain(stream), None),
        Some(tls) => {
            if handshakes.turns.available_permits() == 0 {
                handshakes.newcomers.evict_oldest();
            }
            let handshake = async {
                let _turn = handshakes.turns.acquire().await;
                let settings = tls.settings();
                let server = Arc::clone(&settings.borrow().server);
                let accepted = TlsAcceptor::from(server).accept(stream).await;
                accepted.map(|stream| (stream, settings))
            };
            let handshake = tokio::time::timeout(limits.handshake_timeout, handshake);
            match newcomer.evicted().run_until_cancelled(handshake).await {
                Some(Ok(Ok((stream, settings)))) => {
                    let certificate = ClientCertificate::of(stream.get_ref().1, settings);
                    (Wire::Tls(Box::new(stream)), certificate)
                }
                Some(Ok(Err(error))) => {
                    tracing::debug!(peer = %address, %error, "a TLS handshake failed");
                    return None;
                }
                Some(Err(_)) => {
                    tracing::debug!(peer = %address, "a TLS handshake took too long");
                    return None;
                }
                None => {
                    tracing::debug!(peer = %address, "a TLS handshake had to make room");
                    return None;
                }
            }
        }
    };
    let place = (place, newcomer);
    Some(ClientConnection::new(wire, certificate, address, place, clock, &limits))
}
