//! Shares and per cents, exactly: whole numbers are compared, never floats.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Thousandths of a per cent in 100 %.
const WHOLE: u32 = 100_000;

/// Per cents between 0 and 100, to a thousandth; written as a number: `5` or `2.5`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(u32);

/// Why a number is not a [`Percent`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a per cent: write a number from 0 to 100 with at most three decimals")]
pub struct PercentError(f64);

impl Percent {
    /// Whole per cents; more than 100 are 100.
    #[must_use]
    pub const fn whole(percent: u32) -> Self {
        Self(if percent > 100 { WHOLE } else { percent * 1000 })
    }

    /// The per cents of a share of 1, to the nearest thousandth; what is out of range is moved to
    /// its end.
    #[must_use]
    pub fn from_fraction(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * f64::from(WHOLE)).round() as u32)
    }

    /// Between 0 and 1, for drawing.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }
}

impl TryFrom<f64> for Percent {
    type Error = PercentError;

    fn try_from(percent: f64) -> Result<Self, PercentError> {
        let thousandths = (percent * 1000.0).round();
        // Three decimals are not exact in binary: what differs by less was written with three.
        let exact = (percent * 1000.0 - thousandths).abs() < 1e-6;
        if !exact || !(0.0..=f64::from(WHOLE)).contains(&thousandths) {
            return Err(PercentError(percent));
        }
        Ok(Self(thousandths as u32))
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        f64::from(percent.0) / 1000.0
    }
}

/// As people write it: `5 %`, `2.5 %`.
impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(*self))
    }
}

/// A number out of a total. None out of none is a share of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Share {
    /// The number; not more than `of`.
    pub count: u64,
    /// Out of how many.
    pub of: u64,
}

impl Share {
    /// The share as a number between 0 and 1, for drawing; never for comparing.
    #[must_use]
    pub fn fraction(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.count as f64 / self.of as f64 }
    }

    /// The share beside `percent`.
    #[must_use]
    pub fn cmp_percent(self, percent: Percent) -> Ordering {
        let share = u128::from(self.count) * u128::from(WHOLE);
        share.cmp(&(u128::from(percent.0) * u128::from(self.of)))
    }

    /// The share beside another; that of none out of none is 0.
    #[must_use]
    pub fn cmp_share(self, other: Self) -> Ordering {
        let (mine, theirs) = (self.of.max(1), other.of.max(1));
        let left = u128::from(self.count) * u128::from(theirs);
        left.cmp(&(u128::from(other.count) * u128::from(mine)))
    }

    /// In per cent, for people: `3.4 %`, `5 %`.
    ///
    /// One decimal, or as many more (up to three) as it takes not to look like a whole per cent
    /// that it is not: 4.96 % is under a threshold of 5 %, and `5.0 %` would not be.
    #[must_use]
    pub fn percent(self) -> String {
        let of = u128::from(self.of.max(1));
        let count = u128::from(self.count);
        // The nearest whole number of 10^-decimals per cent.
        let rounded = |decimals: u32| {
            let unit = 100 * 10_u128.pow(decimals);
            (2 * count * unit + of) / (2 * of)
        };
        let nearest = rounded(0);
        if count * 100 == nearest * of {
            return format!("{nearest} %");
        }
        for decimals in 1..=3 {
            let (value, unit) = (rounded(decimals), 10_u128.pow(decimals));
            if value != nearest * unit {
                let width = decimals as usize;
                return format!("{}.{:0width$} %", value / unit, value % unit);
            }
        }
        let side = if count * 100 > nearest * of { "over" } else { "under" };
        format!("just {side} {nearest} %")
    }
}

/// `1,234 of 50,000 (2.5 %)`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({})", grouped(self.count), grouped(self.of), self.percent())
    }
}

/// A number as people read it: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `1,234 rows`.
#[must_use]
pub fn rows(rows: u64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        _ => format!("{} rows", grouped(rows)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_for_people() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_share_never_looks_like_a_whole_per_cent_that_it_is_not() {
        let cases = [
            (34, 1000, "3.4 %"),
            (5, 100, "5 %"),
            (496, 10_000, "4.96 %"),
            (503, 10_000, "5.03 %"),
            (4_999, 100_000, "4.999 %"),
            (4_999_999, 100_000_000, "just under 5 %"),
            (1, 10_000_000, "just over 0 %"),
            (9_999, 10_000, "99.99 %"),
            (0, 0, "0 %"),
            (7, 7, "100 %"),
            (1, 3, "33.3 %"),
        ];
        for (count, of, text) in cases {
            assert_eq!(Share { count, of }.percent(), text, "{count} of {of}");
        }
        assert_eq!(Share { count: 1_234, of: 50_000 }.to_string(), "1,234 of 50,000 (2.5 %)");
    }

    #[test]
    fn shares_compare_exactly_at_the_edge_and_at_any_size() {
        let five = Percent::whole(5);
        assert_eq!(Share { count: 5, of: 100 }.cmp_percent(five), Ordering::Equal);
        let (count, of) = (u64::MAX / 20, u64::MAX / 20 * 20);
        assert_eq!(Share { count, of }.cmp_percent(five), Ordering::Equal);
        assert_eq!(Share { count: count - 1, of }.cmp_percent(five), Ordering::Less);
        assert_eq!(Share { count: count + 1, of }.cmp_percent(five), Ordering::Greater);
    }

    #[test]
    fn a_per_cent_is_a_number_from_0_to_100_with_three_decimals() {
        for (number, text) in [(0.0, "0 %"), (2.3, "2.3 %"), (0.125, "0.125 %"), (100.0, "100 %")] {
            assert_eq!(Percent::try_from(number).unwrap().to_string(), text);
        }
        for number in [-0.001, 100.001, 0.0005, f64::NAN, f64::INFINITY] {
            assert!(Percent::try_from(number).is_err(), "{number}");
        }
    }
}
