//! The queue before one exchanger: a queue for each recipient domain, served in turn. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use super::evidence::Evidence;
use crate::address::DomainName;
use crate::pacing::{Patience, ReplyTime, Rest};

/// One recipient somebody asked about, within its destination.
pub(super) type JobId = u64;
/// One session, within its destination.
pub(super) type SessionId = u64;

/// Where a domain's control recipient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlState {
    /// Nobody needs it.
    NotNeeded,
    /// To be asked in the next flight.
    Due,
    /// Being asked.
    Flying,
    /// To be asked again later.
    Delayed,
}

/// What waits for one recipient domain.
pub(super) struct DomainQueue {
    pub(super) queued: VecDeque<JobId>,
    pub(super) control: ControlState,
    pub(super) control_tries: u32,
    pub(super) control_patience: Patience,
    /// What the control recipient was told last.
    pub(super) control_answer: Option<Evidence>,
    /// Accepted (or refused by a bare code): the control recipient's answer is all they lack.
    pub(super) awaiting: Vec<JobId>,
    /// Somebody real was accepted, so a refusal tells recipients apart.
    pub(super) accepted: bool,
    flying: usize,
    /// How much of the lane's `due` is this domain's.
    counted: usize,
    in_turn: bool,
}

/// So many accepted recipients are enough to ask the control recipient although more of the domain
/// are still to be asked, any of which might be unknown and spare it: a transaction's worth.
const ENOUGH_ACCEPTED: usize = 50;

impl DomainQueue {
    fn new() -> Self {
        Self {
            queued: VecDeque::new(),
            control: ControlState::NotNeeded,
            control_tries: 0,
            control_patience: Patience::default(),
            control_answer: None,
            awaiting: Vec::new(),
            accepted: false,
            flying: 0,
            counted: 0,
            in_turn: false,
        }
    }

    /// What could be asked now.
    fn due(&self) -> usize {
        self.queued.len() + usize::from(self.control_is_due())
    }

    /// Whether nothing is under way that may spare the control recipient.
    fn control_is_due(&self) -> bool {
        let alone = self.queued.is_empty() && self.flying == 0;
        self.control == ControlState::Due && (alone || self.awaiting.len() >= ENOUGH_ACCEPTED)
    }

    fn is_over(&self) -> bool {
        self.due() == 0
            && self.flying == 0
            && self.awaiting.is_empty()
            && self.control == ControlState::NotNeeded
    }
}

/// One transaction of a flight: recipients of one domain, or its control recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) domain: DomainName,
    /// Empty for the control recipient.
    pub(super) jobs: Vec<JobId>,
}

impl Planned {
    pub(super) fn is_control(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn recipients(&self) -> u32 {
        u32::try_from(self.jobs.len().max(1)).unwrap_or(u32::MAX)
    }
}

/// What a flight may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) recipients: u32,
    pub(super) transactions: u32,
    pub(super) per_transaction: u32,
    /// Control recipients: each is an unknown user, most likely.
    pub(super) controls: u32,
}

/// One exchanger: what waits for it, and how it treats us.
pub(super) struct Lane {
    domains: HashMap<DomainName, DomainQueue>,
    /// The domains with something due, in the order in which they are served.
    turn: VecDeque<DomainName>,
    due: usize,
    /// Opening or open; not those that are closing.
    pub(super) sessions: Vec<SessionId>,
    /// Open, with nothing to do.
    pub(super) idle: Vec<SessionId>,
    /// Called from idleness, not yet come for work.
    pub(super) summoned: usize,
    /// Said `QUIT`, not yet gone: the server may still count them.
    pub(super) closing: usize,
    /// In the queue for a new session.
    pub(super) wanting: bool,
    /// When the destination is to look at this lane again, if at a time.
    pub(super) alarm: Option<SystemTime>,
    /// The pause before knocking again.
    pub(super) knock: Rest,
    /// The pause before naming recipients again.
    pub(super) hold: Rest,
    /// Why it last did not let us in.
    pub(super) obstacle: Option<Evidence>,
    /// It let us in before.
    pub(super) reached: bool,
    pub(super) pipelining: bool,
    pub(super) reply_time: ReplyTime,
    /// What it showed to be the most recipients it takes in one session, and in one transaction.
    pub(super) session_limit: Option<u32>,
    pub(super) transaction_limit: Option<u32>,
}

impl Lane {
    pub(super) fn new(reached: bool) -> Self {
        Self {
            domains: HashMap::new(),
            turn: VecDeque::new(),
            due: 0,
            sessions: Vec::new(),
            idle: Vec::new(),
            summoned: 0,
            closing: 0,
            wanting: false,
            alarm: None,
            knock: Rest::none(),
            hold: Rest::none(),
            obstacle: None,
            reached,
            pipelining: true,
            reply_time: ReplyTime::default(),
            session_limit: None,
            transaction_limit: None,
        }
    }

    /// Recipients and control recipients that could be asked now.
    pub(super) fn due(&self) -> usize {
        self.due
    }

    /// Whether nothing waits for anything here.
    pub(super) fn is_empty(&self) -> bool {
        self.domains.is_empty()
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
    pub(super) fn landed(&mut self, planned: &Planned) {
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
        while let Some(domain) = self.turn.pop_front() {
            let Some(queue) = self.domains.get_mut(&domain) else { continue };
            queue.in_turn = false;
            self.due -= std::mem::take(&mut queue.counted);
            jobs.extend(queue.queued.drain(..).map(|id| (domain.clone(), id)));
            if queue.control == ControlState::Due {
                queue.control = ControlState::NotNeeded;
                controls.push(domain);
            }
        }
        (jobs, controls)
    }

    /// The next flight: domain after domain in turn, each one's control recipient in a transaction
    /// of its own, then as many of its jobs as fit.
    pub(super) fn plan(&mut self, mut room: Room) -> Vec<Planned> {
        let mut flight = Vec::new();
        let mut passed_over = 0;
        while room.recipients > 0 && room.transactions > 0 && passed_over < self.turn.len() {
            let Some(domain) = self.turn.pop_front() else { break };
            let Some(queue) = self.domains.get_mut(&domain) else { continue };
            let before = flight.len();
            if queue.control_is_due() && room.controls > 0 {
                queue.control = ControlState::Flying;
                room.controls -= 1;
                room.recipients -= 1;
                room.transactions -= 1;
                flight.push(Planned { domain: domain.clone(), jobs: Vec::new() });
            }
            let most = usize::try_from(room.recipients.min(room.per_transaction)).unwrap_or(1);
            let count = most.min(queue.queued.len());
            if count > 0 && room.transactions > 0 {
                let jobs: Vec<JobId> = queue.queued.drain(..count).collect();
                queue.flying += count;
                room.recipients -= u32::try_from(count).unwrap_or(room.recipients);
                room.transactions -= 1;
                flight.push(Planned { domain: domain.clone(), jobs });
            }
            let taken = flight[before..].iter().map(|p| p.jobs.len().max(1)).sum::<usize>();
            self.due = self.due - queue.counted + queue.due();
            queue.counted = queue.due();
            passed_over = if taken == 0 { passed_over + 1 } else { 0 };
            queue.in_turn = queue.due() > 0;
            if queue.in_turn {
                self.turn.push_back(domain);
            }
        }
        flight
    }

    /// A session is no longer one of those that come for work.
    pub(super) fn leave(&mut self, id: SessionId, summoned: bool) {
        self.sessions.retain(|session| *session != id);
        self.idle.retain(|session| *session != id);
        self.summoned = self.summoned.saturating_sub(usize::from(summoned));
    }

    /// The earliest time at which recipients may be named, if that is not now.
    pub(super) fn held_until(&self, now: SystemTime) -> Option<SystemTime> {
        self.hold.lasts(now).then(|| self.hold.until())
    }

    /// Somebody waits for the domain's control recipient.
    pub(super) fn await_control(&mut self, domain: &DomainName, id: JobId) -> bool {
        let Some(queue) = self.domains.get_mut(domain) else { return false };
        queue.awaiting.push(id);
        if queue.control == ControlState::NotNeeded {
            queue.control = ControlState::Due;
        }
        self.recount(domain, false);
        true
    }

    /// Brings `due` and the turn up to date with a domain that changed.
    fn recount(&mut self, domain: &DomainName, first: bool) {
        let Some(queue) = self.domains.get_mut(domain) else { return };
        let due = queue.due();
        self.due = self.due - queue.counted + due;
        queue.counted = due;
        if queue.in_turn || due == 0 {
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
mod tests {
    use super::*;

    const ROOM: Room = Room { recipients: 10, transactions: 8, per_transaction: 5, controls: 9 };

    fn name(name: &str) -> DomainName {
        DomainName::from_ascii(name)
    }

    fn lane(jobs: &[(&str, JobId)]) -> Lane {
        let mut lane = Lane::new(false);
        for (domain, id) in jobs {
            lane.push(&name(domain), *id);
        }
        lane
    }

    fn planned(flight: &[Planned]) -> Vec<(&str, Vec<JobId>)> {
        flight.iter().map(|p| (p.domain.as_str(), p.jobs.clone())).collect()
    }

    #[test]
    fn a_transaction_carries_one_domain_and_domains_take_turns() {
        let mut jobs: Vec<(&str, JobId)> = (0..20).map(|id| ("big.example", id)).collect();
        jobs.push(("small.example", 100));
        let mut lane = lane(&jobs);
        let flight = lane.plan(ROOM);
        assert_eq!(
            planned(&flight),
            [
                ("big.example", vec![0, 1, 2, 3, 4]),
                ("small.example", vec![100]),
                ("big.example", vec![5, 6, 7, 8])
            ]
        );
        assert_eq!(lane.due(), 11);
    }

    #[test]
    fn a_control_recipient_has_a_transaction_of_its_own() {
        let mut lane = lane(&[("a.example", 1), ("b.example", 2)]);
        let flight = lane.plan(ROOM);
        lane.push(&name("b.example"), 3);
        assert!(lane.await_control(&name("a.example"), 1));
        lane.landed(&flight[0]);
        assert_eq!(lane.due(), 2);
        let flight = lane.plan(ROOM);
        assert_eq!(planned(&flight), [("b.example", vec![3]), ("a.example", vec![])]);
        assert_eq!(lane.due(), 0);
        assert!(lane.plan(ROOM).is_empty());
    }

    #[test]
    fn a_control_recipient_waits_for_what_may_spare_it_but_not_for_a_whole_list() {
        let mut jobs: Vec<(&str, JobId)> = (0..70).map(|id| ("a.example", id)).collect();
        jobs.push(("b.example", 100));
        let mut lane = lane(&jobs);
        let room = Room { recipients: 60, per_transaction: 60, ..ROOM };
        let flight = lane.plan(room);
        assert_eq!(flight[0].jobs.len(), 60);
        for id in 0..49 {
            lane.await_control(&name("a.example"), id);
        }
        assert_eq!(lane.due(), 11, "others of its domain are still to be asked");
        lane.await_control(&name("a.example"), 49);
        assert_eq!(lane.due(), 12);
        assert!(lane.plan(room).iter().any(Planned::is_control));
    }

    #[test]
    fn control_recipients_stay_within_their_room() {
        let mut lane = lane(&[("a.example", 1), ("b.example", 2)]);
        for planned in lane.plan(ROOM) {
            lane.await_control(&planned.domain, planned.jobs[0]);
            lane.landed(&planned);
        }
        let flight = lane.plan(Room { controls: 1, ..ROOM });
        assert_eq!(flight.iter().filter(|p| p.is_control()).count(), 1);
        assert_eq!(lane.due(), 1);
        assert!(lane.plan(Room { controls: 0, ..ROOM }).is_empty(), "and it does not spin");
        assert_eq!(lane.plan(ROOM).len(), 1);
    }

    #[test]
    fn what_comes_back_is_served_first_and_in_order() {
        let mut lane = lane(&[("a.example", 1), ("b.example", 2), ("b.example", 3)]);
        let flight = lane.plan(ROOM);
        assert_eq!(lane.due(), 0);
        lane.push(&name("c.example"), 9);
        lane.landed(&flight[1]);
        lane.push_back_first(&name("b.example"), &[2, 3]);
        let again = lane.plan(ROOM);
        assert_eq!(planned(&again), [("b.example", vec![2, 3]), ("c.example", vec![9])]);
    }

    #[test]
    fn a_removed_job_is_not_asked_and_an_empty_domain_is_forgotten() {
        let mut lane = lane(&[("a.example", 1), ("a.example", 2)]);
        lane.remove(&name("a.example"), 1);
        assert_eq!(lane.due(), 1);
        lane.remove(&name("a.example"), 2);
        assert!(lane.plan(ROOM).is_empty());
        lane.tidy(&name("a.example"));
        assert!(lane.is_empty());
    }

    #[test]
    fn taking_all_leaves_nothing_due() {
        let mut lane = lane(&[("b.example", 2)]);
        for planned in lane.plan(ROOM) {
            lane.await_control(&planned.domain, planned.jobs[0]);
            lane.landed(&planned);
        }
        lane.push(&name("a.example"), 1);
        let (jobs, controls) = lane.take_all();
        assert_eq!(jobs.len(), 1);
        assert_eq!(controls, [name("b.example")]);
        assert_eq!(lane.due(), 0);
    }
}
