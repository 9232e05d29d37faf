//! Times as logs and vendors write them.
//!
//! A time without an offset is read as UTC, not as that of this machine's zone: the source may come
//! from another machine, the same line has to be the same event wherever and whenever it is read,
//! and a zone counts one hour twice in autumn. The rule that compares the times of two sources, by
//! which mail lifts a bounce, allows for it.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use crate::listfile::read_consent;

/// Number of bytes of a time up to its seconds: `2026-11-28 10:06:00`.
const SECONDS: usize = 19;

/// A time that a source states, and that is none, or may be either of two days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnreadableTime;

/// A time in text: RFC 3339, or a date with or without a time of day. It is UTC unless an offset
/// stands behind it: `2026-11-28 10:06:00 -0800`. The name of a zone beside it, or alone, is passed
/// over: it may mean several.
#[must_use]
pub fn from_text(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return SystemTime::try_from(timestamp).ok();
    }
    if text.len() >= 9 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return from_seconds(text.parse().ok()?);
    }
    let stated = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => {
            let (moment, behind) = text.split_at_checked(SECONDS).unwrap_or((text, ""));
            format!("{moment}{}", offset(behind)?)
        }
    };
    SystemTime::try_from(stated.parse::<Timestamp>().ok()?).ok()
}

/// The offset from UTC in the words behind the seconds, which may begin with a fraction.
fn offset(behind: &str) -> Option<&str> {
    let whole = behind.strip_prefix(['.', ',']);
    let whole = whole.map_or(behind, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let mut words = whole.split_ascii_whitespace();
    // `PM` is a part of the time.
    let is_half = |word: &str| ["am", "pm"].iter().any(|half| word.eq_ignore_ascii_case(half));
    let is_name = |word: &str| word.chars().all(|c| c.is_ascii_alphabetic()) && !is_half(word);
    match (words.next(), words.next(), words.next()) {
        (Some(offset), name, None) if offset.starts_with(['+', '-']) => {
            name.is_none_or(is_name).then_some(offset)
        }
        (name, None, None) => name.is_none_or(is_name).then_some("Z"),
        _ => None,
    }
}

/// A time as people and programs write it into a table: each form that has one meaning. `None` if
/// the cell states none.
///
/// # Errors
///
/// If it states one that cannot be read: what it means, and so what it lifts or how long it lasts,
/// is not guessed.
pub(super) fn from_cell(text: &str) -> Result<Option<SystemTime>, UnreadableTime> {
    match from_text(text) {
        Some(at) => Ok(Some(at)),
        None => read_consent(text).map_err(|_| UnreadableTime),
    }
}

/// A time in JSON: seconds or milliseconds since 1970, or text. `None` if it states none.
///
/// # Errors
///
/// If it states one that cannot be read.
pub(super) fn from_json(value: &Value) -> Result<Option<SystemTime>, UnreadableTime> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(None),
        Value::Number(number) => {
            number.as_f64().and_then(from_seconds).map(Some).ok_or(UnreadableTime)
        }
        Value::String(text) => from_cell(text),
        _ => Err(UnreadableTime),
    }
}

/// Seconds since 1970; what would lie 3000 years ahead is milliseconds.
fn from_seconds(number: f64) -> Option<SystemTime> {
    let seconds = if number > 1e11 { number / 1000.0 } else { number };
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since).filter(|_| seconds > 0.0)
}

/// The time of a line of syslog: `Nov 28 09:00:00`, in UTC and the last year that is not ahead of
/// `now` by more than a day.
pub(super) fn from_syslog(line: &str, now: SystemTime) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = line.split_ascii_whitespace();
    let (month, day, clock) = (words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let year = Timestamp::try_from(now).ok()?.strftime("%Y").to_string().parse::<i32>().ok()?;
    [year, year - 1].into_iter().find_map(|year| {
        let at = from_text(&format!("{year:04}-{month:02}-{day:0>2}T{clock}"))?;
        (at <= now + Duration::from_secs(86_400)).then_some(at)
    })
}
