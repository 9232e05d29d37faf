//! The process's one clock.
//!
//! Everything below the shell takes the time as an argument (`now: SystemTime`). The shell gets it
//! here: a wall-clock reading taken once, carried forward by tokio's monotonic clock. So a step of
//! the machine's wall clock moves no deadline and no lifetime, and a test that pauses tokio's clock
//! pauses this one.

use std::time::SystemTime;

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

    /// The instant, on tokio's clock, at which this clock will read `at` (the past is now).
    #[must_use]
    pub fn instant(&self, at: SystemTime) -> Instant {
        self.origin + at.duration_since(self.wall).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
