//! Times of consents as people and programs write them: many forms, and none that has two meanings.
//!
//! What has no zone is UTC, and a day is its beginning: a registration says something only if it is
//! a week younger than a consent.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

/// Texts of cells that hold no time; the last three are MySQL's.
const NONE: [&str; 10] =
    ["", "-", "0", "null", "none", "n/a", "na", "\\N", "0000-00-00", "0000-00-00 00:00:00"];

/// The time about 1970 that programs write where they know none, in the zone that they are in.
const UNKNOWN: Duration = Duration::from_secs(24 * 60 * 60);

/// The English months. A word that begins like one may be another in another language: the Finnish
/// `marraskuu` is November.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The cause of a time that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentFault {
    /// It may be either of two days: `03/04/2025`.
    Ambiguous(Date, Date),
    /// It is no time, or its year has two digits.
    NoTime,
    /// Nobody consented to mail before 1970.
    TooEarly,
}

/// Reads the time of a consent; `None` if the cell holds none.
///
/// # Errors
/// [`ConsentFault`].
pub fn read_consent(text: &str) -> Result<Option<SystemTime>, ConsentFault> {
    let text = text.trim();
    if NONE.iter().any(|none| text.eq_ignore_ascii_case(none)) {
        return Ok(None);
    }
    let at = timestamp(text)?;
    let at = SystemTime::try_from(at).map_err(|_| ConsentFault::NoTime)?;
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Ok((since >= UNKNOWN).then_some(at)),
        Err(before) if before.duration() < UNKNOWN => Ok(None),
        Err(_) => Err(ConsentFault::TooEarly),
    }
}

fn timestamp(text: &str) -> Result<Timestamp, ConsentFault> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return digits(text);
    }
    // RFC 3339, and ISO 8601 with an offset.
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let bare = ["UTC", "GMT"].iter().find_map(|zone| text.strip_suffix(zone));
    let text = bare.unwrap_or(text).trim_end();
    if let Ok(at) = text.parse::<DateTime>() {
        return utc(at);
    }
    // With a day of the week before it, as HTTP and services write it.
    let with_offset = bare.map(|_| format!("{text} +0000"));
    let mut forms = std::iter::once(text).chain(with_offset.as_deref());
    if let Some(at) = forms.find_map(|form| rfc2822::parse(form).ok()) {
        return Ok(at.timestamp());
    }
    let spaced = without_t(text);
    let words: Vec<&str> = spaced.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let (date, time, offset) = match words.iter().position(|word| word.contains(':')) {
        Some(at) => {
            let (time, offset) = without_offset(&words[at..]);
            (&words[..at], clock_time(time).ok_or(ConsentFault::NoTime)?, offset)
        }
        None => (&words[..], Time::midnight(), 0),
    };
    let date = match date {
        [date] => match numeric_date(date) {
            Err(ConsentFault::NoTime) => {
                named_date(&date.split(['-', '/', '.']).collect::<Vec<_>>())
            }
            read => read,
        },
        words => named_date(words),
    };
    let at = utc(date?.to_datetime(time))?;
    Timestamp::from_second(at.as_second() - offset).map_err(|_| ConsentFault::NoTime)
}

/// The words of a time of day, and the seconds that the zone behind them is ahead of UTC:
/// `12:00:00 +0200`.
fn without_offset<'w, 'a>(words: &'w [&'a str]) -> (&'w [&'a str], i64) {
    match words {
        [time @ .., last] if !time.is_empty() => {
            offset_seconds(last).map_or((words, 0), |offset| (time, offset))
        }
        _ => (words, 0),
    }
}

/// The seconds that a zone such as `-0500` or `+02:00` is ahead of UTC.
fn offset_seconds(word: &str) -> Option<i64> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word.strip_prefix('+')?),
    };
    let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
    let number = |text: &str| {
        let is_number = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| is_number)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

/// `text` with a space for the `T` between a date and a time; that of `OCT` stays.
fn without_t(text: &str) -> String {
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit)
    };
    let is_between = |at: usize| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
    let spaced = |(at, c): (usize, char)| if c == 'T' && is_between(at) { ' ' } else { c };
    text.char_indices().map(spaced).collect()
}

/// The number of the month, from 1, that `word` names as a whole or by its first three letters.
fn month_number(word: &str) -> Option<i8> {
    let word = if word == "sept" { "sep" } else { word };
    let at = MONTHS.iter().position(|month| word == *month || word == &month[..3])?;
    i8::try_from(at + 1).ok()
}

fn utc(at: DateTime) -> Result<Timestamp, ConsentFault> {
    TimeZone::UTC.to_timestamp(at).map_err(|_| ConsentFault::NoTime)
}

/// Seconds or milliseconds since 1970, or a date of ISO 8601 without hyphens.
fn digits(text: &str) -> Result<Timestamp, ConsentFault> {
    let number: i64 = text.parse().map_err(|_| ConsentFault::NoTime)?;
    let read = match text.len() {
        8 => {
            return utc(text
                .parse::<Date>()
                .map_err(|_| ConsentFault::NoTime)?
                .to_datetime(Time::midnight()));
        }
        10 => Timestamp::from_second(number),
        13 => Timestamp::from_millisecond(number),
        _ => return Err(ConsentFault::NoTime),
    };
    read.map_err(|_| ConsentFault::NoTime)
}

/// A date of three numbers, the first or the last of which is the year.
fn numeric_date(text: &str) -> Result<Date, ConsentFault> {
    let separator = text.find(['/', '.', '-']).map(|at| &text[at..=at]);
    let parts: Vec<&str> = text.split(separator.unwrap_or("/")).collect();
    let number = |text: &str| {
        text.parse::<u16>().ok().filter(|_| text.len() <= 2).and_then(|n| i8::try_from(n).ok())
    };
    let year = |text: &str| text.parse::<i16>().ok().filter(|_| text.len() == 4);
    let [first, second, third] = parts[..] else { return Err(ConsentFault::NoTime) };
    let date = |year, month, day| Date::new(year, month, day).ok();
    if let (Some(year), Some(month), Some(day)) = (year(first), number(second), number(third)) {
        return date(year, month, day).ok_or(ConsentFault::NoTime);
    }
    let (Some(one), Some(other), Some(year)) = (number(first), number(second), year(third)) else {
        return Err(ConsentFault::NoTime);
    };
    match (date(year, other, one), date(year, one, other)) {
        (Some(day_first), Some(month_first)) if day_first != month_first => {
            Err(ConsentFault::Ambiguous(day_first, month_first))
        }
        (day_first, month_first) => day_first.or(month_first).ok_or(ConsentFault::NoTime),
    }
}

/// A date whose month is a word: `3 April 2025`, `Apr 3rd, 2025`.
fn named_date(words: &[&str]) -> Result<Date, ConsentFault> {
    let (mut year, mut month, mut day) = (None, None, None);
    for word in words {
        let word = word.trim_end_matches('.').to_ascii_lowercase();
        let ordinal = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end));
        if let Some(named) = month_number(&word) {
            month = Some(named).filter(|_| month.is_none());
        } else if word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()) {
            year = word.parse::<i16>().ok().filter(|_| year.is_none());
        } else {
            day = ordinal.unwrap_or(&word).parse::<i8>().ok().filter(|_| day.is_none());
            if day.is_none() {
                return Err(ConsentFault::NoTime);
            }
        }
    }
    let (Some(year), Some(month), Some(day)) = (year, month, day) else {
        return Err(ConsentFault::NoTime);
    };
    Date::new(year, month, day).map_err(|_| ConsentFault::NoTime)
}

/// A time of day: `9:30`, `09:30:15`, `9:30 PM`.
fn clock_time(words: &[&str]) -> Option<Time> {
    let all = words.concat().to_ascii_lowercase();
    let half = ["am", "pm"].into_iter().find_map(|half| Some((all.strip_suffix(half)?, half)));
    let (digits, half) = half.map_or((all.as_str(), None), |(rest, half)| (rest, Some(half)));
    let whole = digits.split('.').next().unwrap_or_default();
    let mut parts = whole.split(':').map(|part| part.parse::<i8>().ok());
    let hour = parts.next()??;
    let minute = parts.next()??;
    let second = parts.next().unwrap_or(Some(0))?;
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some("pm") => hour % 12 + 12,
        Some(_) => hour % 12,
    };
    parts.next().is_none().then(|| Time::new(hour, minute, second, 0).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noon of 13 April 2025.
    const NOON: u64 = 1_744_545_600;

    fn seconds(text: &str) -> Result<Option<u64>, ConsentFault> {
        let since = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Ok(read_consent(text)?.map(since))
    }

    #[test]
    fn a_time_is_read_in_every_form_that_has_one_meaning() {
        for text in [
            "2025-04-13T12:00:00Z",
            "2025-04-13T14:00:00+02:00",
            "2025-04-13 12:00:00.000",
            " 2025-04-13 12:00 ",
            "2025-04-13 12:00:00 UTC",
            "2025-04-13T12:00:00.123456Z",
            "2025/04/13 12:00",
            "13/04/2025 12:00",
            "04/13/2025 12:00 PM",
            "13.4.2025, 12:00:00",
            "13 April 2025 12:00",
            "Apr 13th, 2025 12:00:00 pm",
            "13-Apr-2025 12:00",
            "13/04/2025T12:00",
            "APR 13, 2025 12:00",
            "Sun, 13 Apr 2025 12:00:00 +0000",
            "Sun, 13 Apr 2025 12:00:00 GMT",
            "Sun, 13 Apr 2025 12:00:00 UTC",
            "Sun, 13 Apr 2025 12:00:00 +0000 UTC",
            "1744545600",
            "1744545600000",
        ] {
            assert_eq!(seconds(text), Ok(Some(NOON)), "{text}");
        }
        let midnight = NOON - 43_200;
        for text in [
            "2025-04-13",
            "20250413",
            "2025.04.13",
            "4/13/2025",
            "April 13, 2025",
            "13/04/2025 12:00 AM",
        ] {
            assert_eq!(seconds(text), Ok(Some(midnight)), "{text}");
        }
        let fifth = SystemTime::UNIX_EPOCH + Duration::from_secs(1_746_403_200);
        assert_eq!(read_consent("05/05/2025"), Ok(Some(fifth)));
    }

    #[test]
    fn a_zone_behind_the_time_of_day_counts_with_a_space_before_it_too() {
        for text in [
            "2025-04-13 07:00:00 -0500",
            "2025-04-13 14:00 +02:00",
            "13/04/2025 2:00 PM +0200",
            "Apr 13, 2025 12:00:00 +0000",
        ] {
            assert_eq!(seconds(text), Ok(Some(NOON)), "{text}");
        }
        for text in ["2025-04-13 -0500", "2025-04-13 07:00 -2500", "2025-04-13 07:00 0500"] {
            assert_eq!(read_consent(text), Err(ConsentFault::NoTime), "{text}");
        }
    }

    #[test]
    fn a_blank_cell_has_no_time() {
        for text in ["", "  ", "-", "NULL", "n/a", "0000-00-00", "0", "\\N"] {
            assert_eq!(read_consent(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn the_beginning_of_1970_is_no_consent_in_whatever_zone() {
        for text in ["1970-01-01", "1970-01-01 01:00:00", "1969-12-31 19:00:00", "01/01/1970"] {
            assert_eq!(read_consent(text), Ok(None), "{text:?}");
        }
        assert_eq!(seconds("1970-01-02"), Ok(Some(86_400)));
    }

    #[test]
    fn a_month_is_named_by_its_name_or_three_letters_of_it() {
        let october = seconds("2024-10-12");
        for text in ["12-OCT-2024", "OCT 12, 2024", "12 October 2024", "12. oct. 2024"] {
            assert_eq!(seconds(text), october, "{text}");
        }
        assert_eq!(seconds("3 Sept 2024"), seconds("2024-09-03"));
        for text in ["3. marraskuuta 2024", "3 Octobre 2024", "3 Junho 2024"] {
            assert_eq!(read_consent(text), Err(ConsentFault::NoTime), "{text}");
        }
    }

    #[test]
    fn a_day_that_may_be_another_is_refused_with_both() {
        let (april, march) = (Date::new(2025, 4, 3).unwrap(), Date::new(2025, 3, 4).unwrap());
        for text in ["03/04/2025", "3.4.2025", "03-04-2025 12:00"] {
            assert_eq!(read_consent(text), Err(ConsentFault::Ambiguous(april, march)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "yes",
            "true",
            "1",
            "13/04/25",
            "2025-13-01",
            "2025-02-30",
            "31/02/2025",
            "April 2025",
            "13 April",
            "jane@acme.test",
            "2025-04-13 25:00",
            "123456789012345678901",
            "12:00",
            "é",
            "2025-04-13é",
            "13 13 April 2025",
        ] {
            assert_eq!(read_consent(text), Err(ConsentFault::NoTime), "{text}");
        }
        assert_eq!(read_consent("1969-12-31"), Err(ConsentFault::TooEarly));
    }
}
