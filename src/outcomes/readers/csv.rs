//! Tables of events, one a line, with a header that names the columns; and plain lists of
//! addresses.

use std::borrow::Cow;
use std::time::SystemTime;

use super::{LineReader, ReadItem, time};
use crate::address::Address;
use crate::address::clean::clean;
use crate::outcomes::bounce::judge_words;
use crate::outcomes::event::{OutcomeEvent, stated_address};
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

/// A table, by its header. A cell over several lines is not read.
pub(super) struct EventTable {
    separator: char,
    address: usize,
    kind: Option<usize>,
    at: Option<usize>,
    words: Option<usize>,
    event_id: Option<usize>,
    /// The kind of rows that name none.
    default_kind: OutcomeKind,
    is_header_read: bool,
    /// `true` for a list of addresses, without a header.
    is_list: bool,
}

impl EventTable {
    /// The table under this header, or `None` if no column holds addresses. A first line that holds
    /// an address is no header: it begins a list of addresses.
    pub(super) fn from_header(header: &str, default_kind: OutcomeKind) -> Option<Self> {
        let header = header.trim_start_matches('\u{feff}');
        let separator = [',', ';', '\t'].into_iter().max_by_key(|c| header.matches(*c).count())?;
        let first = cells(header, separator).next()?;
        let first = first.trim();
        // A field of a mail has a colon: `Return-Path: <jane@acme.test>`.
        let may_be_named = first.ends_with('>') && !first.contains(':');
        let is_named = may_be_named && stated_address(first).is_some();
        if is_named || Address::parse(first).is_ok() {
            let (kind, at, words, event_id) = (None, None, None, None);
            let is_header_read = true;
            return Some(Self {
                separator,
                address: 0,
                kind,
                at,
                words,
                event_id,
                default_kind,
                is_header_read,
                is_list: true,
            });
        }
        let names: Vec<String> =
            cells(header, separator).map(|name| name.trim().to_ascii_lowercase()).collect();
        let column = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        Some(Self {
            separator,
            address: column(&["address", "email", "e-mail", "recipient", "email address"])?,
            kind: column(&["kind", "event", "type", "outcome"]),
            at: column(&["time", "timestamp", "date", "at", "created", "created_at"]),
            words: column(&["words", "reason", "reply", "response", "diagnostic", "message"]),
            event_id: column(&["event_id", "id", "eventid"]),
            default_kind,
            is_header_read: false,
            is_list: false,
        })
    }

    /// The events of a line of a list with several addresses in it, of a bounce the first of them;
    /// `None` if the first cell alone is the recipient's.
    fn several(&self, line: &str) -> Option<Vec<OutcomeEvent>> {
        let pieces = line.split([',', ';', '\t']).filter(|piece| !piece.trim().is_empty());
        let (named, others): (Vec<&str>, Vec<&str>) = pieces.partition(|it| it.contains('@'));
        // Who wants no mail must get none, whatever stands beside the address.
        let kind = self.default_kind;
        if named.len() < 2 || !others.is_empty() && !kind.is_opt_out() {
            return None;
        }
        let event = |address: &str| OutcomeEvent::new("table", address, self.default_kind);
        let mut events = Vec::with_capacity(named.len());
        for piece in named {
            let cleaned = clean(piece);
            events.push(event(&cleaned.address));
            // That mail came back is said of one mailbox: the one beside it may be the account
            // manager's, and a good one.
            if kind.is_bounce() {
                break;
            }
            events.extend(cleaned.others.iter().map(|other| event(other)));
        }
        Some(events)
    }
}

impl LineReader for EventTable {
    fn read_line(&mut self, classifier: &Classifier, line: &str, _: SystemTime) -> ReadItem {
        if !std::mem::replace(&mut self.is_header_read, true) || line.trim().is_empty() {
            return ReadItem::Events(Vec::new());
        }
        if self.is_list
            && let Some(events) = self.several(line)
        {
            return ReadItem::Events(events);
        }
        let row: Vec<Cow<'_, str>> = cells(line, self.separator).collect();
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).map_or("", |cell| cell.trim());
        let (address, words) = (cell(Some(self.address)), cell(self.words));
        if !address.contains('@') {
            return ReadItem::NotUnderstood("no address");
        }
        let named = cell(self.kind);
        let kind = match named {
            "" => Some(self.default_kind),
            named => kind(classifier, named, words),
        };
        let Some(kind) = kind else {
            return ReadItem::NotUnderstood(
                "a kind that is not known; sent, delivered, bounced, deferred, complained, \
                 unsubscribed are",
            );
        };
        let at = match time::from_cell(cell(self.at)) {
            Ok(at) => at,
            // It holds whenever it came.
            Err(_) if kind.is_opt_out() => None,
            Err(_) => return ReadItem::NotUnderstood("a time that cannot be read"),
        };
        let event_id = Some(cell(self.event_id)).filter(|id| !id.is_empty()).map(str::to_owned);
        let event = OutcomeEvent::new("table", address, kind).at(at);
        ReadItem::Events(vec![event.saying(words).named(event_id)])
    }
}

/// The kind that a word of a table means: our own names, and those that are in use.
fn kind(classifier: &Classifier, name: &str, words: &str) -> Option<OutcomeKind> {
    let name = name.to_ascii_lowercase().replace([' ', '-'], "_");
    match name.as_str() {
        "bounced" | "bounce" | "failed" | "hard_bounce" | "hardbounce" => {
            Some(judge_words(classifier, words, None, false))
        }
        "deferred" | "soft_bounce" | "softbounce" | "delayed" => Some(OutcomeKind::Temporary),
        "complained" | "spam" | "spam_report" | "spamreport" => Some(OutcomeKind::Complaint),
        "unsubscribe" | "unsub" | "opted_out" | "opt_out" => Some(OutcomeKind::Unsubscribed),
        "delivery" => Some(OutcomeKind::Delivered),
        _ => OutcomeKind::from_name(&name).filter(|kind| *kind != OutcomeKind::NotABounce),
    }
}

/// The cells of a line (RFC 4180): in quotes, a separator is text and `""` is a quote.
fn cells(line: &str, separator: char) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(line.trim_end_matches(['\r', '\n']));
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(quoted) = text.trim_start_matches(' ').strip_prefix('"') else {
            let (cell, after) = match text.split_once(separator) {
                Some((cell, after)) => (cell, Some(after)),
                None => (text, None),
            };
            rest = after;
            return Some(Cow::Borrowed(cell));
        };
        let mut cell = String::new();
        let mut at = quoted;
        loop {
            match at.split_once('"') {
                None => {
                    cell.push_str(at);
                    rest = None;
                    break;
                }
                Some((part, after)) => {
                    cell.push_str(part);
                    match after.strip_prefix('"') {
                        Some(after) => {
                            cell.push('"');
                            at = after;
                        }
                        None => {
                            rest = after.split_once(separator).map(|(_, after)| after);
                            break;
                        }
                    }
                }
            }
        }
        Some(Cow::Owned(cell))
    })
}
