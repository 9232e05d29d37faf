//! Events in mailvet's own words: `{"address","kind","time","words","event_id"}`.

use serde_json::Value;

use super::{VendorReader, event_time, label, moment, text};
use crate::outcomes::bounce::judge_words;
use crate::outcomes::event::OutcomeEvent;
use crate::outcomes::kind::OutcomeKind;
use crate::smtp::Classifier;

pub(super) struct OwnFormat;

impl VendorReader for OwnFormat {
    fn read(&self, classifier: &Classifier, document: &Value) -> Option<Vec<OutcomeEvent>> {
        let (address, named) = (text(document, &["address"])?, text(document, &["kind"])?);
        let words = text(document, &["words"]).unwrap_or_default();
        let kind = match named {
            "bounced" => judge_words(classifier, words, None, false),
            "deferred" => OutcomeKind::Temporary,
            "complained" => OutcomeKind::Complaint,
            named => OutcomeKind::from_name(named)?,
        };
        let at = event_time(kind, moment(document, &["time"])).ok()?;
        let event = OutcomeEvent::new("json", address, kind)
            .at(at)
            .saying(words)
            .named(label(document, &["event_id"]));
        Some(vec![event])
    }
}
