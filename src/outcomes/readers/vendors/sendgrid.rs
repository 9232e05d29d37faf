//! SendGrid: `{"email","event","sg_event_id",...}`.

use serde_json::Value;

use super::{VendorHint, VendorReader, event_time, failure, label, moment, status, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct SendGrid;

impl VendorReader for SendGrid {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let (address, event) = (text(document, &["email"])?, text(document, &["event"])?);
        document.get("sg_event_id").or_else(|| document.get("sg_message_id"))?;
        let words = text(document, &["reason"]).or_else(|| text(document, &["response"]));
        let words = words.unwrap_or_default();
        let kind = match event {
            "bounce" | "blocked" => {
                // SendGrid's own `blocked`: not about the mailbox, whatever the words.
                let is_blocked = text(document, &["type"]) == Some("blocked") || event == "blocked";
                let hint = if is_blocked { VendorHint::Blocked } else { VendorHint::Permanent };
                failure(classifier, words, status(document, &["status"]), hint)
            }
            "deferred" => OutcomeKind::Temporary,
            "delivered" => OutcomeKind::Delivered,
            "spamreport" => OutcomeKind::Complaint,
            "unsubscribe" | "group_unsubscribe" => OutcomeKind::Unsubscribed,
            // `dropped` was never sent; the event that is its reason came before.
            _ => return Some(Vec::new()),
        };
        let event = OutcomeEvent::new("sendgrid", address, kind)
            .at(event_time(kind, moment(document, &["timestamp"])).ok()?)
            .saying(words)
            .named(name(document));
        Some(vec![event])
    }
}

/// The name of an event: its message and its time. SendGrid's own name of it (`sg_event_id`) is
/// another one when the same event is delivered again.
fn name(document: &Value) -> Option<String> {
    let [message, time] = ["sg_message_id", "timestamp"].map(|part| label(document, &[part]));
    match (message, time) {
        (Some(message), Some(time)) => Some(format!("{message} {time}")),
        _ => label(document, &["sg_event_id"]),
    }
}
