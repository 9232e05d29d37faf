//! Brevo: `{"event":"hard_bounce","email":...,"message-id":...,"reason":...}`; of a campaign
//! `camp_id` instead of the message.

use serde_json::Value;

use super::{VendorHint, VendorReader, event_time, failure, first_moment, label, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct Brevo;

impl VendorReader for Brevo {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let (address, event) = (text(document, &["email"])?, text(document, &["event"])?);
        document.get("message-id").or_else(|| document.get("camp_id"))?;
        let words = text(document, &["reason"]).unwrap_or_default();
        let failed = |hint| failure(classifier, words, None, hint);
        let kind = match event {
            "hard_bounce" | "hardBounce" => failed(VendorHint::Permanent),
            "soft_bounce" | "softBounce" | "deferred" => failed(VendorHint::ForNow),
            "invalid_email" | "invalid" => OutcomeKind::Gone,
            "delivered" => OutcomeKind::Delivered,
            "spam" | "complaint" => OutcomeKind::Complaint,
            "unsubscribed" | "unsubscribe" => OutcomeKind::Unsubscribed,
            // `blocked` and `error` were never sent.
            _ => return Some(Vec::new()),
        };
        let read = first_moment(document, &["ts_event", "ts_epoch", "ts", "date", "date_event"]);
        let at = event_time(kind, read).ok()?;
        let id = name(document, event);
        let event = OutcomeEvent::new("brevo", address, kind).at(at).saying(words).named(id);
        Some(vec![event])
    }
}

/// The name of an event: that of its message, or its campaign and its time, since one campaign may
/// write to an address again.
fn name(document: &Value, event: &str) -> Option<String> {
    let part = |name| label(document, &[name]);
    match part("message-id") {
        Some(message) => Some(format!("{message} {event}")),
        None => Some(format!("{} {event} {}", part("camp_id")?, part("ts_event")?)),
    }
}
