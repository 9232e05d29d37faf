//! Timers: recipients and control recipients to be asked again, lanes to be looked at.

use std::cmp::Reverse;
use std::time::SystemTime;

use super::{Destination, JobState, Timer};
use crate::address::DomainName;
use crate::pacing::SessionLimits;
use crate::prober::lane::{ControlState, JobId, Lane};

impl<T> Destination<T> {
    /// Time at which [`Self::tick`] is to be called; `None` if nothing waits for a time.
    pub(in crate::prober) fn wake_at(&self) -> Option<SystemTime> {
        let delayed = self.delayed.peek().map(|Reverse((at, _))| *at);
        let connection = (!self.wanting.is_empty() && self.has_free_slot())
            .then(|| self.connections.next_room());
        let recipient = self.short_of_recipients.then(|| self.recipients.next_room());
        [delayed, connection, recipient].into_iter().flatten().min()
    }

    /// Time has passed.
    pub(in crate::prober) fn tick(&mut self, now: SystemTime) {
        while self.delayed.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, due))) = self.delayed.pop() else { break };
            match due {
                Timer::Job(id) => self.requeue_delayed(id, now),
                Timer::Control(exchanger, domain) => {
                    if let Some(lane) = self.lanes.get_mut(&exchanger) {
                        let delayed = lane
                            .domain(&domain)
                            .is_some_and(|queue| queue.control == ControlState::Delayed);
                        if delayed {
                            lane.set_control(&domain, ControlState::Due);
                        }
                    }
                    self.stir(&exchanger, now);
                }
                Timer::Lane(exchanger) => {
                    if let Some(lane) = self.lanes.get_mut(&exchanger) {
                        lane.alarm = None;
                    }
                    self.stir(&exchanger, now);
                    self.tidy(&exchanger, None, now);
                }
            }
        }
        if self.short_of_recipients && self.recipients.room(now) > 0 {
            self.short_of_recipients = false;
            let busy: Vec<DomainName> = self
                .lanes
                .iter()
                .filter(|(_, lane)| lane.due() > 0)
                .map(|(exchanger, _)| exchanger.clone())
                .collect();
            for exchanger in busy {
                self.stir(&exchanger, now);
            }
        }
        self.open_sessions(now);
    }

    /// Has the lane looked at again at `at`.
    pub(super) fn set_alarm(&mut self, exchanger: &DomainName, at: SystemTime) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        if lane.alarm.is_none_or(|alarm| at < alarm) {
            lane.alarm = Some(at);
            self.delayed.push(Reverse((at, Timer::Lane(exchanger.clone()))));
        }
    }

    fn requeue_delayed(&mut self, id: JobId, now: SystemTime) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if !matches!(job.state, JobState::Delayed) {
            return;
        }
        job.state = JobState::Queued;
        let (exchanger, domain) = (job.asked.exchanger.clone(), job.asked.domain.clone());
        self.lanes
            .entry(exchanger.clone())
            .or_insert_with(|| Lane::new(true, SessionLimits::default()))
            .push_back_first(&domain, &[id]);
        self.stir(&exchanger, now);
    }
}
