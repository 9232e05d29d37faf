//! A session comes for work: what it does next.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::demand::per_visit;
use super::{Destination, JobState, PooledSession, SessionState, Submission};
use crate::address::{Address, DomainName};
use crate::pacing::Config;
use crate::prober::lane::{FlightLimits, JobId, Lane, PlannedTransaction, SessionId};

/// Next action of a session.
#[derive(Debug)]
pub(in crate::prober) enum NextAction {
    /// Send these transactions and bring the answers to [`Destination::landed`].
    Send(Vec<TransactionRequest>),
    /// Nothing, until then or until woken; then ask again.
    Wait { until: SystemTime },
    /// Say `QUIT`, then tell [`Destination::closed`].
    Close,
}

/// One transaction to send.
#[derive(Debug)]
pub(in crate::prober) struct TransactionRequest {
    pub(in crate::prober) domain: DomainName,
    /// The recipients; none: the domain's control recipient.
    pub(in crate::prober) recipients: Vec<NamedRecipient>,
    /// `true` if a caller wants the dialogue.
    pub(in crate::prober) record: bool,
}

/// A recipient of a transaction.
#[derive(Debug)]
pub(in crate::prober) struct NamedRecipient {
    pub(in crate::prober) address: Address,
    /// Time at which it consented to mail, if it is known.
    pub(in crate::prober) consented_at: Option<SystemTime>,
}

/// Recipients in a session's first flight, where the server may refuse `MAIL` and want it said
/// again: each of them is one error more in its eyes then, and Postfix hangs up at 20.
const FIRST_RECIPIENTS: u32 = 10;

/// Age at which a session at an expired address ends: DNS may answer by then, and the next session
/// looks. A failure of DNS is remembered for as long, so that none would find more before.
const STALE_AGE: Duration = Duration::from_secs(5);

impl PooledSession {
    /// Time at which it is too old to ask more.
    fn too_old_at(&self, config: &Config) -> SystemTime {
        let at = self.budget.too_old_at(config);
        if self.stale { at.min(self.budget.opened_at() + STALE_AGE) } else { at }
    }

    /// Transactions it may still begin, as far as the server said and the exchanger showed.
    fn transactions_left(&self, lane: &Lane) -> u32 {
        let begun = self.budget.transactions_begun();
        let announced = self.transactions_max.map_or(u32::MAX, |most| most.saturating_sub(begun));
        announced.min(lane.limits.transactions_left(begun))
    }

    /// Recipients it may still name, as far as the exchanger showed.
    fn recipients_left(&self, lane: &Lane) -> u32 {
        let left = lane.limits.recipients_left(self.budget.recipients_named());
        if self.unsure_of_limit.is_some() { left.min(1) } else { left }
    }
}

impl<T> Destination<T> {
    /// Decides the next action of a session.
    pub(in crate::prober) fn next_action(&mut self, id: SessionId, now: SystemTime) -> NextAction {
        let config = Arc::clone(&self.config);
        let Some(session) = self.pool.get_mut(id) else { return NextAction::Close };
        let exchanger = session.exchanger.clone();
        if self.suspended {
            return self.close(id, now);
        }
        let idle_since = match session.state {
            SessionState::Idle { since } | SessionState::Woken { since } => since,
            _ => now,
        };
        let over = session.too_old_at(&config).min(idle_since + config.session_idle);
        let fresh = session.budget.recipients_named() == 0;
        let is_old = now >= session.too_old_at(&config);
        let spent = self.lanes.get(&exchanger).is_none_or(|lane| {
            session.transactions_left(lane) == 0
                || session.recipients_left(lane) == 0
                || session.budget.is_spent(&config, &lane.limits, now)
        });
        if is_old || spent || (!fresh && self.must_yield(&exchanger)) {
            return self.close(id, now);
        }
        let Some(lane) = self.lanes.get_mut(&exchanger) else { return self.close(id, now) };
        lane.idle.retain(|idle| *idle != id);
        if matches!(self.pool.get(id), Some(s) if matches!(s.state, SessionState::Woken { .. })) {
            lane.woken = lane.woken.saturating_sub(1);
        }
        if lane.due() > 0 && !self.must_wait(&exchanger, now) {
            return match self.plan_flight(id, now) {
                flight if flight.is_empty() => self.close(id, now),
                flight => {
                    self.watch_flights(&exchanger, now);
                    NextAction::Send(flight)
                }
            };
        }
        if over <= now || self.draining {
            return self.close(id, now);
        }
        if let Some(session) = self.pool.get_mut(id) {
            session.state = SessionState::Idle { since: idle_since };
        }
        if let Some(lane) = self.lanes.get_mut(&exchanger) {
            lane.idle.push(id);
        }
        NextAction::Wait { until: over }
    }

    /// The session's next flight; empty if its budget allows none.
    fn plan_flight(&mut self, id: SessionId, now: SystemTime) -> Vec<TransactionRequest> {
        let config = Arc::clone(&self.config);
        let room = self.recipients.room(true, now);
        let others = self.recipients.room(false, now);
        let Some(session) = self.pool.get_mut(id) else { return Vec::new() };
        let Some(lane) = self.lanes.get_mut(&session.exchanger) else { return Vec::new() };
        let mut asked = u32::try_from(per_visit(&config, lane)).unwrap_or(u32::MAX);
        if lane.limits.ends_at_usual(session.budget.recipients_named() + asked) {
            asked += 1;
        }
        let budget = &session.budget;
        let fresh = session.careful && budget.transactions_begun() == 0;
        let at_once = match lane.pipelining {
            true if !fresh => config.transactions_per_flight.get(),
            _ => 1,
        };
        let pressed = lane.pressed();
        let flight = lane.plan(FlightLimits {
            recipients: room
                .min(budget.recipients(&config, &lane.limits))
                .min(if fresh { FIRST_RECIPIENTS } else { u32::MAX })
                .min(session.recipients_left(lane)),
            others,
            asked,
            transactions: at_once
                .min(budget.transactions(&config))
                .min(session.transactions_left(lane)),
            per_transaction: config
                .recipients_per_transaction
                .get()
                .min(lane.transaction_limit.unwrap_or(u32::MAX).max(1)),
            controls: budget.controls_left(&config, &lane.limits),
        });
        let pressed = u32::try_from(pressed.saturating_sub(lane.pressed())).unwrap_or(u32::MAX);
        session.state = SessionState::Flying;
        for planned in &flight {
            session.budget.charge(planned.recipients());
        }
        let named = flight.iter().map(PlannedTransaction::recipients).sum();
        self.recipients.take(named, pressed, now);
        let transactions = flight.iter().map(|planned| self.transaction(planned)).collect();
        if let Some(session) = self.pool.get_mut(id) {
            (session.flight, session.flight_began) = (flight, now);
        }
        transactions
    }

    fn transaction(&mut self, planned: &PlannedTransaction) -> TransactionRequest {
        let mut record = false;
        let recipients = planned.jobs.iter().filter_map(|id: &JobId| {
            let job = self.jobs.get_mut(id)?;
            job.state = JobState::InFlight;
            record |= job.asked.transcript;
            let Submission { address, consented_at, .. } = &job.asked;
            Some(NamedRecipient { address: address.clone(), consented_at: *consented_at })
        });
        let recipients = recipients.collect();
        TransactionRequest { domain: planned.domain.clone(), recipients, record }
    }

    fn close(&mut self, id: SessionId, now: SystemTime) -> NextAction {
        if let Some(exchanger) = self.retire(id) {
            self.stir(&exchanger, now);
        }
        NextAction::Close
    }
}
