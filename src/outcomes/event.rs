//! One event about one recipient, whatever it was read from. Pure.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::bounce::judge_words;
use super::kind::OutcomeKind;
use crate::address::{Address, clean, irregular, redact};
use crate::smtp::Classifier;

/// The fate of a message to one recipient, as one event tells it. `Debug` redacts.
#[derive(Clone, PartialEq, Eq)]
pub struct OutcomeEvent {
    /// The address that was written to.
    pub address: String,
    /// The address that was tried in the end, where the mail was forwarded: the server's words name
    /// that one.
    pub tried: Option<String>,
    /// The kind of fate.
    pub kind: OutcomeKind,
    /// The time at which it happened, if the source says so.
    pub at: Option<SystemTime>,
    /// The time at which the file that tells it was written, if it is one. Where neither time nor
    /// name is said, the same file tells the same event, and a later one the next.
    pub source_time: Option<SystemTime>,
    /// The writing of the time that tells the event from the next one like it, where that is not
    /// `at`; empty if the source states none.
    pub stamp: Option<String>,
    /// The server's or the vendor's words, cut.
    pub words: String,
    /// The kind of source: `bounce`, `postfix`, `ses` and the like.
    pub source: &'static str,
    /// The source's own name for the event, so that the same one is known again.
    pub event_id: Option<String>,
    /// The proof that the event needs before it counts.
    pub proof: EventProof,
}

/// The reason to believe an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventProof {
    /// The operator's own log, vendor or list.
    Operator,
    /// A mail, which anyone can write. It was sent to these addresses; a token of ours in one of
    /// them is a proof. The events of one mail share them.
    Mail(Arc<[String]>),
}

/// The fate of a message, as a reporter may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedFate {
    /// It was sent; nothing more is known.
    Sent,
    /// It arrived.
    Delivered,
    /// It came back for good.
    Bounced,
    /// Not now.
    Deferred,
    /// The recipient called it spam.
    Complained,
    /// The recipient wants no more.
    Unsubscribed,
}

impl ReportedFate {
    /// The kind of outcome, where `judge` says what the words of a bounce mean.
    fn kind(self, judge: impl FnOnce() -> OutcomeKind) -> OutcomeKind {
        match self {
            Self::Sent => OutcomeKind::Sent,
            Self::Delivered => OutcomeKind::Delivered,
            Self::Bounced => judge(),
            Self::Deferred => OutcomeKind::Temporary,
            Self::Complained => OutcomeKind::Complaint,
            Self::Unsubscribed => OutcomeKind::Unsubscribed,
        }
    }
}

/// The fate of one event that was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddedEvent {
    /// It is new, and kept.
    Taken,
    /// It was there before: nothing changes.
    Repeated,
    /// A mail that proves nothing: without a token of ours, about an address that no log, vendor
    /// or list of the operator ever named.
    NotCounted,
    /// The address is none.
    NoAddress,
}

impl OutcomeEvent {
    /// An event that a caller of the service reports. A bounce is judged by its words.
    #[must_use]
    pub fn reported(
        classifier: &Classifier,
        address: &str,
        fate: ReportedFate,
        words: &str,
        at: Option<SystemTime>,
        event_id: Option<String>,
    ) -> Self {
        let kind = fate.kind(|| judge_words(classifier, words, None, false));
        Self::new("report", address, kind).at(at).saying(words).named(event_id)
    }

    /// An event from the operator's own sources.
    pub(super) fn new(source: &'static str, address: &str, kind: OutcomeKind) -> Self {
        Self {
            address: address.trim().to_owned(),
            tried: None,
            kind,
            at: None,
            source_time: None,
            stamp: None,
            words: String::new(),
            source,
            event_id: None,
            proof: EventProof::Operator,
        }
    }

    pub(super) fn at(self, at: Option<SystemTime>) -> Self {
        Self { at, ..self }
    }

    pub(super) fn saying(self, words: &str) -> Self {
        Self { words: super::bounce::cut(words), ..self }
    }

    pub(super) fn tried(self, address: &str) -> Self {
        Self { tried: Some(address.trim().to_owned()), ..self }
    }

    pub(super) fn named(self, event_id: Option<String>) -> Self {
        Self { event_id, ..self }
    }
}

/// The address that a source names: alone, or with a name or a mark beside it, as in
/// `Jane Doe <jane@acme.test>`, which services repeat as the sender wrote it. `None` if it names
/// none, or several.
pub(super) fn stated_address(text: &str) -> Option<Address> {
    if let Ok((address, _)) = irregular::parse(text) {
        return Some(address);
    }
    let cleaned = clean::clean(text);
    let is_one = cleaned.others.is_empty() && !cleaned.is_cut;
    let (address, _) = irregular::parse(&cleaned.address).ok().filter(|_| is_one)?;
    Some(address)
}

impl fmt::Debug for OutcomeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeEvent")
            .field("address", &redact::text(&self.address))
            .field("kind", &self.kind)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
