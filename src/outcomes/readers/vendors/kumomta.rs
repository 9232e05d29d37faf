//! KumoMTA's log records: `{"type":"Bounce","recipient":...,"response":{"code":550,...}}`.

use std::time::SystemTime;

use serde_json::Value;

use super::{VendorHint, VendorReader, at, event_time, failure, label, moment, text};
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct KumoMta;

impl VendorReader for KumoMta {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let named = text(document, &["type"])?;
        document.get("queue").or_else(|| document.get("feedback_report"))?;
        let words = response(document);
        let read = moment(document, &["timestamp"]);
        let kind = match named {
            "Delivery" => OutcomeKind::Delivered,
            "Bounce" => failure(classifier, &words, None, VendorHint::Permanent),
            "TransientFailure" | "Expiration" => OutcomeKind::Temporary,
            // Whoever it is of wants no mail, whenever that was said.
            "Feedback" => return Some(complaint(document, read.ok().flatten())),
            // An operator's own decision, or a bounce that is better read itself.
            _ => return Some(Vec::new()),
        };
        let at = event_time(kind, read).ok()?;
        let addresses: Vec<&str> = match document.get("recipient")? {
            Value::String(address) => vec![address],
            Value::Array(addresses) => addresses.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let id = label(document, &["id"]).map(|id| {
            let attempt = label(document, &["num_attempts"]).unwrap_or_default();
            format!("{id} {named} {attempt}")
        });
        let event = |address: &&str| {
            OutcomeEvent::new("kumomta", address, kind).at(at).saying(&words).named(id.clone())
        };
        Some(addresses.iter().map(event).collect())
    }
}

/// The reply as one line.
fn response(document: &Value) -> String {
    let part = |path: &[&str]| {
        let name = [&["response"], path].concat();
        label(document, &name)
    };
    let content = part(&["content"]).unwrap_or_default();
    let enhanced = ["class", "subject", "detail"].map(|name| part(&["enhanced_code", name]));
    let code = part(&["code"]).unwrap_or_default();
    match enhanced {
        [Some(class), Some(subject), Some(detail)] => {
            format!("{code} {class}.{subject}.{detail} {content}")
        }
        _ => format!("{code} {content}"),
    }
}

fn complaint(document: &Value, time: Option<SystemTime>) -> Vec<OutcomeEvent> {
    let report = &document["feedback_report"];
    let kind = match text(report, &["feedback_type"]) {
        Some("abuse" | "fraud" | "virus") => OutcomeKind::Complaint,
        Some("opt-out" | "opt-out-list") => OutcomeKind::Unsubscribed,
        _ => return Vec::new(),
    };
    let to = at(report, &["original_rcpt_to"]).and_then(Value::as_array);
    let to = to.into_iter().flatten().filter_map(Value::as_str);
    let event = |address: &str| {
        let address = address.trim_matches(['<', '>']);
        OutcomeEvent::new("kumomta", address, kind).at(time).named(label(document, &["id"]))
    };
    to.map(event).collect()
}
