//! Lines of Exim's main log: `=>` delivered, `**` failed, `==` deferred.

use std::time::SystemTime;

use super::postfix::split_outside_quotes;
use super::{LineReader, ReadItem, time};
use crate::outcomes::bounce::judge_words;
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

/// Exim's main log.
pub(super) struct EximLog;

impl EximLog {
    /// `true` for a line that begins with a date and a time of day, in Exim's own file or behind
    /// its name in that of syslog.
    pub(super) fn recognizes(line: &str) -> bool {
        let mut words = own(line).split(' ');
        let (date, clock) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let is_made_of = |word: &str, mark: u8| {
            word.bytes().all(|b| b.is_ascii_digit() || b == mark || b == b'.')
        };
        let is_date = date.len() == 10 && is_made_of(date, b'-') && date.as_bytes()[4] == b'-';
        is_date && clock.len() >= 8 && is_made_of(clock, b':') && clock.as_bytes()[2] == b':'
    }
}

/// The part of a line that Exim wrote: syslog puts the time, the host and `exim[1234]: ` before it.
/// Further on in a line it may be the word of a stranger, such as a subject.
fn own(line: &str) -> &str {
    let behind_name = line.split_once("]: ").filter(|(before, _)| {
        let words: Vec<&str> = before.split_ascii_whitespace().take(6).collect();
        let program = match words[..] {
            [stamp, _, program] if stamp.len() > 10 => program,
            [date, _, _, program] if date.len() == 10 => program,
            [month, _, _, _, program] if month.len() == 3 => program,
            _ => "",
        };
        program.starts_with("exim") && program.contains('[')
    });
    behind_name.map_or(line, |(_, own)| own)
}

/// `1P1ceB-000FL1-4q`, or the longer names of Exim 4.97.
fn is_id(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    parts.len() == 3
        && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        && matches!(word.len(), 16 | 23)
}

/// The first word of a text if it fits, or nothing; and what follows.
fn take_word(text: &str, fits: impl Fn(&str) -> bool) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, rest)) if fits(word) => (word, rest),
        _ => ("", text),
    }
}

/// `[1234]`: the number of the process.
fn is_pid(word: &str) -> bool {
    let number = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
    number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

impl LineReader for EximLog {
    fn read_line(&mut self, classifier: &Classifier, line: &str, _: SystemTime) -> ReadItem {
        let nothing = ReadItem::Events(Vec::new());
        let Some((date, rest)) = own(line).split_once(' ') else { return nothing };
        let Some((clock, rest)) = rest.split_once(' ') else { return nothing };
        // What `log_timezone` and the selector `pid` put before the name of the message.
        let (offset, rest) = take_word(rest, |word| word.starts_with(['+', '-']));
        let (_, rest) = take_word(rest, is_pid);
        let mut words = rest.splitn(3, ' ');
        let (Some(id), Some(mark), Some(text)) = (words.next(), words.next(), words.next()) else {
            return nothing;
        };
        if !is_id(id) {
            return nothing;
        }
        let (first, rest) = split_outside_quotes(text, b' ').unwrap_or((text, ""));
        // `jane <jane@acme.test>`: the address as it was given stands in brackets.
        let given = rest.strip_prefix('<').and_then(|it| split_outside_quotes(it, b'>'));
        let given = given.map(|(given, _)| given);
        let address = given.unwrap_or(first).trim_end_matches(':');
        let kind = match mark {
            "=>" | "->" | ">>" if rest.contains(" T=") && rest.contains(" H=") => {
                OutcomeKind::Delivered
            }
            "**" => judge_words(classifier, rest, None, false),
            "==" => OutcomeKind::Temporary,
            _ => return nothing,
        };
        if !address.contains('@') {
            return nothing;
        }
        let event = OutcomeEvent::new("exim", address, kind);
        let at = time::from_text(&format!("{date} {clock} {offset}"));
        if at.is_none() {
            return ReadItem::NotUnderstood("a time that cannot be read");
        }
        let event_id = Some(format!("{id} {mark} {date} {clock}"));
        let tried = first.trim_end_matches(':');
        ReadItem::Events(vec![event.at(at).saying(rest).named(event_id).tried(tried)])
    }
}
