//! Mailgun: `{"signature":{},"event-data":{"event":"failed","severity":"permanent",...}}`.

use serde_json::Value;

use super::{VendorHint, VendorReader, event_time, failure, label, moment, status, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct Mailgun;

impl VendorReader for Mailgun {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let data = document.get("event-data")?;
        let event = text(data, &["event"])?;
        let Some(address) = text(data, &["recipient"]) else { return Some(Vec::new()) };
        let said = |name| text(data, &["delivery-status", name]).filter(|said| !said.is_empty());
        let words = said("message").or_else(|| said("description")).unwrap_or_default();
        let code = label(data, &["delivery-status", "code"]).unwrap_or_default();
        let has_code = words.starts_with(&code) || code.len() != 3;
        let reply = if has_code { words.to_owned() } else { format!("{code} {words}") };
        let kind = match event {
            "failed" => {
                let is_permanent = text(data, &["severity"]) == Some("permanent");
                // Not sent at all: it failed before, and that event came then.
                if text(data, &["reason"]).is_some_and(|it| it.starts_with("suppress")) {
                    return Some(Vec::new());
                }
                let hint = if is_permanent { VendorHint::Permanent } else { VendorHint::ForNow };
                let dsn = status(data, &["delivery-status", "enhanced-code"]);
                failure(classifier, &reply, dsn, hint)
            }
            "delivered" => OutcomeKind::Delivered,
            "complained" => OutcomeKind::Complaint,
            "unsubscribed" => OutcomeKind::Unsubscribed,
            _ => return Some(Vec::new()),
        };
        let event = OutcomeEvent::new("mailgun", address, kind)
            .at(event_time(kind, moment(data, &["timestamp"])).ok()?)
            .saying(words)
            .named(label(data, &["id"]));
        Some(vec![event])
    }
}
