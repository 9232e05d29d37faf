//! The message that came back: where it begins in a text, and whom its headers name.

use mail_parser::Message;

use super::fields::{self, FieldGroup};
use crate::address::clean;

/// The headers that headers begin with, so that prose is not taken for them.
const TRACE: [&str; 4] = ["received", "return-path", "message-id", "dkim-signature"];

/// The headers of a person's message.
const COMMON: [&str; 7] =
    ["from", "to", "subject", "date", "mime-version", "content-type", "sender"];

/// The headers of the message that came back, as far as they matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReturnedHeaders {
    /// The addresses in `To`, or in `Cc` where there is no `To`.
    pub(super) to: Vec<String>,
    /// The addresses in `From` and `Return-Path`.
    pub(super) from: Vec<String>,
    /// The addresses that servers put in on the way: `Delivered-To`, `X-Original-To` and the like.
    pub(super) envelope: Vec<String>,
}

/// Headers that name the envelope's recipient, as servers write them.
const ENVELOPE: [&str; 6] = [
    "X-Original-To",
    "Delivered-To",
    "X-Rcpt-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-HmXmrOriginalRecipient",
];

impl ReturnedHeaders {
    /// Reads the headers of a message that was attached.
    pub(super) fn from_message(message: &Message<'_>) -> Self {
        Self::from_headers(|name| {
            let values = message.headers_raw();
            let named = values.filter(|(field, _)| field.eq_ignore_ascii_case(name));
            named.flat_map(|(_, value)| addresses(value)).collect()
        })
    }

    /// Reads the headers at the beginning of a text.
    pub(super) fn from_text(text: &str) -> Self {
        let groups = fields::groups(text);
        let from_group = |group: &FieldGroup<'_>| {
            Self::from_headers(|name| group.all(name).flat_map(addresses).collect())
        };
        groups.first().map(from_group).unwrap_or_default()
    }

    /// The headers, given the addresses in those of a name.
    fn from_headers(named: impl Fn(&'static str) -> Vec<String>) -> Self {
        let mut to = named("To");
        if to.is_empty() {
            to = named("Cc");
        }
        let mut from = named("From");
        from.extend(named("Return-Path"));
        Self { to, from, envelope: ENVELOPE.into_iter().flat_map(named).collect() }
    }
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
    let mut start = 0;
    let mut is_after_break = true;
    for line in text.split_inclusive('\n') {
        let begins = is_after_break && fields::split_field(line).is_some();
        if begins && let Some(headers) = header_block(&text[start..]) {
            return (&text[..start], Some(headers));
        }
        is_after_break = fields::split_field(line).is_none();
        start += line.len();
    }
    (text, None)
}

/// The headers at the beginning of `text`, if they are those of a mail and not a few words with
/// colons.
fn header_block(text: &str) -> Option<ReturnedHeaders> {
    let (mut trace, mut common) = (0, 0);
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            break;
        }
        if !line.starts_with([' ', '\t']) {
            let Some((name, _)) = fields::split_field(line) else { break };
            let is_among = |names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
            trace += usize::from(is_among(&TRACE));
            common += usize::from(is_among(&COMMON));
        }
        end += line.len();
    }
    let is_headers = trace >= 1 && trace + common >= 2 || common >= 3;
    is_headers.then(|| ReturnedHeaders::from_text(&text[..end]))
}
