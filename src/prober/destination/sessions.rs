//! Sessions: when one is opened, what it does next, when it ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::SystemTime;

use super::{Destination, Effect, KNOCKS, Session, SessionState};
use crate::address::{Address, DomainName};
use crate::pacing::SessionBudget;
use crate::prober::evidence::Evidence;
use crate::prober::lane::{JobId, Lane, Planned, Room, SessionId};
use crate::prober::memory::Memory;
use crate::prober::reading::{Obstacle, read_obstacle};
use crate::smtp::{RecipientAnswer, retry_hint};

/// What the server said of itself when a session opened.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::prober) struct Opened {
    pub(in crate::prober) address: Option<IpAddr>,
    pub(in crate::prober) pipelining: bool,
    /// `MAIL` may have to be said again: under TLS, or with another sender.
    pub(in crate::prober) may_want_mail_again: bool,
    /// The most recipients in a transaction, and transactions in a session (RFC 9422).
    pub(in crate::prober) recipients_max: Option<u32>,
    pub(in crate::prober) transactions_max: Option<u32>,
}

/// What a session is to do.
#[derive(Debug)]
pub(in crate::prober) enum Next {
    /// Send these transactions and bring the answers to [`Destination::landed`].
    Fly(Vec<Transaction>),
    /// Nothing, until then or until summoned; then ask again.
    Wait { until: SystemTime },
    /// Say `QUIT`, then tell [`Destination::closed`].
    Close,
}

/// One transaction to send.
#[derive(Debug)]
pub(in crate::prober) struct Transaction {
    pub(in crate::prober) domain: DomainName,
    /// The recipients; none: the domain's control recipient.
    pub(in crate::prober) recipients: Vec<Address>,
    /// Whether somebody wants to know what was said.
    pub(in crate::prober) record: bool,
}

impl Lane {
    /// How many of its sessions are still opening.
    pub(super) fn opening(&self, sessions: &HashMap<SessionId, Session>) -> usize {
        let opening = |id: &&SessionId| {
            sessions.get(*id).is_some_and(|session| session.state == SessionState::Opening)
        };
        self.sessions.iter().filter(opening).count()
    }
}

impl<T> Destination<T> {
    /// A session was opened.
    pub(in crate::prober) fn opened(&mut self, id: SessionId, opened: Opened, now: SystemTime) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.address = opened.address;
        session.budget = SessionBudget::new(now);
        session.transactions_max = opened.transactions_max;
        session.careful = opened.may_want_mail_again;
        session.state = SessionState::Flying;
        if let Some(lane) = self.lanes.get_mut(&session.exchanger) {
            lane.reached = true;
            lane.pipelining = opened.pipelining;
            lane.transaction_limit = match (lane.transaction_limit, opened.recipients_max) {
                (Some(learned), Some(said)) => Some(learned.min(said)),
                (learned, said) => learned.or(said),
            };
        }
    }

    /// A session could not be opened.
    pub(in crate::prober) fn open_failed(
        &mut self,
        id: SessionId,
        why: Evidence,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let Some(exchanger) = self.remove_session(id) else { return };
        self.obstructed(&exchanger, why, memory, now);
        self.stir(&exchanger, now);
        self.open_sessions(now);
        self.tidy(&exchanger, None, now);
    }

    /// The exchanger did not let us in, or hung up before it answered anybody.
    pub(super) fn obstructed(
        &mut self,
        exchanger: &DomainName,
        why: Evidence,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let in_use = self.sessions.len();
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        let mut obstacle = read_obstacle(&why.answer, lane.reached);
        if obstacle == Obstacle::Busy {
            lane.knock.begin(self.config.knock_pause, self.config.knock_pause_longest, now);
            if let RecipientAnswer::Replied { reply, .. } = &why.answer
                && let Some(hint) = retry_hint::retry_after(&reply.text())
            {
                lane.knock.at_least_until(now + hint);
            }
            if lane.knock.times() > KNOCKS && lane.sessions.is_empty() {
                obstacle = Obstacle::Unreachable;
            }
        }
        let config = &self.config;
        let rest = match obstacle {
            Obstacle::NotDialled => None,
            Obstacle::Blocked => Some((config.block_rest, config.block_rest_longest)),
            Obstacle::Unreachable => {
                Some((config.unreachable_rest, config.unreachable_rest_longest))
            }
            Obstacle::Busy => {
                self.concurrency.trouble(in_use, now);
                lane.obstacle = Some(why.clone());
                if lane.sessions.is_empty() {
                    self.give_up_the_hasty(exchanger, &why);
                }
                return;
            }
        };
        if let Some(lengths) = rest {
            self.concurrency.trouble(in_use, now);
            let remembered = std::sync::Arc::new(why.clone());
            memory.exchanger_mut(exchanger).rest(self.identity, remembered, lengths, now);
        }
        self.answer_all(exchanger, &why, obstacle == Obstacle::Blocked, now);
    }

    /// What the session is to do now.
    pub(in crate::prober) fn next(&mut self, id: SessionId, now: SystemTime) -> Next {
        let config = std::sync::Arc::clone(&self.config);
        let Some(session) = self.sessions.get_mut(&id) else { return Next::Close };
        let exchanger = session.exchanger.clone();
        let idle_since = match session.state {
            SessionState::Idle { since } | SessionState::Summoned { since } => since,
            _ => now,
        };
        let fresh = session.budget.recipients_named() == 0;
        if session.budget.is_spent(&config, now) || (!fresh && self.must_yield(&exchanger)) {
            return self.close(id, now);
        }
        let Some(lane) = self.lanes.get_mut(&exchanger) else { return self.close(id, now) };
        lane.idle.retain(|idle| *idle != id);
        if matches!(self.sessions.get(&id), Some(s) if matches!(s.state, SessionState::Summoned { .. }))
        {
            lane.summoned = lane.summoned.saturating_sub(1);
        }
        if lane.due() > 0 {
            let held = lane.held_until(now);
            let room = self.recipients.room(now);
            if let Some(until) = held {
                self.set_alarm(&exchanger, until);
            } else if room == 0 {
                self.short_of_recipients = true;
            } else {
                return match self.fly(id, room) {
                    flight if flight.is_empty() => self.close(id, now),
                    flight => {
                        self.recipients.take(recipients(&flight), now);
                        Next::Fly(flight)
                    }
                };
            }
        }
        let over = idle_since + config.session_idle;
        if over <= now || self.draining {
            return self.close(id, now);
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = SessionState::Idle { since: idle_since };
        }
        if let Some(lane) = self.lanes.get_mut(&exchanger) {
            lane.idle.push(id);
        }
        Next::Wait { until: over }
    }

    /// The session's connection is gone, and the server knows.
    pub(in crate::prober) fn closed(&mut self, id: SessionId, now: SystemTime) {
        let flight = self.sessions.get_mut(&id).map(|session| std::mem::take(&mut session.flight));
        let Some(exchanger) = self.remove_session(id) else { return };
        for planned in flight.unwrap_or_default() {
            self.return_unflown(&exchanger, &planned);
        }
        self.stir(&exchanger, now);
        self.open_sessions(now);
        self.tidy(&exchanger, None, now);
    }

    /// Something is due in this lane: wakes an idle session, or asks for a new one.
    pub(super) fn stir(&mut self, exchanger: &DomainName, now: SystemTime) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        let each = per_visit(&self.config, lane);
        while lane.due() > lane.summoned * each && lane.held_until(now).is_none() {
            let Some(id) = lane.idle.pop() else { break };
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            if let SessionState::Idle { since } = session.state {
                session.state = SessionState::Summoned { since };
                lane.summoned += 1;
                self.effects.push_back(Effect::Summon(id));
            }
        }
        let knock = lane.knock;
        if lane.wanting || !wants_session(&self.config, lane) {
            return;
        }
        if knock.lasts(now) {
            self.set_alarm(exchanger, knock.until());
        } else {
            lane.wanting = true;
            self.wanting.push_back(exchanger.clone());
            self.open_sessions(now);
        }
    }

    /// Opens what is wanted and allowed.
    pub(super) fn open_sessions(&mut self, now: SystemTime) {
        while let Some(exchanger) = self.wanting.front().cloned() {
            let Some(lane) = self.lanes.get_mut(&exchanger) else {
                self.wanting.pop_front();
                continue;
            };
            if !wants_session(&self.config, lane) {
                lane.wanting = false;
                self.wanting.pop_front();
                continue;
            }
            if lane.knock.lasts(now) {
                lane.wanting = false;
                let until = lane.knock.until();
                self.wanting.pop_front();
                self.set_alarm(&exchanger, until);
                continue;
            }
            if !self.has_free_slot() {
                self.summon_one_to_yield(&exchanger);
                return;
            }
            if self.connections.room(now) == 0 {
                return;
            }
            self.open(exchanger, now);
        }
    }

    /// Opens a session for the first lane that wants one.
    fn open(&mut self, exchanger: DomainName, now: SystemTime) {
        self.connections.take(1, now);
        let id = self.fresh_id();
        if let Some(lane) = self.lanes.get_mut(&exchanger) {
            lane.sessions.push(id);
        }
        let session = Session {
            exchanger: exchanger.clone(),
            state: SessionState::Opening,
            address: None,
            budget: SessionBudget::new(now),
            answered: 0,
            transactions_max: None,
            careful: true,
            flight: Vec::new(),
        };
        self.sessions.insert(id, session);
        self.effects.push_back(Effect::Open { session: id, exchanger: exchanger.clone() });
        // Others first, before this lane gets another one.
        self.wanting.rotate_left(1);
    }

    pub(super) fn has_free_slot(&self) -> bool {
        self.sessions.len() < self.concurrency.allowed()
    }

    /// Whether a session of this lane is to end because there are too many, or because a lane
    /// without any waits for its place.
    fn must_yield(&self, exchanger: &DomainName) -> bool {
        let live = self.sessions.values().filter(|s| s.state != SessionState::Closing).count();
        if live > self.concurrency.allowed() {
            return true;
        }
        let starving = |name: &DomainName| {
            name != exchanger && self.lanes.get(name).is_some_and(|lane| lane.sessions.is_empty())
        };
        // Those that are closing already make room for as many.
        let closing = self.sessions.len() - live;
        !self.has_free_slot()
            && self.wanting.iter().filter(|name| starving(name)).nth(closing).is_some()
    }

    /// No slot is free and `exchanger` wants one: an idle session of another lane is told to look.
    fn summon_one_to_yield(&mut self, exchanger: &DomainName) {
        let idle = self.sessions.iter().find(|(_, session)| {
            matches!(session.state, SessionState::Idle { .. }) && session.exchanger != *exchanger
        });
        if let Some((id, _)) = idle {
            self.effects.push_back(Effect::Summon(*id));
        }
    }

    /// The session's next flight; empty if its budget allows none.
    fn fly(&mut self, id: SessionId, room: u32) -> Vec<Transaction> {
        let config = std::sync::Arc::clone(&self.config);
        let Some(session) = self.sessions.get_mut(&id) else { return Vec::new() };
        let Some(lane) = self.lanes.get_mut(&session.exchanger) else { return Vec::new() };
        let budget = &session.budget;
        let in_session =
            lane.session_limit.map_or(u32::MAX, |l| l.saturating_sub(budget.recipients_named()));
        let transactions = session
            .transactions_max
            .map_or(u32::MAX, |most| most.saturating_sub(budget.transactions_begun()));
        let fresh = session.careful && budget.transactions_begun() == 0;
        let at_once = match lane.pipelining {
            true if !fresh => config.transactions_per_flight.get(),
            _ => 1,
        };
        let flight = lane.plan(Room {
            recipients: room
                .min(u32::try_from(per_visit(&config, lane)).unwrap_or(u32::MAX))
                .min(budget.recipients(&config))
                .min(if fresh { FIRST_RECIPIENTS } else { u32::MAX })
                .min(in_session),
            transactions: at_once.min(budget.transactions(&config)).min(transactions),
            per_transaction: config
                .recipients_per_transaction
                .get()
                .min(lane.transaction_limit.unwrap_or(u32::MAX).max(1)),
            controls: budget.unknown_users(&config),
        });
        session.state = SessionState::Flying;
        for planned in &flight {
            session.budget.charge(planned.recipients());
        }
        let transactions = flight.iter().map(|planned| self.transaction(planned)).collect();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.flight = flight;
        }
        transactions
    }

    fn transaction(&mut self, planned: &Planned) -> Transaction {
        let mut record = false;
        let recipients = planned.jobs.iter().filter_map(|id: &JobId| {
            let job = self.jobs.get_mut(id)?;
            job.place = super::Place::Flying;
            record |= job.asked.transcript;
            Some(job.asked.address.clone())
        });
        let recipients = recipients.collect();
        Transaction { domain: planned.domain.clone(), recipients, record }
    }

    fn close(&mut self, id: SessionId, now: SystemTime) -> Next {
        if let Some(session) = self.sessions.get_mut(&id) {
            let summoned = matches!(session.state, SessionState::Summoned { .. });
            session.state = SessionState::Closing;
            let exchanger = session.exchanger.clone();
            if let Some(lane) = self.lanes.get_mut(&exchanger) {
                lane.leave(id, summoned);
                lane.closing += 1;
            }
            self.stir(&exchanger, now);
        }
        Next::Close
    }

    pub(super) fn remove_session(&mut self, id: SessionId) -> Option<DomainName> {
        let session = self.sessions.remove(&id)?;
        if let Some(lane) = self.lanes.get_mut(&session.exchanger) {
            lane.leave(id, matches!(session.state, SessionState::Summoned { .. }));
            let closing = usize::from(session.state == SessionState::Closing);
            lane.closing = lane.closing.saturating_sub(closing);
        }
        Some(session.exchanger)
    }
}

/// Recipients in a session's first flight, where the server may refuse `MAIL` and want it said
/// again: each of them is one error more in its eyes then, and Postfix hangs up at 20.
const FIRST_RECIPIENTS: u32 = 10;

/// How many recipients a session of this lane takes at a time.
fn per_visit(config: &crate::pacing::Config, lane: &Lane) -> usize {
    let count = if lane.pipelining {
        config.recipients_per_flight
    } else {
        config.recipients_without_pipelining
    };
    usize::try_from(count.get()).unwrap_or(usize::MAX)
}

/// Whether more is due than the sessions there are will take when they come for work next.
fn wants_session(config: &crate::pacing::Config, lane: &Lane) -> bool {
    let most = usize::try_from(config.sessions_per_exchanger.get()).unwrap_or(usize::MAX);
    lane.sessions.len() + lane.closing < most
        && lane.due() > lane.sessions.len() * per_visit(config, lane)
}

fn recipients(flight: &[Transaction]) -> u32 {
    let count: usize = flight.iter().map(|transaction| transaction.recipients.len().max(1)).sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}
