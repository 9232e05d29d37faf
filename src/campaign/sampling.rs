//! Statements about a whole list from a random sample of it: intervals, never one number. Pure.

use std::fmt;

use super::preflight::Share;

/// The quantile of the normal distribution for 95 % confidence.
const Z: f64 = 1.96;

/// The bounds between which the share of the whole lies, with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleInterval {
    /// The lower bound, between 0 and 1.
    pub low: f64,
    /// The upper bound, between 0 and 1.
    pub high: f64,
}

impl SampleInterval {
    /// The interval for a share of a sample that was drawn from `whole` rows: Wilson's, which also
    /// holds for small samples and for shares near 0 and 1, made narrower as the sample comes close
    /// to the whole.
    #[must_use]
    pub fn of_share(share: Share, whole: u64) -> Self {
        if share.of == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        if share.of >= whole {
            return Self { low: share.fraction(), high: share.fraction() };
        }
        let (n, p) = (share.of as f64, share.fraction());
        let left_out = (whole - share.of) as f64 / (whole - 1).max(1) as f64;
        let z2 = Z * Z * left_out;
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = (z2 * (p * (1.0 - p) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
        Self { low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
    }

    /// From the lower bound of one interval to the upper bound of another.
    #[must_use]
    pub fn to(self, upper: Self) -> Self {
        Self { low: self.low, high: upper.high.max(self.low) }
    }
}

/// `1.2 % to 4.3 %`, rounded outwards.
impl fmt::Display for SampleInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = (self.low * 1000.0 + 1e-9).floor() / 10.0;
        let high = (self.high * 1000.0 - 1e-9).ceil() / 10.0;
        if low == high { write!(f, "{low} %") } else { write!(f, "{low} % to {high} %") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(count: u64, of: u64, whole: u64) -> String {
        SampleInterval::of_share(Share { count, of }, whole).to_string()
    }

    #[test]
    fn an_interval_is_wide_for_a_few_and_holds_at_the_ends() {
        assert_eq!(shown(12, 400, 1_000_000), "1.7 % to 5.2 %");
        assert_eq!(shown(0, 400, 1_000_000), "0 % to 1 %");
        assert_eq!(shown(400, 400, 1_000_000), "99 % to 100 %");
        assert_eq!(shown(1, 4, 1_000_000), "4.5 % to 70 %");
        assert_eq!(shown(0, 0, 1_000_000), "0 % to 100 %");
    }

    #[test]
    fn a_sample_of_nearly_all_leaves_little_open_and_one_of_all_nothing() {
        assert_eq!(shown(30, 1000, 1000), "3 %");
        let SampleInterval { low, high } =
            SampleInterval::of_share(Share { count: 30, of: 990 }, 1000);
        assert!(high - low < 0.01, "{low} {high}");
    }
}
