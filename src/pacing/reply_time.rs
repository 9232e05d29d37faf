//! Tarpitting, seen: reply time per recipient rising against its own baseline.

use std::time::Duration;

/// Slower than this many times the baseline, and
const TIMES: f64 = 3.0;
/// slower than it by this many seconds a recipient, is tarpitting.
const SECONDS: f64 = 0.3;
/// The weight of a new observation in the baseline, and in the recent average.
const BASELINE_WEIGHT: f64 = 1.0 / 16.0;
const RECENT_WEIGHT: f64 = 0.5;

/// A flight: its recipients, and the seconds it took.
#[derive(Clone, Copy, Debug, PartialEq)]
struct TimedFlight {
    recipients: f64,
    seconds: f64,
}

/// The time a server takes for a recipient: its habit, and lately.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplyTime {
    /// The quickest flight seen.
    quickest: Option<TimedFlight>,
    /// Seconds a recipient: of the first flight with its round trip in them, so rather too many.
    baseline: Option<f64>,
    recent: f64,
}

impl ReplyTime {
    /// Time that a flight of `recipients` took beyond the server's habit.
    #[must_use]
    pub fn beyond_habit(&self, recipients: u32, time: Duration) -> Duration {
        let baseline = self.baseline.unwrap_or(0.0);
        let habit = self.quickest.map_or(time.as_secs_f64(), |quickest| {
            quickest.round_trip(baseline) + baseline * f64::from(recipients)
        });
        time.saturating_sub(Duration::try_from_secs_f64(habit).unwrap_or(Duration::MAX))
    }

    /// A flight of `recipients` (at least 1) took `time`. Says whether the server is tarpitting us:
    /// a server that is slow with every client, always, is not.
    pub fn observe(&mut self, recipients: usize, time: Duration) -> bool {
        let recipients = u32::try_from(recipients.max(1)).map_or(1.0, f64::from);
        let flight = TimedFlight { recipients, seconds: time.as_secs_f64() };
        let quickest = self.quickest.filter(|seen| seen.seconds <= flight.seconds);
        let quickest = *self.quickest.insert(quickest.unwrap_or(flight));
        let Some(baseline) = self.baseline else {
            let each = flight.seconds / recipients;
            (self.baseline, self.recent) = (Some(each), each);
            return false;
        };
        let each = (flight.seconds - quickest.round_trip(baseline)) / recipients;
        self.recent += (each - self.recent) * RECENT_WEIGHT;
        let rising = self.recent > baseline * TIMES && self.recent > baseline + SECONDS;
        // Less of the round trip is in the share of each the more of them there were.
        let weight = if each < baseline {
            (BASELINE_WEIGHT * recipients).min(RECENT_WEIGHT)
        } else {
            BASELINE_WEIGHT
        };
        self.baseline = Some(baseline + (each - baseline) * weight);
        rising
    }
}

impl TimedFlight {
    /// Its time without that of its recipients, each of which takes `baseline`. No more than the
    /// round trip, as long as that is no less than they take.
    fn round_trip(self, baseline: f64) -> f64 {
        (self.seconds - baseline * self.recipients).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    #[test]
    fn a_steady_server_is_never_called_a_tarpit() {
        let mut times = ReplyTime::default();
        for n in 1..200 {
            // 50 ms away, 5 ms a recipient, of which there are many or few.
            let recipients = n % 50 + 1;
            let time = 0.05 + 0.005 * f64::from(u32::try_from(recipients).unwrap());
            assert!(!times.observe(recipients, seconds(time)));
        }
    }

    #[test]
    fn a_server_slow_from_the_first_is_not_a_tarpit() {
        let mut times = ReplyTime::default();
        for _ in 0..50 {
            assert!(!times.observe(4, seconds(0.1 + 4.0 * 2.0)));
        }
    }

    #[test]
    fn a_server_that_is_slow_with_each_recipient_is_no_tarpit_however_many_there_are() {
        for round_trip in [0.1, 0.8] {
            for flights in [[1, 100, 10, 10], [100, 1, 10, 100], [10, 1, 100, 1], [1, 1, 1, 100]] {
                let mut times = ReplyTime::default();
                for recipients in flights.into_iter().cycle().take(100) {
                    let all = f64::from(u32::try_from(recipients).unwrap());
                    let time = seconds(round_trip + all);
                    assert!(!times.observe(recipients, time), "{recipients} of {flights:?}");
                    let beyond = times.beyond_habit(u32::try_from(recipients).unwrap(), time);
                    assert!(beyond < seconds(0.001), "{beyond:?} of {flights:?}");
                }
            }
        }
    }

    #[test]
    fn a_delay_is_noticed_though_the_first_flights_were_a_long_way_for_few() {
        let mut times = ReplyTime::default();
        for recipients in [1, 1, 100, 100, 1, 100] {
            let all = f64::from(u32::try_from(recipients).unwrap());
            assert!(!times.observe(recipients, seconds(0.3 + 0.005 * all)));
        }
        assert!(times.observe(20, seconds(20.4)));
    }

    #[test]
    fn a_single_reply_that_is_held_back_shows_in_a_flight_of_many() {
        let mut times = ReplyTime::default();
        assert_eq!(times.beyond_habit(20, seconds(3.0)), Duration::ZERO, "nothing is known yet");
        for _ in 0..10 {
            times.observe(20, seconds(0.06));
        }
        let beyond = times.beyond_habit(20, seconds(1.06));
        assert!(beyond > seconds(0.9) && beyond <= seconds(1.0), "{beyond:?}");
        assert_eq!(times.beyond_habit(20, seconds(0.05)), Duration::ZERO);
    }

    #[test]
    fn a_delay_of_one_second_a_recipient_is_noticed_within_two_flights() {
        let mut times = ReplyTime::default();
        for _ in 0..10 {
            assert!(!times.observe(20, seconds(0.06)));
        }
        let first = times.observe(20, seconds(20.06));
        let second = times.observe(20, seconds(20.06));
        assert!(first || second);
    }
}
