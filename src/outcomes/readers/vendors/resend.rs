//! Resend: `{"type":"email.bounced","created_at":...,"data":{"to":[...],"bounce":{}}}`, and
//! `contact.updated` of who unsubscribed.

use serde_json::Value;

use super::{VendorHint, VendorReader, at, event_time, failure, label, moment, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct Resend;

impl VendorReader for Resend {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let (group, named) = text(document, &["type"])?.split_once('.')?;
        let data = document.get("data")?;
        match group {
            "email" => {}
            "contact" => return Some(contact(document, data)),
            "domain" => return Some(Vec::new()),
            _ => return None,
        }
        let words = text(data, &["bounce", "message"]).unwrap_or_default();
        let kind = match named {
            "bounced" => {
                let bounce = |name| text(data, &["bounce", name]).unwrap_or_default();
                let hint = match (bounce("type"), bounce("subType")) {
                    // Not sent: it bounced before, and that event came then.
                    (_, "Suppressed" | "OnAccountSuppressionList") => return Some(Vec::new()),
                    ("Permanent", "NoEmail") => VendorHint::Gone,
                    (_, "MailboxFull") => VendorHint::Full,
                    (_, "ContentRejected" | "MessageTooLarge") => VendorHint::Content,
                    ("Permanent", _) => VendorHint::Permanent,
                    _ => VendorHint::ForNow,
                };
                failure(classifier, words, None, hint)
            }
            "delivered" => OutcomeKind::Delivered,
            "delivery_delayed" => OutcomeKind::Temporary,
            "complained" => OutcomeKind::Complaint,
            _ => return Some(Vec::new()),
        };
        let to: Vec<&str> = match at(data, &["to"]) {
            Some(Value::Array(to)) => to.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(to)) => vec![to],
            _ => Vec::new(),
        };
        // Of several recipients it does not say which one it was.
        let [address] = to[..] else { return Some(Vec::new()) };
        let event = OutcomeEvent::new("resend", address, kind)
            .at(event_time(kind, moment(document, &["created_at"])).ok()?)
            .saying(words)
            .named(label(data, &["email_id"]).map(|id| format!("{id} {named}")));
        Some(vec![event])
    }
}

/// The contact who unsubscribed, if that is what an event of a contact tells.
fn contact(document: &Value, data: &Value) -> Vec<OutcomeEvent> {
    let is_unsubscribed = data.get("unsubscribed").and_then(Value::as_bool) == Some(true);
    let Some(address) = text(data, &["email"]).filter(|_| is_unsubscribed) else {
        return Vec::new();
    };
    let event = OutcomeEvent::new("resend", address, OutcomeKind::Unsubscribed)
        .at(moment(document, &["created_at"]).ok().flatten())
        .named(label(data, &["id"]).map(|id| format!("{id} unsubscribed")));
    vec![event]
}
