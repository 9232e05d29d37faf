//! The task of one session: opens it, carries its flights, ends it. It decides nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};
use tracing::Instrument as _;

use super::destination::{
    FlightResult, NextAction, SessionTerms, TransactionRequest, TransactionResult,
};
use super::destination_handle::DestinationHandle;
use super::lane::SessionId;
use super::memory::observe_habit;
use super::stats::TimedPhase;
use crate::address::DomainName;
use crate::egress::Stream;
use crate::smtp::{
    self, EarlyAnswer, Hints, Mailbox, Observation, Session, SessionCounters, SessionFacts,
    TransactionReport, TranscriptLine,
};

/// Time for which our place stays taken after the connection is gone. The server closed its end,
/// and that is when those count that are exact about it; some count a moment later (Exim: when it
/// has reaped the process).
pub(super) const GRACE: Duration = Duration::from_millis(25);

/// Time that the server has to close its end after `QUIT`. Only our own place with it waits for
/// that, so that it never counts one session of ours too many.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Transactions in a session with Exim. Each of ours ends with `RSET`, and by default Exim hangs up
/// at the twelfth (`smtp_accept_max_nonmail` is 10, and the first one before a `DATA` is free).
const EXIM_TRANSACTIONS: u32 = 11;

/// Starts the task of one session. It serves many callers and outlives each of them, so it is a
/// trace of its own.
pub(super) fn spawn(handle: Arc<DestinationHandle>, id: SessionId, exchanger: DomainName) {
    let span = tracing::debug_span!(
        parent: None,
        "smtp_session",
        otel.kind = "client",
        exchanger = %exchanger,
        identity = &*handle.egress.name,
    );
    let tasks = handle.context.tasks.clone();
    tasks.spawn(run(handle, id, exchanger).instrument(span));
}

/// Carries one session from its opening to its end.
async fn run(handle: Arc<DestinationHandle>, id: SessionId, exchanger: DomainName) {
    // However this ends: what the session had in hand goes back in the lane.
    let _guard = SessionGuard { handle: Arc::clone(&handle), id };
    let hints = hints(&handle, &exchanger);
    let wake = handle.register(id);
    let connected = tokio::select! {
        connected = handle
            .egress
            .connect(&handle.context, &exchanger, hints)
            .instrument(tracing::debug_span!("smtp_connect")) => connected,
        () = nobody_waits(&handle, id, &wake) => {
            handle.step(|core, now| core.given_up(id, now));
            return sleep(GRACE).await;
        }
    };
    let mut session = match connected {
        Ok(session) => session,
        Err(why) => {
            return handle
                .step_with_memory(|core, memory, now| core.open_failed(id, why, memory, now));
        }
    };
    let began = handle.context.clock.now();
    let wanted = tokio::select! {
        () = session.greet().instrument(tracing::debug_span!("smtp_greet")) => true,
        () = nobody_waits(&handle, id, &wake) => {
            handle.step(|core, now| core.given_up(id, now));
            false
        }
    };
    let took = handle.context.clock.now().duration_since(began).unwrap_or_default();
    if wanted {
        handle.context.replies.observe(TimedPhase::Greet, took);
    }
    if wanted && greeted(&handle, id, hints, &session) {
        session = converse(&handle, id, &wake, hints, session).await;
    }
    session.quit(LINGER).await;
    sleep(GRACE).await;
}

/// Hints that the session has from the start.
pub(super) fn hints(handle: &DestinationHandle, exchanger: &DomainName) -> Hints {
    let now = handle.context.clock.now();
    let mut memory = handle.context.memory();
    memory.exchanger(exchanger).map_or_else(Hints::default, |known| Hints {
        needs_starttls: known.needs_tls,
        refuses_null_sender: known.refuses_null_sender,
        avoid_starttls: known.avoids_tls(now),
        says_helo: known.says_helo(now),
        knows_ehlo: known.knows_ehlo,
        avoid_pipelining: known.breaks_pipelining.is_active(now),
        one_transaction: known.one_transaction.is_active(now),
        keeps_step: known.keeps_step,
        refuses_in_one_reply: known.refuses_in_one_reply,
    })
}

/// Tells what came of the greeting. Says whether the session is ready.
fn greeted(
    handle: &Arc<DestinationHandle>,
    id: SessionId,
    hints: Hints,
    session: &Session<Box<dyn Stream>>,
) -> bool {
    let address = Some(session.peer().address);
    if let Some(why) = session.ended().cloned() {
        if session.may_go_without_tls() {
            handle.step_with_memory(|core, memory, now| core.tls_failed(id, memory, now));
        } else if session.may_say_helo() {
            handle.step_with_memory(|core, memory, now| core.ehlo_failed(id, memory, now));
        } else {
            if hints.says_helo {
                handle.context.memory().exchanger_mut(&session.peer().exchanger).say_ehlo();
            }
            let mut why = Observation::new(why, address, handle.context.clock.now());
            why.transcript = Some(session.transcript().into());
            handle.step_with_memory(|core, memory, now| core.open_failed(id, why, memory, now));
        }
        return false;
    }
    if session.said_ehlo() && !hints.knows_ehlo {
        handle.context.memory().exchanger_mut(&session.peer().exchanger).knows_ehlo = true;
    }
    let capabilities = &session.facts().capabilities;
    let opened = SessionTerms {
        address,
        stale: session.peer().stale,
        pipelining: capabilities.pipelining,
        may_want_mail_again: session.may_want_mail_again(),
        recipients_max: capabilities.recipients_max,
        transactions_max: transactions_max(session.facts()),
    };
    handle.step(|core, now| core.opened(id, opened, now));
    true
}

/// The transactions that a session may carry, as far as the server says, or is known for.
fn transactions_max(facts: &SessionFacts) -> Option<u32> {
    if facts.one_transaction {
        return Some(1);
    }
    let mut lines = facts.banner.iter().flat_map(|banner| &banner.lines);
    let is_exim = lines.any(|line| line.contains("Exim"));
    let told = facts.capabilities.transactions_max;
    if is_exim { Some(told.unwrap_or(EXIM_TRANSACTIONS).min(EXIM_TRANSACTIONS)) } else { told }
}

/// Waits until every caller that wanted the session has gone away.
async fn nobody_waits(handle: &DestinationHandle, id: SessionId, wake: &Notify) {
    loop {
        wake.notified().await;
        if !handle.peek(|core| core.is_wanted(id)) {
            return;
        }
    }
}

/// Flight after flight, until the session is to end or has ended.
async fn converse(
    handle: &Arc<DestinationHandle>,
    id: SessionId,
    wake: &Notify,
    hints: Hints,
    mut session: Session<Box<dyn Stream>>,
) -> Session<Box<dyn Stream>> {
    let mut counted = SessionCounters::default();
    let mut hints = hints;
    loop {
        // Whoever is about to ask does so first, and rides with the next flight.
        tokio::task::yield_now().await;
        match handle.step(|core, now| core.next_action(id, now)) {
            NextAction::Send(transactions) => {
                let span = tracing::debug_span!("smtp_flight", transactions = transactions.len());
                let flight = send(handle, id, &mut session, &transactions);
                let mut landed = flight.instrument(span).await;
                handle.context.replies.observe(TimedPhase::Flight, landed.took);
                count(handle, &mut counted, session.facts().counters);
                let carried = session.facts().transactions_per_session;
                landed.learned = remember(handle, &mut hints, &session) || carried.is_some();
                let over = landed.ended.is_some();
                handle.step_with_memory(|core, memory, now| {
                    if let Some(carried) = carried {
                        core.learn_transactions(id, carried, now);
                    }
                    core.landed(id, landed, memory, now);
                });
                if over {
                    return session;
                }
            }
            NextAction::Wait { until } => {
                tokio::select! {
                    () = wake.notified() => {}
                    () = sleep_until(handle.context.clock.instant(until)) => {}
                    () = session.watch() => return session,
                }
            }
            NextAction::Close => return session,
        }
    }
}

/// Sends the transactions and matches the answers to them. Those that the server has given while it
/// keeps others waiting are told at once.
async fn send(
    handle: &Arc<DestinationHandle>,
    id: SessionId,
    session: &mut Session<Box<dyn Stream>>,
    transactions: &[TransactionRequest],
) -> FlightResult {
    let clock = &handle.context.clock;
    let began = clock.now();
    let mut landed = FlightResult {
        transactions: Vec::with_capacity(transactions.len()),
        ..FlightResult::default()
    };
    let deadline = began + handle.context.flight_limit;
    let sent: Vec<_> = transactions.iter().map(|t| recipients(handle, t)).collect();
    // A transcript is that of one transaction, so recipients with one go one by one.
    let together = if transactions.iter().any(|t| t.record) { 1 } else { sent.len().max(1) };
    for (sent, transactions) in sent.chunks(together).zip(transactions.chunks(together)) {
        let record = transactions.iter().any(|transaction| transaction.record);
        let before = landed.transactions.len();
        let tell = |answers: Vec<EarlyAnswer>| {
            handle.step_with_memory(|core, memory, now| {
                core.heard(id, before, answers, memory, now);
            });
        };
        let reports = session.transact_all(sent, deadline, record, tell).await;
        for TransactionReport { answers, full, .. } in reports {
            let transcript = transcript(session, record);
            landed.transactions.push(TransactionResult { answers, full, transcript });
        }
        if let Some(ended) = session.ended() {
            landed.ended = Some(ended.clone());
            break;
        }
    }
    landed.took = clock.now().duration_since(began).unwrap_or_default();
    landed
}

fn transcript(session: &Session<Box<dyn Stream>>, record: bool) -> Option<Arc<[TranscriptLine]>> {
    record.then(|| session.transcript().into())
}

/// The recipients as commands carry them. A control recipient of a domain that cannot stand in a
/// command goes unanswered.
fn recipients(handle: &DestinationHandle, transaction: &TransactionRequest) -> smtp::Transaction {
    if transaction.recipients.is_empty() {
        return smtp::Transaction::new(handle.egress.control(&transaction.domain));
    }
    smtp::Transaction::new(transaction.recipients.iter().map(|recipient| {
        Mailbox::from(&recipient.address).with_valid_since(recipient.consented_at)
    }))
}

fn count(handle: &DestinationHandle, counted: &mut SessionCounters, counters: SessionCounters) {
    let to = &handle.context.counters;
    let add = |to: &std::sync::atomic::AtomicU64, new: u32, old: u32| {
        to.fetch_add(u64::from(new.saturating_sub(old)), Ordering::Relaxed);
    };
    add(&to.flights, counters.flights, counted.flights);
    add(&to.mail, counters.mail, counted.mail);
    add(&to.rcpt, counters.rcpt, counted.rcpt);
    add(&to.unknown_users, counters.unknown_users, counted.unknown_users);
    *counted = counters;
}

/// Remembers what the next session should know from the start. Says whether that session can go
/// around what this one ran into.
fn remember(
    handle: &DestinationHandle,
    hints: &mut Hints,
    session: &Session<Box<dyn Stream>>,
) -> bool {
    let facts = session.facts();
    let before = *hints;
    *hints = Hints {
        needs_starttls: facts.needs_starttls,
        refuses_null_sender: facts.refuses_null_sender,
        avoid_pipelining: before.avoid_pipelining || facts.breaks_pipelining,
        one_transaction: facts.one_transaction,
        keeps_step: facts.keeps_step,
        refuses_in_one_reply: facts.refuses_in_one_reply,
        says_helo: before.says_helo && !facts.needs_starttls,
        ..before
    };
    if *hints == before {
        return false;
    }
    let now = handle.context.clock.now();
    let mut memory = handle.context.memory();
    let known = memory.exchanger_mut(&session.peer().exchanger);
    known.needs_tls = hints.needs_starttls;
    known.refuses_null_sender = hints.refuses_null_sender;
    known.keeps_step = hints.keeps_step;
    known.refuses_in_one_reply = hints.refuses_in_one_reply;
    if hints.avoid_pipelining && !before.avoid_pipelining {
        observe_habit(&mut known.breaks_pipelining, now);
    }
    if hints.one_transaction && !before.one_transaction {
        observe_habit(&mut known.one_transaction, now);
    }
    if hints.says_helo != before.says_helo {
        known.say_ehlo();
    }
    hints.avoid_pipelining != before.avoid_pipelining
        || hints.one_transaction != before.one_transaction
        || hints.says_helo != before.says_helo
}

/// A session's place in its destination, given up when the task ends, in whatever way.
pub(super) struct SessionGuard {
    pub(super) handle: Arc<DestinationHandle>,
    pub(super) id: SessionId,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.handle.unregister(self.id);
        self.handle.step(|core, now| core.closed(self.id, now));
    }
}
