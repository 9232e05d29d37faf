//! The connections to the port of the replicas. Who has said nothing yet costs a place among few,
//! for a short time, and makes room for who comes later: a replica speaks at once.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// Connections at a time: each replica has one to each other.
const CONNECTIONS: usize = 256;

/// Connections that have said nothing yet, or whose TLS has not begun.
const SILENT: usize = 64;

/// Time to say something, or for the TLS handshake.
const SPEAK_WITHIN: Duration = Duration::from_secs(5);

/// Time to ask the first question, with the secret.
const PROVE_WITHIN: Duration = Duration::from_secs(5);

/// Time to wait when the system gives no connection.
const BREATH: Duration = Duration::from_millis(100);

/// The connections of `listener` over which something is said.
pub(super) fn connections(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
) -> impl Stream<Item = io::Result<PeerConnection>> {
    let arrivals = PeerArrivals {
        listener,
        tls,
        room: Arc::new(Semaphore::new(CONNECTIONS)),
        silent: FuturesUnordered::new(),
        evictions: BTreeMap::new(),
        arrived: 0,
        was_full: false,
    };
    stream::unfold(arrivals, |mut arrivals| async move {
        let connection = arrivals.next().await;
        Some((Ok(connection), arrivals))
    })
}

/// A connection before it said something, by its number; `None`: it never does.
type SilentConnection = BoxFuture<'static, (u64, Option<Box<dyn PeerWire>>)>;

struct PeerArrivals {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    room: Arc<Semaphore>,
    silent: FuturesUnordered<SilentConnection>,
    /// What ends a silent connection, the oldest first.
    evictions: BTreeMap<u64, CancellationToken>,
    /// Connections so far.
    arrived: u64,
    /// `true` if the last one was turned away: told once, not for each.
    was_full: bool,
}

impl PeerArrivals {
    async fn next(&mut self) -> PeerConnection {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.enter(stream),
                    Err(error) => {
                        tracing::debug!(%error, "no connection of another replica is accepted");
                        sleep(BREATH).await;
                    }
                },
                Some((number, wire)) = self.silent.next() => {
                    self.evictions.remove(&number);
                    if let Some(wire) = wire
                        && let Some(connection) = self.admit(wire)
                    {
                        return connection;
                    }
                }
            }
        }
    }

    /// Waits for what the other end says; the oldest that is still silent makes room.
    fn enter(&mut self, stream: TcpStream) {
        // Without it, small messages may wait for each other; they still arrive.
        drop(stream.set_nodelay(true));
        if self.evictions.len() >= SILENT
            && let Some((_, oldest)) = self.evictions.pop_first()
        {
            oldest.cancel();
        }
        self.arrived += 1;
        let (number, evicted, tls) = (self.arrived, CancellationToken::new(), self.tls.clone());
        self.evictions.insert(number, evicted.clone());
        self.silent.push(Box::pin(async move {
            let spoken = timeout(SPEAK_WITHIN, listen_to(stream, tls));
            let wire = evicted.run_until_cancelled(spoken).await;
            (number, wire.and_then(Result::ok).flatten())
        }));
    }

    fn admit(&mut self, wire: Box<dyn PeerWire>) -> Option<PeerConnection> {
        let place = Arc::clone(&self.room).try_acquire_owned().ok();
        if place.is_none() && !self.was_full {
            tracing::warn!(
                limit = CONNECTIONS,
                "cluster.listen has all connections in use: others are turned away"
            );
        }
        self.was_full = place.is_none();
        Some(PeerConnection {
            wire,
            shown: SecretShown::default(),
            unproven_until: Box::pin(sleep(PROVE_WITHIN)),
            _place: place?,
        })
    }
}

/// The connection once the first octet is there, or TLS has begun.
async fn listen_to(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Box<dyn PeerWire>> {
    let Some(tls) = tls else {
        let octets = stream.peek(&mut [0]).await.ok()?;
        return (octets > 0).then(|| Box::new(stream) as _);
    };
    match tls.accept(stream).await {
        Ok(stream) => Some(Box::new(stream)),
        Err(error) => {
            tracing::debug!(%error, "a replica's TLS handshake failed");
            None
        }
    }
}

/// The octets, encrypted or not.
trait PeerWire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> PeerWire for T {}

/// Whether a question of a connection has shown the secret. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct SecretShown(Arc<AtomicBool>);

impl SecretShown {
    /// Notes that it was shown.
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection of another replica, as far as is known, with its place among all. One that does not
/// show the secret in time ends.
pub(super) struct PeerConnection {
    wire: Box<dyn PeerWire>,
    shown: SecretShown,
    unproven_until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connected for PeerConnection {
    type ConnectInfo = SecretShown;

    fn connect_info(&self) -> SecretShown {
        self.shown.clone()
    }
}

impl AsyncRead for PeerConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_shown = self.shown.0.load(Ordering::Relaxed);
        if !is_shown && self.unproven_until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.wire).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PeerConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(cx, octets)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpStream as Client;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What is read behind the first octet of a connection, once its time is over.
    async fn after_the_first_octet(shows_the_secret: bool) -> io::Result<usize> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"P").unwrap();
        let mut arriving = std::pin::pin!(connections(listener, None));
        let mut connection = arriving.next().await.unwrap().unwrap();
        if shows_the_secret {
            connection.connect_info().note();
        }
        connection.read_exact(&mut [0]).await.unwrap();
        tokio::time::advance(PROVE_WITHIN).await;
        client.write_all(b"Q").unwrap();
        connection.read(&mut [0]).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_show_the_secret_in_time_gives_its_place_back() {
        assert_eq!(after_the_first_octet(true).await.unwrap(), 1);
        let ended = after_the_first_octet(false).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
    }
}
