//! An exchanger on its socket: accepts connections and plays a [`ServerSession`] on each.
//!
//! Reads are flights: all the commands one read brings are answered in one write, a round trip
//! later. Replies on their way do not stop the next flight from being read, as on a real network.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exchanger::ExchangerSpec;
use super::faults;
use super::ledger::Ledger;
use super::session::{Continuation, ServerSession, SessionStep};
use super::world::Served;
use crate::clock::Clock;

/// The longest command line taken; RFC 5321 section 4.5.3.1.4 asks for 512, parameters need more.
const LONGEST_LINE: usize = 4096;

/// Most answers that may be on their way before no more commands are read.
const MOST_ANSWERS: usize = 1024;

/// Time a client has to close its side after the last reply.
const LINGER: Duration = Duration::from_secs(2);

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// An exchanger that runs.
pub(super) struct Running {
    pub(super) host: Arc<str>,
    pub(super) exchanger: Arc<ExchangerSpec>,
    pub(super) served: Arc<Served>,
    pub(super) round_trip: Duration,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) clock: Clock,
}

/// Accepts connections until the token is cancelled.
pub(super) async fn listen(
    running: Arc<Running>,
    listener: TcpListener,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let (running, stop) = (Arc::clone(&running), stop.clone());
                tracker.spawn(async move {
                    tokio::select! {
                        () = running.connection(stream, client) => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: some connection has to end first.
                tracing::debug!(%error, "the sandbox could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// End of a dialogue.
enum End {
    Closed,
    StartTls,
}

/// Counts a connection as closed before it is: who has seen it close may open another. However it
/// comes about.
struct ConnectionGuard<'a> {
    running: &'a Running,
    counts: AtomicBool,
}

impl<'a> ConnectionGuard<'a> {
    fn new(running: &'a Running) -> Self {
        Self { running, counts: AtomicBool::new(true) }
    }

    fn ended(&self) {
        if self.counts.swap(false, Ordering::Relaxed) {
            self.running.ledger().disconnected();
        }
    }
}

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        self.ended();
    }
}

impl Running {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock()
    }

    async fn connection(&self, stream: TcpStream, client: SocketAddr) {
        // Replies are written whole; waiting for more to send would only add delay.
        let _ = stream.set_nodelay(true);
        if let Err(error) = self.sessions(stream, client.ip()).await {
            tracing::trace!(%error, host = %self.host, "a sandbox connection broke");
        }
    }

    /// The session in clear text, and the one inside TLS if it comes to that.
    async fn sessions(&self, mut stream: TcpStream, client: IpAddr) -> io::Result<()> {
        let mut session = ServerSession::new(
            Arc::clone(&self.exchanger),
            Arc::clone(&self.host),
            Arc::clone(&self.served),
            client,
        );
        let banner = session.connected(&mut self.ledger(), self.clock.now());
        let connected = ConnectionGuard::new(self);
        let mut dialogue = SessionDriver::new(&connected, &mut session);
        dialogue.greet(&mut stream, banner).await?;
        if let End::Closed = dialogue.run(&mut stream).await? {
            return Ok(());
        }
        let Some(acceptor) = self.tls.as_ref().filter(|_| !session.breaks_handshake()) else {
            return Ok(());
        };
        // The handshake of TLS 1.3 takes a round trip (RFC 8446 section 2).
        tokio::time::sleep(self.round_trip).await;
        let mut stream = acceptor.accept(stream).await?;
        session.secured(&mut self.ledger());
        SessionDriver::new(&connected, &mut session).run(&mut stream).await?;
        connected.ended();
        Ok(())
    }
}

/// An answer on its way.
struct PendingReply {
    due: SystemTime,
    step: SessionStep,
}

/// Commands in, answers out, on one stream.
struct SessionDriver<'a> {
    running: &'a Running,
    connected: &'a ConnectionGuard<'a>,
    session: &'a mut ServerSession,
    input: Vec<u8>,
    answers: VecDeque<PendingReply>,
    /// Time at which the server is free again; a delayed answer delays all behind it.
    busy_until: SystemTime,
    /// The last answer is on its way: nothing more is read.
    ending: bool,
}

impl<'a> SessionDriver<'a> {
    fn new(connected: &'a ConnectionGuard<'a>, session: &'a mut ServerSession) -> Self {
        let running = connected.running;
        let busy_until = running.clock.now();
        let (input, answers) = (Vec::new(), VecDeque::new());
        Self { running, connected, session, input, answers, busy_until, ending: false }
    }

    /// Sends the banner, when it is time; and sees who talks before.
    async fn greet(&mut self, stream: &mut TcpStream, banner: SessionStep) -> io::Result<()> {
        let exchanger = &self.running.exchanger;
        // The client's side of opening a connection takes a round trip of its own.
        let mut opening = self.running.round_trip;
        if let Some(teaser) = self.session.teaser() {
            tokio::time::sleep(opening * 2).await;
            stream.write_all(teaser.as_bytes()).await?;
            opening = Duration::ZERO;
        }
        if !exchanger.greet_delay.is_zero() {
            self.input.reserve(1024);
            let early = timeout(exchanger.greet_delay, stream.read_buf(&mut self.input)).await;
            if let Ok(read) = early {
                if read? == 0 {
                    self.ending = true;
                    return Ok(());
                }
                self.running.ledger().counts.early_talkers += 1;
                if let Some(step) = self.session.early_talker() {
                    self.queue(step, Duration::ZERO);
                    return Ok(());
                }
            }
        }
        self.queue(banner, opening);
        Ok(())
    }

    /// Puts an answer on its way; it arrives after the round trip and `further`.
    fn queue(&mut self, step: SessionStep, further: Duration) {
        let now = self.running.clock.now();
        self.busy_until = self.busy_until.max(now) + step.delay;
        self.ending |= step.then != Continuation::Continue;
        let due = self.busy_until + self.running.round_trip + further;
        match self.answers.back_mut() {
            Some(last) if last.due == due && last.step.then == Continuation::Continue => {
                last.step.text.push_str(&step.text);
                last.step.then = step.then;
            }
            _ => self.answers.push_back(PendingReply { due, step }),
        }
    }

    async fn run<S>(&mut self, stream: &mut S) -> io::Result<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            if let Some(end) = self.send_due(stream).await? {
                return Ok(end);
            }
            if self.ending && self.answers.is_empty() {
                return Ok(End::Closed);
            }
            let reads = !self.ending && self.answers.len() < MOST_ANSWERS;
            let wake = self.wake();
            self.input.reserve(2048);
            tokio::select! {
                read = stream.read_buf(&mut self.input), if reads => {
                    if read? == 0 {
                        return Ok(End::Closed);
                    }
                    self.flight();
                }
                () = sleep_until(wake) => {
                    if self.answers.is_empty() {
                        let step = self.session.idle();
                        self.queue(step, Duration::ZERO);
                    }
                }
            }
        }
    }

    /// Time of the next wake-up if the client says nothing.
    fn wake(&self) -> Instant {
        let clock = self.running.clock;
        clock.instant(match self.answers.front() {
            Some(answer) => answer.due,
            None => clock.now() + self.running.exchanger.idle,
        })
    }

    /// Sends what is due; says how the dialogue ended if that was the end of it.
    async fn send_due<S>(&mut self, stream: &mut S) -> io::Result<Option<End>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let now = self.running.clock.now();
        while self.answers.front().is_some_and(|answer| answer.due <= now) {
            let Some(answer) = self.answers.pop_front() else { break };
            let text = &answer.step.text;
            if let Continuation::Spoil(fault, pace, size) = answer.step.then {
                faults::spoil(stream, text, fault, pace, size).await?;
                return Ok(Some(self.close(stream).await?));
            }
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await?;
            match answer.step.then {
                Continuation::Continue => {}
                Continuation::StartTls => return Ok(Some(End::StartTls)),
                _ => return Ok(Some(self.close(stream).await?)),
            }
        }
        Ok(None)
    }

    /// Answers every whole command that has come.
    fn flight(&mut self) {
        let input = std::mem::take(&mut self.input);
        let now = self.running.clock.now();
        let mut rest = &input[..];
        let mut steps = Vec::new();
        {
            let mut ledger = self.running.ledger();
            while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
                rest = &rest[end + 1..];
                let step = self.session.command(&String::from_utf8_lossy(line), &mut ledger, now);
                let last = step.then != Continuation::Continue;
                steps.push(step);
                if last {
                    break;
                }
            }
            if steps.is_empty() && rest.len() > LONGEST_LINE {
                steps.push(self.session.endless_line());
            } else if !steps.is_empty() {
                ledger.counts.flights += 1;
                let several = u64::from(steps.len() > 1 || !rest.is_empty());
                let offered = self.running.exchanger.pipelining && self.running.exchanger.ehlo;
                ledger.counts.unoffered_pipelining += if offered { 0 } else { several };
            }
        }
        for step in steps {
            self.queue(step, Duration::ZERO);
        }
        if self.ending {
            rest = &[];
        }
        self.input = rest.to_vec();
    }

    /// Closes our side, and waits a little for the client's: closing with octets unread would take
    /// back the answer just sent.
    async fn close<S>(&self, stream: &mut S) -> io::Result<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connected.ended();
        stream.shutdown().await?;
        let _ = timeout(LINGER, faults::discard(stream)).await;
        Ok(End::Closed)
    }
}
