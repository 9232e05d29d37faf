//! The queue before one exchanger: a queue for each recipient domain, served in turn. Pure.
//!
//! `domain_queue` holds what waits for one domain, `flight` puts together what goes at once.

mod domain_queue;
mod flight;

use std::collections::VecDeque;
use std::time::SystemTime;

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

/// One exchanger: what waits for it, and how it treats us.
pub(super) struct Lane {
    domains: HashMap<DomainName, DomainQueue>,
    /// The domains with recipients queued, in the order in which they are served.
    turn: VecDeque<DomainName>,
    /// The same of recipients whose callers have little time: they are served first.
    pressed_turn: VecDeque<DomainName>,
    /// The domains whose control recipient is due, or was when it came in here.
    controls: VecDeque<DomainName>,
    due: usize,
    /// Part of it whose callers have little time.
    pressed: usize,
    /// Others come first in the next flight: none of them was in the last one, or it ended over who
    /// came first.
    pub(super) passed_over: bool,
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
    /// Noted there as one where somebody with little time waits.
    pub(super) hurries: bool,
    /// Time at which the destination is to look at this lane again, if one is set.
    pub(super) alarm: Option<SystemTime>,
    /// The pause before knocking again.
    pub(super) connect_backoff: Backoff,
    /// The session that is to show whether the door is open again after such a pause.
    pub(super) half_open: Option<SessionId>,
    /// The pause before naming recipients again.
    pub(super) rcpt_backoff: Backoff,
    /// The reply that began that pause.
    pub(super) rate_limit: Option<Observation>,
    /// Why it last did not let us in.
    pub(super) obstacle: Option<Observation>,
    /// A session ended at its first recipient, and the others were asked at once. Nobody was
    /// answered since.
    pub(super) spared: bool,
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
            pressed_turn: VecDeque::new(),
            controls: VecDeque::new(),
            due: 0,
            pressed: 0,
            passed_over: false,
            sessions: Vec::new(),
            idle: Vec::new(),
            woken: 0,
            closing: 0,
            inspecting: 0,
            wanting: false,
            hurries: false,
            alarm: None,
            connect_backoff: Backoff::none(),
            half_open: None,
            rcpt_backoff: Backoff::none(),
            rate_limit: None,
            obstacle: None,
            spared: false,
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

    /// [`Self::pressed`], counted anew.
    #[cfg(test)]
    pub(super) fn recount_pressed(&self) -> usize {
        self.domains.values().map(DomainQueue::due_pressed).sum()
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

    /// Puts a job at the end of its domain's queue; `pressed` if its caller has little time.
    pub(super) fn push(&mut self, domain: &DomainName, id: JobId, pressed: bool) {
        let queue = self.domains.entry(domain.clone()).or_insert_with(DomainQueue::new);
        queue.jobs_mut(pressed).push_back(id);
        self.recount(domain, false);
    }

    /// Part of [`Self::due`] whose callers have little time.
    pub(super) fn pressed(&self) -> usize {
        self.pressed
    }

    /// Puts jobs back at the head of their domain's queue, in this order; `pressed` if their
    /// callers have little time.
    pub(super) fn push_back_first(&mut self, domain: &DomainName, ids: &[JobId], pressed: bool) {
        let queue = self.domains.entry(domain.clone()).or_insert_with(DomainQueue::new);
        for id in ids.iter().rev() {
            queue.jobs_mut(pressed).push_front(*id);
        }
        self.recount(domain, true);
    }

    /// Takes a job out of its queue.
    pub(super) fn remove(&mut self, domain: &DomainName, id: JobId) {
        let Some(queue) = self.domains.get_mut(domain) else { return };
        for pressed in [true, false] {
            let jobs = queue.jobs_mut(pressed);
            if let Some(index) = jobs.iter().position(|queued| *queued == id) {
                jobs.remove(index);
                return self.recount(domain, false);
            }
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
        let domains = self.pressed_turn.drain(..).chain(self.turn.drain(..));
        for domain in domains.chain(self.controls.drain(..)) {
            let Some(queue) = self.domains.get_mut(&domain) else { continue };
            queue.leave_turns();
            self.due -= std::mem::take(&mut queue.counted);
            self.pressed -= std::mem::take(&mut queue.counted_pressed);
            for pressed in [true, false] {
                jobs.extend(queue.jobs_mut(pressed).drain(..).map(|id| (domain.clone(), id)));
            }
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

    /// A caller with little time waits for that answer.
    pub(super) fn press_control(&mut self, domain: &DomainName) {
        let Some(queue) = self.domains.get_mut(domain) else { return };
        queue.control_is_pressed = true;
        self.recount(domain, false);
    }

    /// Brings `due` and the turns up to date with a domain that changed.
    fn recount(&mut self, domain: &DomainName, first: bool) {
        let Some(queue) = self.domains.get_mut(domain) else { return };
        queue.control_is_pressed &= !queue.awaiting.is_empty();
        let (due, pressed) = (queue.due(), queue.due_pressed());
        self.due = self.due - queue.counted + due;
        self.pressed = self.pressed - queue.counted_pressed + pressed;
        (queue.counted, queue.counted_pressed) = (due, pressed);
        if queue.control_is_due() && !queue.control_in_turn {
            queue.control_in_turn = true;
            self.controls.push_back(domain.clone());
        }
        if !queue.pressed_in_turn && !queue.pressed.is_empty() {
            queue.pressed_in_turn = true;
            take_turn(&mut self.pressed_turn, domain, first);
        }
        if !queue.in_turn && !queue.queued.is_empty() {
            queue.in_turn = true;
            take_turn(&mut self.turn, domain, first);
        }
    }
}

fn take_turn(turn: &mut VecDeque<DomainName>, domain: &DomainName, first: bool) {
    if first {
        turn.push_front(domain.clone());
    } else {
        turn.push_back(domain.clone());
    }
}

#[cfg(test)]
mod tests;
