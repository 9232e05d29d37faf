//! When a session is opened, and when an idle one is called.

use std::time::SystemTime;

use super::{Destination, Effect, Session, SessionState};
use crate::address::DomainName;
use crate::pacing::{Config, SessionBudget};
use crate::prober::lane::{Lane, SessionId};

impl<T> Destination<T> {
    /// Something is due in this lane: wakes an idle session, or asks for a new one.
    pub(super) fn stir(&mut self, exchanger: &DomainName, now: SystemTime) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        let each = per_visit(&self.config, lane);
        while lane.due() > lane.woken * each && lane.held_until(now).is_none() {
            let Some(id) = lane.idle.pop() else { break };
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            if let SessionState::Idle { since } = session.state {
                session.state = SessionState::Woken { since };
                lane.woken += 1;
                self.effects.push_back(Effect::Wake(id));
            }
        }
        let connect_backoff = lane.connect_backoff;
        if lane.wanting || !wants_session(&self.config, lane) {
            return;
        }
        if connect_backoff.is_active(now) {
            self.set_alarm(exchanger, connect_backoff.until());
        } else {
            lane.wanting = true;
            self.wanting.push_back(exchanger.clone());
            self.open_sessions(now);
        }
    }

    /// Opens what is wanted and allowed.
    pub(super) fn open_sessions(&mut self, now: SystemTime) {
        while let Some(exchanger) = self.wanting.front().cloned() {
            let Some(lane) = self.lanes.get_mut(&exchanger) else {
                self.wanting.pop_front();
                continue;
            };
            if !wants_session(&self.config, lane) {
                lane.wanting = false;
                self.wanting.pop_front();
                continue;
            }
            if lane.connect_backoff.is_active(now) {
                lane.wanting = false;
                let until = lane.connect_backoff.until();
                self.wanting.pop_front();
                self.set_alarm(&exchanger, until);
                continue;
            }
            if !self.has_free_slot() {
                self.wake_one_to_yield(&exchanger);
                return;
            }
            if self.connections.room(now) == 0 {
                return;
            }
            self.open(exchanger, now);
        }
    }

    /// Opens a session for the first lane that wants one.
    fn open(&mut self, exchanger: DomainName, now: SystemTime) {
        self.connections.take(1, now);
        let id = SessionId(self.fresh_id());
        if let Some(lane) = self.lanes.get_mut(&exchanger) {
            lane.sessions.push(id);
            if lane.connect_backoff.is_counting(self.config.connect_backoff_longest, now) {
                lane.half_open = Some(id);
            }
        }
        let session = Session {
            exchanger: exchanger.clone(),
            state: SessionState::Opening,
            address: None,
            budget: SessionBudget::new(now),
            answered: 0,
            transactions_max: None,
            careful: true,
            flight: Vec::new(),
        };
        self.sessions.insert(id, session);
        self.effects.push_back(Effect::Open { session: id, exchanger: exchanger.clone() });
        // Others first, before this lane gets another one.
        self.wanting.rotate_left(1);
    }

    pub(super) fn has_free_slot(&self) -> bool {
        self.sessions.len() < self.concurrency.allowed()
    }

    /// Whether a session of this lane is to end because there are too many, or because a lane
    /// without any waits for its place.
    pub(super) fn must_yield(&self, exchanger: &DomainName) -> bool {
        let live = self.live();
        if live > self.concurrency.allowed() {
            return true;
        }
        let starving = |name: &DomainName| {
            name != exchanger && self.lanes.get(name).is_some_and(|lane| lane.sessions.is_empty())
        };
        // Those that are closing already make room for as many.
        let closing = self.sessions.len() - live;
        !self.has_free_slot()
            && self.wanting.iter().filter(|name| starving(name)).nth(closing).is_some()
    }

    /// No slot is free and `exchanger` wants one: an idle session of another lane is told to look.
    fn wake_one_to_yield(&mut self, exchanger: &DomainName) {
        let idle = self.sessions.iter().find(|(_, session)| {
            matches!(session.state, SessionState::Idle { .. }) && session.exchanger != *exchanger
        });
        if let Some((id, _)) = idle {
            self.effects.push_back(Effect::Wake(*id));
        }
    }
}

/// How many recipients a session of this lane takes at a time.
pub(super) fn per_visit(config: &Config, lane: &Lane) -> usize {
    let count = if lane.pipelining {
        config.recipients_per_flight
    } else {
        config.recipients_without_pipelining
    };
    usize::try_from(count.get()).unwrap_or(usize::MAX)
}

/// Whether more is due than the sessions there are will take when they come for work next. While
/// one session knocks to see whether the door is open again, nobody else does.
fn wants_session(config: &Config, lane: &Lane) -> bool {
    let most = usize::try_from(config.sessions_per_exchanger.get()).unwrap_or(usize::MAX);
    lane.sessions.len() + lane.closing < most
        && lane.half_open.is_none()
        && lane.due() > lane.sessions.len() * per_visit(config, lane)
}
