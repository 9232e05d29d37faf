//! The hard bounces to expect within the bounds, where earlier sends tell of some.

use std::fmt;

use super::Estimate;
use super::share::{Percent, grouped};
use super::words::audience;

/// A range of shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentRange {
    /// No less than this, in 39 of 40 cases.
    pub low: Percent,
    /// No more than this, in 39 of 40 cases.
    pub high: Percent,
}

impl PercentRange {
    /// The range between two shares of 1.
    #[must_use]
    pub fn from_fractions((low, high): (f64, f64)) -> Self {
        Self { low: Percent::from_fraction(low), high: Percent::from_fraction(high) }
    }
}

/// `1.1 to 2.3 %`, rounded outwards; with two decimals where one would say nothing.
impl fmt::Display for PercentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let (decimals, unit) = if high < 1.0 { (2, 100.0) } else { (1, 10.0) };
        // What is exact in decimals is not moved by what it is in binary.
        let down = (low * unit + 1e-6).floor() / unit;
        let up = (high * unit - 1e-6).ceil() / unit;
        write!(f, "{down:.decimals$} to {up:.decimals$} %")
    }
}

/// The hard bounces to expect of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedBounces {
    /// The share of what is sent that will come back as gone; `None` where too little is known of
    /// earlier sends.
    pub range: Option<PercentRange>,
    /// Number of earlier mails that it is learned from.
    pub mails: u64,
}

impl ExpectedBounces {
    /// The expectation beside the bounds, in one sentence.
    pub(super) fn sentence(&self, chosen: &Estimate) -> String {
        let mails = grouped(self.mails);
        match self.range {
            Some(range) => format!(
                "Expected of {} are {range} hard bounces, from {mails} of your sends.",
                audience(chosen.policy)
            ),
            None if self.mails == 0 => {
                "Nothing is known of earlier sends, so nothing is expected beside the bounds."
                    .to_owned()
            }
            None => format!(
                "Too little is known of earlier sends ({mails}) to expect anything beside the \
                 bounds."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_rounded_outwards() {
        for (low, high, text) in [
            (0.01134, 0.02291, "1.1 to 2.3 %"),
            (0.0, 0.004, "0.00 to 0.40 %"),
            (0.00042, 0.00311, "0.04 to 0.32 %"),
            (0.1, 0.2, "10.0 to 20.0 %"),
            (0.011, 0.023, "1.1 to 2.3 %"),
        ] {
            assert_eq!(PercentRange::from_fractions((low, high)).to_string(), text);
        }
    }
}
