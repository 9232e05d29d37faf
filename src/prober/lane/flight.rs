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
    /// Recipients that callers asked about.
    pub(in crate::prober) asked: u32,
    pub(in crate::prober) transactions: u32,
    pub(in crate::prober) per_transaction: u32,
    /// Control recipients: each is an unknown user, most likely.
    pub(in crate::prober) controls: u32,
}

impl Lane {
    /// The next flight: domain after domain in turn as many recipients as fit, then the control
    /// recipients that are due, each in a transaction of its own. Those have the first right to a
    /// place, and come last: a server that punishes the last of them holds no other answer back.
    pub(in crate::prober) fn plan(&mut self, mut room: FlightLimits) -> Vec<PlannedTransaction> {
        let (mut flight, mut controls) = (Vec::new(), Vec::new());
        self.plan_controls(&mut room, &mut controls);
        while room.recipients.min(room.asked).min(room.transactions) > 0 {
            let Some(domain) = self.turn.pop_front() else { break };
            let Some(queue) = self.domains.get_mut(&domain) else { continue };
            let most = room.recipients.min(room.asked).min(room.per_transaction);
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let jobs: Vec<JobId> = queue.queued.drain(..most.min(queue.queued.len())).collect();
            queue.flying += jobs.len();
            queue.in_turn = false;
            if !jobs.is_empty() {
                let planned = PlannedTransaction { domain: domain.clone(), jobs };
                room.recipients -= planned.recipients();
                room.asked -= planned.recipients();
                room.transactions -= 1;
                flight.push(planned);
            }
            self.recount(&domain, false);
        }
        flight.append(&mut controls);
        flight
    }

    fn plan_controls(&mut self, room: &mut FlightLimits, flight: &mut Vec<PlannedTransaction>) {
        while room.controls.min(room.recipients).min(room.transactions) > 0 {
            let Some(domain) = self.controls.pop_front() else { break };
            let Some(queue) = self.domains.get_mut(&domain) else { continue };
            queue.control_in_turn = false;
            if !queue.control_is_due() {
                continue;
            }
            room.controls -= 1;
            room.recipients -= 1;
            room.transactions -= 1;
            queue.control = ControlState::Flying;
            self.recount(&domain, false);
            flight.push(PlannedTransaction { domain, jobs: Vec::new() });
        }
    }
}
