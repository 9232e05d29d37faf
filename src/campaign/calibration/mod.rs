//! Calibration: what came of earlier sends, and what it lets a pre-flight expect of the next one.
//!
//! The bounds of a pre-flight need no history and hold without one. Within them, and for accepted
//! addresses that bounce all the same, earlier sends tell how many will come back as gone. Every
//! forecast is held against what was then seen, and the later ones are as wide as the earlier ones
//! were wrong.

pub mod beta;
mod forecaster;

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::preflight::{ExpectedBounces, PercentRange};
use super::progress::Progress;
use super::spec::SendPolicy;
use crate::verdict::{Reason, Verdict};
pub use forecaster::FEWEST;
use forecaster::{Forecaster, MailCounts};

/// Counts of the verdicts of one kind, and of what came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FateCounts {
    /// Verdicts given.
    pub given: u64,
    /// Those whose mail arrived, as far as is known.
    pub arrived: u64,
    /// Those whose mail came back as gone.
    pub gone: u64,
    /// Those whose mail came back for another reason: a block, its content, a full mailbox.
    pub apart: u64,
}

impl FateCounts {
    /// Mails that speak for or against the verdict.
    #[must_use]
    pub fn mails(&self) -> u64 {
        self.arrived + self.gone
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.given += other.given;
        self.arrived += other.arrived;
        self.gone += other.gone;
        self.apart += other.apart;
    }
}

/// The outcomes of one send: of the verdicts of one batch, by reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendTally {
    /// The time of its last verdict.
    pub at: SystemTime,
    /// The counts.
    pub reasons: BTreeMap<Reason, FateCounts>,
}

/// An earlier send: what would have been expected of it, and what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastSend {
    /// The time of its last verdict.
    pub at: SystemTime,
    /// Mails that arrived or came back as gone.
    pub mails: u64,
    /// Those that came back as gone.
    pub gone: u64,
    /// The forecast from the sends before it alone; `None` where there were too few.
    pub expected: Option<PercentRange>,
}

/// The knowledge from earlier sends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    forecaster: Forecaster<Reason>,
    mails: u64,
    /// The sends, oldest first.
    pub sends: Vec<PastSend>,
}

impl Calibration {
    /// Learns from these sends, oldest first.
    #[must_use]
    pub fn from_sends(sends: &[SendTally]) -> Self {
        let mut calibration = Self::default();
        for SendTally { at, reasons } in sends {
            let count = |counts: &FateCounts| MailCounts {
                mails: counts.mails() as f64,
                gone: counts.gone as f64,
            };
            let counted: BTreeMap<Reason, MailCounts> =
                reasons.iter().map(|(reason, counts)| (*reason, count(counts))).collect();
            let mails: u64 = reasons.values().map(FateCounts::mails).sum();
            if mails == 0 {
                continue;
            }
            let rows = counted.iter().map(|(reason, counted)| (*reason, counted.mails));
            let range = calibration.forecaster.interval(day(*at), rows);
            calibration.forecaster.learn(day(*at), &counted);
            calibration.mails += mails;
            calibration.sends.push(PastSend {
                at: *at,
                mails,
                gone: reasons.values().map(|counts| counts.gone).sum(),
                expected: range.map(PercentRange::from_fractions),
            });
        }
        calibration
    }

    /// The hard bounces to expect of a list at this `progress`, sent to by `policy` at `now`.
    /// Undeliverable rows count as bounces, as in the bounds.
    #[must_use]
    pub fn expect(
        &self,
        progress: &Progress,
        policy: SendPolicy,
        now: SystemTime,
    ) -> ExpectedBounces {
        let is_sent = |reason: Reason| match (policy, reason.verdict()) {
            (SendPolicy::All, _) | (_, Verdict::Deliverable) => true,
            (SendPolicy::DeliverableAndRisky, Verdict::Risky) => reason != Reason::OptedOut,
            _ => false,
        };
        let rows = |wanted: bool| {
            let sent = progress.finished.iter().filter(|(reason, _)| is_sent(**reason));
            sent.filter(move |(reason, _)| (reason.verdict() == Verdict::Undeliverable) == wanted)
        };
        let certain: u64 = rows(true).map(|(_, count)| count).sum();
        let open: u64 = rows(false).map(|(_, count)| count).sum();
        let open_rows = rows(false).map(|(reason, count)| (*reason, *count as f64));
        let range = match open {
            0 => None,
            _ => self.forecaster.interval(day(now), open_rows),
        };
        let all = (certain + open) as f64;
        let of_all = |share: f64| (certain as f64 + share * open as f64) / all;
        let range = range.map(|(low, high)| (of_all(low), of_all(high)));
        ExpectedBounces { range: range.map(PercentRange::from_fractions), mails: self.mails }
    }
}

/// A time in days.
fn day(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64() / 86_400.0
}

#[cfg(test)]
mod tests;
