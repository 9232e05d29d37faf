//! A shell without tasks: it carries out the effects of a [`Destination`] and records what it sees.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::address::{Address, DomainName};
use crate::pacing::Config;
use crate::prober::destination::inspection::InspectionRefusal;
use crate::prober::destination::{
    Destination, Effect, FlightResult, NextAction, SessionTerms, Submission, TransactionRequest,
    TransactionResult,
};
use crate::prober::disposition::tests::replied;
use crate::prober::evidence::LaneAnswer;
use crate::prober::lane::{JobId, SessionId};
use crate::prober::memory::{CatchAllLifetimes, Memory};
use crate::smtp::{
    EarlyAnswer, Explanation, Meaning, NoReply, Observation, RecipientAnswer, ReplyLimit, Stage,
};

/// A session as its task sees it.
pub(super) enum Task {
    Opening,
    /// It is to ask for its next action.
    Ready,
    Flying(Vec<TransactionRequest>),
    Waiting {
        until: SystemTime,
    },
    /// Its connection is not gone yet.
    Closing,
}

/// One session that was seen.
pub(super) struct SeenSession {
    pub(super) exchanger: DomainName,
    pub(super) task: Task,
    pub(super) named: usize,
    pub(super) transactions: usize,
}

/// See the module.
pub(super) struct Simulation {
    pub(super) core: Destination<u32>,
    pub(super) memory: Memory,
    pub(super) now: SystemTime,
    pub(super) config: Arc<Config>,
    pub(super) sessions: BTreeMap<SessionId, SeenSession>,
    pub(super) answers: Vec<(u32, LaneAnswer)>,
    /// Jobs that were neither answered nor taken back.
    pub(super) open: BTreeMap<u32, JobId>,
    /// When connections were opened, and recipients named.
    pub(super) connections: Vec<SystemTime>,
    pub(super) named: Vec<SystemTime>,
    submitted: u32,
}

pub(super) fn name(text: &str) -> DomainName {
    DomainName::from_ascii(text)
}

pub(super) fn accepted() -> RecipientAnswer {
    replied(Stage::Rcpt, 250, "2.1.5", "ok", Meaning::Accepted, "test")
}

pub(super) fn unknown_user() -> RecipientAnswer {
    replied(Stage::Rcpt, 550, "5.1.1", "no such user", Meaning::MailboxNotFound, "test")
}

pub(super) fn greylisted() -> RecipientAnswer {
    replied(Stage::Rcpt, 450, "4.2.0", "greylisted", Meaning::Greylisted, "test")
}

pub(super) fn busy(stage: Stage) -> RecipientAnswer {
    replied(stage, 421, "4.7.0", "too busy", Meaning::RateLimited, "test")
}

/// A reply that names the limit of recipients.
pub(super) fn too_many() -> RecipientAnswer {
    let text = "too many recipients";
    let answer = replied(Stage::Rcpt, 452, "4.5.3", text, Meaning::RateLimited, "test");
    explained(answer, |explanation| explanation.limit = Some(ReplyLimit::Recipients))
}

/// A reply that one mailbox is sent too much.
pub(super) fn busy_mailbox() -> RecipientAnswer {
    let text = "receiving mail too quickly";
    let answer = replied(Stage::Rcpt, 450, "4.2.1", text, Meaning::RateLimited, "test");
    explained(answer, |explanation| explanation.limit = Some(ReplyLimit::Mailbox))
}

/// A reply that asks for this many seconds of rest.
pub(super) fn slow_down(seconds: u64) -> RecipientAnswer {
    let answer = replied(Stage::Rcpt, 450, "4.7.1", "slow down", Meaning::RateLimited, "test");
    let wait = Duration::from_secs(seconds);
    explained(answer, |explanation| explanation.retry_after = Some(wait))
}

fn explained(mut answer: RecipientAnswer, more: impl FnOnce(&mut Explanation)) -> RecipientAnswer {
    if let RecipientAnswer::Replied { explanation, .. } = &mut answer {
        more(explanation);
    }
    answer
}

pub(super) fn blocked() -> RecipientAnswer {
    replied(Stage::Banner, 554, "5.7.1", "listed", Meaning::SenderBlocked, "test")
}

pub(super) fn not_found() -> RecipientAnswer {
    RecipientAnswer::NoReply { stage: Stage::Connect, reason: NoReply::HostNotFound }
}

pub(super) fn closed(stage: Stage) -> RecipientAnswer {
    RecipientAnswer::NoReply { stage, reason: NoReply::Closed }
}

impl Simulation {
    pub(super) fn new(config: Config) -> Self {
        let config = Arc::new(config);
        let lifetimes = CatchAllLifetimes {
            known: Duration::from_secs(3600),
            unclear: Duration::from_secs(600),
        };
        Self {
            core: Destination::new(Arc::clone(&config), 0),
            memory: Memory::new(1000, lifetimes),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
            config,
            sessions: BTreeMap::new(),
            answers: Vec::new(),
            open: BTreeMap::new(),
            connections: Vec::new(),
            named: Vec::new(),
            submitted: 0,
        }
    }

    /// Submits a recipient of `domain` at `exchanger`, to be retried for this many seconds.
    pub(super) fn submit(
        &mut self,
        domain: &str,
        exchanger: &str,
        test_catch_all: bool,
        retry_for: u64,
    ) -> u32 {
        self.submit_until(domain, exchanger, test_catch_all, (retry_for, retry_for))
    }

    /// The same, of a caller who waits for longer than it may be asked again.
    pub(super) fn submit_until(
        &mut self,
        domain: &str,
        exchanger: &str,
        test_catch_all: bool,
        (retry_for, wait_for): (u64, u64),
    ) -> u32 {
        self.submitted += 1;
        let token = self.submitted;
        let submission = Submission {
            token,
            address: Address::parse(&format!("user{token}@{domain}")).unwrap(),
            domain: name(domain),
            exchanger: name(exchanger),
            test_catch_all,
            transcript: false,
            consented_at: None,
            patient: true,
            backup: false,
            retry_until: self.now + Duration::from_secs(retry_for),
            deadline: self.now + Duration::from_secs(wait_for),
        };
        let id = self.core.submit(submission, &mut self.memory, self.now);
        self.open.insert(token, id);
        self.carry_out();
        token
    }

    /// Begins a look at TLS.
    pub(super) fn inspect(
        &mut self,
        domain: &str,
        exchanger: &str,
    ) -> Result<SessionId, InspectionRefusal> {
        let (exchanger, domain) = (name(exchanger), name(domain));
        self.core.begin_inspection(&exchanger, &domain, &mut self.memory, self.now)
    }

    /// Ends one.
    pub(super) fn inspected(&mut self, id: SessionId) {
        self.core.closed(id, self.now);
        self.carry_out();
    }

    pub(super) fn withdraw(&mut self, token: u32) {
        if let Some(id) = self.open.remove(&token) {
            assert!(self.core.withdraw(id, self.now).is_some(), "it was not answered");
            self.carry_out();
        }
    }

    /// Opens a session that is opening.
    pub(super) fn opened(&mut self, id: SessionId) {
        let terms = SessionTerms { pipelining: true, ..SessionTerms::default() };
        self.core.opened(id, terms, self.now);
        self.task(id, Task::Ready);
        self.carry_out();
    }

    /// Fails to open a session that is opening.
    pub(super) fn refused(&mut self, id: SessionId, why: RecipientAnswer) {
        let why = Observation::new(why, None, self.now);
        self.core.open_failed(id, why, &mut self.memory, self.now);
        self.task(id, Task::Closing);
        self.carry_out();
    }

    /// Has a session ask for its next action; `true` if it has something to do.
    pub(super) fn ask(&mut self, id: SessionId) -> bool {
        let action = self.core.next_action(id, self.now);
        let session = self.sessions.get_mut(&id).unwrap();
        let is_busy = !matches!(action, NextAction::Wait { .. });
        session.task = match action {
            NextAction::Send(transactions) => {
                for transaction in &transactions {
                    let recipients = transaction.recipients.len().max(1);
                    session.named += recipients;
                    session.transactions += 1;
                    self.named.extend(std::iter::repeat_n(self.now, recipients));
                }
                Task::Flying(transactions)
            }
            NextAction::Wait { until } => Task::Waiting { until },
            NextAction::Close => Task::Closing,
        };
        self.carry_out();
        is_busy
    }

    /// Answers a flight. `answer` is given the number of the transaction, whether it is of a
    /// control recipient, and the recipient's number in it.
    pub(super) fn land(
        &mut self,
        id: SessionId,
        ended: Option<RecipientAnswer>,
        mut answer: impl FnMut(usize, bool, usize) -> Option<RecipientAnswer>,
    ) {
        let session = self.sessions.get_mut(&id).unwrap();
        let Task::Flying(flight) = std::mem::replace(&mut session.task, Task::Ready) else {
            panic!("no flight is under way");
        };
        let is_over = ended.is_some();
        let mut result = FlightResult { ended, ..FlightResult::default() };
        result.took = Duration::from_millis(50);
        for (index, transaction) in flight.iter().enumerate() {
            let is_control = transaction.recipients.is_empty();
            let count = transaction.recipients.len().max(1);
            let answers = (0..count).map(|recipient| answer(index, is_control, recipient));
            let answers = answers.collect();
            result.transactions.push(TransactionResult { answers, ..Default::default() });
        }
        self.core.landed(id, result, &mut self.memory, self.now);
        if is_over {
            self.task(id, Task::Closing);
        }
        self.carry_out();
    }

    /// Tells answers of a flight that is under way.
    pub(super) fn hear(&mut self, id: SessionId, answers: Vec<EarlyAnswer>) {
        self.core.heard(id, 0, answers, &mut self.memory, self.now);
        self.carry_out();
    }

    /// A session's connection is gone.
    pub(super) fn close(&mut self, id: SessionId) {
        self.sessions.remove(&id);
        self.core.closed(id, self.now);
        self.carry_out();
    }

    /// Lets time pass, and has the timer go off when it was set to.
    pub(super) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        // A timer that is set to the past again and again would never let time pass.
        for _ in 0..10_000 {
            let Some(at) = self.core.wake_at().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            self.core.tick(&mut self.memory, self.now);
            self.carry_out();
        }
        panic!("the timer goes off without end");
    }

    /// Answers everything kindly until nothing is left to do; time passes as the timer asks.
    pub(super) fn serve(&mut self) {
        for _ in 0..100_000 {
            let now = self.now;
            let due = self.sessions.iter().find_map(|(id, session)| match session.task {
                Task::Waiting { until } if until > now => None,
                _ => Some(*id),
            });
            let Some(id) = due else {
                let wakes = self.sessions.values().filter_map(|session| match session.task {
                    Task::Waiting { until } => Some(until),
                    _ => None,
                });
                let Some(at) = wakes.chain(self.core.wake_at()).min() else { return };
                let time = at.duration_since(now).unwrap_or_default();
                self.advance(time.max(Duration::from_millis(1)));
                continue;
            };
            match self.sessions[&id].task {
                Task::Opening => self.opened(id),
                Task::Flying(_) => self.land(id, None, |_, is_control, _| {
                    Some(if is_control { unknown_user() } else { accepted() })
                }),
                Task::Closing => self.close(id),
                Task::Ready | Task::Waiting { .. } => {
                    self.ask(id);
                }
            }
        }
        panic!("it never comes to rest");
    }

    pub(super) fn ids(&self, is_it: impl Fn(&Task) -> bool) -> VecDeque<SessionId> {
        self.sessions.iter().filter(|(_, s)| is_it(&s.task)).map(|(id, _)| *id).collect()
    }

    fn task(&mut self, id: SessionId, task: Task) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.task = task;
        }
    }

    pub(super) fn carry_out(&mut self) {
        while let Some(effect) = self.core.poll() {
            match effect {
                Effect::Open { session, exchanger } => {
                    self.connections.push(self.now);
                    let seen =
                        SeenSession { exchanger, task: Task::Opening, named: 0, transactions: 0 };
                    assert!(self.sessions.insert(session, seen).is_none(), "a fresh id");
                }
                Effect::Wake(session) => {
                    if let Some(session) = self.sessions.get_mut(&session)
                        && matches!(session.task, Task::Waiting { .. })
                    {
                        session.task = Task::Ready;
                    }
                }
                Effect::Answer(token, answer) => {
                    // An answer from memory comes before the caller knows its job's id.
                    let again = self.answers.iter().any(|(other, _)| *other == token);
                    assert!(!again, "{token} is answered twice");
                    self.answers.push((token, answer));
                }
            }
        }
        for (token, _) in &self.answers {
            self.open.remove(token);
        }
    }
}
