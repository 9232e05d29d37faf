//! Forecasts of the share of mail that comes back as gone, from the sends before.
//!
//! Each kind of verdict has its own rate, from what came of earlier mail; older sends count less.
//! Rates drift, and what was seen of one send is not what will be seen of the next: how far off
//! earlier forecasts were widens the later ones.

use std::collections::BTreeMap;

use super::beta::Beta;

/// Least number of mails that a rate is told from.
pub const FEWEST: f64 = 30.0;

/// Time in days after which a send counts half.
const HALF_LIFE: f64 = 30.0;

/// Share of the rows to send that may be of kinds nothing is known of.
const UNSEEN: f64 = 0.01;

/// Number of checks that the spread before any check counts like.
const PRIOR_CHECKS: f64 = 3.0;

/// Spread of what is seen around a forecast, as a share of it, before any forecast was checked.
const PRIOR_SPREAD: f64 = 0.15;

/// Mail of one kind, and the part of it that came back as gone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct MailCounts {
    /// Number of mails.
    pub(super) mails: f64,
    /// Those of them that came back as gone.
    pub(super) gone: f64,
}

/// The rates so far, and how well they foretold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Forecaster<K> {
    counted: BTreeMap<K, MailCounts>,
    /// The time up to which the counts were discounted, in days.
    day: f64,
    checks: f64,
    squares: f64,
}

impl<K> Default for Forecaster<K> {
    fn default() -> Self {
        Self { counted: BTreeMap::new(), day: 0.0, checks: 0.0, squares: 0.0 }
    }
}

/// The number of mails that will come back as gone, before anything was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Expectation {
    mails: f64,
    gone: f64,
    variance: f64,
}

impl<K: Ord + Copy> Forecaster<K> {
    /// Learns what came of a send on that day; sends come in their order.
    pub(super) fn learn(&mut self, day: f64, send: &BTreeMap<K, MailCounts>) {
        let rows = send.iter().map(|(kind, counted)| (*kind, counted.mails));
        if let Some(Expectation { gone, variance, .. }) = self.expectation(day, rows) {
            let seen: f64 = send.values().map(|counted| counted.gone).sum();
            // What chance alone explains is no drift.
            self.squares += ((seen - gone).powi(2) - variance) / gone.max(1.0).powi(2);
            self.checks += 1.0;
        }
        let kept = weight(day - self.day);
        for counted in self.counted.values_mut() {
            counted.mails *= kept;
            counted.gone *= kept;
        }
        self.day = day;
        for (kind, new) in send {
            let counted = self.counted.entry(*kind).or_default();
            counted.mails += new.mails;
            counted.gone += new.gone;
        }
    }

    /// The 95 % interval of the share that will come back as gone of a send of these rows on that
    /// day; `None` where too little is known of a part of it.
    pub(super) fn interval(
        &self,
        day: f64,
        rows: impl IntoIterator<Item = (K, f64)>,
    ) -> Option<(f64, f64)> {
        let expected = self.expectation(day, rows)?;
        let freedom = PRIOR_CHECKS + self.checks;
        let spread = (PRIOR_CHECKS * PRIOR_SPREAD.powi(2) + self.squares).max(0.0) / freedom;
        let variance = expected.variance + spread * expected.gone.powi(2);
        // Student's t beside the normal distribution: the spread itself is only estimated.
        let wider = 1.0 + 1.2 / freedom;
        let mean = expected.gone / expected.mails;
        let variance = variance * wider * wider / expected.mails.powi(2);
        Some(Beta::with_moments(mean, variance).interval(0.95))
    }

    fn expectation(
        &self,
        day: f64,
        rows: impl IntoIterator<Item = (K, f64)>,
    ) -> Option<Expectation> {
        let kept = weight(day - self.day);
        let mut expected = Expectation { mails: 0.0, gone: 0.0, variance: 0.0 };
        let mut unseen = 0.0;
        for (kind, mails) in rows {
            let counted = self.counted.get(&kind).copied().unwrap_or_default();
            let rate = Beta::after(counted.gone * kept, counted.mails * kept, (0.5, 0.5));
            if counted.mails < FEWEST {
                unseen += mails;
            }
            let mean = rate.mean();
            expected.mails += mails;
            expected.gone += mails * mean;
            expected.variance += mails * mails * rate.variance() + mails * mean * (1.0 - mean);
        }
        let is_known = expected.mails > 0.0 && unseen <= UNSEEN * expected.mails;
        is_known.then_some(expected)
    }
}

/// The part that a send still counts after so many days.
fn weight(days: f64) -> f64 {
    (-days.max(0.0) / HALF_LIFE).exp2()
}
