//! Shares of small counts, drawn to the share of the whole (beta-binomial, empirical Bayes).
//!
//! The parts of a reason (its providers, its ages of evidence) are alike to a degree that their own
//! counts tell: where they differ no more than chance explains, a small part is drawn far to the
//! whole; where one of them lies at RCPT, they differ, and each is left with its own.

use crate::campaign::calibration::FateCounts;
use crate::campaign::calibration::beta::Beta;

/// Largest number of mails that the whole counts like, beside a part's own.
const STRONGEST: f64 = 30.0;

/// The share of the whole, and the number of mails that it counts like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ReasonPrior {
    hits: f64,
    misses: f64,
}

impl ReasonPrior {
    /// The prior of a whole that has no other (Jeffreys).
    pub(super) const FLAT: Self = Self { hits: 0.5, misses: 0.5 };

    /// Learns from the parts of a reason, by the method of moments.
    pub(super) fn learn(parts: &[FateCounts]) -> Self {
        let counted = || parts.iter().filter(|part| part.mails() > 0);
        let mails: f64 = counted().map(|part| part.mails() as f64).sum();
        let gone: f64 = counted().map(|part| part.gone as f64).sum();
        let many = counted().count() as f64;
        if many < 2.0 {
            return Self::FLAT;
        }
        let mean = (gone + 0.5) / (mails + 1.0);
        // The spread between the parts beyond that of chance (Kleinman 1973).
        let squares: f64 = counted()
            .map(|part| {
                let of = part.mails() as f64;
                of * (part.gone as f64 / of - mean).powi(2)
            })
            .sum();
        let sizes: f64 = counted().map(|part| (part.mails() as f64).powi(2)).sum();
        let chance = mean * (1.0 - mean);
        let alike = ((squares - chance * (many - 1.0)) / (chance * (mails - sizes / mails)))
            .clamp(1.0 / STRONGEST, 0.5);
        let size = 1.0 / alike - 1.0;
        // Never less than what is known of a share before anything was counted.
        Self { hits: (mean * size).max(0.05), misses: ((1.0 - mean) * size).max(0.5) }
    }

    /// The 95 % interval of a part's share.
    pub(super) fn interval(&self, part: FateCounts) -> (f64, f64) {
        let prior = (self.hits, self.misses);
        Beta::after(part.gone as f64, part.mails() as f64, prior).interval(0.95)
    }
}
