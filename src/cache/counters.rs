//! Counters of the questions to a cache. Pure.

use crate::instruments::Counter;

/// Counters that a cache increments.
#[derive(Debug, Default)]
pub(super) struct CacheCounters {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    pub(super) stale: Counter,
    pub(super) failures: Counter,
    pub(super) refreshes: Counter,
}

/// Statistics of one cache since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Answered from the cache.
    pub hits: u64,
    /// Looked up, alone or by joining a lookup in flight.
    pub misses: u64,
    /// Answered with expired facts, because DNS failed.
    pub stale: u64,
    /// Not answered: DNS failed, just now or a few seconds before.
    pub failures: u64,
    /// Looked up in the background before expiry. Not counted among the others.
    pub refreshes: u64,
}

impl CacheCounters {
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
