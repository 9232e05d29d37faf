//! Timers: recipients and control recipients to be asked again, lanes to be looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::SystemTime;

use super::{Destination, JobState};
use crate::address::DomainName;
use crate::pacing::SessionLimits;
use crate::prober::lane::{ControlState, JobId, Lane};
use crate::prober::memory::Memory;

/// Something to look at later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Job(JobId),
    /// The caller has waited long enough for the exchanger to let us in.
    FirstWait(JobId),
    Control(DomainName, DomainName),
    Lane(DomainName),
}

/// The timers of a destination, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(SystemTime, Timer)>>);

impl Timers {
    pub(super) fn set(&mut self, at: SystemTime, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }

    /// The time of the earliest timer.
    fn next(&self) -> Option<SystemTime> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the earliest timer out, if its time has come.
    fn pop_due(&mut self, now: SystemTime) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse((_, timer))| timer)
    }
}

impl<T> Destination<T> {
    /// Time at which [`Self::tick`] is to be called; `None` if nothing waits for a time.
    pub(in crate::prober) fn wake_at(&self) -> Option<SystemTime> {
        // What is left then is lanes to forget: that can wait until something is asked again.
        if self.jobs.is_empty() && self.pool.count() == 0 {
            return None;
        }
        // A suspended destination opens none, even when there is room again.
        let connection = self.next_connection().filter(|_| !self.suspended);
        let waits = [self.timers.next(), connection, self.recipients.next_room()];
        waits.into_iter().flatten().min()
    }

    /// Time has passed.
    pub(in crate::prober) fn tick(&mut self, memory: &mut Memory, now: SystemTime) {
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Timer::Job(id) => self.requeue_delayed(id, memory, now),
                Timer::FirstWait(id) => self.pass_on(id, now),
                Timer::Control(exchanger, domain) => {
                    if let Some(lane) = self.lanes.get_mut(&exchanger) {
                        let delayed = lane
                            .domain(&domain)
                            .is_some_and(|queue| queue.control == ControlState::Delayed);
                        if delayed {
                            lane.set_control(&domain, ControlState::Due);
                        }
                    }
                    self.stir_unless_resting(&exchanger, memory, now);
                }
                Timer::Lane(exchanger) => {
                    if let Some(lane) = self.lanes.get_mut(&exchanger) {
                        lane.alarm = None;
                    }
                    self.stir_unless_resting(&exchanger, memory, now);
                    self.tidy(&exchanger, None, now);
                }
            }
        }
        if self.recipients.has_room_again(now) {
            let busy: Vec<DomainName> = self
                .lanes
                .iter()
                .filter(|(_, lane)| lane.due() > 0)
                .map(|(exchanger, _)| exchanger.clone())
                .collect();
            for exchanger in busy {
                self.stir_unless_resting(&exchanger, memory, now);
            }
        }
        self.open_sessions(now);
    }

    /// Has the lane looked at again at `at`.
    pub(super) fn set_alarm(&mut self, exchanger: &DomainName, at: SystemTime) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        if lane.alarm.is_none_or(|alarm| at < alarm) {
            lane.alarm = Some(at);
            self.timers.set(at, Timer::Lane(exchanger.clone()));
        }
    }

    fn requeue_delayed(&mut self, id: JobId, memory: &mut Memory, now: SystemTime) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if !matches!(job.state, JobState::Delayed) {
            return;
        }
        job.state = JobState::Queued;
        let (exchanger, domain) = (job.asked.exchanger.clone(), job.asked.domain.clone());
        let (is_backup, pressed) = (job.asked.backup, job.pressed);
        let lane = self
            .lanes
            .entry(exchanger.clone())
            .or_insert_with(|| Lane::new(true, SessionLimits::default()));
        lane.push_back_first(&domain, &[id], pressed);
        if let Some(queue) = lane.domain(&domain) {
            queue.is_backup = is_backup;
        }
        self.stir_unless_resting(&exchanger, memory, now);
    }

    /// Forgets what nothing waits for: the domain's queue, then the lane, once its pauses do not
    /// count any more.
    pub(super) fn tidy(
        &mut self,
        exchanger: &DomainName,
        domain: Option<&DomainName>,
        now: SystemTime,
    ) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        if let Some(domain) = domain {
            lane.tidy(domain);
        }
        if !lane.is_empty() || lane.session_count() > 0 || lane.wanting {
            return;
        }
        let longest = self.config.connect_backoff_longest;
        let pauses = [lane.connect_backoff, lane.rcpt_backoff];
        let counting = pauses.into_iter().filter(|pause| pause.is_counting(longest, now));
        match counting.map(|pause| pause.until() + longest).max() {
            Some(end) => self.set_alarm(exchanger, end),
            None => {
                self.lanes.remove(exchanger);
            }
        }
    }
}
