//! "Try again in 300 seconds": the waiting time a server names in a temporary reply. Pure.
//!
//! RFC 5321 gives no syntax for it, so this reads only the plain form: a word of waiting, then a
//! number, then a unit (or `m:ss`), close together. Asked of every refusal, so nothing is allocated
//! until a number follows such a word.

use std::time::Duration;

/// The longest hint believed; a longer one is as good as none.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest wait that is one.
const SHORTEST: Duration = Duration::from_secs(1);

/// Words that say that a waiting time follows.
const WAITING: [&str; 9] =
    ["in", "after", "wait", "for", "least", "within", "delay", "seconds:", "retry"];

/// The waiting time that `text` names, 1 second to 24 hours.
#[must_use]
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    let mut words = text.split(is_separator).filter(|word| !word.is_empty()).peekable();
    let mut before = "";
    while let Some(word) = words.next() {
        let follows = WAITING.iter().any(|waiting| waiting.eq_ignore_ascii_case(before));
        before = word;
        if !follows || !word.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let wait = clock_time(word).or_else(|| number_and_unit(word, words.peek().copied()));
        if let Some(wait) = wait.filter(|wait| (SHORTEST..=LONGEST).contains(wait)) {
            return Some(wait);
        }
    }
    None
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '<' | '>' | ',' | ';' | '=')
}

/// `300` + `seconds`, or `300s` in one word.
fn number_and_unit(word: &str, next: Option<&str>) -> Option<Duration> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = word.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = if rest.is_empty() { next? } else { rest };
    let unit = unit.trim_end_matches(['.', '!']).to_ascii_lowercase();
    let seconds = match unit.as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// `05:00` as minutes and seconds, `00:04:59` as hours, minutes and seconds.
fn clock_time(word: &str) -> Option<Duration> {
    let parts: Vec<&str> = word.trim_end_matches('.').split(':').collect();
    if !(2..=3).contains(&parts.len()) || parts[1..].iter().any(|part| part.len() != 2) {
        return None;
    }
    parts
        .iter()
        .try_fold(0u64, |total, part| total.checked_mul(60)?.checked_add(part.parse().ok()?))
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        retry_after(text).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_named_waiting_time_is_read() {
        assert_eq!(seconds("Greylisted, please try again in 300 seconds"), Some(300));
        assert_eq!(seconds("greylisting in action, please come back in 00:04:59"), Some(299));
        assert_eq!(seconds("please retry after 5 minutes."), Some(300));
        assert_eq!(seconds("Try again in 05:00"), Some(300));
        assert_eq!(seconds("wait 60s before the next attempt"), Some(60));
        assert_eq!(seconds("come back in 2 hours"), Some(7200));
        assert_eq!(seconds("(retry in 120 sec)"), Some(120));
    }

    #[test]
    fn other_numbers_are_not_waiting_times() {
        assert_eq!(seconds("451 4.7.1 try again later"), None);
        assert_eq!(seconds("blocked for 10.0.0.1"), None);
        assert_eq!(seconds("try again in 0 seconds"), None);
        assert_eq!(seconds("try again in 99999999999999999999 seconds"), None);
        assert_eq!(seconds("try again in 900 hours"), None);
        assert_eq!(seconds(""), None);
    }
}
