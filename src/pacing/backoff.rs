//! Exponential back-off: a server that keeps refusing is left alone for longer each time.

use std::time::{Duration, SystemTime};

/// A pause, and the number of pauses that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    until: SystemTime,
    times: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::none()
    }
}

impl Backoff {
    /// No pause yet.
    #[must_use]
    pub fn none() -> Self {
        Self { until: SystemTime::UNIX_EPOCH, times: 0 }
    }

    /// A pause that began elsewhere: its end, and the number of pauses in a row.
    #[must_use]
    pub fn resumed(until: SystemTime, times: u32) -> Self {
        Self { until, times }
    }

    /// Starts a pause at `now`: `first`, then twice as long each time, `longest` at most. Counting
    /// begins anew when the last pause has been over for `longest`. Returns the end of the pause.
    pub fn start(&mut self, first: Duration, longest: Duration, now: SystemTime) -> SystemTime {
        if self.until + longest <= now {
            self.times = 0;
        }
        let length = first.saturating_mul(2u32.saturating_pow(self.times)).min(longest);
        self.times = self.times.saturating_add(1);
        self.until = self.until.max(now + length);
        self.until
    }

    /// Lengthens the pause to a time that the server itself named.
    pub fn at_least_until(&mut self, until: SystemTime) {
        self.until = self.until.max(until);
    }

    /// Resets it after a success: the next pause is a first one again.
    pub fn reset(&mut self) {
        *self = Self::none();
    }

    /// The end of the pause.
    #[must_use]
    pub fn until(&self) -> SystemTime {
        self.until
    }

    /// `true` while the pause is active.
    #[must_use]
    pub fn is_active(&self, now: SystemTime) -> bool {
        now < self.until
    }

    /// `true` if a pause counts that was neither reset nor has been over for `longest`.
    #[must_use]
    pub fn is_counting(&self, longest: Duration, now: SystemTime) -> bool {
        self.times > 0 && now < self.until + longest
    }

    /// The number of pauses in a row.
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
    fn a_pause_doubles_each_time_up_to_the_longest() {
        let mut backoff = Backoff::none();
        assert!(!backoff.is_active(at(0)));
        assert_eq!(backoff.start(FIRST, LONGEST, at(0)), at(30));
        assert!(backoff.is_active(at(29)));
        assert!(!backoff.is_active(at(30)));
        assert_eq!(backoff.start(FIRST, LONGEST, at(30)), at(90));
        assert_eq!(backoff.start(FIRST, LONGEST, at(90)), at(190));
        assert_eq!(backoff.start(FIRST, LONGEST, at(190)), at(290));
        assert_eq!(backoff.times(), 4);
    }

    #[test]
    fn a_pause_long_over_is_forgotten() {
        let mut backoff = Backoff::none();
        backoff.start(FIRST, LONGEST, at(0));
        assert!(backoff.is_counting(LONGEST, at(129)));
        assert!(!backoff.is_counting(LONGEST, at(130)));
        assert_eq!(backoff.start(FIRST, LONGEST, at(130)), at(160));
        backoff.reset();
        assert!(!backoff.is_counting(LONGEST, at(131)));
        assert_eq!(backoff.start(FIRST, LONGEST, at(131)), at(161));
    }

    #[test]
    fn a_pause_lasts_at_least_as_long_as_the_server_asked() {
        let mut backoff = Backoff::none();
        backoff.start(FIRST, LONGEST, at(0));
        backoff.at_least_until(at(300));
        assert!(backoff.is_active(at(299)));
        backoff.at_least_until(at(10));
        assert_eq!(backoff.until(), at(300));
    }
}
