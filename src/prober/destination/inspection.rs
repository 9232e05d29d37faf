//! Sessions that look at the TLS of an exchanger and name no recipient: they take a place and a
//! connection as every session does, and wait for none.

use std::time::SystemTime;

use super::{Destination, PooledSession, SessionState};
use crate::address::DomainName;
use crate::prober::lane::{Lane, SessionId};
use crate::prober::memory::Memory;

/// The cause of a look that may not begin now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::prober) enum InspectionRefusal {
    /// The exchanger refused us a while ago, or was not there.
    #[error("the exchanger is left alone for a while, after it refused us or was not there")]
    Resting,
    /// As many sessions or connections as there may be are in use.
    #[error("no further connection to the exchanger may be opened for now")]
    NoRoom,
}

impl<T> Destination<T> {
    /// Takes the place of a session that looks at the TLS of `exchanger` for `domain`. It is given
    /// back with [`Self::closed`].
    pub(in crate::prober) fn begin_inspection(
        &mut self,
        exchanger: &DomainName,
        domain: &DomainName,
        memory: &mut Memory,
        now: SystemTime,
    ) -> Result<SessionId, InspectionRefusal> {
        self.last_used = now;
        let known = memory.exchanger(exchanger);
        if known.is_some_and(|known| known.rests(self.identity, now).is_some()) {
            return Err(InspectionRefusal::Resting);
        }
        let reached = known.is_some_and(|known| known.reached);
        let limits = known.map(|known| known.limits).unwrap_or_default();
        if let Some(lane) = self.lanes.get(exchanger) {
            if lane.connect_backoff.is_active(now) || lane.half_open.is_some() {
                return Err(InspectionRefusal::Resting);
            }
            if lane.session_count() >= most_sessions(self.config.sessions_per_exchanger.get()) {
                return Err(InspectionRefusal::NoRoom);
            }
        }
        let guest = (domain.registrable() != exchanger.registrable()).then(|| domain.clone());
        if self.draining || self.suspended || !self.pool.may_open(guest.as_ref(), now) {
            return Err(InspectionRefusal::NoRoom);
        }
        let id = SessionId(self.fresh_id());
        self.pool.open(id, exchanger, guest, false, now);
        if let Some(session) = self.pool.get_mut(id) {
            session.state = SessionState::Inspecting;
        }
        let lane =
            self.lanes.entry(exchanger.clone()).or_insert_with(|| Lane::new(reached, limits));
        lane.inspecting += 1;
        Ok(id)
    }
}

impl PooledSession {
    /// `true` if it looks at TLS alone.
    pub(super) fn is_inspection(&self) -> bool {
        self.state == SessionState::Inspecting
    }
}

fn most_sessions(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
