//! The process's one clock.
//!
//! Everything below the shell takes the time as an argument (`now: SystemTime`). The shell gets it
//! here: a wall-clock reading taken once, carried forward by tokio's monotonic clock. So a step of
//! the machine's wall clock moves no deadline and no lifetime, and a test that pauses tokio's clock
//! pauses this one.
//!
//! It is never set again. A machine that was asleep, or whose clock was wrong at the start, is
//! ahead of it or behind for good: [`Clock::offset`] says how far.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A source of `now`, cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: SystemTime,
    origin: Instant,
}

impl Clock {
    /// Reads the wall clock once and follows the monotonic clock from there.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn start() -> Self {
        Self { wall: SystemTime::now(), origin: Instant::now() }
    }

    /// The time now, never earlier than any answer given before.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.wall + self.origin.elapsed()
    }

    /// Difference between the machine's clock, which may be set, and this one, which is not.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn offset(&self) -> Duration {
        difference(SystemTime::now(), self.now())
    }

    /// The instant, on tokio's clock, at which this clock will read `at` (the past is now).
    #[must_use]
    pub fn instant(&self, at: SystemTime) -> Instant {
        self.origin + at.duration_since(self.wall).unwrap_or_default()
    }
}

/// Time between the two, whichever is earlier.
fn difference(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|earlier| earlier.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_machine_whose_clock_was_set_or_that_was_asleep_is_ahead_or_behind() {
        let clock = Clock::start();
        assert!(clock.offset() < Duration::from_secs(60));
        // As if the machine's clock had been set back by two hours.
        tokio::time::advance(Duration::from_secs(7200)).await;
        let offset = clock.offset();
        assert!(offset > Duration::from_secs(7000) && offset <= Duration::from_secs(7200));
        let (early, late) = (clock.now(), clock.now() + Duration::from_secs(90));
        assert_eq!(difference(early, late), Duration::from_secs(90));
        assert_eq!(difference(late, early), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_a_paused_runtime() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().duration_since(before).unwrap(), Duration::from_secs(90));
        let later = clock.now() + Duration::from_secs(5);
        tokio::time::sleep_until(clock.instant(later)).await;
        assert_eq!(clock.now(), later);
    }
}
