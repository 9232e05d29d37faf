//! What the verifier did, as numbers.

use std::time::Duration;

use crate::tally::{Counter, Kinds, Times, TimesRead};
use crate::verdict::Reason;

/// Counts while the verifier works.
pub(super) struct Counters {
    reasons: Kinds,
    elapsed: Times,
    pub(super) dns: Times,
    pub(super) probe: Times,
    pub(super) remembered: Counter,
    pub(super) not_remembered: Counter,
}

/// What was counted since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Verifications by the reason that decided.
    pub reasons: Vec<(&'static str, u64)>,
    /// How long a verification took, from its beginning to its verdict.
    pub elapsed: TimesRead,
    /// How long it took to learn how a domain receives mail, remembered or not.
    pub dns: TimesRead,
    /// How long exchangers were asked, the waiting in their lanes included.
    pub probe: TimesRead,
    /// Verifications whose evidence was remembered.
    pub remembered: u64,
    /// Verifications whose evidence had to be gathered although it could have been remembered.
    pub not_remembered: u64,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            reasons: Kinds::new(Reason::ALL.iter().map(|reason| reason.name())),
            elapsed: Times::default(),
            dns: Times::default(),
            probe: Times::default(),
            remembered: Counter::default(),
            not_remembered: Counter::default(),
        }
    }

    /// A verification ended.
    pub(super) fn verified(&self, reason: Reason, elapsed: Duration) {
        self.reasons.one(reason.name());
        self.elapsed.one(elapsed);
    }

    pub(super) fn read(&self) -> Stats {
        Stats {
            reasons: self.reasons.read(),
            elapsed: self.elapsed.read(),
            dns: self.dns.read(),
            probe: self.probe.read(),
            remembered: self.remembered.read(),
            not_remembered: self.not_remembered.read(),
        }
    }
}
