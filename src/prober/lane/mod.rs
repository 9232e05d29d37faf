//! The queue before one exchanger: a queue for each recipient domain, served in turn. Pure.
//!
//! `domain_queue` holds what waits for one domain, `flight` puts together what goes at once.

mod domain_queue;
mod flight;

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use foldhash::HashMap;

use crate::address::DomainName;
use crate::pacing::{Backoff, ReplyTime, SessionLimits};
use crate::smtp::Observation;

use domain_queue::DomainQueue;

pub(super) use domain_queue::ControlState;
pub(super) use flight::{FlightLimits, PlannedTransaction};

/// Id of a submitted recipient, unique within its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct JobId(pub(super) u64);

/// Id of a session, unique within its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SessionId(pub(super) u64);

/// Time within which a caller wants an answer who has little of it: no more than a server is given
/// for one recipient and a session for its opening.
const LITTLE_TIME: Duration = Duration::from_secs(60);

/// One exchanger: what waits for it, and how it treats us.
pub(super) struct Lane {
    domains: HashMap<DomainName, DomainQueue>,
    /// The domains with recipients queued, in the order in which they are served.
    turn: VecDeque<DomainName>,
    /// The domains whose control recipient is due, or was when it came in here.
    controls: VecDeque<DomainName>,
    due: usize,
    /// Opening or open; not those that are closing.
    pub(super) sessions: Vec<SessionId>,
    /// Open, with nothing to do.
    pub(super) idle: Vec<SessionId>,
    /// Called from idleness, not yet come for work.
    pub(super) woken: usize,
    /// Said `QUIT`, not yet gone: the server may still count them.
    pub(super) closing: usize,
    /// Sessions that look at its TLS.
    pub(super) inspecting: usize,
    /// In the queue for a new session.
    pub(super) wanting: bool,
    /// Time at which the destination is to look at this lane again, if one is set.
    pub(super) alarm: Option<SystemTime>,
    /// The pause before knocking again.
    pub(super) connect_backoff: Backoff,
    /// Until then somebody may wait here who has little time.
    pressed_until: Option<SystemTime>,
    /// The session that is to show whether the door is open again after such a pause.
    pub(super) half_open: Option<SessionId>,
    /// The pause before naming recipients again.
    pub(super) rcpt_backoff: Backoff,
    /// The reply that began that pause.
    pub(super) rate_limit: Option<Observation>,
    /// Why it last did not let us in.
    pub(super) obstacle: Option<Observation>,
    /// It let us in before.
    pub(super) reached: bool,
    pub(super) pipelining: bool,
    pub(super) reply_time: ReplyTime,
    /// Limits of one session that it showed.
    pub(super) limits: SessionLimits,
    /// The most recipients that it showed to take in one transaction.
    pub(super) transaction_limit: Option<u32>,
}

impl Lane {
    pub(super) fn new(reached: bool, limits: SessionLimits) -> Self {
        Self {
            domains: HashMap::default(),
            turn: VecDeque::new(),
            controls: VecDeque::new(),
            due: 0,
            sessions: Vec::new(),
            idle: Vec::new(),
            woken: 0,
            closing: 0,
            inspecting: 0,
            wanting: false,
            alarm: None,
            connect_backoff: Backoff::none(),
            pressed_until: None,
            half_open: None,
            rcpt_backoff: Backoff::none(),
            rate_limit: None,
            obstacle: None,
            reached,
            pipelining: true,
            reply_time: ReplyTime::default(),
            limits,
            transaction_limit: None,
        }
    }

    /// Recipients and control recipients that could be asked now.
    pub(super) fn due(&self) -> usize {
        self.due
    }

    /// [`Self::due`], counted anew.
    #[cfg(test)]
    pub(super) fn recount_due(&self) -> usize {
        self.domains.values().map(DomainQueue::due).sum()
    }

    /// `true` if nothing waits here.
    pub(super) fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// The recipient domain that waits here, if it is the only one.
    pub(super) fn only_domain(&self) -> Option<&DomainName> {
        let mut domains = self.domains.keys();
        domains.next().filter(|_| self.domains.len() == 1)
    }

    pub(super) fn domain(&mut self, domain: &DomainName) -> Option<&mut DomainQueue> {
        self.domains.get_mut(domain)
    }

    /// Puts a job at the end of its domain's queue.
    pub(super) fn push(&mut self, domain: &DomainName, id: JobId) {
        let queue = self.domains.entry(domain.clone()).or_insert_with(DomainQueue::new);
        queue.queued.push_back(id);
        self.recount(domain, false);
    }

    /// Notes until when a caller waits here, if it has little time.
    pub(super) fn note_deadline(&mut self, deadline: SystemTime, now: SystemTime) {
        if deadline < now + LITTLE_TIME {
            self.pressed_until = self.pressed_until.max(Some(deadline));
        }
    }

    /// `true` if somebody may wait here who has little time.
    pub(super) fn is_pressed(&self, now: SystemTime) -> bool {
        self.pressed_until.is_some_and(|until| now < until)
    }

    /// Puts jobs back at the head of their domain's queue, in this order.
    pub(super) fn push_back_first(&mut self, domain: &DomainName, ids: &[JobId]) {
        let queue = self.domains.entry(domain.clone()).or_insert_with(DomainQueue::new);
        for id in ids.iter().rev() {
            queue.queued.push_front(*id);
        }
        self.recount(domain, true);
    }

    /// Takes a job out of its queue.
    pub(super) fn remove(&mut self, domain: &DomainName, id: JobId) {
        let Some(queue) = self.domains.get_mut(domain) else { return };
        if let Some(index) = queue.queued.iter().position(|queued| *queued == id) {
            queue.queued.remove(index);
            self.recount(domain, false);
        }
    }

    /// Moves a domain's control recipient to `state`.
    pub(super) fn set_control(&mut self, domain: &DomainName, state: ControlState) {
        let Some(queue) = self.domains.get_mut(domain) else { return };
        queue.control = state;
        self.recount(domain, false);
    }

    /// A transaction came back.
    pub(super) fn landed(&mut self, planned: &PlannedTransaction) {
        if let Some(queue) = self.domains.get_mut(&planned.domain) {
            queue.flying = queue.flying.saturating_sub(planned.jobs.len());
            self.recount(&planned.domain, false);
        }
    }

    /// Forgets a domain for which nothing waits here.
    pub(super) fn tidy(&mut self, domain: &DomainName) {
        self.recount(domain, false);
        if self.domains.get(domain).is_some_and(DomainQueue::is_over) {
            self.domains.remove(domain);
        }
    }

    /// Takes everything that is due out: the jobs, and the domains whose control recipient was due.
    pub(super) fn take_all(&mut self) -> (Vec<(DomainName, JobId)>, Vec<DomainName>) {
        let (mut jobs, mut controls) = (Vec::new(), Vec::new());
        for domain in self.turn.drain(..).chain(self.controls.drain(..)) {
            let Some(queue) = self.domains.get_mut(&domain) else { continue };
            (queue.in_turn, queue.control_in_turn) = (false, false);
            self.due -= std::mem::take(&mut queue.counted);
            jobs.extend(queue.queued.drain(..).map(|id| (domain.clone(), id)));
            if queue.control == ControlState::Due {
                queue.control = ControlState::NotNeeded;
                controls.push(domain);
            }
        }
        (jobs, controls)
    }

    /// A session is no longer one of those that come for work.
    pub(super) fn leave(&mut self, id: SessionId, woken: bool) {
        self.sessions.retain(|session| *session != id);
        self.idle.retain(|session| *session != id);
        self.half_open = self.half_open.filter(|half_open| *half_open != id);
        self.woken = self.woken.saturating_sub(usize::from(woken));
    }

    /// Sessions that the exchanger may count: those that are closing, and those that look at TLS
    /// alone, included.
    pub(super) fn session_count(&self) -> usize {
        self.sessions.len() + self.closing + self.inspecting
    }

    /// The earliest time at which recipients may be named, if that is not now.
    pub(super) fn held_until(&self, now: SystemTime) -> Option<SystemTime> {
        self.rcpt_backoff.is_active(now).then(|| self.rcpt_backoff.until())
    }

    /// A recipient waits for the answer of its domain's control recipient.
    pub(super) fn await_control(&mut self, domain: &DomainName, id: JobId) -> bool {
        let Some(queue) = self.domains.get_mut(domain) else { return false };
        queue.awaiting.push(id);
        if queue.control == ControlState::NotNeeded {
            queue.control = ControlState::Due;
        }
        self.recount(domain, false);
        true
    }

    /// Brings `due` and the turns up to date with a domain that changed.
    fn recount(&mut self, domain: &DomainName, first: bool) {
        let Some(queue) = self.domains.get_mut(domain) else { return };
        let due = queue.due();
        self.due = self.due - queue.counted + due;
        queue.counted = due;
        if queue.control_is_due() && !queue.control_in_turn {
            queue.control_in_turn = true;
            self.controls.push_back(domain.clone());
        }
        if queue.in_turn || queue.queued.is_empty() {
            return;
        }
        queue.in_turn = true;
        if first {
            self.turn.push_front(domain.clone());
        } else {
            self.turn.push_back(domain.clone());
        }
    }
}

#[cfg(test)]
mod tests;
