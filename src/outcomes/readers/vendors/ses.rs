//! Amazon SES, with or without the envelope of SNS: `bounce`, `complaint`, `delivery`.

use serde_json::Value;

use super::{VendorHint, VendorReader, at, failure, moment, status, text};
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
        for part in ["bounce", "complaint", "delivery", "deliveryDelay"] {
            moment(document, &[part, "timestamp"]).ok()?;
        }
        let event = |address: &str, kind, part: &str| {
            let own = text(document, &[part, "feedbackId"]);
            let id = own.or_else(|| text(document, &["mail", "messageId"]));
            OutcomeEvent::new("ses", address, kind)
                .at(moment(document, &[part, "timestamp"]).ok().flatten())
                .named(id.map(str::to_owned))
        };
        let recipients = |part: &str, list: &str| {
            at(document, &[part, list]).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        Some(match named? {
            "Bounce" => {
                let failed = |recipient: &Value| {
                    let words = text(recipient, &["diagnosticCode"]).unwrap_or_default();
                    let kind = bounced(classifier, document, recipient, words)?;
                    let address = text(recipient, &["emailAddress"])?;
                    Some(event(address, kind, "bounce").saying(words))
                };
                recipients("bounce", "bouncedRecipients").iter().filter_map(failed).collect()
            }
            "DeliveryDelay" => recipients("deliveryDelay", "delayedRecipients")
                .iter()
                .filter_map(|recipient| {
                    let words = text(recipient, &["diagnosticCode"]).unwrap_or_default();
                    let address = text(recipient, &["emailAddress"])?;
                    Some(event(address, OutcomeKind::Temporary, "deliveryDelay").saying(words))
                })
                .collect(),
            "Complaint" => recipients("complaint", "complainedRecipients")
                .iter()
                .filter_map(|it| {
                    let kind = match text(document, &["complaint", "complaintFeedbackType"]) {
                        Some("not-spam") => return None,
                        _ => OutcomeKind::Complaint,
                    };
                    Some(event(text(it, &["emailAddress"])?, kind, "complaint"))
                })
                .collect(),
            "Delivery" => recipients("delivery", "recipients")
                .iter()
                .filter_map(|it| Some(event(it.as_str()?, OutcomeKind::Delivered, "delivery")))
                .collect(),
            _ => Vec::new(),
        })
    }
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
