//! Lines of Postfix's log: `to=<...>, ..., dsn=5.1.1, status=bounced (...)`.

use std::time::SystemTime;

use super::{LineReader, ReadItem, time};
use crate::outcomes::bounce::judge_words;
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

/// Postfix's log, in syslog's form or with RFC 3339 times.
pub(super) struct PostfixLog;

/// The number of words of a line that the name of its program is looked for in.
const MAX_WORDS: usize = 8;

impl PostfixLog {
    /// `true` for any line that Postfix logs.
    pub(super) fn recognizes(line: &str) -> bool {
        message(line).is_some()
    }
}

/// The part of a line behind Postfix's own name, `postfix/smtp[1234]:`, which is the first word
/// with a colon at its end. Behind that of another program it may be the word of a stranger, such
/// as the name of a user who logs in.
fn message(line: &str) -> Option<&str> {
    let mut end = 0;
    for word in line.split(' ').take(MAX_WORDS) {
        end += word.len() + 1;
        if word.ends_with(':') {
            let is_postfix =
                word.starts_with("postfix") && word.contains('/') && word.ends_with("]:");
            return line.get(end..).filter(|_| is_postfix);
        }
    }
    None
}

/// A line about one recipient: `4A: to=<...>, orig_to=<...>, relay=..., dsn=..., status=... (...)`.
struct DeliveryLine<'l> {
    queue_id: &'l str,
    last: &'l str,
    original: Option<&'l str>,
    /// The fields between the addresses and the status.
    fields: &'l str,
    status: &'l str,
    words: &'l str,
}

impl<'l> DeliveryLine<'l> {
    /// Reads a line of this form from its beginning on. Others repeat what strangers wrote, such as
    /// a subject or a recipient that was refused, and within that may stand anything.
    fn read(line: &'l str) -> Option<Self> {
        let (queue_id, rest) = message(line)?.split_once(": to=<")?;
        if !without_message_id(queue_id).bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let (last, rest) = take_bracketed(rest)?;
        let (original, rest) = match rest.strip_prefix("orig_to=<") {
            Some(rest) => take_bracketed(rest).map(|(original, rest)| (Some(original), rest))?,
            None => (None, rest),
        };
        let (fields, rest) = rest.split_once("status=")?;
        let (status, words) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self { queue_id, last, original, fields, status, words: words.trim() })
    }
}

/// The text behind what the syslog of Solaris and its kin puts before a message:
/// `[ID 197553 mail.info] `.
fn without_message_id(text: &str) -> &str {
    text.strip_prefix("[ID ").and_then(|rest| rest.split_once("] ")).map_or(text, |(_, own)| own)
}

/// The text up to the first `>` outside of quotes, and what follows the comma behind it.
fn take_bracketed(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = split_outside_quotes(text, b'>')?;
    Some((inside, rest.strip_prefix(", ")?))
}

/// The text before and behind the first `mark`, a sign of ASCII, that stands outside of quotes: a
/// local part in quotes may hold any sign.
pub(super) fn split_outside_quotes(text: &str, mark: u8) -> Option<(&str, &str)> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = text.bytes().position(|byte| {
        is_quoted ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        byte == mark && !is_quoted
    })?;
    Some((&text[..end], &text[end + 1..]))
}

impl LineReader for PostfixLog {
    fn read_line(&mut self, classifier: &Classifier, line: &str, now: SystemTime) -> ReadItem {
        let nothing = ReadItem::Events(Vec::new());
        let Some(delivery) = DeliveryLine::read(line) else { return nothing };
        let DeliveryLine { queue_id, last, original, fields, status, words } = delivery;
        let address = original.filter(|original| original.contains('@')).unwrap_or(last);
        // One pair of brackets is the log's; the words end with one of their own.
        let words = words.strip_prefix('(').unwrap_or(words);
        let words = words.strip_suffix(')').unwrap_or(words);
        let dsn = between(fields, "dsn=", ",").and_then(|dsn| dsn.parse().ok());
        let kind = match status {
            // A probe of `verify`, which sends nothing.
            "deliverable" => return nothing,
            // Handed to a filter or a mailbox of this host: its own story follows, or none.
            "sent" if between(fields, "relay=", ",").is_some_and(is_of_this_host) => {
                return nothing;
            }
            "sent" => OutcomeKind::Delivered,
            "deferred" | "expired" | "SOFTBOUNCE" => OutcomeKind::Temporary,
            "bounced" | "undeliverable" => judge_words(classifier, words, dsn, false),
            _ => return ReadItem::NotUnderstood("a status that is not known"),
        };
        let first = line.split(' ').next().unwrap_or_default();
        let at = match first.len() {
            // A date alone: the time of day is the next word.
            10 => line.get(..19).and_then(time::from_text),
            _ => time::from_text(first),
        };
        let at = at.or_else(|| time::from_syslog(line, now));
        if at.is_none() && stamp(line).contains(':') {
            return ReadItem::NotUnderstood("a time that cannot be read");
        }
        let event_id = Some(format!("{queue_id} {status} {}", stamp(line)));
        let event = OutcomeEvent::new("postfix", address, kind);
        ReadItem::Events(vec![event.at(at).saying(words).named(event_id).tried(last)])
    }
}

/// `true` for a relay on this host: a service of `master.cf` that pipes, a socket, a loopback
/// address. Another host stands there with its address: `mx.acme.test[192.0.2.1]:25`.
fn is_of_this_host(relay: &str) -> bool {
    let address = relay.split_once('[').map(|(_, address)| address);
    address.is_none_or(|it| it.starts_with("127.") || it.starts_with("::1]") || it.contains('/'))
}

/// The words of a line before the name of its host: its time.
fn stamp(line: &str) -> &str {
    line.split(" postfix").next().unwrap_or_default()
}

/// The text between two marks.
fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split_once(after).map(|(inside, _)| inside)
}
