//! What the prober is doing, as numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use super::lanes::Counters;

/// The state of the prober at one moment, and what it did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Destinations (each once per egress identity) that are in use or were lately.
    pub destinations: usize,
    /// Sessions opening, open or closing.
    pub sessions: usize,
    /// Recipients somebody waits for.
    pub waiting: usize,
    /// Exchangers at which some egress identity rests: blocked, or not reached.
    pub exchangers_resting: usize,
    /// Connections opened.
    pub connections: u64,
    /// Connections that could not be opened.
    pub connections_failed: u64,
    /// Flights: writes of one or more commands, each followed by waiting.
    pub flights: u64,
    /// `MAIL` commands sent.
    pub mail: u64,
    /// `RCPT` commands sent, control recipients included.
    pub rcpt: u64,
    /// Recipients refused as unknown users, control recipients included.
    pub unknown_users: u64,
}

impl Stats {
    pub(super) fn counted(counters: &Counters) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            connections: read(&counters.connections),
            connections_failed: read(&counters.connections_failed),
            flights: read(&counters.flights),
            mail: read(&counters.mail),
            rcpt: read(&counters.rcpt),
            unknown_users: read(&counters.unknown_users),
            ..Self::default()
        }
    }
}
