//! A rest that grows: who keeps refusing is left alone for longer each time.

use std::time::{Duration, SystemTime};

/// A rest, and how many came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    until: SystemTime,
    times: u32,
}

impl Rest {
    /// No rest yet.
    #[must_use]
    pub fn none() -> Self {
        Self { until: SystemTime::UNIX_EPOCH, times: 0 }
    }

    /// Begins a rest at `now`: `first`, then twice as long each time, `longest` at most. It counts
    /// from the beginning again when the last rest has been over for `longest`. Returns its end.
    pub fn begin(&mut self, first: Duration, longest: Duration, now: SystemTime) -> SystemTime {
        if self.until + longest <= now {
            self.times = 0;
        }
        let length = first.saturating_mul(2u32.saturating_pow(self.times)).min(longest);
        self.times = self.times.saturating_add(1);
        self.until = self.until.max(now + length);
        self.until
    }

    /// Lengthens the rest: the server itself named a time.
    pub fn at_least_until(&mut self, until: SystemTime) {
        self.until = self.until.max(until);
    }

    /// It went well: the next rest is a first one.
    pub fn forgive(&mut self) {
        *self = Self::none();
    }

    /// When the rest is over.
    #[must_use]
    pub fn until(&self) -> SystemTime {
        self.until
    }

    /// Whether the rest lasts at `now`.
    #[must_use]
    pub fn lasts(&self, now: SystemTime) -> bool {
        now < self.until
    }

    /// Whether there was a rest that was neither forgiven nor is long over: `longest` after its
    /// end.
    #[must_use]
    pub fn counts(&self, longest: Duration, now: SystemTime) -> bool {
        self.times > 0 && now < self.until + longest
    }

    /// How many rests in a row there have been.
    #[must_use]
    pub fn times(&self) -> u32 {
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(30);
    const LONGEST: Duration = Duration::from_secs(100);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn a_rest_doubles_each_time_up_to_the_longest() {
        let mut rest = Rest::none();
        assert!(!rest.lasts(at(0)));
        assert_eq!(rest.begin(FIRST, LONGEST, at(0)), at(30));
        assert!(rest.lasts(at(29)));
        assert!(!rest.lasts(at(30)));
        assert_eq!(rest.begin(FIRST, LONGEST, at(30)), at(90));
        assert_eq!(rest.begin(FIRST, LONGEST, at(90)), at(190));
        assert_eq!(rest.begin(FIRST, LONGEST, at(190)), at(290));
        assert_eq!(rest.times(), 4);
    }

    #[test]
    fn a_rest_long_over_is_forgotten() {
        let mut rest = Rest::none();
        rest.begin(FIRST, LONGEST, at(0));
        assert!(rest.counts(LONGEST, at(129)));
        assert!(!rest.counts(LONGEST, at(130)));
        assert_eq!(rest.begin(FIRST, LONGEST, at(130)), at(160));
        rest.forgive();
        assert!(!rest.counts(LONGEST, at(131)));
        assert_eq!(rest.begin(FIRST, LONGEST, at(131)), at(161));
    }

    #[test]
    fn a_rest_lasts_at_least_as_long_as_the_server_asked() {
        let mut rest = Rest::none();
        rest.begin(FIRST, LONGEST, at(0));
        rest.at_least_until(at(300));
        assert!(rest.lasts(at(299)));
        rest.at_least_until(at(10));
        assert_eq!(rest.until(), at(300));
    }
}
