//! Times as people write them.

use std::time::{Duration, SystemTime};

/// The last second that RFC 3339 can write: the end of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A time, for machines and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct When {
    /// As RFC 3339 has it: `2026-11-25T14:40:00Z`.
    pub(super) iso: String,
    /// `25 November 2026, 14:40 UTC`.
    pub(super) text: String,
}

impl When {
    pub(super) fn of(at: SystemTime) -> Self {
        let epoch = SystemTime::UNIX_EPOCH;
        let iso = humantime::format_rfc3339_seconds(at.clamp(epoch, epoch + LAST)).to_string();
        let text = spelled(&iso).unwrap_or_else(|| iso.clone());
        Self { iso, text }
    }
}

fn spelled(iso: &str) -> Option<String> {
    let (date, time) = iso.split_once('T')?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    Some(format!("{} {month} {year}, {} UTC", day.trim_start_matches('0'), time.get(..5)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people_and_for_machines() {
        let at = |seconds| When::of(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(1_795_617_605).iso, "2026-11-25T14:40:05Z");
        assert_eq!(at(1_795_617_605).text, "25 November 2026, 14:40 UTC");
        assert_eq!(at(0).text, "1 January 1970, 00:00 UTC");
    }

    #[test]
    fn no_time_is_too_early_or_too_late_to_be_written() {
        let epoch = SystemTime::UNIX_EPOCH;
        let early = When::of(epoch - Duration::from_secs(1));
        assert_eq!(early.iso, "1970-01-01T00:00:00Z");
        let late = When::of(epoch + Duration::from_secs(400_000_000_000));
        assert_eq!(late.text, "31 December 9999, 23:59 UTC");
    }
}
