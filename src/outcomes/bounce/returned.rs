//! The message that came back: where it begins in a text, and whom its headers name.

use std::time::SystemTime;

use mail_parser::{DateTime, Message};

use super::fields;
use crate::address::clean;

/// The headers that headers begin with, so that prose is not taken for them.
const TRACE: [&str; 4] = ["received", "return-path", "message-id", "dkim-signature"];

/// The headers of a person's message.
const COMMON: [&str; 7] =
    ["from", "to", "subject", "date", "mime-version", "content-type", "sender"];

/// The form in which the message came back: the surest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReturnedForm {
    /// Headers that a person's program writes too, above what it quotes.
    Quoted,
    /// Headers in a text, with those that a message gets on its way.
    Traced,
    /// A part of the mail.
    Attached,
}

/// The headers of the message that came back, as far as they matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnedHeaders {
    /// The form in which they stand in the mail.
    pub(super) form: ReturnedForm,
    /// The addresses in `To` and `Cc`.
    pub(super) to: Vec<String>,
    /// The addresses in `From` and `Return-Path`.
    pub(super) from: Vec<String>,
    /// The recipient who complained, as Microsoft names it.
    pub(super) complainant: Option<String>,
    /// Its `Date`, by the sender's clock.
    pub(super) date: Option<SystemTime>,
}

impl ReturnedHeaders {
    /// Reads the headers of a message that was attached.
    pub(super) fn from_message(message: &Message<'_>) -> Self {
        let date = message.date().and_then(super::time);
        Self::from_headers(ReturnedForm::Attached, date, |name| {
            let values = message.headers_raw();
            let named = values.filter(|(field, _)| field.eq_ignore_ascii_case(name));
            some_addresses(named.map(|(_, value)| value))
        })
    }

    /// Reads the headers at the beginning of a text.
    pub(super) fn from_text(form: ReturnedForm, text: &str) -> Self {
        let groups = fields::groups(text);
        let first = groups.first();
        let date = first.and_then(|group| DateTime::parse_rfc822(group.first("Date")?));
        Self::from_headers(form, date.as_ref().and_then(super::time), |name| {
            some_addresses(first.into_iter().flat_map(|group| group.all(name)))
        })
    }

    /// The headers, given the addresses in those of a name.
    fn from_headers(
        form: ReturnedForm,
        date: Option<SystemTime>,
        named: impl Fn(&'static str) -> Vec<String>,
    ) -> Self {
        let (mut to, mut from) = (named("To"), named("From"));
        to.extend(named("Cc"));
        from.extend(named("Return-Path"));
        let complainant = named("X-HmXmrOriginalRecipient").into_iter().next();
        Self { form, to, from, complainant, date }
    }
}

/// The addresses in the values of a header that may stand there more than once.
fn some_addresses<'v>(values: impl Iterator<Item = &'v str>) -> Vec<String> {
    values.flat_map(addresses).take(clean::MAX_ADDRESSES).collect()
}

/// The addresses in the value of a header.
pub(super) fn addresses(value: &str) -> Vec<String> {
    let cleaned = clean::clean(value.trim());
    let mut found = cleaned.others;
    if cleaned.address.contains('@') {
        found.insert(0, cleaned.address.into_owned());
    }
    found
}

/// Splits a text where the message that came back begins: at the first lines that can only be
/// headers of mail. What stands before them are the words of the server.
pub(super) fn split(text: &str) -> (&str, Option<ReturnedHeaders>) {
    for (start, block) in blocks(text) {
        if let Some(form) = form_of(block) {
            return (&text[..start], Some(ReturnedHeaders::from_text(form, block)));
        }
    }
    (text, None)
}

/// The runs of fields in a text, with their offsets. No run begins within another: where a run is
/// not headers, no part of it is.
fn blocks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let is_field = |line: &str| fields::split_field(line).is_some();
    let is_continued = |line: &str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
    std::iter::from_fn(move || {
        let start = at + length_while(&text[at..], |line| !is_field(line));
        at = start + length_while(&text[start..], |line| is_field(line) || is_continued(line));
        (at > start).then(|| (start, &text[start..at]))
    })
}

/// Number of bytes of the lines that `text` begins with and that fit.
fn length_while(text: &str, fits: impl Fn(&str) -> bool) -> usize {
    text.split_inclusive('\n').take_while(|line| fits(line)).map(str::len).sum()
}

/// The form of these fields, if they are the headers of a mail and not a few words with colons.
fn form_of(block: &str) -> Option<ReturnedForm> {
    let names = block.lines().filter(|line| !line.starts_with([' ', '\t']));
    let (mut trace, mut common) = (0, 0);
    for (name, _) in names.filter_map(fields::split_field) {
        let is_among = |names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        trace += usize::from(is_among(&TRACE));
        common += usize::from(is_among(&COMMON));
    }
    match (trace, common) {
        (0, 3..) => Some(ReturnedForm::Quoted),
        (1.., _) if trace + common >= 2 => Some(ReturnedForm::Traced),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_colons_are_looked_at_once() {
        let text = "a:\n x\n".repeat(5000);
        assert_eq!(blocks(&text).collect::<Vec<_>>(), [(0, text.as_str())]);
        let text = format!("{text}\nSo it is:\nb: 1\n\tc: 2\n");
        let starts: Vec<usize> = blocks(&text).map(|(start, _)| start).collect();
        assert_eq!(starts, [0, 30_001 + "So it is:\n".len()]);
    }

    #[test]
    fn headers_are_found_behind_lines_that_are_none() {
        let text = "Note: one\nNote: two\n three\n\nWords.\nFrom: a@b.test\nTo: c@d.test\n\
                    Subject: Hello\n\nHello.\n";
        let (words, headers) = split(text);
        assert_eq!(words, "Note: one\nNote: two\n three\n\nWords.\n");
        let headers = headers.unwrap();
        assert_eq!((headers.form, headers.to), (ReturnedForm::Quoted, vec!["c@d.test".to_owned()]));
    }

    #[test]
    fn addresses_of_a_returned_message_are_bounded() {
        let many: String =
            (0..3000).map(|number| format!("To: user{number}@acme.test\n")).collect();
        let headers = ReturnedHeaders::from_text(ReturnedForm::Attached, &many);
        assert_eq!(headers.to.len(), clean::MAX_ADDRESSES);
    }
}
