//! Suspension: for as long as another process may ask the destination through the same address.

use std::time::SystemTime;

use super::{Destination, Effect, JobState, SessionState};
use crate::address::DomainName;
use crate::prober::evidence::LaneAnswer;
use crate::prober::lane::JobId;
use crate::smtp::Control;

impl<T> Destination<T> {
    /// Opens no session and sends nothing more until [`Self::resume`]. Callers that wait are
    /// answered: their questions come back when somebody may ask. A flight under way is read.
    pub(in crate::prober) fn suspend(&mut self, now: SystemTime) {
        self.suspended = true;
        let is_waiting = |state: &JobState| !matches!(state, JobState::InFlight);
        let jobs = self.jobs.iter().filter(|(_, job)| is_waiting(&job.state));
        let waiting: Vec<JobId> = jobs.map(|(id, _)| *id).collect();
        for id in waiting {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            // "Not now" from the server itself is an answer.
            let last = job.last.take();
            let is_answered = matches!(job.state, JobState::AwaitingControl(_));
            let Some((token, withdrawn)) = self.take_back(id, now) else { continue };
            let answer = match (withdrawn.evidence.filter(|_| is_answered), last) {
                // All that it lacks is the control recipient's, which is asked another time.
                (Some(evidence), _) => LaneAnswer::new(evidence, withdrawn.control),
                (None, Some(last)) => LaneAnswer::new(*last, Control::NotAsked),
                (None, None) => LaneAnswer::postponed(now),
            };
            self.effects.push_back(Effect::Answer(token, answer));
        }
        let unused = self.pool.iter().filter(|(_, session)| {
            matches!(session.state, SessionState::Idle { .. } | SessionState::Opening)
        });
        self.effects.extend(unused.map(|(id, _)| Effect::Wake(id)));
    }

    /// This process may ask again.
    pub(in crate::prober) fn resume(&mut self, now: SystemTime) {
        if std::mem::take(&mut self.suspended) {
            let lanes: Vec<DomainName> = self.lanes.keys().cloned().collect();
            for exchanger in lanes {
                self.stir(&exchanger, now);
            }
            self.open_sessions(now);
        }
    }

    pub(in crate::prober) fn is_suspended(&self) -> bool {
        self.suspended
    }
}
