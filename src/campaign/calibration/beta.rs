//! The beta distribution: what is known of a share after it was counted.

/// A beta distribution with both parameters above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beta {
    alpha: f64,
    beta: f64,
}

/// Halvings of the interval in which a quantile is looked for: to a billionth.
const HALVINGS: u32 = 48;

/// Steps of the continued fraction at most; it ends far earlier.
const STEPS: u32 = 300;

impl Beta {
    /// The distribution after `hits` of `of`, on a prior that counts like `prior.0` hits and
    /// `prior.1` misses.
    #[must_use]
    pub fn after(hits: f64, of: f64, prior: (f64, f64)) -> Self {
        Self { alpha: hits + prior.0, beta: (of - hits).max(0.0) + prior.1 }
    }

    /// The distribution with this mean and variance; the mean is kept where the variance is more
    /// than a share can have.
    #[must_use]
    pub fn with_moments(mean: f64, variance: f64) -> Self {
        let mean = mean.clamp(1e-9, 1.0 - 1e-9);
        let most = mean * (1.0 - mean);
        let size = (most / variance.clamp(most * 1e-9, most * 0.9) - 1.0).max(0.1);
        Self { alpha: mean * size, beta: (1.0 - mean) * size }
    }

    /// The mean.
    #[must_use]
    pub fn mean(self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// The variance.
    #[must_use]
    pub fn variance(self) -> f64 {
        let sum = self.alpha + self.beta;
        self.alpha * self.beta / (sum * sum * (sum + 1.0))
    }

    /// The value below which `part` of the distribution lies.
    #[must_use]
    pub fn quantile(self, part: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if self.cumulative(middle) < part { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    }

    /// The interval that holds the middle `part` of the distribution.
    #[must_use]
    pub fn interval(self, part: f64) -> (f64, f64) {
        let tail = (1.0 - part) / 2.0;
        (self.quantile(tail), self.quantile(1.0 - tail))
    }

    /// The regularised incomplete beta function (NIST DLMF 8.17.22).
    fn cumulative(self, x: f64) -> f64 {
        let Self { alpha, beta } = self;
        if x <= 0.0 || x >= 1.0 {
            return if x <= 0.0 { 0.0 } else { 1.0 };
        }
        let log = ln_gamma(alpha + beta) - ln_gamma(alpha) - ln_gamma(beta);
        let front = (log + alpha * x.ln() + beta * (1.0 - x).ln()).exp();
        // The fraction converges fast on one side of the mean.
        if x < (alpha + 1.0) / (alpha + beta + 2.0) {
            front * fraction(alpha, beta, x) / alpha
        } else {
            1.0 - front * fraction(beta, alpha, 1.0 - x) / beta
        }
    }
}

/// The continued fraction, by Lentz's method.
fn fraction(alpha: f64, beta: f64, x: f64) -> f64 {
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (alpha + beta) * x / (alpha + 1.0));
    let mut product = d;
    for step in 1..=STEPS {
        let m = f64::from(step);
        let even = m * (beta - m) * x / ((alpha + 2.0 * m - 1.0) * (alpha + 2.0 * m));
        let odd =
            -(alpha + m) * (alpha + beta + m) * x / ((alpha + 2.0 * m) * (alpha + 2.0 * m + 1.0));
        let before = product;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            product *= d * c;
        }
        if (product - before).abs() <= 1e-12 * product.abs() {
            break;
        }
    }
    product
}

/// The logarithm of the gamma function (Stirling's series, after shifting small arguments up).
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let (inverse, square) = (1.0 / x, 1.0 / (x * x));
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1260.0));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against values of R's `qbeta`.
    #[test]
    fn quantiles_are_those_of_the_literature() {
        for (alpha, beta, part, expected) in [
            (1.0, 1.0, 0.3, 0.3),
            (2.0, 1.0, 0.25, 0.5),
            (0.5, 0.5, 0.5, 0.5),
            (1.0, 100.0, 0.975, 1.0 - 0.025_f64.powf(0.01)),
            (100.0, 1.0, 0.025, 0.025_f64.powf(0.01)),
            (40_000.0, 40_000.0, 0.5, 0.5),
        ] {
            let found = Beta { alpha, beta }.quantile(part);
            assert!((found - expected).abs() < 1e-6, "{alpha} {beta} {part}: {found}");
        }
    }

    #[test]
    fn an_interval_grows_narrow_with_what_was_counted_and_holds_the_share() {
        let mut last = 1.0;
        for of in [30.0, 300.0, 3_000.0, 300_000.0] {
            let (low, high) = Beta::after(of * 0.1, of, (0.5, 0.5)).interval(0.95);
            assert!(low < 0.1 && 0.1 < high && high - low < last, "{of}: {low} {high}");
            last = high - low;
        }
    }

    #[test]
    fn moments_come_back() {
        let beta = Beta::with_moments(0.02, 0.0001);
        assert!((beta.mean() - 0.02).abs() < 1e-12 && (beta.variance() - 0.0001).abs() < 1e-9);
    }
}
