//! Events of sending services, as their webhooks deliver them. Pure.
//!
//! A service's own word for a failure is a hint: its server's words count more, and a service that
//! speaks of a hard bounce without words that say so is not believed to have met a dead mailbox
//! unless it means nothing else.

mod brevo;
mod kumomta;
mod mailgun;
mod mailjet;
mod own;
mod postmark;
mod resend;
mod sendgrid;
mod ses;
mod sparkpost;

use std::time::SystemTime;

use serde_json::Value;

use super::time::UnreadableTime;
use super::{ReadItem, time};
use crate::outcomes::bounce::judge_words;
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::outcomes::mail_service::MailService;
use crate::smtp::{Classifier, EnhancedStatus};

/// Arrays within arrays that are looked into.
const MAX_DEPTH: u32 = 4;

/// Reads the events of one service.
trait VendorReader: Sync {
    /// The events in a document, or `None` if it is not of this service, or states a time that
    /// cannot be read and counts.
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>>;
}

/// The services, in the order in which they are asked.
const VENDORS: [&dyn VendorReader; 10] = [
    &ses::AmazonSes,
    &sparkpost::SparkPost,
    &mailgun::Mailgun,
    &postmark::Postmark,
    &resend::Resend,
    &sendgrid::SendGrid,
    &kumomta::KumoMta,
    &mailjet::Mailjet,
    &brevo::Brevo,
    &own::OwnFormat,
];

/// Reads one JSON document, an event or an array of events: an item for each.
#[must_use]
pub fn read_document(classifier: &Classifier, document: &Value) -> Vec<ReadItem> {
    let read = |part: &Value| VENDORS.iter().find_map(|vendor| vendor.read(classifier, part));
    let mut items = Vec::new();
    for_each_part(document, 0, &mut |part| {
        items.push(read(part).map_or(
            ReadItem::NotUnderstood("no event of a known service with a time that can be read"),
            ReadItem::Events,
        ));
    });
    items
}

/// Reads a JSON document that this service posted: the events of each part of it that is one.
#[must_use]
pub fn read_posted(
    service: MailService,
    classifier: &Classifier,
    document: &Value,
) -> Vec<ReadItem> {
    let reader = reader(service);
    let mut items = Vec::new();
    for_each_part(document, 0, &mut |part| {
        items.push(reader.read(classifier, part).map_or(
            ReadItem::NotUnderstood("no event of this service with a time that can be read"),
            ReadItem::Events,
        ));
    });
    items
}

/// Gives each part of a document to `each`: one that nobody knows takes none of the others along.
fn for_each_part(document: &Value, depth: u32, each: &mut dyn FnMut(&Value)) {
    match document {
        Value::Array(parts) if depth < MAX_DEPTH => {
            for part in parts {
                for_each_part(part, depth + 1, each);
            }
        }
        part => each(part),
    }
}

/// The reader of one service's events.
fn reader(service: MailService) -> &'static dyn VendorReader {
    match service {
        MailService::Brevo => &brevo::Brevo,
        MailService::KumoMta => &kumomta::KumoMta,
        MailService::Mailgun => &mailgun::Mailgun,
        MailService::Mailjet => &mailjet::Mailjet,
        MailService::Postmark => &postmark::Postmark,
        MailService::Resend => &resend::Resend,
        MailService::SendGrid => &sendgrid::SendGrid,
        MailService::Ses => &ses::AmazonSes,
        MailService::SparkPost => &sparkpost::SparkPost,
    }
}

/// A vendor's own opinion of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VendorHint {
    /// It means that the mailbox does not exist, and nothing else.
    Gone,
    /// It will not try again.
    Permanent,
    /// It may try again.
    ForNow,
    /// The mailbox is full.
    Full,
    /// The sender was refused.
    Blocked,
    /// The message was refused.
    Content,
}

/// The kind of a failure, from the server's words and the vendor's hint.
fn failure(
    classifier: &Classifier,
    words: &str,
    status: Option<EnhancedStatus>,
    hint: VendorHint,
) -> OutcomeKind {
    let is_for_now = hint == VendorHint::ForNow;
    let told = judge_words(classifier, words, status, is_for_now);
    match (hint, told) {
        (VendorHint::Full, _) => OutcomeKind::Full,
        (VendorHint::Content, OutcomeKind::Gone | OutcomeKind::Unknown) => OutcomeKind::Content,
        (VendorHint::Blocked, OutcomeKind::Gone | OutcomeKind::Unknown) => OutcomeKind::Blocked,
        (VendorHint::ForNow, OutcomeKind::Gone | OutcomeKind::Unknown) => OutcomeKind::Temporary,
        (VendorHint::Gone, OutcomeKind::Unknown) => OutcomeKind::Gone,
        (_, told) => told,
    }
}

/// The value at a path of names.
fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// The text at a path of names.
fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    at(value, path)?.as_str()
}

/// A text or a number as text.
fn label(value: &Value, path: &[&str]) -> Option<String> {
    match at(value, path)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The time at a path of names; `None` if none is stated.
fn moment(value: &Value, path: &[&str]) -> Result<Option<SystemTime>, UnreadableTime> {
    at(value, path).map_or(Ok(None), time::from_json)
}

/// The first time that one of these fields states.
fn first_moment(value: &Value, names: &[&str]) -> Result<Option<SystemTime>, UnreadableTime> {
    let mut read = Ok(None);
    for name in names {
        match moment(value, &[name]) {
            Ok(None) => {}
            Ok(at) => return Ok(at),
            fault => read = fault,
        }
    }
    read
}

/// The time that was `read` of an event of this kind. Who wants no mail wants none whenever that
/// was said; of anything else the time says what it lifts, and how long it lasts.
fn event_time(
    kind: OutcomeKind,
    read: Result<Option<SystemTime>, UnreadableTime>,
) -> Result<Option<SystemTime>, UnreadableTime> {
    match read {
        Err(UnreadableTime) if kind.is_opt_out() => Ok(None),
        read => read,
    }
}

fn status(value: &Value, path: &[&str]) -> Option<EnhancedStatus> {
    text(value, path)?.split_whitespace().next()?.parse().ok()
}
