//! The caller's `grpc-timeout`, so that a verdict reaches it before its deadline does.

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

/// Time limit for the work: the caller's time less a margin for the way back (at most a tenth
/// of it), and never more than `longest`.
pub(super) fn budget(timeout: Option<Duration>, margin: Duration, longest: Duration) -> Duration {
    timeout.map_or(longest, |t| (t - margin.min(t / 10)).min(longest))
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

    #[test]
    fn the_margin_never_eats_more_than_a_tenth() {
        let (margin, longest) = (Duration::from_millis(50), Duration::from_secs(60));
        let budget = |ms| super::budget(Some(Duration::from_millis(ms)), margin, longest);
        assert_eq!(budget(10_000), Duration::from_millis(9_950));
        assert_eq!(budget(100), Duration::from_millis(90));
        assert_eq!(budget(0), Duration::ZERO);
        assert_eq!(budget(600_000), longest);
        assert_eq!(super::budget(None, margin, longest), longest);
    }
}
