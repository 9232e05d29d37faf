//! Plain counters, so that every layer can count and none needs to know who reads.
//!
//! Nothing here has a name that a monitoring system would know: `metrics/` gives names to what it
//! reads. Counting is one atomic addition.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn one(&self) {
        self.add(1);
    }

    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What was counted.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each of a few kinds, whose names are fixed.
#[derive(Debug)]
pub struct Kinds {
    names: Box<[&'static str]>,
    counts: Box<[Counter]>,
}

impl Kinds {
    /// Counters with these names, all at zero.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Box<[_]> = names.into_iter().collect();
        let counts = names.iter().map(|_| Counter::default()).collect();
        Self { names, counts }
    }

    /// Counts one more of this kind; of no kind, if there is none of this name.
    pub fn one(&self, name: &str) {
        if let Some(at) = self.names.iter().position(|known| *known == name) {
            self.counts[at].one();
        }
    }

    /// What was counted of each kind, those of which nothing came included.
    #[must_use]
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        self.names.iter().copied().zip(self.counts.iter().map(Counter::read)).collect()
    }
}

/// The bounds that times are sorted by, in seconds: from an answer that was remembered to one that a
/// slow server gave at the end of its patience.
pub const TIMES: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// How many times were how long.
#[derive(Debug, Default)]
pub struct Times {
    /// One for each bound, and one for what is beyond the last.
    counts: [Counter; TIMES.len() + 1],
    microseconds: Counter,
}

/// What [`Times`] counted.
#[derive(Clone, Debug, PartialEq)]
pub struct TimesRead {
    /// How many there were up to each bound of [`TIMES`], without those up to the bound before; the
    /// last is for those beyond all bounds.
    pub counts: [u64; TIMES.len() + 1],
    /// All of them together, in seconds.
    pub sum: f64,
}

impl Times {
    /// Counts one time.
    pub fn one(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let at = TIMES.iter().position(|bound| seconds <= *bound).unwrap_or(TIMES.len());
        self.counts[at].one();
        self.microseconds.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted.
    #[must_use]
    pub fn read(&self) -> TimesRead {
        let counts = std::array::from_fn(|at| self.counts[at].read());
        TimesRead { counts, sum: Duration::from_micros(self.microseconds.read()).as_secs_f64() }
    }
}

impl TimesRead {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_apart_and_an_unknown_one_is_not_counted() {
        let kinds = Kinds::new(["a", "b"]);
        kinds.one("b");
        kinds.one("b");
        kinds.one("c");
        assert_eq!(kinds.read(), [("a", 0), ("b", 2)]);
    }

    #[test]
    fn a_time_is_counted_at_the_first_bound_that_holds_it() {
        let times = Times::default();
        times.one(Duration::from_millis(1));
        times.one(Duration::from_millis(2));
        times.one(Duration::from_secs(500));
        let read = times.read();
        assert_eq!((read.counts[0], read.counts[1], read.counts[TIMES.len()]), (1, 1, 1));
        assert_eq!(read.count(), 3);
        assert!((read.sum - 500.003).abs() < 1e-6, "{}", read.sum);
    }

    #[test]
    fn the_bounds_ascend() {
        assert!(TIMES.is_sorted_by(|a, b| a < b));
    }
}
