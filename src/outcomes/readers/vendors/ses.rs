//! Amazon SES, with or without the envelope of SNS: `bounce`, `complaint`, `delivery`,
//! `subscription`.

use serde_json::Value;

use super::{VendorHint, VendorReader, at, event_time, failure, moment, status, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct AmazonSes;

impl VendorReader for AmazonSes {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        if text(document, &["Type"]) == Some("Notification") {
            let inner: Value = serde_json::from_str(text(document, &["Message"])?).ok()?;
            return self.read(classifier, &inner);
        }
        let named =
            text(document, &["eventType"]).or_else(|| text(document, &["notificationType"]));
        document.get("mail")?.get("messageId")?;
        let (part, list) = match named? {
            "Bounce" => ("bounce", "bouncedRecipients"),
            "DeliveryDelay" => ("deliveryDelay", "delayedRecipients"),
            "Complaint" => ("complaint", "complainedRecipients"),
            "Delivery" => ("delivery", "recipients"),
            "Subscription" => return Some(unsubscribed(document)),
            _ => return Some(Vec::new()),
        };
        let read = moment(document, &[part, "timestamp"]);
        let event = |address: &str, kind| {
            let own = text(document, &[part, "feedbackId"]);
            let id = own.or_else(|| text(document, &["mail", "messageId"]));
            OutcomeEvent::new("ses", address, kind)
                .at(read.ok().flatten())
                .named(id.map(str::to_owned))
        };
        let of_recipient = |recipient: &Value| {
            let words = text(recipient, &["diagnosticCode"]).unwrap_or_default();
            let kind = match part {
                "bounce" => bounced(classifier, document, recipient, words)?,
                "deliveryDelay" => OutcomeKind::Temporary,
                "complaint" => complained(document)?,
                _ => OutcomeKind::Delivered,
            };
            let address = recipient.as_str().or_else(|| text(recipient, &["emailAddress"]))?;
            Some(event(address, kind).saying(words))
        };
        let recipients = at(document, &[part, list]).and_then(Value::as_array);
        let events: Vec<OutcomeEvent> =
            recipients.into_iter().flatten().filter_map(of_recipient).collect();
        let counts = |it: &OutcomeEvent| event_time(it.kind, read).is_ok();
        events.iter().all(counts).then_some(events)
    }
}

/// The recipient of a mail who ended all subscriptions. Who leaves one topic still wants the
/// others.
fn unsubscribed(document: &Value) -> Vec<OutcomeEvent> {
    let ends_all = at(document, &["subscription", "newTopicPreferences", "unsubscribeAll"]);
    let to = at(document, &["mail", "destination"]).and_then(Value::as_array);
    // Of several recipients it does not say which one it was.
    let [Value::String(address)] = to.map(Vec::as_slice).unwrap_or_default() else {
        return Vec::new();
    };
    if ends_all.and_then(Value::as_bool) != Some(true) {
        return Vec::new();
    }
    let time = moment(document, &["subscription", "timestamp"]);
    let event = OutcomeEvent::new("ses", address, OutcomeKind::Unsubscribed)
        .at(time.ok().flatten())
        .named(text(document, &["mail", "messageId"]).map(str::to_owned));
    vec![event]
}

/// The kind of a complaint, or `None` if it is none.
fn complained(document: &Value) -> Option<OutcomeKind> {
    let feedback = text(document, &["complaint", "complaintFeedbackType"]);
    (feedback != Some("not-spam")).then_some(OutcomeKind::Complaint)
}

/// The kind of a bounce, or `None` if it tells nothing new.
fn bounced(
    classifier: &Classifier,
    document: &Value,
    recipient: &Value,
    words: &str,
) -> Option<OutcomeKind> {
    let bounce = |name| text(document, &["bounce", name]).unwrap_or_default();
    let hint = match (bounce("bounceType"), bounce("bounceSubType")) {
        // Not sent: what put the address on the list came then, and it may be no bounce.
        (_, "Suppressed" | "OnAccountSuppressionList") => return None,
        (_, "UnsubscribedRecipient") => return Some(OutcomeKind::Unsubscribed),
        ("Permanent", "NoEmail") => VendorHint::Gone,
        (_, "MailboxFull") => VendorHint::Full,
        (_, "ContentRejected" | "AttachmentRejected" | "MessageTooLarge") => VendorHint::Content,
        ("Permanent", _) => VendorHint::Permanent,
        _ => VendorHint::ForNow,
    };
    Some(failure(classifier, words, status(recipient, &["status"]), hint))
}
