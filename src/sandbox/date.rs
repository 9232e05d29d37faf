//! A date as banners and messages carry it (RFC 5322 section 3.3), always in UTC. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Wed, 25 Nov 2026 14:30:00 +0000`. A time before 1970 becomes the first second of it.
pub(super) fn rfc5322(at: SystemTime) -> String {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let weekday = DAYS[usize::try_from(since_epoch.as_secs() / 86_400 % 7).unwrap_or(0)];
    // 2026-11-25T14:30:00Z
    let sorted = humantime::format_rfc3339_seconds(UNIX_EPOCH + since_epoch).to_string();
    let number = |from: usize, to: usize| sorted.get(from..to).and_then(|d| d.parse().ok());
    let month = MONTHS[number(5, 7).unwrap_or(1_usize).saturating_sub(1) % 12];
    let day = number(8, 10).unwrap_or(1);
    let (year, time) = (&sorted[..4], &sorted[11..19]);
    format!("{weekday}, {day} {month} {year} {time} +0000")
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
