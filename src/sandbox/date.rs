//! A date as banners and messages carry it (RFC 5322 section 3.3), always in UTC. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// `Wed, 25 Nov 2026 14:30:00 +0000`. A time before 1970 becomes the first second of it.
pub(super) fn rfc5322(at: SystemTime) -> String {
    let at = Timestamp::try_from(at.max(UNIX_EPOCH)).unwrap_or(Timestamp::MAX);
    at.strftime("%a, %-d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_written_as_mail_writes_it() {
        for (seconds, text) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 +0000"),
            (1_795_617_277, "Wed, 25 Nov 2026 14:34:37 +0000"),
        ] {
            assert_eq!(rfc5322(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
