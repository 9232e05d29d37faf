//! Lines of Postfix's log: `to=<...>, ..., dsn=5.1.1, status=bounced (...)`.

use std::time::SystemTime;

use super::{LineReader, ReadItem, time};
use crate::outcomes::bounce::judge_words;
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

/// Postfix's log, in syslog's form or with RFC 3339 times.
pub(super) struct PostfixLog;

impl PostfixLog {
    /// `true` for any line that Postfix logs.
    pub(super) fn recognizes(line: &str) -> bool {
        line.split(' ')
            .take(8)
            .any(|word| word.contains("/") && word.ends_with("]:") && word.starts_with("postfix"))
    }
}

impl LineReader for PostfixLog {
    fn read_line(&mut self, classifier: &Classifier, line: &str, now: SystemTime) -> ReadItem {
        let nothing = ReadItem::Events(Vec::new());
        let Some((_, status)) = line.split_once(" status=") else { return nothing };
        let Some(last) = between(line, " to=<", ">") else { return nothing };
        let address = between(line, " orig_to=<", ">").filter(|a| a.contains('@')).unwrap_or(last);
        let (status, words) = status.split_once(' ').unwrap_or((status, ""));
        let words = words.trim();
        // One pair of brackets is the log's; the words end with one of their own.
        let words = words.strip_prefix('(').unwrap_or(words);
        let words = words.strip_suffix(')').unwrap_or(words);
        let dsn = between(line, " dsn=", ",").and_then(|dsn| dsn.parse().ok());
        let kind = match status {
            // Handed to a filter or a mailbox of this host: its own story follows, or none.
            // A probe of `verify`, which sends nothing.
            "deliverable" => return nothing,
            "sent" if between(line, " relay=", ",").is_some_and(is_of_this_host) => return nothing,
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
        let queue_id = line.split("]: ").nth(1).and_then(|rest| rest.split(':').next());
        let event_id = queue_id.map(|id| format!("{id} {status} {}", stamp(line)));
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
pub(super) fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split_once(after).map(|(inside, _)| inside)
}
