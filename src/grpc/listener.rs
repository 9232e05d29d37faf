//! The listener: connections as they come, no more than there is room for, through their TLS
//! handshakes side by side. Nothing that one of them does ends it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::config::Limits;
use super::connection::{Connection, Wire};
use super::tls::Tls;
use crate::clock::Clock;

/// Connections from this machine that are taken when all room is taken: `mailvet health` is one.
const KEPT_FOR_LOOPBACK: usize = 8;

/// Time to wait when the system gives no connection: it has no file descriptors or memory left,
/// and needs time to find some.
const BREATH: Duration = Duration::from_millis(100);

/// The connections of `listener`.
pub(super) fn connections(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: &Limits,
    clock: Clock,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let limits = limits.clone();
    let handshakes = limits.handshakes;
    let doorway = Doorway {
        listener,
        room: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
        kept: Arc::new(Semaphore::new(KEPT_FOR_LOOPBACK)),
        was_full: false,
    };
    stream::unfold(doorway, |mut doorway| async move {
        let accepted = doorway.accept().await;
        Some((accepted, doorway))
    })
    .map(move |accepted| connect(accepted, tls.clone(), limits.clone(), clock))
    .buffer_unordered(handshakes)
    .filter_map(|connection| async move { connection.map(Ok) })
}

/// A connection with a place to be in.
struct Accepted {
    stream: TcpStream,
    address: SocketAddr,
    room: OwnedSemaphorePermit,
}

struct Doorway {
    listener: TcpListener,
    room: Arc<Semaphore>,
    kept: Arc<Semaphore>,
    /// True if the last one was turned away: said once, not for each.
    was_full: bool,
}

impl Doorway {
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
            if let Some(room) = self.room_for(address) {
                // Without it, small messages may wait for each other; they still arrive.
                drop(stream.set_nodelay(true));
                return Accepted { stream, address, room };
            }
        }
    }

    fn room_for(&mut self, address: SocketAddr) -> Option<OwnedSemaphorePermit> {
        let is_loopback = address.ip().to_canonical().is_loopback();
        let room = Arc::clone(&self.room).try_acquire_owned().ok();
        if room.is_none() && !self.was_full {
            tracing::warn!("server.limits.connections are all in use: others are turned away");
        }
        self.was_full = room.is_none();
        room.or_else(|| is_loopback.then(|| Arc::clone(&self.kept).try_acquire_owned().ok())?)
    }
}

/// Returns whether only this connection is lost, before it was ours.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Shakes hands, if TLS is on. A handshake that fails or takes too long ends that connection.
async fn connect(
    accepted: Accepted,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    clock: Clock,
) -> Option<Connection> {
    let Accepted { stream, address, room } = accepted;
    let wire = match tls {
        None => Wire::Plain(stream),
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.current()).accept(stream);
            match tokio::time::timeout(limits.handshake_timeout, handshake).await {
                Ok(Ok(stream)) => Wire::Tls(Box::new(stream)),
                Ok(Err(error)) => {
                    tracing::debug!(peer = %address, %error, "a TLS handshake failed");
                    return None;
                }
                Err(_) => {
                    tracing::debug!(peer = %address, "a TLS handshake took too long");
                    return None;
                }
            }
        }
    };
    let (silence, idle) = (limits.handshake_timeout, limits.idle_connection);
    Some(Connection::new(wire, address, room, clock, silence, idle))
}
