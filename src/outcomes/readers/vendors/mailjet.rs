//! Mailjet: `{"event":"bounce","email":...,"hard_bounce":true,"error_related_to":"recipient",...}`.

use serde_json::Value;

use super::{VendorHint, VendorReader, event_time, failure, label, moment, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct Mailjet;

impl VendorReader for Mailjet {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let (address, event) = (text(document, &["email"])?, text(document, &["event"])?);
        let id = label(document, &["Message_GUID"]).or_else(|| label(document, &["MessageID"]))?;
        let said = |name: &'static str| text(document, &[name]).filter(|said| !said.is_empty());
        let words = said("comment").or_else(|| said("error")).unwrap_or_default();
        let kind = match event {
            "bounce" => {
                let is_hard = document.get("hard_bounce").and_then(Value::as_bool) == Some(true);
                let hint = match (is_hard, said("error_related_to")) {
                    (false, _) => VendorHint::ForNow,
                    (true, Some("recipient" | "domain")) => match said("error") {
                        Some("user unknown" | "invalid domain" | "no mail host") => {
                            VendorHint::Gone
                        }
                        _ => VendorHint::Permanent,
                    },
                    (true, Some("content" | "spam")) => VendorHint::Content,
                    (true, _) => VendorHint::Blocked,
                };
                failure(classifier, words, None, hint)
            }
            "sent" => OutcomeKind::Delivered,
            "spam" => OutcomeKind::Complaint,
            "unsub" => OutcomeKind::Unsubscribed,
            // `blocked` was never sent.
            _ => return Some(Vec::new()),
        };
        let event = OutcomeEvent::new("mailjet", address, kind)
            .at(event_time(kind, moment(document, &["time"])).ok()?)
            .saying(words)
            .named(Some(format!("{id} {event}")));
        Some(vec![event])
    }
}
