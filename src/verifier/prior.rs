//! The interface to what earlier mail tells of an address. Pure.

use std::fmt;
use std::time::SystemTime;

use crate::address::Identity;
use crate::verdict::Reason;

/// An outcome of earlier mail for which an address is not asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorOutcome {
    /// [`Reason::BouncedBefore`] or [`Reason::OptedOut`].
    pub reason: Reason,
    /// The kind, the time, the source and the server's words.
    pub words: String,
}

/// Knows what became of earlier mail.
pub trait PriorOutcomes: fmt::Debug + Send + Sync {
    /// The outcome for which an address of this identity is not asked about at `now`, if there is
    /// one. Asked for every address, on the runtime's threads: it must not wait.
    fn find(&self, identity: &Identity, now: SystemTime) -> Option<PriorOutcome>;
}
