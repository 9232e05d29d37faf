//! Postmark: `{"RecordType":"Bounce","Type":"HardBounce","Email":...,"Details":...}`.

use serde_json::Value;

use super::{VendorHint, VendorReader, event_time, failure, first_moment, label, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct Postmark;

impl VendorReader for Postmark {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let record = text(document, &["RecordType"])?;
        let said = |name: &'static str| text(document, &[name]).filter(|said| !said.is_empty());
        let Some(address) = said("Email").or_else(|| said("Recipient")) else {
            return Some(Vec::new());
        };
        let words = said("Details").or_else(|| said("Description")).unwrap_or_default();
        let kind = match record {
            "Bounce" => {
                // A description is Postmark's own, the same for all of a type: it names examples.
                let details = said("Details").unwrap_or_default();
                bounce(classifier, said("Type").unwrap_or_default(), details)?
            }
            "Delivery" => OutcomeKind::Delivered,
            "SpamComplaint" => OutcomeKind::Complaint,
            "SubscriptionChange" => {
                let is_stopped = document.get("SuppressSending").and_then(Value::as_bool);
                match (is_stopped, said("SuppressionReason")) {
                    (Some(true), Some("SpamComplaint")) => OutcomeKind::Complaint,
                    (Some(true), Some("ManualSuppression")) => OutcomeKind::Unsubscribed,
                    _ => return Some(Vec::new()),
                }
            }
            _ => return Some(Vec::new()),
        };
        if kind == OutcomeKind::NotABounce {
            return Some(Vec::new());
        }
        let read = first_moment(document, &["BouncedAt", "DeliveredAt", "ChangedAt"]);
        let at = event_time(kind, read).ok()?;
        let id = label(document, &["ID"]).or_else(|| label(document, &["MessageID"]));
        let event = OutcomeEvent::new("postmark", address, kind).at(at).saying(words).named(id);
        Some(vec![event])
    }
}

fn bounce(classifier: &Classifier, named: &str, words: &str) -> Option<OutcomeKind> {
    let hint = match named {
        "BadEmailAddress" => VendorHint::Gone,
        "HardBounce" => VendorHint::Permanent,
        "Blocked" | "DMARCPolicy" => VendorHint::Blocked,
        "SpamNotification" | "VirusNotification" => VendorHint::Content,
        "SpamComplaint" => return Some(OutcomeKind::Complaint),
        "Unsubscribe" => return Some(OutcomeKind::Unsubscribed),
        "AutoResponder" | "Subscribe" | "AddressChange" | "ChallengeVerification" => {
            return Some(OutcomeKind::NotABounce);
        }
        _ => VendorHint::ForNow,
    };
    Some(failure(classifier, words, None, hint))
}
