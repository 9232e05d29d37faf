//! Headers of answers. Pure.

use std::time::{Duration, SystemTime};

use jiff::fmt::rfc2822::DateTimeParser;

/// The time from `now` on that a `Retry-After` names, in seconds or as a date (RFC 9110 section
/// 10.2.3); zero if it names none, or one that is over.
pub(super) fn retry_after(text: &str, now: SystemTime) -> Duration {
    const DATES: DateTimeParser = DateTimeParser::new();
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Duration::from_secs(seconds);
    }
    let at = DATES.parse_timestamp(text).ok().and_then(|at| SystemTime::try_from(at).ok());
    at.and_then(|at| at.duration_since(now).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-10-21T07:28:00Z.
    const DATE: &str = "Wed, 21 Oct 2026 07:28:00 GMT";

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn seconds_and_dates_are_read_and_anything_else_is_no_wish() {
        let wish = |text| retry_after(text, at(1_792_567_680 - 90));
        assert_eq!(wish(" 120 "), Duration::from_secs(120));
        assert_eq!(wish(DATE), Duration::from_secs(90));
        for text in ["", "-5", "soon", "Wed, 21 Oct 2020 07:28:00 GMT", "21 Oct"] {
            assert_eq!(wish(text), Duration::ZERO, "{text}");
        }
    }
}
