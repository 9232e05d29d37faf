//! One connection: the identity of its other end, and the time it has.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use http::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;
use tonic::transport::server::Connected;

use super::arrivals::{Newcomer, PeerSlot};
use super::client_certificate::ClientCertificate;
use super::config::Limits;
use super::round_trip::RoundTripMeter;
use crate::clock::Clock;

/// The other end of a connection: an extension of every request that comes through it.
#[derive(Clone, Debug)]
pub(super) struct ClientPeer {
    /// Its position.
    pub(super) address: SocketAddr,
    /// Name in its verified certificate, if it showed one; empty if that has no name.
    pub(super) certificate: Option<Arc<str>>,
    /// The calls on the connection.
    pub(super) calls: PeerCalls,
}

impl ClientPeer {
    /// The other end of the connection that a request with these extensions came through.
    ///
    /// # Errors
    ///
    /// None that a caller meets: the listener makes no connection without it.
    pub(super) fn of(extensions: &Extensions) -> Result<&Self, Status> {
        let peer = extensions.get::<Self>();
        peer.ok_or_else(|| Status::internal("the connection is not known"))
    }
}

/// The calls on a connection.
#[derive(Clone, Debug)]
pub(super) struct PeerCalls(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// Requests of HTTP/1 whose heads came.
    heads: AtomicUsize,
    /// Checks of the health.
    checks: AtomicUsize,
    /// Streams that watch the health.
    watches: AtomicUsize,
    /// The round trip in microseconds; zero until it is measured.
    round_trip: AtomicU64,
    is_admitted: AtomicBool,
    newcomer: Newcomer,
}

/// Checks of the health at a time on one connection, and streams that watch it. They need no
/// credentials.
const CHECKS: usize = 16;
const WATCHES: usize = 4;

/// A call on a connection; dropped when it ends.
#[derive(Debug)]
pub(super) struct OpenCall(PeerCalls);

impl PeerCalls {
    fn new(newcomer: Newcomer) -> Self {
        Self(Arc::new(Counts {
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            heads: AtomicUsize::new(0),
            checks: AtomicUsize::new(0),
            watches: AtomicUsize::new(0),
            round_trip: AtomicU64::new(0),
            is_admitted: AtomicBool::new(false),
            newcomer,
        }))
    }

    /// Notes that a call was admitted: from now on the connection has time.
    pub(super) fn admit(&self) {
        if !self.0.is_admitted.swap(true, Ordering::SeqCst) {
            self.0.newcomer.settle();
        }
    }

    /// Ends a connection from this machine for which there was no room but that which is kept for
    /// calls for the health, so that no proxy takes it for one that is free; `true` if it is one.
    pub(super) fn end_if_kept(&self) -> bool {
        let newcomer = &self.0.newcomer;
        if newcomer.is_kept() {
            newcomer.evicted().cancel();
        }
        newcomer.is_kept()
    }

    /// Counts a check of the health; `None` if there are enough of them.
    pub(super) fn check(&self) -> Option<HealthPlace> {
        self.health_place(|counts| &counts.checks, CHECKS)
    }

    /// Counts a stream that watches the health; `None` if there are enough of them.
    pub(super) fn watch(&self) -> Option<HealthPlace> {
        self.health_place(|counts| &counts.watches, WATCHES)
    }

    fn health_place(&self, count: HealthCount, most: usize) -> Option<HealthPlace> {
        let counted = count(&self.0).try_update(Ordering::SeqCst, Ordering::SeqCst, |calls| {
            (calls < most).then_some(calls + 1)
        });
        counted.ok().map(|_| HealthPlace { calls: self.clone(), count })
    }

    /// The round trip to the other end, once measured.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        let micros = self.0.round_trip.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Notes that the head of a request of HTTP/1 is there.
    pub(super) fn head_came(&self) {
        self.0.heads.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that a call begins, which keeps the connection until it ends.
    pub(super) fn begin(&self) -> OpenCall {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        OpenCall(self.clone())
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// The count of calls for the health that are of one kind.
type HealthCount = fn(&Counts) -> &AtomicUsize;

/// The place of a call for the health on a connection; dropped when it ends.
#[derive(Debug)]
pub(super) struct HealthPlace {
    calls: PeerCalls,
    count: HealthCount,
}

impl Drop for HealthPlace {
    fn drop(&mut self) {
        (self.count)(&self.calls.0).fetch_sub(1, Ordering::SeqCst);
    }
}

/// The octets, encrypted or not.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection. It ends by itself when nothing is called on it for too long, and with its client's
/// certificate.
pub(super) struct ClientConnection {
    wire: Wire,
    peer: ClientPeer,
    idle: Idle,
    /// Ready when the client's certificate is not valid any more.
    lapsed: Option<MaybeDone<BoxFuture<'static, ()>>>,
    meter: RoundTripMeter,
    unheard: UnheardOctets,
    /// Held as long as the connection lives.
    _place: Place,
}

/// The place of a connection among all, and among those of its peer unless it is one of the few
/// that are kept for this machine.
pub(super) struct Place {
    pub(super) _room: OwnedSemaphorePermit,
    pub(super) slot: Option<PeerSlot>,
}

impl Place {
    /// `true` if it is one of those few.
    pub(super) fn is_kept(&self) -> bool {
        self.slot.is_none()
    }
}

impl ClientConnection {
    /// A connection with the times and the octets that `limits` gives it.
    pub(super) fn new(
        wire: Wire,
        certificate: Option<ClientCertificate>,
        address: SocketAddr,
        (place, newcomer): (Place, Newcomer),
        clock: Clock,
        limits: &Limits,
    ) -> Self {
        let (newcomer_time, idle) = (limits.handshake_timeout, limits.idle_connection);
        let evicted = Box::pin(newcomer.evicted().clone().cancelled_owned());
        let calls = PeerCalls::new(newcomer);
        let name = certificate.as_ref().map(ClientCertificate::name);
        let lapsed = certificate.map(|certificate| maybe_done(certificate.lapsed(clock).boxed()));
        let peer = ClientPeer { address, certificate: name, calls };
        let timer = Box::pin(tokio::time::sleep(newcomer_time));
        let idle = Idle { timer, evicted, clock, newcomer_time, limit: idle, seen: 0 };
        let unheard = UnheardOctets::new(limits.header_octets);
        let meter = RoundTripMeter::default();
        Self { wire, peer, idle, lapsed, meter, unheard, _place: place }
    }

    /// Notes that octets are written.
    fn written(&mut self) {
        if !self.meter.is_done() {
            self.meter.written(self.idle.clock.now());
        }
    }

    /// Notes octets that were read.
    fn heard(&mut self, octets: &[u8]) {
        if self.meter.is_done() {
            return;
        }
        if let Some(round_trip) = self.meter.read(octets, self.idle.clock.now()) {
            let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX).max(1);
            self.peer.calls.0.round_trip.store(micros, Ordering::Relaxed);
        }
    }
}

impl Connected for ClientConnection {
    type ConnectInfo = ClientPeer;

    fn connect_info(&self) -> ClientPeer {
        self.peer.clone()
    }
}

/// Ends a connection that is of no use.
struct Idle {
    timer: Pin<Box<Sleep>>,
    /// Ready when the connection has to make room.
    evicted: Pin<Box<WaitForCancellationFutureOwned>>,
    clock: Clock,
    /// Time for the first admitted call.
    newcomer_time: Duration,
    /// Time without a call after that.
    limit: Duration,
    /// Number of calls that had begun when the timer was last set.
    seen: usize,
}

impl Idle {
    fn restart(&mut self, time: Duration) {
        let until = self.clock.instant(self.clock.now() + time);
        self.timer.as_mut().reset(until);
    }

    /// Ready once the time was up and no call began or ran in it, or the connection has to make
    /// room.
    fn poll(&mut self, calls: &PeerCalls, cx: &mut Context<'_>) -> Poll<()> {
        let is_admitted = calls.0.is_admitted.load(Ordering::SeqCst);
        if !is_admitted && self.evicted.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            // In this order, so that a call that ends meanwhile still counts as running.
            let ended = calls.0.ended.load(Ordering::SeqCst);
            let begun = calls.0.begun.load(Ordering::SeqCst);
            // Calls for the health keep a connection while they run, and no longer.
            if begun == ended && (begun == self.seen || !is_admitted) {
                return Poll::Ready(());
            }
            self.seen = begun;
            self.restart(if is_admitted { self.limit } else { self.newcomer_time });
        }
        Poll::Pending
    }
}

/// Octets that were read since the head of a request came. The transport buffers 400 KiB of a head
/// of HTTP/1, and cannot be told to buffer less.
struct UnheardOctets {
    most: usize,
    octets: usize,
    /// Number of heads that had come when the count began.
    seen: usize,
}

impl UnheardOctets {
    /// Octets beside the head: the form by which a browser signs in.
    const BODY: usize = 16 * 1024;

    fn new(head: u32) -> Self {
        let head = usize::try_from(head).unwrap_or(usize::MAX);
        Self { most: head.saturating_add(Self::BODY), octets: 0, seen: 0 }
    }

    /// `true` if no call was admitted, none runs, and what came is more than a head.
    fn are_too_many(&mut self, calls: &PeerCalls) -> bool {
        let heads = calls.0.heads.load(Ordering::SeqCst);
        if heads != self.seen {
            (self.seen, self.octets) = (heads, 0);
        }
        let ended = calls.0.ended.load(Ordering::SeqCst);
        let is_called = calls.0.begun.load(Ordering::SeqCst) != ended;
        let is_admitted = calls.0.is_admitted.load(Ordering::SeqCst);
        self.octets > self.most && !is_called && !is_admitted
    }
}

impl AsyncRead for ClientConnection {
    /// A connection that is idle, brings no head of a request or has outlived its client's
    /// certificate reads as if the other end had closed it.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lapsed.as_mut().is_some_and(|lapsed| lapsed.poll_unpin(cx).is_ready()) {
            return Poll::Ready(Ok(()));
        }
        if this.meter.is_http1() && this.unheard.are_too_many(&this.peer.calls) {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = match &mut this.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if read.is_ready() {
            this.heard(&buffer.filled()[before..]);
            this.unheard.octets += buffer.filled().len() - before;
            return read;
        }
        this.idle.poll(&this.peer.calls, cx).map(Ok)
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written();
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written();
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, octets),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, octets),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
