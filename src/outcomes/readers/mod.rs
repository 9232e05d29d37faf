//! Readers of outcomes: mail, logs, webhooks and tables, each chosen by content. Pure.
//!
//! A source is a stream of lines, JSON documents or mails, and its first bytes tell which. A reader
//! of that form turns an item into events, into nothing, or says that it does not understand it.

mod csv;
mod exim;
mod postfix;
mod time;
mod vendors;

use std::sync::Arc;
use std::time::SystemTime;

use super::bounce;
use super::event::{EventProof, OutcomeEvent};
use super::kind::OutcomeKind;
use crate::smtp::Classifier;

pub use time::from_text as parse_time;
pub use vendors::{read_document, read_posted};

/// The form of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceForm {
    /// One mail.
    Mail,
    /// Mails with a `From ` line before each.
    Mbox,
    /// JSON documents: the events of a vendor, one or many.
    Json,
    /// Lines: a log or a table.
    Lines,
}

/// The answer of a reader to one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadItem {
    /// These events; none if the item is about something else.
    Events(Vec<OutcomeEvent>),
    /// Not understood, and why.
    NotUnderstood(&'static str),
}

/// Reads the lines of one form.
pub trait LineReader: Send {
    /// Reads one line. `now` gives the year to times that have none.
    fn read_line(&mut self, classifier: &Classifier, line: &str, now: SystemTime) -> ReadItem;
}

/// The form of a source that begins with these bytes.
#[must_use]
pub fn form(start: &[u8]) -> SourceForm {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if start.starts_with(b"From ") {
        return SourceForm::Mbox;
    }
    if start.starts_with(b"{") || start.starts_with(b"[") {
        return SourceForm::Json;
    }
    let start = String::from_utf8_lossy(&start[..start.len().min(4096)]);
    // No field's name begins with a digit; the time of a log's line does.
    let is_header = |line: &str| {
        line.split_once(':').is_some_and(|(name, _)| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }) || line.starts_with([' ', '\t'])
    };
    let mut lines = start.lines();
    let begins_with_a_field = lines.next().is_some_and(|line| is_header(line) && !is_log(line));
    if begins_with_a_field && lines.take(3).all(|line| line.is_empty() || is_header(line)) {
        return SourceForm::Mail;
    }
    SourceForm::Lines
}

/// The reader for lines like this first one, or `None`. `kind` is that of a table's rows where it
/// has no column for it.
#[must_use]
pub fn line_reader(first: &str, kind: OutcomeKind) -> Option<Box<dyn LineReader>> {
    match log_reader(first) {
        Some(reader) => Some(reader),
        None => Some(Box::new(csv::EventTable::from_header(first, kind)?)),
    }
}

/// The reader for the log that this line is of, or `None` if it is no line of a mail server. The
/// lines of other programs may stand before it.
#[must_use]
pub fn log_reader(line: &str) -> Option<Box<dyn LineReader>> {
    is_log(line).then(|| Box::new(MailLog) as Box<dyn LineReader>)
}

fn is_log(line: &str) -> bool {
    postfix::PostfixLog::recognizes(line) || exim::EximLog::recognizes(line)
}

/// The log of a mail server, each line read by its own form: that of a whole machine has the lines
/// of other programs too, and some write their time as Exim does.
struct MailLog;

impl LineReader for MailLog {
    fn read_line(&mut self, classifier: &Classifier, line: &str, now: SystemTime) -> ReadItem {
        let is_exim = exim::EximLog::recognizes(line) && !postfix::PostfixLog::recognizes(line);
        match is_exim {
            true => exim::EximLog.read_line(classifier, line, now),
            false => postfix::PostfixLog.read_line(classifier, line, now),
        }
    }
}

/// Reads one mail: a bounce or a complaint.
#[must_use]
pub fn read_mail(classifier: &Classifier, mail: &[u8]) -> ReadItem {
    let read = bounce::read(classifier, mail);
    let is_stated = |notice: &bounce::RecipientNotice| notice.recipient.is_some();
    if !read.notices.iter().any(is_stated) {
        let is_letter = read.notices.iter().all(|n| n.kind == OutcomeKind::NotABounce);
        return match is_letter && !read.notices.is_empty() {
            true => ReadItem::Events(Vec::new()),
            false => ReadItem::NotUnderstood("recipient not stated"),
        };
    }
    let addressed_to: Arc<[String]> = read.addressed_to.into();
    // A mail is the same one by its own date, however its time is reckoned.
    let own_date = || read.stated.map_or_else(String::new, milliseconds);
    let stamp = (read.stated != read.date).then(own_date);
    let events = read.notices.iter().filter_map(|notice| {
        let address = notice.original.as_deref().or(notice.recipient.as_deref())?;
        let mut event = OutcomeEvent::new("bounce", address, notice.kind)
            .at(read.date)
            .saying(&notice.words)
            .named(read.message_id.clone());
        event.proof = EventProof::Mail(Arc::clone(&addressed_to));
        event.stamp.clone_from(&stamp);
        event.tried = notice.recipient.clone();
        (notice.kind != OutcomeKind::NotABounce).then_some(event)
    });
    ReadItem::Events(events.collect())
}

/// A time after 1970 in milliseconds, as text.
fn milliseconds(at: SystemTime) -> String {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

#[cfg(test)]
mod tests;
