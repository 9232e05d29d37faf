//! From counts to bounds, and from bounds to a decision.

use super::share::Share;
use super::thresholds::{Band, Thresholds};
use super::{Basis, Bound, Decision, Estimate};
use crate::campaign::progress::{Progress, State};
use crate::campaign::spec::SendPolicy;
use crate::verdict::{Reason, Verdict};

/// The rows of a list by what is known of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VerdictCounts {
    pub(super) deliverable: u64,
    pub(super) risky: u64,
    /// Wanting no mail: never among those that are sent to, but for everybody.
    pub(super) opted_out: u64,
    pub(super) undeliverable: u64,
    pub(super) unknown: u64,
    /// Without a result, and may still get one.
    pub(super) open: u64,
    /// More rows may come.
    pub(super) receiving: bool,
}

impl VerdictCounts {
    pub(super) fn of(progress: &Progress, state: State) -> Self {
        let open = progress.open_rows();
        let unknown = progress.with_verdict(Verdict::Unknown);
        let opted_out = progress.finished.get(&Reason::OptedOut).copied().unwrap_or_default();
        // What a cancelled batch left open will never be known.
        let (unknown, open) = if state.is_over() { (unknown + open, 0) } else { (unknown, open) };
        Self {
            deliverable: progress.with_verdict(Verdict::Deliverable),
            risky: progress.with_verdict(Verdict::Risky) - opted_out,
            opted_out,
            undeliverable: progress.with_verdict(Verdict::Undeliverable),
            unknown,
            open,
            receiving: state == State::Receiving,
        }
    }

    pub(super) fn rows(&self) -> u64 {
        let sorted = self.deliverable + self.risky + self.opted_out + self.undeliverable;
        sorted + self.unknown + self.open
    }

    /// The bounds of a policy and what follows from them. The module head derives them.
    pub(super) fn estimate(&self, policy: SendPolicy, thresholds: &Thresholds) -> Estimate {
        let sent_now = match policy {
            SendPolicy::Deliverable => self.deliverable,
            SendPolicy::DeliverableAndRisky => self.deliverable + self.risky,
            SendPolicy::All => self.rows(),
        };
        let (sent_at_most, known, possible) = match policy {
            SendPolicy::Deliverable => (sent_now + self.open, 0, 0),
            // Worst if every open row is sent to and none is accepted: a row more that may bounce
            // makes the share larger, one that does not makes it smaller.
            SendPolicy::DeliverableAndRisky => (sent_now + self.open, 0, self.risky + self.open),
            SendPolicy::All => (sent_now, self.undeliverable, sent_now - self.deliverable),
        };
        let bound = |count| {
            let share = Share { count, of: sent_at_most };
            Bound { share, band: thresholds.band(share) }
        };
        let (at_least, at_most) = (bound(known), bound(possible));
        let (decision, basis) = self.decide(sent_now, at_least.band, at_most.band);
        Estimate { policy, sent_now, sent_at_most, at_least, at_most, decision, basis }
    }

    fn decide(&self, sent_now: u64, at_least: Band, at_most: Band) -> (Decision, Basis) {
        if self.receiving {
            (Decision::CleanFirst, Basis::Receiving)
        } else if self.rows() == 0 {
            (Decision::NoGo, Basis::EmptyList)
        } else if sent_now == 0 && self.unknown == 0 && self.open == 0 {
            (Decision::NoGo, Basis::NobodyLeft)
        } else if sent_now == 0 {
            (Decision::CleanFirst, Basis::NobodyYet)
        } else if at_least >= Band::Pause {
            (Decision::NoGo, Basis::KnownBounces)
        } else if at_most < Band::Review {
            (Decision::Go, Basis::FewEnough)
        } else if at_least >= Band::Review {
            (Decision::CleanFirst, Basis::KnownBounces)
        } else {
            (Decision::CleanFirst, Basis::PossibleBounces)
        }
    }
}
