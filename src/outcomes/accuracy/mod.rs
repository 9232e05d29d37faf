//! How right verdicts were, from what became of mail. Pure.
//!
//! - A verdict counts if mail to the address has a fate within [`WINDOW`] after it, and before the
//!   next verdict.
//! - Only *gone* speaks against an accepted address. A block, a refusal of the content, a full
//!   mailbox and anything temporary stand apart: they say nothing of the mailbox.
//! - A mail that was sent, and of which nothing came back, has arrived.
//! - An undeliverable verdict is right if mail came back as gone, and wrong if it was delivered.
//! - Verdicts that decide are deliverable and undeliverable. *Right among decided* means little
//!   without the *share decided*, so one is never told without the other.

mod shrinkage;
mod tally;

use std::collections::BTreeMap;
use std::time::Duration;

use super::kind::OutcomeKind;
use crate::campaign::calibration::{Calibration, FEWEST, FateCounts, SendTally};
use crate::campaign::preflight::{PercentRange, Share};
use crate::verdict::{Reason, Verdict};
use shrinkage::ReasonPrior;
pub use tally::{FollowedVerdict, TallyBuilder};

/// The definitions of the figures, in a few sentences.
pub const DEFINITIONS: &str = "A verdict counts if an outcome of mail to the address is known from \
    within 7 days after it. Only mail that came back as gone speaks against an accepted address; \
    blocks, refused content, full mailboxes and temporary failures stand apart. An undeliverable \
    verdict is wrong if mail arrived all the same. Decided are deliverable and undeliverable \
    verdicts.";

/// Time after a verdict within which mail was sent on the strength of it.
pub const WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The age of the evidence when the fate of the mail was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EvidenceAge {
    /// Less than a day.
    Day,
    /// One day to three.
    ThreeDays,
    /// Three days to seven.
    Week,
    /// More than seven days.
    Older,
}

impl EvidenceAge {
    /// The age of evidence that was gathered so long before.
    #[must_use]
    pub fn of(age: Duration) -> Self {
        match age.as_secs() / (24 * 60 * 60) {
            0 => Self::Day,
            1..3 => Self::ThreeDays,
            3..7 => Self::Week,
            _ => Self::Older,
        }
    }

    /// The age in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "under 1 day",
            Self::ThreeDays => "1 to 3 days",
            Self::Week => "3 to 7 days",
            Self::Older => "over 7 days",
        }
    }
}

/// Kinds of verdicts whose accuracy is told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerdictKind {
    /// The reason.
    pub reason: Reason,
    /// The registrable domain of the exchanger that answered; empty if none did.
    pub provider: String,
    /// The age of the evidence.
    pub age: EvidenceAge,
}

/// The fate of the mail that followed a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailFate {
    /// It was sent, and nothing more is known.
    Sent,
    /// It came back for a reason that says nothing of the mailbox.
    Apart,
    /// It is known to have arrived.
    Arrived,
    /// It came back as gone.
    Gone,
}

impl MailFate {
    /// The fate that an outcome tells, if it tells one. Of several the greatest counts.
    #[must_use]
    pub const fn from_kind(kind: OutcomeKind) -> Option<Self> {
        match kind {
            OutcomeKind::Gone => Some(Self::Gone),
            // Only what arrived is called spam.
            OutcomeKind::Delivered | OutcomeKind::Complaint => Some(Self::Arrived),
            OutcomeKind::Blocked
            | OutcomeKind::Content
            | OutcomeKind::Full
            | OutcomeKind::Temporary
            | OutcomeKind::Unknown => Some(Self::Apart),
            OutcomeKind::Sent => Some(Self::Sent),
            OutcomeKind::Unsubscribed | OutcomeKind::NotABounce => None,
        }
    }

    /// One verdict with this fate, or with none.
    #[must_use]
    pub fn counts(fate: Option<Self>) -> FateCounts {
        let mut counts = FateCounts { given: 1, ..FateCounts::default() };
        match fate {
            Some(Self::Gone) => counts.gone = 1,
            Some(Self::Arrived | Self::Sent) => counts.arrived = 1,
            Some(Self::Apart) => counts.apart = 1,
            None => {}
        }
        counts
    }
}

/// Counts of verdicts and of what came of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeTallies {
    /// By kind of verdict.
    pub kinds: BTreeMap<VerdictKind, FateCounts>,
    /// By send, oldest first.
    pub sends: Vec<SendTally>,
    /// Undeliverable verdicts whose mail is known to have arrived.
    pub delivered_against: u64,
}

/// The accuracy of one reason, or of one kind of verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccuracyRow {
    /// The reason.
    pub reason: Reason,
    /// The provider and the age; `None` for the reason's total.
    pub part: Option<(String, EvidenceAge)>,
    /// The counts.
    pub counts: FateCounts,
    /// The 95 % interval of the share that comes back as gone; `None` for fewer than 30 mails.
    pub gone: Option<PercentRange>,
}

/// The accuracy of verdicts.
#[derive(Clone, Debug, PartialEq)]
pub struct Accuracy {
    /// Right verdicts among those that decided and have a fate.
    pub right: Share,
    /// Verdicts that decided among all.
    pub decided: Share,
    /// Verdicts whose mail came back for a reason that says nothing of the mailbox.
    pub apart: u64,
    /// By reason, those with the most mail first.
    pub reasons: Vec<AccuracyRow>,
    /// By provider, reason and age of evidence: those with at least 30 mails, the most mail first.
    pub kinds: Vec<AccuracyRow>,
    /// Knowledge from earlier sends about the next one.
    pub calibration: Calibration,
}

impl Accuracy {
    /// The accuracy that these counts show.
    #[must_use]
    pub fn from_tallies(tallies: &OutcomeTallies) -> Self {
        let mut by_reason: BTreeMap<Reason, Vec<FateCounts>> = BTreeMap::new();
        for (kind, counts) in &tallies.kinds {
            by_reason.entry(kind.reason).or_default().push(*counts);
        }
        let priors: BTreeMap<Reason, ReasonPrior> =
            by_reason.iter().map(|(reason, parts)| (*reason, ReasonPrior::learn(parts))).collect();
        let row = |reason, part, counts: FateCounts, interval| {
            let is_told = counts.mails() as f64 >= FEWEST;
            let gone = is_told.then(|| PercentRange::from_fractions(interval));
            AccuracyRow { reason, part, counts, gone }
        };
        let mut reasons: Vec<AccuracyRow> = Vec::new();
        for (reason, parts) in &by_reason {
            let total = sum(parts);
            reasons.push(row(*reason, None, total, ReasonPrior::FLAT.interval(total)));
        }
        let kinds = tallies.kinds.iter().filter(|(_, counts)| counts.mails() as f64 >= FEWEST);
        let mut kinds: Vec<AccuracyRow> = kinds
            .map(|(kind, counts)| {
                let prior = priors.get(&kind.reason).unwrap_or(&ReasonPrior::FLAT);
                let part = Some((kind.provider.clone(), kind.age));
                row(kind.reason, part, *counts, prior.interval(*counts))
            })
            .collect();
        reasons.sort_by_key(|row| std::cmp::Reverse(row.counts.mails()));
        kinds.sort_by_key(|row| std::cmp::Reverse(row.counts.mails()));
        let (right, decided, apart) = headline(&reasons, tallies.delivered_against);
        let calibration = Calibration::from_sends(&tallies.sends);
        Self { right, decided, apart, reasons, kinds, calibration }
    }
}

/// The two figures, and what stands apart.
fn headline(reasons: &[AccuracyRow], delivered_against: u64) -> (Share, Share, u64) {
    let of = |verdict| {
        let rows = reasons.iter().filter(move |row| row.reason.verdict() == verdict);
        sum(&rows.map(|row| row.counts).collect::<Vec<_>>())
    };
    let (accepted, refused) = (of(Verdict::Deliverable), of(Verdict::Undeliverable));
    let right = accepted.arrived + refused.gone;
    let right = Share { count: right, of: accepted.mails() + refused.gone + delivered_against };
    let all: u64 = reasons.iter().map(|row| row.counts.given).sum();
    let decided = Share { count: accepted.given + refused.given, of: all };
    (right, decided, reasons.iter().map(|row| row.counts.apart).sum())
}

fn sum(parts: &[FateCounts]) -> FateCounts {
    let mut total = FateCounts::default();
    parts.iter().for_each(|part| total.add(*part));
    total
}

#[cfg(test)]
mod tests;
