//! The next flight: which recipients go together, in which transactions.

use super::{ControlState, JobId, Lane};
use crate::address::DomainName;

/// One transaction of a flight: recipients of one domain, or its control recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::prober) struct PlannedTransaction {
    pub(in crate::prober) domain: DomainName,
    /// Empty for the control recipient.
    pub(in crate::prober) jobs: Vec<JobId>,
}

impl PlannedTransaction {
    pub(in crate::prober) fn is_control(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(in crate::prober) fn recipients(&self) -> u32 {
        u32::try_from(self.jobs.len().max(1)).unwrap_or(u32::MAX)
    }
}

/// Limits of one flight.
#[derive(Clone, Copy, Debug)]
pub(in crate::prober) struct FlightLimits {
    /// Recipients, control recipients included.
    pub(in crate::prober) recipients: u32,
    /// The part of them that callers with time, or nobody, wait for.
    pub(in crate::prober) others: u32,
    /// Recipients that callers asked about.
    pub(in crate::prober) asked: u32,
    pub(in crate::prober) transactions: u32,
    pub(in crate::prober) per_transaction: u32,
    /// Control recipients: each is an unknown user, most likely.
    pub(in crate::prober) controls: u32,
}

impl FlightLimits {
    /// Recipients that may be named yet, of callers with little time or of others.
    fn named(&self, pressed: bool) -> u32 {
        let named = self.recipients.min(self.asked);
        if pressed { named } else { named.min(self.others) }
    }

    /// So many of them are named.
    fn name(&mut self, pressed: bool, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.recipients = self.recipients.saturating_sub(count);
        self.asked = self.asked.saturating_sub(count);
        self.others = self.others.saturating_sub(if pressed { 0 } else { count });
    }
}

impl Lane {
    /// The next flight: domain after domain in turn as many recipients as fit, then the control
    /// recipients that are due, each in a transaction of its own. Those have the first right to a
    /// place, and come last: a server that punishes the last of them holds no other answer back.
    /// Recipients whose callers have little time come first, and leave half of it to the others;
    /// if the others got nothing, because the transactions were too few, they come first next time.
    pub(in crate::prober) fn plan(&mut self, mut room: FlightLimits) -> Vec<PlannedTransaction> {
        let (mut flight, mut controls) = (Vec::new(), Vec::new());
        self.plan_controls(&mut room, &mut controls);
        let others = room.others;
        let others_wait = !self.turn.is_empty() && others > 0;
        let pressed_first = !(self.passed_over && others_wait);
        let second_waits = if pressed_first { others_wait } else { !self.pressed_turn.is_empty() };
        let left = if second_waits { room.asked / 2 } else { 0 };
        let left = if pressed_first { left.min(others) } else { left };
        room.asked -= left;
        self.plan_recipients(pressed_first, &mut room, &mut flight);
        room.asked += left;
        self.plan_recipients(!pressed_first, &mut room, &mut flight);
        for pressed in [!pressed_first, pressed_first] {
            self.fill(pressed, &mut room, &mut flight);
        }
        self.passed_over = others_wait && room.others == others;
        flight.append(&mut controls);
        flight
    }

    /// Plans recipients whose callers have little time, or others. Those of one domain share a
    /// transaction, whoever asks about them.
    fn plan_recipients(
        &mut self,
        pressed: bool,
        room: &mut FlightLimits,
        flight: &mut Vec<PlannedTransaction>,
    ) {
        let before = flight.len();
        while room.named(pressed).min(room.transactions) > 0 {
            let turn = if pressed { &mut self.pressed_turn } else { &mut self.turn };
            let Some(domain) = turn.pop_front() else { break };
            let Some(queue) = self.domains.get_mut(&domain) else { continue };
            let begun = flight[..before].iter_mut().find(|planned| {
                planned.domain == domain && planned.recipients() < room.per_transaction
            });
            let named = begun.as_ref().map_or(0, |planned| planned.recipients());
            let most = room.named(pressed).min(room.per_transaction - named);
            let jobs = queue.take(pressed, usize::try_from(most).unwrap_or(usize::MAX));
            room.name(pressed, jobs.len());
            match begun {
                Some(planned) => planned.jobs.extend(jobs),
                None if jobs.is_empty() => {}
                None => {
                    room.transactions -= 1;
                    flight.push(PlannedTransaction { domain: domain.clone(), jobs });
                }
            }
            self.recount(&domain, false);
        }
    }

    /// Adds recipients to the transactions of their domains, where there is room for no more
    /// transactions: a server may take one at a time.
    fn fill(&mut self, pressed: bool, room: &mut FlightLimits, flight: &mut [PlannedTransaction]) {
        if room.transactions > 0 {
            return;
        }
        for planned in flight {
            let left = room.per_transaction.saturating_sub(planned.recipients());
            let most = usize::try_from(room.named(pressed).min(left)).unwrap_or(usize::MAX);
            let Some(queue) = self.domains.get_mut(&planned.domain).filter(|_| most > 0) else {
                continue;
            };
            let jobs = queue.take_out_of_turn(pressed, most);
            if !jobs.is_empty() {
                room.name(pressed, jobs.len());
                planned.jobs.extend(jobs);
                self.recount(&planned.domain, false);
            }
        }
    }

    fn plan_controls(&mut self, room: &mut FlightLimits, flight: &mut Vec<PlannedTransaction>) {
        let mut waiting = Vec::new();
        while room.controls.min(room.recipients).min(room.transactions) > 0 {
            let Some(domain) = self.controls.pop_front() else { break };
            let Some(queue) = self.domains.get_mut(&domain) else { continue };
            if queue.control_is_due() && !queue.control_is_pressed && room.others == 0 {
                waiting.push(domain);
                continue;
            }
            queue.control_in_turn = false;
            if !queue.control_is_due() {
                continue;
            }
            room.others = room.others.saturating_sub(u32::from(!queue.control_is_pressed));
            room.controls -= 1;
            room.recipients -= 1;
            room.transactions -= 1;
            queue.control = ControlState::Flying;
            self.recount(&domain, false);
            flight.push(PlannedTransaction { domain, jobs: Vec::new() });
        }
        self.controls.extend(waiting);
    }
}
