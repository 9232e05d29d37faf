//! Counters and histograms for every layer, without metric names: `metrics/` names them.
//!
//! Incrementing is one relaxed atomic addition, and no layer needs to know who reads the figures.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A monotonic counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The current value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One [`Counter`] for each of a fixed set of names.
#[derive(Debug)]
pub struct CounterVec {
    names: Box<[&'static str]>,
    counts: Box<[Counter]>,
}

impl CounterVec {
    /// Creates one counter per name, all at zero.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Box<[_]> = names.into_iter().collect();
        let counts = names.iter().map(|_| Counter::default()).collect();
        Self { names, counts }
    }

    /// Adds one to the counter called `name`; an unknown name is ignored.
    pub fn inc(&self, name: &str) {
        if let Some(index) = self.names.iter().position(|known| *known == name) {
            self.counts[index].inc();
        }
    }

    /// The current values by name, zeros included.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        self.names.iter().copied().zip(self.counts.iter().map(Counter::value)).collect()
    }
}

/// Upper bounds of the buckets of a [`Histogram`], in seconds: from a cache hit to a slow server's
/// answer just before the timeout.
pub const LATENCY_BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// A histogram of durations over [`LATENCY_BUCKETS`].
#[derive(Debug, Default)]
pub struct Histogram {
    /// One count per bucket, and one for everything beyond the last bound.
    counts: [Counter; LATENCY_BUCKETS.len() + 1],
    microseconds: Counter,
}

/// The values of a [`Histogram`] at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSnapshot {
    /// Observations in each bucket of [`LATENCY_BUCKETS`], not cumulative; the last entry counts
    /// those beyond all bounds.
    pub counts: [u64; LATENCY_BUCKETS.len() + 1],
    /// Sum of all observations, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Records one duration.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = LATENCY_BUCKETS.iter().position(|bound| seconds <= *bound);
        self.counts[bucket.unwrap_or(LATENCY_BUCKETS.len())].inc();
        self.microseconds.add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// The current values.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        let counts = std::array::from_fn(|bucket| self.counts[bucket].value());
        let sum = Duration::from_micros(self.microseconds.value()).as_secs_f64();
        HistogramSnapshot { counts, sum }
    }
}

impl HistogramSnapshot {
    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_apart_and_an_unknown_one_is_ignored() {
        let counters = CounterVec::new(["a", "b"]);
        counters.inc("b");
        counters.inc("b");
        counters.inc("c");
        assert_eq!(counters.snapshot(), [("a", 0), ("b", 2)]);
    }

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(1));
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_secs(500));
        let snapshot = histogram.snapshot();
        let beyond = snapshot.counts[LATENCY_BUCKETS.len()];
        assert_eq!((snapshot.counts[0], snapshot.counts[1], beyond), (1, 1, 1));
        assert_eq!(snapshot.count(), 3);
        assert!((snapshot.sum - 500.003).abs() < 1e-6, "{}", snapshot.sum);
    }

    #[test]
    fn the_bounds_ascend() {
        assert!(LATENCY_BUCKETS.is_sorted_by(|a, b| a < b));
    }
}
