//! How the questions to a memory went, as numbers. Pure.

use crate::instruments::Counter;

/// Counts while a memory is asked.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    pub(super) stale: Counter,
    pub(super) failures: Counter,
    pub(super) refreshes: Counter,
}

/// How the questions to one memory went since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Answered from memory.
    pub hits: u64,
    /// Looked up, by oneself or together with others.
    pub misses: u64,
    /// Answered with something past its end, because DNS failed.
    pub stale: u64,
    /// Not answered: DNS failed, just now or a few seconds before.
    pub failures: u64,
    /// Looked up ahead of their end, without anybody waiting. Not among the others.
    pub refreshes: u64,
}

impl Counters {
    pub(super) fn snapshot(&self) -> Stats {
        Stats {
            hits: self.hits.value(),
            misses: self.misses.value(),
            stale: self.stale.value(),
            failures: self.failures.value(),
            refreshes: self.refreshes.value(),
        }
    }
}
