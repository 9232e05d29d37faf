//! Handover: what a destination's next holder should know, so that several processes behind one
//! address look like one sender.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Destination;
use crate::address::DomainName;
use crate::pacing::{Backoff, ConcurrencyState};
use crate::prober::lane::Lane;
use crate::prober::memory::{Memory, observe_habit};
use crate::prober::wire::{WireFault, WireObservation, from_millis, to_millis};
use crate::smtp::Observation;

/// Exchangers of one destination of which something is handed over.
const HOSTS: usize = 64;

/// A destination as the next holder should know it. Times are those of the writer's clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationState {
    /// Time at which it was written, in milliseconds since the epoch.
    written_at: u64,
    /// Connections in the seconds of the last minute.
    connections: Vec<(u64, u32)>,
    /// Recipients in the seconds of the last minute.
    recipients: Vec<(u64, u32)>,
    sessions: Option<ConcurrencyState>,
    exchangers: Vec<ExchangerState>,
}

/// An exchanger as the next holder should know it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct ExchangerState {
    host: String,
    needs_tls: bool,
    refuses_null_sender: bool,
    /// Replicas of before read this, and believe it for as long as they run.
    breaks_pipelining: bool,
    /// The same.
    one_transaction: bool,
    without_pipelining: Option<HabitState>,
    with_one_transaction: Option<HabitState>,
    knows_ehlo: bool,
    reached: bool,
    rest: Option<RestState>,
    /// The pause before recipients are named again.
    rate_limit: Option<RestState>,
}

/// The time for which a habit of an exchanger is believed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct HabitState {
    until: u64,
    times: u32,
}

impl HabitState {
    fn new(habit: Backoff, now: SystemTime) -> Option<Self> {
        let (until, times) = (to_millis(habit.until()), habit.times());
        habit.is_active(now).then_some(Self { until, times })
    }
}

/// A pause at an exchanger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RestState {
    until: u64,
    times: u32,
    why: WireObservation,
}

impl RestState {
    fn new(pause: Backoff, why: &Observation) -> Self {
        let (until, times) = (to_millis(pause.until()), pause.times());
        Self { until, times, why: WireObservation::from(why) }
    }

    /// The pause by the reader's clock, and why.
    fn to_pause(&self, shifted: impl Fn(u64) -> u64) -> Result<(Backoff, Observation), WireFault> {
        let why = self.why.clone().into_observation()?;
        Ok((Backoff::resumed(from_millis(shifted(self.until)), self.times), why))
    }
}

impl<T> Destination<T> {
    /// Notes that an exchanger was asked here.
    pub(super) fn note_host(&mut self, exchanger: &DomainName) {
        if self.hosts.len() < HOSTS && !self.hosts.contains(exchanger) {
            self.hosts.insert(exchanger.clone());
        }
    }

    /// What the next holder should know; `None` while something is under way.
    pub(in crate::prober) fn hand_over(
        &mut self,
        memory: &mut Memory,
        now: SystemTime,
    ) -> Option<DestinationState> {
        let waits = self.lanes.values().any(|lane| lane.connect_backoff.is_active(now));
        if !self.jobs.is_empty() || self.pool.count() > 0 || (waits && !self.draining) {
            return None;
        }
        let (connections, sessions) = self.pool.state(now);
        Some(DestinationState {
            written_at: to_millis(now),
            connections,
            recipients: self.recipients.entries(now),
            sessions: Some(sessions),
            exchangers: self.exchanger_states(memory, now),
        })
    }

    fn exchanger_states(&self, memory: &mut Memory, now: SystemTime) -> Vec<ExchangerState> {
        let state = |host: &DomainName| {
            let known = memory.exchanger(host)?;
            let rest = known.rest_of(self.identity).filter(|(rest, _)| rest.is_active(now));
            let held = self.lanes.get(host).filter(|lane| lane.held_until(now).is_some());
            let rate_limit =
                held.and_then(|lane| Some((lane.rcpt_backoff, lane.rate_limit.as_ref()?)));
            Some(ExchangerState {
                host: host.as_str().to_owned(),
                needs_tls: known.needs_tls,
                refuses_null_sender: known.refuses_null_sender,
                breaks_pipelining: known.breaks_pipelining.is_active(now),
                one_transaction: known.one_transaction.is_active(now),
                without_pipelining: HabitState::new(known.breaks_pipelining, now),
                with_one_transaction: HabitState::new(known.one_transaction, now),
                knows_ehlo: known.knows_ehlo,
                reached: known.reached,
                rest: rest.map(|(rest, why)| RestState::new(rest, why)),
                rate_limit: rate_limit.map(|(pause, why)| RestState::new(pause, why)),
            })
        };
        self.hosts.iter().filter_map(state).collect()
    }

    /// Goes on from where the holder before was, `elapsed` ago.
    pub(in crate::prober) fn take_over(
        &mut self,
        state: &DestinationState,
        elapsed: Duration,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        // Between the two clocks, in milliseconds.
        let shift = i128::from(to_millis(now))
            - i128::try_from(elapsed.as_millis()).unwrap_or_default()
            - i128::from(state.written_at);
        let shifted =
            |millis: u64| u64::try_from((i128::from(millis) + shift).max(0)).unwrap_or(u64::MAX);
        let entries = |entries: &[(u64, u32)]| -> Vec<(u64, u32)> {
            // Rounded up: an event counts rather for longer than for less.
            let second = |second: u64| shifted(second.saturating_mul(1000)).div_ceil(1000);
            entries.iter().take(128).map(|(at, events)| (second(*at), *events)).collect()
        };
        self.pool.merge_connections(&entries(&state.connections), now);
        self.recipients.merge(&entries(&state.recipients), now);
        if let Some(sessions) = state.sessions {
            self.pool.restore_concurrency(sessions, elapsed, now);
        }
        for known in state.exchangers.iter().take(HOSTS) {
            // What cannot be read is learned again.
            let _ = self.take_exchanger_over(known, shifted, memory, now);
        }
    }

    fn take_exchanger_over(
        &mut self,
        known: &ExchangerState,
        shifted: impl Fn(u64) -> u64,
        memory: &mut Memory,
        now: SystemTime,
    ) -> Result<(), WireFault> {
        let host = DomainName::from_ascii(&known.host);
        self.note_host(&host);
        let exchanger = memory.exchanger_mut(&host);
        exchanger.needs_tls |= known.needs_tls;
        exchanger.refuses_null_sender |= known.refuses_null_sender;
        let believe = |habit: &mut Backoff, is_shown: bool, state: Option<HabitState>| match state {
            Some(HabitState { until, times }) => {
                let other = Backoff::resumed(from_millis(shifted(until)), times);
                if other.until() > habit.until() {
                    *habit = other;
                }
            }
            None if is_shown => observe_habit(habit, now),
            None => {}
        };
        let (pipelining, transaction) = (known.without_pipelining, known.with_one_transaction);
        believe(&mut exchanger.breaks_pipelining, known.breaks_pipelining, pipelining);
        believe(&mut exchanger.one_transaction, known.one_transaction, transaction);
        exchanger.knows_ehlo |= known.knows_ehlo;
        exchanger.reached |= known.reached;
        if let Some(rest) = &known.rest {
            let (backoff, why) = rest.to_pause(&shifted)?;
            exchanger.set_rest(self.identity, backoff, &why);
        }
        if let Some(limit) = &known.rate_limit {
            let (pause, why) = limit.to_pause(&shifted)?;
            let (reached, limits) = (exchanger.reached, exchanger.limits);
            let lane = self.lanes.entry(host.clone()).or_insert_with(|| Lane::new(reached, limits));
            (lane.rcpt_backoff, lane.rate_limit) = (pause, Some(why.to_remembered()));
            self.tidy(&host, None, now);
        }
        Ok(())
    }

    /// Connections that may be opened now.
    #[cfg(test)]
    pub(in crate::prober) fn connection_room(&mut self, now: SystemTime) -> u32 {
        self.pool.connection_room(now)
    }

    /// The holder before died, `since` ago, with as many sessions and connections as are allowed:
    /// one connection is opened now, and the others when its last ones do not count any more.
    pub(in crate::prober) fn survive(&mut self, since: Duration, now: SystemTime) {
        if let Some(died_at) = now.checked_sub(since) {
            self.pool.leave_one_connection(died_at, now);
        }
    }
}
