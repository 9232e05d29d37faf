//! What replicas tell each other so that harvesting is noticed wherever it asks. Pure.

use std::sync::Arc;
use std::time::SystemTime;

/// Local parts that a caller asked about at one domain. Neither is told: both are keyed hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedParts {
    /// Hash of the caller and the domain.
    pub domain: u64,
    /// Time of the first of them.
    pub since: SystemTime,
    /// Hashes of the local parts.
    pub parts: Vec<u64>,
}

/// Numbers of mailboxes that mail servers told a caller about in one minute, by one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedAnswers {
    /// The caller's name.
    pub caller: Arc<str>,
    /// The replica; it names itself only to others.
    pub replica: i64,
    /// The minute since the epoch.
    pub minute: u64,
    /// Mailboxes.
    pub mailboxes: u64,
    /// Those of them that do not exist.
    pub unknown: u64,
}

/// News of harvesting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HarvestReport {
    /// Local parts at single domains.
    pub parts: Vec<SharedParts>,
    /// Mailboxes that exist and that do not.
    pub answers: Vec<SharedAnswers>,
}

impl HarvestReport {
    /// Returns whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.answers.is_empty()
    }
}
