//! The pre-flight: statements about a campaign before it is sent, from the counts of its list
//! alone.
//!
//! A *hard bounce* is mail that comes back for good. How many a campaign will see cannot be known
//! before it is sent, and nothing here guesses: no verdict is given a probability. What is known is
//! a lower and an upper bound for each [`SendPolicy`], with
//! `D + R + U + K + O` = deliverable + risky + undeliverable + unknown + open rows = the list:
//!
//! | policy | sent to | at least | at most |
//! |---|---|---|---|
//! | deliverable | `D`, up to `D + O` | 0 | 0 |
//! | deliverable and risky | `D + R`, up to `D + R + O` | 0 | `R + O` of `D + R + O` |
//! | all | the list | `U` of the list | `U + R + K + O` of the list |
//!
//! - An undeliverable row bounces: there is positive evidence. A risky, unknown or open row that is
//!   sent to may or may not.
//! - Rows that are still open are counted as whatever makes a bound worse. So the bounds hold
//!   whatever the open rows turn out to be, and can only come closer to each other.
//! - **Not in the bounds**: an accepted address can still bounce (a mailbox deleted after it was
//!   asked about, a server that accepts first and returns later, a filter that refuses the message
//!   and not the recipient). Nobody can count these before they happen.
//!
//! The decision follows from the bounds:
//!
//! - [`Decision::Go`]: even the upper bound is below the review threshold, and there is somebody to
//!   send to.
//! - [`Decision::NoGo`]: even the lower bound reaches the pause threshold, or there is nobody to
//!   send to and nobody who may still turn up.
//! - [`Decision::CleanFirst`]: everything between. [`Preflight::steps`] says what would change it.
//!
//! Go and no-go stand whatever the open rows turn out to be; only `CleanFirst` can change while a
//! batch runs.
//!
//! What earlier sends let expect ([`Preflight::expected`]) decides nothing: it stands beside the
//! bounds.
//!
//! Not here: the counting ([`Progress`]) and the drawing (`report`, `cli/summary`).

mod cautions;
mod counts;
mod expectation;
mod host_fault;
mod share;
mod steps;
#[cfg(test)]
mod tests;
mod thresholds;
pub mod words;

pub use cautions::{Caution, CautionKind};
use counts::VerdictCounts;
pub use expectation::{ExpectedBounces, PercentRange};
pub use host_fault::HostFault;

pub use share::{Percent, PercentError, Share, grouped, rows};
pub use steps::{PreflightStep, StepEffect, StepKind};
pub use thresholds::{Band, Config, Thresholds, ThresholdsError};

use std::time::SystemTime;

use super::progress::{Progress, State};
use super::spec::SendPolicy;

/// Whether to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decision {
    /// Send.
    Go,
    /// Not like this, or not yet.
    CleanFirst,
    /// Do not send.
    NoGo,
}

impl Decision {
    /// Every decision, the best one first.
    pub const ALL: [Self; 3] = [Self::Go, Self::CleanFirst, Self::NoGo];

    /// The decision's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::CleanFirst => "clean_first",
            Self::NoGo => "no_go",
        }
    }
}

/// The basis of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// The list has no rows.
    EmptyList,
    /// Rows are still coming.
    Receiving,
    /// Nobody on the list is one the policy sends to.
    NobodyLeft,
    /// Nobody on the list is known to be one the policy sends to; some may turn out to be.
    NobodyYet,
    /// The lower bound: addresses known to bounce.
    KnownBounces,
    /// The upper bound: addresses that may bounce.
    PossibleBounces,
    /// The upper bound, which is low enough.
    FewEnough,
}

/// One end of an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Hard bounces, and of how many mails.
    pub share: Share,
    /// The meaning for the sender.
    pub band: Band,
}

/// Effect of one send policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The policy.
    pub policy: SendPolicy,
    /// Number of rows it sends to as things stand.
    pub sent_now: u64,
    /// Number of it sends to if every open row turns out to be one of them; the same as `sent_now`
    /// when nothing is open. While a batch is receiving, more rows may come.
    pub sent_at_most: u64,
    /// No fewer hard bounces than this.
    pub at_least: Bound,
    /// No more hard bounces than this, but for accepted addresses that bounce all the same.
    pub at_most: Bound,
    /// Whether to send like this.
    pub decision: Decision,
    /// Why.
    pub basis: Basis,
}

/// Pre-flight of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// The policy the campaign will be sent by; the decision is about it.
    pub policy: SendPolicy,
    /// Every policy, in the order of [`SendPolicy::ALL`].
    pub estimates: [Estimate; 3],
    /// Steps that would make it a go, the surest first; empty if it is one.
    pub steps: Vec<PreflightStep>,
    /// Facts to know before sending, whatever the decision is.
    pub cautions: Vec<Caution>,
    /// Time at which the oldest evidence was gathered that a result rests on.
    pub oldest_evidence: Option<SystemTime>,
    /// The rows of the list.
    pub rows: u64,
    /// Those without a result that may still get one.
    pub open: u64,
    /// Those nobody could tell about, and those that will never get a result.
    pub unknown: u64,
    /// Signs that the host that asked reached nearly nobody.
    pub host_fault: Option<HostFault>,
    /// Thresholds that the bounds were held against.
    pub thresholds: Thresholds,
    /// The hard bounces to expect of the policy, within the bounds and of accepted addresses;
    /// `None` where outcomes of earlier sends are not kept.
    pub expected: Option<ExpectedBounces>,
}

impl Preflight {
    /// Computes the pre-flight of a list at this `progress`.
    #[must_use]
    pub fn of(
        progress: &Progress,
        state: State,
        policy: SendPolicy,
        thresholds: &Thresholds,
    ) -> Self {
        let counts = VerdictCounts::of(progress, state);
        let estimates = SendPolicy::ALL.map(|policy| counts.estimate(policy, thresholds));
        let steps = steps::steps(&counts, progress, policy, thresholds);
        Self {
            policy,
            estimates,
            steps,
            cautions: cautions::cautions(progress),
            oldest_evidence: progress.oldest_evidence,
            rows: counts.rows(),
            open: counts.open,
            unknown: counts.unknown,
            // The first rows of a list that is under way say little. How far a dialogue came is not
            // counted of rows.
            host_fault: HostFault::detect(&progress.answered(), 0)
                .filter(|fault| counts.open == 0 || fault.unreached.of >= 100),
            thresholds: *thresholds,
            expected: None,
        }
    }

    /// The same, with what earlier sends let expect.
    #[must_use]
    pub fn with_expected(self, expected: Option<ExpectedBounces>) -> Self {
        Self { expected, ..self }
    }

    /// The estimate for the policy the campaign will be sent by.
    #[must_use]
    pub fn chosen(&self) -> &Estimate {
        let [careful, middle, all] = &self.estimates;
        match self.policy {
            SendPolicy::Deliverable => careful,
            SendPolicy::DeliverableAndRisky => middle,
            SendPolicy::All => all,
        }
    }

    /// Returns whether to send.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.chosen().decision
    }

    /// The basis of the decision.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.chosen().basis
    }
}
