//! SparkPost: `{"msys":{"message_event":{"type":"bounce","rcpt_to":...,"raw_reason":...}}}`.

use serde_json::Value;

use super::{VendorHint, VendorReader, event_time, failure, label, moment, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct SparkPost;

impl VendorReader for SparkPost {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let groups = document.get("msys")?.as_object()?;
        let read = |event: &Value| {
            let address = text(event, &["raw_rcpt_to"]).or_else(|| text(event, &["rcpt_to"]))?;
            let words = text(event, &["raw_reason"]).or_else(|| text(event, &["reason"]));
            let words = words.unwrap_or_default();
            let kind = match text(event, &["type"])? {
                "bounce" | "out_of_band" => match class(event).as_deref() {
                    // The answer of a machine, or a question whether a person sent the mail.
                    Some("60" | "80" | "100") => return None,
                    Some("90") => OutcomeKind::Unsubscribed,
                    class => failure(classifier, words, None, hint(class)),
                },
                "delay" => OutcomeKind::Temporary,
                "delivery" => OutcomeKind::Delivered,
                "spam_complaint" => OutcomeKind::Complaint,
                "list_unsubscribe" | "link_unsubscribe" => OutcomeKind::Unsubscribed,
                _ => return None,
            };
            let at = event_time(kind, moment(event, &["timestamp"]));
            let named = |at| {
                OutcomeEvent::new("sparkpost", address, kind)
                    .at(at)
                    .saying(words)
                    .named(label(event, &["event_id"]))
            };
            Some(at.map(named))
        };
        let read: Vec<_> = groups.values().filter_map(read).collect();
        let is_unread = !read.is_empty() && read.iter().all(Result::is_err);
        (!is_unread).then(|| read.into_iter().flatten().collect())
    }
}

/// SparkPost's number for the kind of what came back.
fn class(event: &Value) -> Option<String> {
    label(event, &["bounce_class"])
}

/// The hint in the class of a bounce.
fn hint(class: Option<&str>) -> VendorHint {
    match class {
        Some("10") => VendorHint::Gone,
        Some("22") => VendorHint::Full,
        Some("20" | "21" | "23" | "24" | "40" | "70") => VendorHint::ForNow,
        Some("50" | "52" | "53" | "54") => VendorHint::Blocked,
        Some("51") => VendorHint::Content,
        _ => VendorHint::Permanent,
    }
}
