//! Counters of the verifier.

use std::time::Duration;

use crate::instruments::{Counter, CounterVec, Histogram, HistogramSnapshot};
use crate::verdict::Reason;

/// Counts while the verifier works.
pub(super) struct VerifierCounters {
    reasons: CounterVec,
    elapsed: Histogram,
    pub(super) dns: Histogram,
    pub(super) probe: Histogram,
    pub(super) remembered: Counter,
    pub(super) not_remembered: Counter,
}

/// Counters since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Verifications by the reason that decided.
    pub reasons: Vec<(&'static str, u64)>,
    /// Duration of a verification, from its beginning to its verdict.
    pub elapsed: HistogramSnapshot,
    /// Duration of learning how a domain receives mail, remembered or not.
    pub dns: HistogramSnapshot,
    /// Time for which exchangers were asked, the waiting in their lanes included.
    pub probe: HistogramSnapshot,
    /// Verifications whose evidence was remembered.
    pub remembered: u64,
    /// Verifications whose evidence had to be gathered although it could have been remembered.
    pub not_remembered: u64,
}

impl VerifierCounters {
    pub(super) fn new() -> Self {
        Self {
            reasons: CounterVec::new(Reason::ALL.iter().map(|reason| reason.name())),
            elapsed: Histogram::default(),
            dns: Histogram::default(),
            probe: Histogram::default(),
            remembered: Counter::default(),
            not_remembered: Counter::default(),
        }
    }

    /// A verification ended.
    pub(super) fn verified(&self, reason: Reason, elapsed: Duration) {
        self.reasons.inc(reason.name());
        self.elapsed.observe(elapsed);
    }

    pub(super) fn snapshot(&self) -> Stats {
        Stats {
            reasons: self.reasons.snapshot(),
            elapsed: self.elapsed.snapshot(),
            dns: self.dns.snapshot(),
            probe: self.probe.snapshot(),
            remembered: self.remembered.value(),
            not_remembered: self.not_remembered.value(),
        }
    }
}
