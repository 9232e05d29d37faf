//! The dialogue of one session, without I/O: replies and the time go in, commands and time limits
//! come out.
//!
//! The shell reads [`Dialogue::step`] and does what it says: send what [`Dialogue::take_flight`]
//! holds and bring one reply, begin TLS, or stop. `opening` takes the session from the banner
//! to readiness; `exchange` carries transactions, and `early` tells what they brought so far. A
//! dialogue ends once and for all, and says why in the form of an answer that any recipient left
//! without one can be given.

mod early;
mod exchange;
mod explained;
pub mod facts;
mod opening;
mod refusal_kinds;
pub mod transaction;
mod transcript;
mod trust;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

pub use self::early::EarlyAnswer;
use self::early::EarlyAnswers;
use self::exchange::Exchange;
use self::explained::ExplainedReplies;
pub use self::facts::{Certificate, Hints, SessionCounters, SessionFacts, TlsFacts, TlsVersion};
pub use self::refusal_kinds::RefusalKinds;
pub use self::transaction::{Transaction, TransactionReport};
use self::transcript::Transcript;
use super::config::{ClientIdentity, Config};
use super::wire::{Command, Mailbox, Reply};
use super::{Explanation, NoReply, RecipientAnswer, Stage, TranscriptLine};
use crate::address::DomainName;

/// Says what a reply means. The dialogue asks it about every reply that becomes an answer.
pub trait Interpret: Send + Sync {
    /// The meaning of `reply`, given at `stage` by `exchanger` to `us`.
    fn explain(
        &self,
        stage: Stage,
        exchanger: &DomainName,
        us: &ClientIdentity,
        reply: &Reply,
    ) -> Explanation;

    /// Returns whether the meaning of two replies that differ is the same for sure: each is to
    /// `RCPT` of the recipient beside it, and given to `us` by one exchanger. To tell is cheaper
    /// than to explain one; by default nothing is sure.
    fn explains_alike(
        &self,
        _us: &ClientIdentity,
        _one: (&Reply, &Mailbox),
        _other: (&Reply, &Mailbox),
    ) -> bool {
        false
    }
}

/// The shell's next task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the flight, if there is one, then bring one reply, both before `until`.
    Converse {
        /// The time at which waiting ends.
        until: SystemTime,
    },
    /// Drop what was read beyond the last reply, then shake hands, before `until`.
    StartTls {
        /// The time at which waiting ends.
        until: SystemTime,
    },
    /// Bring whatever still comes, until `until`; then say [`Dialogue::handle_silence`].
    Listen {
        /// The time at which it counts as silence.
        until: SystemTime,
    },
    /// Nothing is awaited: a transaction may begin.
    Ready,
    /// The session is over.
    Ended,
}

/// The event that the session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DialogueState {
    Banner,
    Ehlo,
    Helo,
    StartTls,
    Handshake,
    Ready,
    Transacting,
    /// Every command was answered; a reply too many may follow.
    Listening,
    Ended,
}

/// One session's dialogue.
pub struct Dialogue {
    exchanger: DomainName,
    identity: Arc<ClientIdentity>,
    config: Arc<Config>,
    interpreter: Arc<dyn Interpret>,
    explained: ExplainedReplies,
    /// The last acceptance of a recipient.
    accepted: Option<Arc<Reply>>,
    state: DialogueState,
    exchange: Option<Exchange>,
    /// Transactions that were sent in the same flight, behind `exchange`.
    following: VecDeque<Exchange>,
    /// The outcomes of the transactions before `exchange`.
    finished: Vec<TransactionReport>,
    early: EarlyAnswers,
    facts: SessionFacts,
    ended: Option<RecipientAnswer>,
    flight: Vec<u8>,
    transcript: Transcript,
    hints: Hints,
    /// `HELO` was said.
    said_helo: bool,
    /// A transaction was begun with `MAIL` and not ended with `RSET`.
    mail_is_open: bool,
    /// `MAIL` was accepted as we say it: the next one needs no other way of saying it.
    mail_is_proven: bool,
    /// A recipient of the last flight needs more than one round.
    next_goes_alone: bool,
    /// Transactions begun.
    begun: u32,
    began: SystemTime,
    /// Time at which the current wait began.
    waiting_since: SystemTime,
    deadline: SystemTime,
}

impl Dialogue {
    /// A dialogue on a connection that was just opened, waiting for its banner. `deadline` bounds
    /// the opening; each transaction brings its own.
    #[must_use]
    pub fn new(
        exchanger: DomainName,
        identity: Arc<ClientIdentity>,
        config: Arc<Config>,
        interpreter: Arc<dyn Interpret>,
        hints: Hints,
        deadline: SystemTime,
        now: SystemTime,
    ) -> Self {
        let facts = SessionFacts {
            needs_starttls: hints.needs_starttls,
            refuses_null_sender: hints.refuses_null_sender,
            one_transaction: hints.one_transaction,
            keeps_step: hints.keeps_step,
            refuses_in_one_reply: hints.refuses_in_one_reply,
            ..SessionFacts::default()
        };
        let mut transcript = Transcript::new(now);
        transcript.event(now, || "connected".to_owned());
        Self {
            exchanger,
            identity,
            config,
            interpreter,
            explained: ExplainedReplies::default(),
            accepted: None,
            state: DialogueState::Banner,
            exchange: None,
            following: VecDeque::new(),
            finished: Vec::new(),
            early: EarlyAnswers::default(),
            facts,
            ended: None,
            flight: Vec::new(),
            transcript,
            hints,
            said_helo: false,
            mail_is_open: false,
            mail_is_proven: false,
            next_goes_alone: false,
            begun: 0,
            began: now,
            waiting_since: now,
            deadline,
        }
    }

    /// The shell's next task.
    #[must_use]
    pub fn step(&self) -> Step {
        match self.state {
            DialogueState::Ready => Step::Ready,
            DialogueState::Ended => Step::Ended,
            DialogueState::Handshake => Step::StartTls { until: self.until() },
            DialogueState::Listening => Step::Listen { until: self.waiting_since + trust::LISTEN },
            _ => Step::Converse { until: self.until() },
        }
    }

    /// The stage's limit, the session's and the caller's, whichever is first.
    fn until(&self) -> SystemTime {
        let limits = &self.config.time_limits;
        (self.waiting_since + limits.at(self.stage()))
            .min(self.began + limits.session)
            .min(self.deadline)
    }

    /// The stage that the dialogue has reached.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.state {
            DialogueState::Banner => Stage::Banner,
            DialogueState::Ehlo | DialogueState::Helo => Stage::Ehlo,
            DialogueState::StartTls | DialogueState::Handshake => Stage::StartTls,
            DialogueState::Ready
            | DialogueState::Transacting
            | DialogueState::Listening
            | DialogueState::Ended => self.exchange.as_ref().map_or(Stage::Mail, Exchange::stage),
        }
    }

    /// `true` while commands wait to be sent. They are ready only when no reply is awaited.
    #[must_use]
    pub fn has_flight(&self) -> bool {
        !self.flight.is_empty()
    }

    /// Moves the commands to be sent into `out`, in place of what it held.
    pub fn take_flight(&mut self, out: &mut Vec<u8>) {
        out.clear();
        std::mem::swap(out, &mut self.flight);
        self.facts.counters.flights += u32::from(!out.is_empty());
    }

    /// The facts learned so far.
    #[must_use]
    pub fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// The reason why the session is over, if it is.
    #[must_use]
    pub fn ended(&self) -> Option<&RecipientAnswer> {
        self.ended.as_ref()
    }

    /// The opening of the session, and the latest transaction if it was recorded.
    #[must_use]
    pub fn transcript(&self) -> Vec<TranscriptLine> {
        self.transcript.lines()
    }

    /// A reply came that was awaited.
    pub fn handle_reply(&mut self, reply: Arc<Reply>, now: SystemTime) {
        self.facts.counters.replies += 1;
        self.transcript.server(now, &reply);
        if reply.code == 421 && self.has_stalled(now) {
            self.distrust_flight();
        }
        self.waiting_since = now;
        match self.state {
            DialogueState::Banner => self.banner_came(reply, now),
            DialogueState::Ehlo => self.ehlo_answered(reply, now),
            DialogueState::Helo => self.helo_answered(reply, now),
            DialogueState::StartTls => self.starttls_answered(reply, now),
            DialogueState::Transacting => self.transaction_answered(reply, now),
            DialogueState::Handshake
            | DialogueState::Ready
            | DialogueState::Listening
            | DialogueState::Ended => {
                self.handle_unsolicited(reply, now);
            }
        }
    }

    /// The TLS handshake was done.
    pub fn handle_tls(&mut self, tls: TlsFacts, now: SystemTime) {
        if self.state == DialogueState::Handshake {
            self.tls_began(tls, now);
        }
    }

    /// A reply came that no command asked for: goodbye (421), or nonsense. Either way it is over.
    pub fn handle_unsolicited(&mut self, reply: Arc<Reply>, now: SystemTime) {
        if reply.code == 421 {
            self.end_with_reply(reply, now);
        } else {
            self.lose_step(format!("a reply ({}) that no command asked for", reply.code), now);
        }
    }

    /// The session cannot go on: the server was silent, closed, or spoke nonsense.
    pub fn give_up(&mut self, reason: NoReply, now: SystemTime) {
        if self.state == DialogueState::Ended {
            return;
        }
        self.transcript.event(now, || reason.to_string());
        let stage = self.stage();
        if self.has_stalled(now) {
            self.distrust_flight();
        }
        self.end(RecipientAnswer::NoReply { stage, reason });
    }

    /// Says goodbye, if the server is still listening: afterwards [`Self::take_flight`] holds
    /// `QUIT`. Nothing is awaited.
    pub fn quit(&mut self, now: SystemTime) {
        let listening = match (&self.state, &self.ended) {
            (DialogueState::Ready, _) => true,
            (_, Some(RecipientAnswer::Replied { reply, .. })) => reply.code != 421,
            _ => false,
        };
        if listening {
            self.send(Command::Quit, now);
        }
        self.state = DialogueState::Ended;
    }

    /// Adds a command to the flight.
    fn send(&mut self, command: Command<'_>, now: SystemTime) {
        command.write_to(&mut self.flight);
        self.transcript.client(now, &command);
        self.waiting_since = now;
    }

    fn explain(&self, stage: Stage, reply: &Reply) -> Explanation {
        self.interpreter.explain(stage, &self.exchanger, &self.identity, reply)
    }

    /// This reply ends the session.
    fn end_with_reply(&mut self, reply: Arc<Reply>, now: SystemTime) {
        self.transcript.event(now, || "the session is over".to_owned());
        let stage = self.stage();
        let explanation = self.explain(stage, &reply);
        self.end(RecipientAnswer::Replied { stage, reply, explanation });
    }

    fn end(&mut self, why: RecipientAnswer) {
        if self.ended.is_none() {
            self.ended = Some(why);
        }
        self.state = DialogueState::Ended;
        self.flight.clear();
        if let Some(exchange) = &mut self.exchange {
            exchange.settle();
        }
    }
}

#[cfg(test)]
mod tests;
