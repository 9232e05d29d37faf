//! Pool of sessions: opens new ones, wakes idle ones.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use foldhash::HashMap;

use super::allowance::Allowance;
use super::demand::{due_now, per_visit, share_of_one_domain, wants_session};
use super::{Destination, Effect, PooledSession, SessionState};
use crate::address::DomainName;
use crate::pacing::{Concurrency, ConcurrencyState, Config, SessionBudget, Window};
use crate::prober::lane::{Lane, SessionId};

/// Time that a flight may take before those with little time no longer wait for its session. Most
/// take a round trip; to open a session takes four or five.
const SLOW_FLIGHT: Duration = Duration::from_millis(500);

/// One connection in so many is kept for callers with little time.
const PARTS: u32 = 30;

/// The sessions of a destination, the limits on opening more, and the lanes that want one.
pub(super) struct SessionPool {
    sessions: HashMap<SessionId, PooledSession>,
    concurrency: Concurrency,
    connections: Allowance,
    /// Connections opened for one recipient domain alone.
    connections_by_domain: HashMap<DomainName, Window>,
    /// Connections in any 60 seconds that may be opened for one recipient domain alone.
    share_of_one_domain: u32,
    /// Lanes that want a session more, first come first served.
    pub(super) wanting: VecDeque<DomainName>,
    /// Those of them where somebody with little time waits, or did.
    pub(super) hurrying: VecDeque<DomainName>,
}

impl SessionPool {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            sessions: HashMap::default(),
            concurrency: Concurrency::new(config.sessions_per_destination.get()),
            connections: Allowance::new(config.connections_per_minute.get(), PARTS),
            connections_by_domain: HashMap::default(),
            share_of_one_domain: share_of_one_domain(config),
            wanting: VecDeque::new(),
            hurrying: VecDeque::new(),
        }
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&PooledSession> {
        self.sessions.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut PooledSession> {
        self.sessions.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<PooledSession> {
        self.sessions.remove(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &PooledSession)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// Sessions open, opening or closing.
    pub(super) fn count(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions open or opening; not those that are closing.
    fn live(&self) -> usize {
        self.sessions.values().filter(|session| session.state != SessionState::Closing).count()
    }

    /// Connections of the last minute, and what the destination showed of sessions.
    pub(super) fn state(&mut self, now: SystemTime) -> (Vec<(u64, u32)>, ConcurrencyState) {
        (self.connections.entries(now), self.concurrency.state(now))
    }

    #[cfg(test)]
    pub(super) fn connection_room(&mut self, now: SystemTime) -> u32 {
        self.connections.room(true, now)
    }

    /// Counts connections that another process opened.
    pub(super) fn merge_connections(&mut self, entries: &[(u64, u32)], now: SystemTime) {
        self.connections.merge(entries, now);
    }

    /// Goes on from what another process knew, `elapsed` ago.
    pub(super) fn restore_concurrency(
        &mut self,
        before: ConcurrencyState,
        elapsed: Duration,
        now: SystemTime,
    ) {
        self.concurrency.restore(before, elapsed, now);
    }

    /// Counts all connections but one as opened at `at`, by a process that cannot tell any more.
    pub(super) fn leave_one_connection(&mut self, at: SystemTime, now: SystemTime) {
        let second = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.connections.leave_one(second, now);
    }

    /// `true` if there is no session, and no limit counts a connection any more.
    pub(super) fn is_clear(&mut self, now: SystemTime) -> bool {
        self.sessions.is_empty() && self.connections.is_clear(now)
    }

    fn has_free_slot(&self) -> bool {
        self.sessions.len() < self.concurrency.allowed()
    }

    /// The exchanger let no session in, or ended a session early: fewer sessions from here on.
    pub(super) fn trouble(&mut self, now: SystemTime) {
        let in_use = self.live();
        self.concurrency.trouble(in_use, now);
    }

    /// The destination asked for less, or grew slow: fewer sessions from here on.
    pub(super) fn too_much(&mut self, now: SystemTime) {
        let in_use = self.live();
        self.concurrency.too_much(in_use, now);
    }

    /// A flight went well: in time, more sessions.
    pub(super) fn smooth(&mut self, now: SystemTime) {
        self.concurrency.smooth(now);
    }

    /// `true` if a session may open a connection now, for `guest_domain` alone if that is set.
    pub(super) fn may_open(&mut self, guest_domain: Option<&DomainName>, now: SystemTime) -> bool {
        self.has_free_slot()
            && self.connections.room(false, now) > 0
            && guest_domain.is_none_or(|domain| self.share_used_up(domain, now).is_none())
    }

    /// Takes a session in that opens a connection now; for `guest_domain` alone, if that is set;
    /// `pressed` if somebody with little time waits for it.
    pub(super) fn open(
        &mut self,
        id: SessionId,
        exchanger: &DomainName,
        guest_domain: Option<DomainName>,
        pressed: bool,
        now: SystemTime,
    ) {
        self.connections.take(1, u32::from(pressed), now);
        if let Some(domain) = guest_domain {
            self.connections_by_domain.retain(|_, window| !window.is_clear(now));
            let window = self.connections_by_domain.entry(domain);
            window.or_insert_with(|| Window::new(self.share_of_one_domain)).take(1, now);
        }
        let session = PooledSession {
            exchanger: exchanger.clone(),
            state: SessionState::Opening,
            address: None,
            stale: false,
            budget: SessionBudget::new(now),
            answered: 0,
            taken: 0,
            carried: 0,
            unsure_of_limit: None,
            transactions_max: None,
            careful: true,
            flight: Vec::new(),
            flight_began: now,
        };
        self.sessions.insert(id, session);
    }

    /// The time at which one recipient domain may use another connection, if it has used up its
    /// share. Whoever owns a domain decides which exchangers it names, and must not be able to keep
    /// all others from a provider by naming many.
    fn share_used_up(&mut self, guest_domain: &DomainName, now: SystemTime) -> Option<SystemTime> {
        let window = self.connections_by_domain.get_mut(guest_domain)?;
        (window.room(now) == 0).then(|| window.next_room())
    }

    /// Sessions of a lane whose flight is too slow for those with little time, if such wait there.
    fn slow_flights(&self, lane: &Lane, now: SystemTime) -> usize {
        if lane.pressed() == 0 {
            return 0;
        }
        let slow_at = lane.sessions.iter().filter_map(|id| self.get(*id)?.slow_at());
        slow_at.filter(|slow_at| *slow_at <= now).count()
    }

    /// An idle session of another lane than that of `exchanger`.
    fn idle_elsewhere(&self, exchanger: &DomainName) -> Option<SessionId> {
        let idle = self.sessions.iter().find(|(_, session)| {
            matches!(session.state, SessionState::Idle { .. }) && session.exchanger != *exchanger
        });
        idle.map(|(id, _)| *id)
    }
}

impl PooledSession {
    /// Time from which on its flight is slow, if one is under way.
    fn slow_at(&self) -> Option<SystemTime> {
        (!self.flight.is_empty()).then(|| self.flight_began + SLOW_FLIGHT)
    }
}

impl<T> Destination<T> {
    /// Something is due in this lane: wakes an idle session, or asks for a new one.
    pub(super) fn stir(&mut self, exchanger: &DomainName, now: SystemTime) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        lane.limits.expire(now);
        if lane.due() == 0 || self.must_wait(exchanger, now) {
            return;
        }
        let others_may = self.recipients.room(false, now) > 0;
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        let due = due_now(lane, others_may);
        let each = per_visit(&self.config, lane);
        while due > lane.woken * each {
            let Some(id) = lane.idle.pop() else { break };
            let Some(session) = self.pool.get_mut(id) else { continue };
            if let SessionState::Idle { since } = session.state {
                session.state = SessionState::Woken { since };
                lane.woken += 1;
                self.effects.push_back(Effect::Wake(id));
            }
        }
        let connect_backoff = lane.connect_backoff;
        if lane.wanting {
            return self.note_hurry(exchanger);
        }
        if !wants_session(&self.config, lane, due, self.pool.slow_flights(lane, now)) {
            return self.watch_flights(exchanger, now);
        }
        if connect_backoff.is_active(now) {
            self.set_alarm(exchanger, connect_backoff.until());
        } else {
            lane.wanting = true;
            self.pool.wanting.push_back(exchanger.clone());
            self.note_hurry(exchanger);
            self.open_sessions(now);
        }
    }

    /// Has a lane where somebody waits with little time looked at again when a flight is slow.
    pub(super) fn watch_flights(&mut self, exchanger: &DomainName, now: SystemTime) {
        let Some(lane) = self.lanes.get(exchanger) else { return };
        if lane.pressed() == 0 {
            return;
        }
        let sessions = lane.sessions.iter().filter_map(|id| self.pool.get(*id)?.slow_at());
        if let Some(at) = sessions.filter(|at| *at > now).min() {
            self.set_alarm(exchanger, at);
        }
    }

    /// `true` if no recipient of this lane may be named now: the exchanger or the destination had
    /// enough of them. The lane is looked at again when one may.
    pub(super) fn must_wait(&mut self, exchanger: &DomainName, now: SystemTime) -> bool {
        let lane = self.lanes.get(exchanger);
        let pressed = lane.is_some_and(|lane| lane.pressed() > 0);
        if let Some(until) = lane.and_then(|lane| lane.held_until(now)) {
            self.set_alarm(exchanger, until);
            return true;
        }
        let is_short = self.recipients.room(pressed, now) == 0;
        if is_short {
            self.recipients.ran_short(pressed);
        }
        is_short
    }

    /// Opens what is wanted and allowed.
    pub(super) fn open_sessions(&mut self, now: SystemTime) {
        if self.suspended {
            return;
        }
        let others_may = self.recipients.room(false, now) > 0;
        while let Some(exchanger) = self.pool.wanting.front().cloned() {
            let Some(lane) = self.lanes.get_mut(&exchanger) else {
                self.pool.wanting.pop_front();
                continue;
            };
            let due = due_now(lane, others_may);
            let slow = self.pool.slow_flights(lane, now);
            let wants = wants_session(&self.config, lane, due, slow);
            if !wants || self.must_wait(&exchanger, now) {
                self.stop_wanting(&exchanger);
                self.tidy(&exchanger, None, now);
                continue;
            }
            let Some(lane) = self.lanes.get(&exchanger) else { continue };
            let pressed = lane.pressed() > 0;
            if lane.connect_backoff.is_active(now) {
                let until = lane.connect_backoff.until();
                self.stop_wanting(&exchanger);
                self.set_alarm(&exchanger, until);
                continue;
            }
            if !self.pool.has_free_slot() {
                self.wake_one_to_yield(&exchanger);
                return;
            }
            if self.pool.connections.room(pressed, now) == 0 {
                if pressed || !self.bring_pressed_forward() {
                    return;
                }
                continue;
            }
            let guest = self.guest_domain(&exchanger).cloned();
            let used_up = guest.as_ref().and_then(|domain| self.pool.share_used_up(domain, now));
            if let Some(until) = used_up {
                self.stop_wanting(&exchanger);
                self.set_alarm(&exchanger, until);
                continue;
            }
            self.open(exchanger, guest, now);
        }
    }

    /// The time at which a lane that wants a session may have one, if only the limit of
    /// connections is in its way.
    pub(super) fn next_connection(&self) -> Option<SystemTime> {
        let pool = &self.pool;
        let is_limited = !pool.wanting.is_empty() && pool.has_free_slot();
        is_limited.then(|| pool.connections.next_room(!pool.hurrying.is_empty()))
    }

    /// Opens a session for the first lane that wants one; for `guest` alone, if that is all it has.
    fn open(&mut self, exchanger: DomainName, guest: Option<DomainName>, now: SystemTime) {
        let id = SessionId(self.fresh_id());
        let pressed = self.lanes.get(&exchanger).is_some_and(|lane| lane.pressed() > 0);
        self.pool.open(id, &exchanger, guest, pressed, now);
        // Others first, before this lane gets another one.
        self.pool.wanting.rotate_left(1);
        if let Some(lane) = self.lanes.get_mut(&exchanger) {
            lane.sessions.push(id);
            if lane.connect_backoff.is_counting(self.config.connect_backoff_longest, now) {
                lane.half_open = Some(id);
            }
        }
        self.effects.push_back(Effect::Open { session: id, exchanger });
    }

    /// The recipient domain for which alone this lane would connect, unless the exchangers are its
    /// own.
    fn guest_domain(&self, exchanger: &DomainName) -> Option<&DomainName> {
        let domain = self.lanes.get(exchanger)?.only_domain()?;
        (domain.registrable() != exchanger.registrable()).then_some(domain)
    }

    /// `true` if a session of this lane is to end because there are too many, or because a lane
    /// without any waits for its place.
    pub(super) fn must_yield(&self, exchanger: &DomainName) -> bool {
        let live = self.pool.live();
        if live > self.pool.concurrency.allowed() {
            return true;
        }
        let starving = |name: &DomainName| {
            name != exchanger && self.lanes.get(name).is_some_and(|lane| lane.sessions.is_empty())
        };
        // Those that are closing already make room for as many.
        let closing = self.pool.count() - live;
        !self.pool.has_free_slot()
            && self.pool.wanting.iter().filter(|name| starving(name)).nth(closing).is_some()
    }

    /// No slot is free and `exchanger` wants one: an idle session of another lane is told to look.
    fn wake_one_to_yield(&mut self, exchanger: &DomainName) {
        if let Some(id) = self.pool.idle_elsewhere(exchanger) {
            self.effects.push_back(Effect::Wake(id));
        }
    }
}
