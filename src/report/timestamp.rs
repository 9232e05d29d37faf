//! [`Timestamp`]: a time for machines and for people.

use std::time::SystemTime;

/// `at` as RFC 3339 has it, to the second: `2026-11-25T14:40:00Z`. A time before 1970 becomes the
/// first second of it, one after 9999 the last second of that.
#[must_use]
pub fn rfc3339(at: SystemTime) -> String {
    Timestamp::from_time(at).iso
}

/// A time, for machines and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// As RFC 3339 has it: `2026-11-25T14:40:00Z`.
    pub iso: String,
    /// `25 November 2026, 14:40 UTC`.
    pub text: String,
}

impl Timestamp {
    /// Times before 1970 and after 9999 are moved to those ends.
    #[must_use]
    pub fn from_time(at: SystemTime) -> Self {
        let at = at.max(SystemTime::UNIX_EPOCH);
        let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::MAX);
        let text = |format| at.strftime(format).to_string();
        Self { iso: text("%Y-%m-%dT%H:%M:%SZ"), text: text("%-d %B %Y, %H:%M UTC") }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_for_people_and_for_machines() {
        let at =
            |seconds| Timestamp::from_time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(1_795_617_605).iso, "2026-11-25T14:40:05Z");
        assert_eq!(at(1_795_617_605).text, "25 November 2026, 14:40 UTC");
        assert_eq!(at(0).text, "1 January 1970, 00:00 UTC");
    }

    #[test]
    fn no_time_is_too_early_or_too_late_to_be_written() {
        let epoch = SystemTime::UNIX_EPOCH;
        let early = Timestamp::from_time(epoch - Duration::from_secs(1));
        assert_eq!(early.iso, "1970-01-01T00:00:00Z");
        let late = Timestamp::from_time(epoch + Duration::from_secs(400_000_000_000));
        assert!(late.text.contains("December 9999, "), "{late:?}");
    }
}
