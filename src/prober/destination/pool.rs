//! Pool of sessions: opens new ones, wakes idle ones.

use std::time::SystemTime;

use super::{Destination, Effect, PooledSession, SessionState};
use crate::address::DomainName;
use crate::pacing::{Config, SessionBudget, Window};
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
            if let Some(until) = self.share_used_up(&exchanger, now) {
                if let Some(lane) = self.lanes.get_mut(&exchanger) {
                    lane.wanting = false;
                }
                self.wanting.pop_front();
                self.set_alarm(&exchanger, until);
                continue;
            }
            self.open(exchanger, now);
        }
    }

    /// Opens a session for the first lane that wants one.
    fn open(&mut self, exchanger: DomainName, now: SystemTime) {
        self.connections.take(1, now);
        if let Some(domain) = self.guest_domain(&exchanger).cloned() {
            self.connections_by_domain.retain(|_, window| !window.is_clear(now));
            let share = share_of_one_domain(&self.config);
            let window = self.connections_by_domain.entry(domain);
            window.or_insert_with(|| Window::new(share)).take(1, now);
        }
        let id = SessionId(self.fresh_id());
        if let Some(lane) = self.lanes.get_mut(&exchanger) {
            lane.sessions.push(id);
            if lane.connect_backoff.is_counting(self.config.connect_backoff_longest, now) {
                lane.half_open = Some(id);
            }
        }
        let session = PooledSession {
            exchanger: exchanger.clone(),
            state: SessionState::Opening,
            address: None,
            budget: SessionBudget::new(now),
            answered: 0,
            taken: 0,
            carried: 0,
            unsure_of_limit: None,
            transactions_max: None,
            careful: true,
            flight: Vec::new(),
        };
        self.sessions.insert(id, session);
        self.effects.push_back(Effect::Open { session: id, exchanger: exchanger.clone() });
        // Others first, before this lane gets another one.
        self.wanting.rotate_left(1);
    }

    /// The recipient domain for which alone this lane would connect, unless the exchangers are its
    /// own.
    fn guest_domain(&self, exchanger: &DomainName) -> Option<&DomainName> {
        let domain = self.lanes.get(exchanger)?.only_domain()?;
        (domain.registrable() != exchanger.registrable()).then_some(domain)
    }

    /// The time at which one recipient domain may use another connection, if it has used up its
    /// share. Whoever owns a domain decides which exchangers it names, and must not be able to keep
    /// all others from a provider by naming many.
    fn share_used_up(&mut self, exchanger: &DomainName, now: SystemTime) -> Option<SystemTime> {
        let domain = self.guest_domain(exchanger)?.clone();
        let window = self.connections_by_domain.get_mut(&domain)?;
        (window.room(now) == 0).then(|| window.next_room())
    }

    pub(super) fn has_free_slot(&self) -> bool {
        self.sessions.len() < self.concurrency.allowed()
    }

    /// `true` if a session of this lane is to end because there are too many, or because a lane
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

/// Connections in any 60 seconds that may be opened for one recipient domain alone: two thirds.
fn share_of_one_domain(config: &Config) -> u32 {
    (config.connections_per_minute.get() / 3 * 2).max(1)
}

/// Recipients that a session of this lane takes at a time.
pub(super) fn per_visit(config: &Config, lane: &Lane) -> usize {
    let count = if lane.pipelining {
        config.recipients_per_flight
    } else {
        config.recipients_without_pipelining
    };
    let count = count.get().min(lane.limits.recipients().unwrap_or(u32::MAX));
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// `true` if more is due than the present sessions will take with their next flights. While
/// one session knocks to see whether the door is open again, nobody else does.
fn wants_session(config: &Config, lane: &Lane) -> bool {
    let most = usize::try_from(config.sessions_per_exchanger.get()).unwrap_or(usize::MAX);
    lane.sessions.len() + lane.closing < most
        && lane.half_open.is_none()
        && lane.due() > lane.sessions.len() * per_visit(config, lane)
}
