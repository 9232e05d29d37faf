//! One connection: who is at its other end, and whether it is of any use.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::tls;
use crate::clock::Clock;

/// The other end of a connection: an extension of every request that comes through it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its position.
    pub(super) address: SocketAddr,
    /// Name in its verified certificate, if it showed one; empty if that names nobody.
    pub(super) certificate: Option<Arc<str>>,
    /// The calls on the connection.
    pub(super) calls: Calls,
}

/// The calls on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A call on a connection; dropped when it ends.
#[derive(Debug)]
pub(super) struct Call(Calls);

impl Calls {
    pub(super) fn begin(&self) -> Call {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        Call(self.clone())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// The octets, encrypted or not.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Name in the peer's certificate.
    fn certificate(&self) -> Option<Arc<str>> {
        let Self::Tls(stream) = self else { return None };
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates()?.first()?;
        Some(tls::name(certificate).unwrap_or_default().into())
    }
}

/// A connection. It ends by itself when nothing is called on it for too long.
pub(super) struct Connection {
    wire: Wire,
    peer: Peer,
    idle: Idle,
    /// Held as long as the connection lives.
    _room: OwnedSemaphorePermit,
}

impl Connection {
    /// `silence`: how long it may say nothing at first; `idle`: how long it may go without a call.
    pub(super) fn new(
        wire: Wire,
        address: SocketAddr,
        room: OwnedSemaphorePermit,
        clock: Clock,
        silence: Duration,
        idle: Duration,
    ) -> Self {
        let peer = Peer { address, certificate: wire.certificate(), calls: Calls::default() };
        let timer = Box::pin(tokio::time::sleep(silence));
        let idle = Idle { timer, clock, limit: idle, is_heard: false, seen: 0 };
        Self { wire, peer, idle, _room: room }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

/// Measures how long a connection has been of no use.
struct Idle {
    timer: Pin<Box<Sleep>>,
    clock: Clock,
    limit: Duration,
    /// True if anything came yet.
    is_heard: bool,
    /// Number of calls that had begun when the timer was last set.
    seen: usize,
}

impl Idle {
    fn heard(&mut self) {
        if !self.is_heard {
            self.is_heard = true;
            self.restart();
        }
    }

    fn restart(&mut self) {
        let until = self.clock.instant(self.clock.now() + self.limit);
        self.timer.as_mut().reset(until);
    }

    /// Ready once the time was up and no call began or ran in it.
    fn poll(&mut self, calls: &Calls, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            // In this order, so that a call that ends meanwhile still counts as running.
            let ended = calls.0.ended.load(Ordering::SeqCst);
            let begun = calls.0.begun.load(Ordering::SeqCst);
            if begun == ended && begun == self.seen {
                return Poll::Ready(());
            }
            self.seen = begun;
            self.restart();
        }
        Poll::Pending
    }
}

impl AsyncRead for Connection {
    /// An idle connection reads as if the other end had closed it.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = match &mut this.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if read.is_ready() {
            this.idle.heard();
            return read;
        }
        this.idle.poll(&this.peer.calls, cx).map(Ok)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
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
