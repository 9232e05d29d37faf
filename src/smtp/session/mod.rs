//! A session: one connection, and the dialogue on it, transaction after transaction.
//!
//! It does what the [`Dialogue`] says and decides nothing. It runs on any stream. To cancel, drop
//! the future *and* the session: what was under way on the connection cannot be taken back.

mod stream;
mod tls;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout_at;
use tokio_rustls::rustls::pki_types::CertificateDer;

use self::stream::SessionStream;
pub use self::tls::{TlsClient, TlsClientError};
use super::config::{ClientIdentity, Config};
use super::dialogue::{
    Dialogue, EarlyAnswer, Hints, Interpret, SessionFacts, Step, Transaction, TransactionReport,
};
use super::wire::ReplyReader;
use super::{NoReply, RecipientAnswer, Stage, TranscriptLine};
use crate::address::DomainName;
use crate::clock::Clock;

/// Time limit for saying `QUIT`. Its answer is not awaited.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

/// Time within which an answer is told whose flight is not over.
const TELL_WITHIN: Duration = Duration::from_millis(50);

/// Parts that all sessions of one identity share.
#[derive(Clone)]
pub struct SessionSetup {
    /// The configuration.
    pub config: Arc<Config>,
    /// The identity that we give.
    pub identity: Arc<ClientIdentity>,
    /// The interpreter of replies.
    pub interpreter: Arc<dyn Interpret>,
    /// For STARTTLS.
    pub tls: TlsClient,
    /// The time.
    pub clock: Clock,
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The exchanger's host name.
    pub exchanger: DomainName,
    /// The address that was dialled.
    pub address: IpAddr,
    /// It is from a DNS answer that has expired: another host may have it by now.
    pub stale: bool,
}

/// One session.
pub struct Session<S> {
    wire: SessionStream<S>,
    peer: Peer,
    dialogue: Dialogue,
    reader: ReplyReader,
    flight: Vec<u8>,
    /// Time at which early answers are told, if some wait for that.
    tell_at: Option<SystemTime>,
    tls: TlsClient,
    clock: Clock,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// A session on a stream that was just opened, to be ready before `deadline`: see
    /// [`Self::greet`].
    pub fn new(
        stream: S,
        peer: Peer,
        setup: &SessionSetup,
        hints: Hints,
        deadline: SystemTime,
    ) -> Self {
        let dialogue = Dialogue::new(
            peer.exchanger.clone(),
            setup.identity.clone(),
            setup.config.clone(),
            setup.interpreter.clone(),
            hints,
            deadline,
            setup.clock.now(),
        );
        Self {
            wire: SessionStream::Plain(stream),
            peer,
            dialogue,
            reader: ReplyReader::new(setup.config.reply_limits.clone()),
            flight: Vec::new(),
            tell_at: None,
            tls: setup.tls.clone(),
            clock: setup.clock,
        }
    }

    /// Goes from the banner to readiness. Whether that worked, [`Self::ended`] says. Whoever gives
    /// up waiting can still end the session properly.
    pub async fn greet(&mut self) {
        self.drive(drop).await;
    }

    /// Carries out one transaction before `deadline`; `record` keeps its transcript.
    ///
    /// On a session that is over no recipient is answered, and the report says why it is over.
    pub async fn transact(
        &mut self,
        transaction: &Transaction,
        deadline: SystemTime,
        record: bool,
    ) -> TransactionReport {
        self.dialogue.begin(transaction, deadline, record, self.clock.now());
        self.drive(drop).await;
        self.dialogue.report()
    }

    /// Carries out transactions, each as [`Self::transact`] would, but together in one flight where
    /// the server pipelines and will not want `MAIL` said again. Returns a report for each that was
    /// begun: not for those that were to follow when the session ended.
    ///
    /// While the server keeps a flight waiting, `tell` gets the answers that it has brought.
    pub async fn transact_all(
        &mut self,
        transactions: &[Transaction],
        deadline: SystemTime,
        record: bool,
        mut tell: impl FnMut(Vec<EarlyAnswer>),
    ) -> Vec<TransactionReport> {
        let mut reports = Vec::with_capacity(transactions.len());
        while reports.len() < transactions.len() && self.ended().is_none() {
            let before = reports.len();
            let rest = &transactions[before..];
            self.dialogue.begin_all(rest, deadline, record, self.clock.now());
            let tell = |mut answers: Vec<EarlyAnswer>| {
                for answer in &mut answers {
                    answer.transaction += before;
                }
                tell(answers);
            };
            self.drive(tell).await;
            reports.extend(self.dialogue.reports());
        }
        reports
    }

    /// Waits, while nothing else is done with the session, until the server says something or
    /// closes the connection; then the session is over. Cancel-safe.
    pub async fn watch(&mut self) {
        while self.ended().is_none() {
            self.notice_unsolicited();
            if self.ended().is_none() {
                self.read().await;
            }
        }
    }

    /// Says `QUIT` if the server is still listening, and closes our end without waiting for the
    /// answer; then waits until the server has closed its end too, or `longest` has passed: until
    /// then the server may count this session.
    pub async fn quit(mut self, longest: Duration) {
        let until = self.clock.instant(self.clock.now() + longest);
        self.say_goodbye().await;
        let mut rest = [0; 512];
        let closed = async { while matches!(self.wire.read(&mut rest).await, Ok(1..)) {} };
        // A server that keeps talking is left talking.
        let _ = timeout_at(until, closed).await;
    }

    async fn say_goodbye(&mut self) {
        let clock = self.clock;
        let now = clock.now();
        self.dialogue.quit(now);
        let goodbye = async {
            if self.dialogue.has_flight() {
                self.write().await?;
            }
            self.wire.shutdown().await
        };
        // The connection is closed either way.
        let _ = timeout_at(clock.instant(now + QUIT_LIMIT), goodbye).await;
    }

    /// The reason why the session is over, if it is: the answer for recipients not asked elsewhere.
    pub fn ended(&self) -> Option<&RecipientAnswer> {
        self.dialogue.ended()
    }

    /// The facts learned and counted so far.
    pub fn facts(&self) -> &SessionFacts {
        self.dialogue.facts()
    }

    /// The certificates that the server showed, its own first; none in the clear.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        self.wire.certificates()
    }

    /// `true` if the server may refuse our first `MAIL` and want it said again.
    pub fn may_want_mail_again(&self) -> bool {
        self.dialogue.may_want_mail_again()
    }

    /// `true` if the session ended over optional TLS: another one may go without.
    pub fn may_go_without_tls(&self) -> bool {
        self.dialogue.may_go_without_tls()
    }

    /// `true` if the server hung up on `EHLO`: another session may say `HELO`.
    pub fn may_say_helo(&self) -> bool {
        self.dialogue.may_say_helo()
    }

    /// `true` if the session was opened with `EHLO`.
    pub fn said_ehlo(&self) -> bool {
        self.dialogue.said_ehlo()
    }

    /// The other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The opening of the session, and its latest transaction if that was recorded; redacted.
    pub fn transcript(&self) -> Vec<TranscriptLine> {
        self.dialogue.transcript()
    }

    async fn drive(&mut self, mut tell: impl FnMut(Vec<EarlyAnswer>)) {
        loop {
            match self.dialogue.step() {
                Step::Ready | Step::Ended => break,
                Step::StartTls { until } => self.start_tls(until).await,
                Step::Converse { until } => {
                    if self.converse(until).await {
                        tell(self.dialogue.take_early_answers());
                    }
                }
                Step::Listen { until } => self.listen(until).await,
            }
        }
        self.read_arrived();
        if self.ended().is_none() && self.reader.has_bytes() {
            self.notice_unsolicited();
        }
    }

    /// Waits for a reply that nothing asked for. An end of the connection is noticed later: it
    /// takes nothing back.
    async fn listen(&mut self, until: SystemTime) {
        let instant = self.clock.instant(until);
        if !self.reader.has_bytes() {
            let came = timeout_at(instant, self.wire.read(self.reader.space())).await;
            let Ok(Ok(count @ 1..)) = came else {
                return self.dialogue.handle_silence(self.clock.now());
            };
            self.reader.filled(count);
        }
        self.notice_unsolicited();
        if self.ended().is_none() && timeout_at(instant, self.read()).await.is_err() {
            self.dialogue.handle_stray_bytes(self.clock.now());
        }
    }

    /// Takes in what has arrived by now, without waiting for it.
    fn read_arrived(&mut self) {
        if self.ended().is_none()
            && let Some(Ok(count)) = self.wire.read(self.reader.space()).now_or_never()
        {
            self.reader.filled(count);
        }
    }

    /// Sends the flight if there is one and hands over one reply, or why there is none. Returns
    /// whether early answers are to be told before that comes.
    async fn converse(&mut self, until: SystemTime) -> bool {
        if self.dialogue.has_flight() {
            self.read_arrived();
        }
        if self.dialogue.has_flight() && self.reader.has_bytes() {
            // A flight is sent when nothing is awaited, so nothing may have come, not even a part.
            self.notice_unsolicited();
            self.dialogue.handle_stray_bytes(self.clock.now());
            return false;
        }
        let next = match self.dialogue.stage() {
            Stage::Banner => self.reader.next_banner(),
            _ => self.reader.next_reply(),
        };
        match next {
            Ok(Some(reply)) => self.dialogue.handle_reply(reply, self.clock.now()),
            Err(fault) => self.give_up(NoReply::Protocol(fault.to_string())),
            Ok(None) => return self.exchange(until).await,
        }
        false
    }

    /// Sends the flight if there is one, and reads. Returns whether early answers have waited for
    /// that long enough.
    async fn exchange(&mut self, until: SystemTime) -> bool {
        if self.dialogue.has_flight() {
            let instant = self.clock.instant(until);
            // A server that closed may have said why: reading tells.
            if timeout_at(instant, self.write()).await.is_err() {
                self.give_up(NoReply::Timeout);
                return false;
            }
        }
        let tell_at = self.tell_at().filter(|tell_at| *tell_at < until);
        let instant = self.clock.instant(tell_at.unwrap_or(until));
        if timeout_at(instant, self.read()).await.is_ok() {
            return false;
        }
        if tell_at.is_none() {
            self.give_up(NoReply::Timeout);
        }
        self.tell_at = None;
        tell_at.is_some()
    }

    /// Time at which the early answers are told, if there are any.
    fn tell_at(&mut self) -> Option<SystemTime> {
        if !self.dialogue.has_early_answers() {
            self.tell_at = None;
            return None;
        }
        let now = self.clock.now();
        Some(*self.tell_at.get_or_insert(now + TELL_WITHIN))
    }

    async fn write(&mut self) -> io::Result<()> {
        self.dialogue.take_flight(&mut self.flight);
        self.wire.write_all(&self.flight).await?;
        self.wire.flush().await
    }

    async fn read(&mut self) {
        match self.wire.read(self.reader.space()).await {
            Ok(0) => self.give_up(NoReply::Closed),
            Ok(count) => self.reader.filled(count),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.give_up(NoReply::Protocol(error.to_string()));
            }
            Err(_) => self.give_up(NoReply::Closed),
        }
    }

    /// Something was read that nothing asked for.
    fn notice_unsolicited(&mut self) {
        match self.reader.next_reply() {
            Ok(Some(reply)) => self.dialogue.handle_unsolicited(reply, self.clock.now()),
            Ok(None) => {}
            Err(fault) => self.give_up(NoReply::Protocol(fault.to_string())),
        }
    }

    async fn start_tls(&mut self, until: SystemTime) {
        // What came in the clear behind the 220 may be an intruder's (RFC 3207 section 6).
        self.reader.discard();
        let SessionStream::Plain(stream) = std::mem::replace(&mut self.wire, SessionStream::Lost)
        else {
            return self.give_up(NoReply::TlsFailed("TLS was begun before".to_owned()));
        };
        let now = self.clock.now();
        let handshake = self.tls.handshake(stream, &self.peer.exchanger, self.peer.address, now);
        match timeout_at(self.clock.instant(until), handshake).await {
            Ok(Ok((stream, facts))) => {
                self.wire = SessionStream::Tls(stream);
                self.dialogue.handle_tls(facts, self.clock.now());
            }
            Ok(Err((why, stream))) => {
                // Of no more use than to see the server close it.
                self.wire = SessionStream::Plain(stream);
                self.give_up(NoReply::TlsFailed(why));
            }
            Err(_) => self.give_up(NoReply::Timeout),
        }
    }

    /// The first reason to give up counts.
    fn give_up(&mut self, reason: NoReply) {
        self.dialogue.give_up(reason, self.clock.now());
    }
}

#[cfg(test)]
mod tests;
