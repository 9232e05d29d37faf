//! Reads the caller's `grpc-timeout` and keeps time back, so that a verdict arrives before the
//! deadline.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// The time the caller gives the call, from the `grpc-timeout` header: at most eight digits and a
/// unit. `None` if it names none or cannot be read; the transport enforces what it can read.
pub(super) fn grpc_timeout(metadata: &MetadataMap) -> Option<Duration> {
    let value = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The largest margin that is taken as a share of the caller's time.
const LARGEST_SHARE: Duration = Duration::from_secs(1);

/// The round trip of a connection that was not measured yet: the first call comes with the first
/// octets. Callers are rarely farther away.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(300);

/// The time kept back from the caller's time for the way there and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Margin {
    /// The least.
    pub(super) least: Duration,
    /// A share of the caller's time, in per cent; at most a second.
    pub(super) percent: u32,
    /// The connection's round trip, if it was measured.
    pub(super) round_trip: Option<Duration>,
}

impl Margin {
    /// The margin of a call: never more than half of `timeout`. The caller's clock began half a
    /// round trip before ours, and the answer needs the other half; under load both take longer.
    fn of(self, timeout: Duration) -> Duration {
        let share = (timeout / 100 * self.percent).min(LARGEST_SHARE);
        let measured = self.least + self.round_trip.unwrap_or(ASSUMED_ROUND_TRIP) * 3 / 2;
        self.least.max(share).max(measured).min(timeout / 2)
    }
}

/// The time the work may take: the caller's less the margin, and never more than `longest`.
pub(super) fn budget(timeout: Option<Duration>, margin: Margin, longest: Duration) -> Duration {
    timeout.map_or(longest, |timeout| (timeout - margin.of(timeout)).min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Option<Duration> {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", value.parse().unwrap());
        grpc_timeout(&metadata)
    }

    #[test]
    fn every_unit_of_grpc_timeout_is_read() {
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
    }

    #[test]
    fn what_is_not_a_timeout_is_no_timeout() {
        for value in ["", "S", "5", "5s", "-5S", "123456789S", "1.5S", "+1S"] {
            assert_eq!(read(value), None, "{value}");
        }
        assert_eq!(grpc_timeout(&MetadataMap::new()), None);
    }

    const MARGIN: Margin =
        Margin { least: Duration::from_millis(50), percent: 10, round_trip: Some(Duration::ZERO) };

    #[test]
    fn the_margin_is_a_share_of_the_caller_s_time_within_bounds() {
        let longest = Duration::from_secs(60);
        let budget = |ms| super::budget(Some(Duration::from_millis(ms)), MARGIN, longest);
        assert_eq!(budget(30_000), Duration::from_millis(29_000));
        assert_eq!(budget(3_000), Duration::from_millis(2_700));
        assert_eq!(budget(400), Duration::from_millis(350));
        assert_eq!(budget(80), Duration::from_millis(40));
        assert_eq!(budget(0), Duration::ZERO);
        assert_eq!(budget(600_000), longest);
        assert_eq!(super::budget(None, MARGIN, longest), longest);
    }

    #[test]
    fn a_caller_far_away_gets_its_round_trip_and_a_half() {
        let far = Margin { round_trip: Some(Duration::from_millis(300)), ..MARGIN };
        let budget = |ms| super::budget(Some(Duration::from_millis(ms)), far, Duration::MAX);
        assert_eq!(budget(2_000), Duration::from_millis(1_500));
        assert_eq!(budget(30_000), Duration::from_millis(29_000));
        assert_eq!(budget(600), Duration::from_millis(300));
        let unmeasured = Margin { round_trip: None, ..MARGIN };
        let first = super::budget(Some(Duration::from_secs(2)), unmeasured, Duration::MAX);
        assert_eq!(first, Duration::from_millis(1_500), "the first call is not lost either");
    }
}
