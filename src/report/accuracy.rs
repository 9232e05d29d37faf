//! The accuracy of earlier verdicts, as rows of tables.

use super::data::{AccuracySummary, KindAccuracy};
use super::text::domain;
use super::timestamp::Timestamp;
use crate::campaign::calibration::PastSend;
use crate::campaign::preflight::{PercentRange, Share, grouped};

/// Rows of a table.
const SHOWN: usize = 12;

/// The section.
pub(super) struct AccuracySection {
    pub(super) right: ShareText,
    pub(super) decided: ShareText,
    pub(super) apart: String,
    pub(super) definitions: String,
    pub(super) kinds: Vec<KindRow>,
    pub(super) sends: Vec<PastSendRow>,
}

/// A share in words: `97.1 %` and `101 of 104`.
pub(super) struct ShareText {
    pub(super) percent: String,
    pub(super) counts: String,
}

/// One kind of verdict.
pub(super) struct KindRow {
    pub(super) provider: String,
    /// `true` if the name is a provider's own, and not our words for none.
    pub(super) named: bool,
    pub(super) reason: String,
    pub(super) age: &'static str,
    pub(super) mails: String,
    pub(super) gone: String,
    pub(super) apart: String,
    pub(super) interval: String,
}

/// One earlier send.
pub(super) struct PastSendRow {
    pub(super) at: Timestamp,
    pub(super) mails: String,
    pub(super) expected: String,
    pub(super) seen: String,
}

impl AccuracySection {
    /// The section; `None` if no verdict has an outcome yet.
    pub(super) fn from_summary(accuracy: &AccuracySummary) -> Option<Self> {
        if accuracy.sends.is_empty() && accuracy.apart == 0 {
            return None;
        }
        Some(Self {
            right: ShareText::from_share(accuracy.right),
            decided: ShareText::from_share(accuracy.decided),
            apart: grouped(accuracy.apart),
            definitions: accuracy.definitions.clone(),
            kinds: accuracy.kinds.iter().take(SHOWN).map(KindRow::from_kind).collect(),
            sends: accuracy.sends.iter().take(SHOWN).map(PastSendRow::from_send).collect(),
        })
    }
}

impl ShareText {
    fn from_share(share: Share) -> Self {
        if share.of == 0 {
            return Self { percent: "not known yet".to_owned(), counts: String::new() };
        }
        let counts = format!("{} of {}", grouped(share.count), grouped(share.of));
        Self { percent: share.percent(), counts }
    }
}

impl KindRow {
    fn from_kind(kind: &KindAccuracy) -> Self {
        let named = !kind.provider.is_empty();
        Self {
            provider: if named { domain(&kind.provider) } else { "no provider".to_owned() },
            named,
            reason: kind.reason.replace('_', " "),
            age: kind.age,
            mails: grouped(kind.mails),
            gone: grouped(kind.gone),
            apart: grouped(kind.apart),
            interval: range(kind.interval, "too few to tell"),
        }
    }
}

impl PastSendRow {
    fn from_send(send: &PastSend) -> Self {
        let seen = Share { count: send.gone, of: send.mails };
        Self {
            at: Timestamp::from_time(send.at),
            mails: grouped(send.mails),
            expected: range(send.expected, "nothing was known"),
            seen: format!("{} ({})", seen.percent(), grouped(send.gone)),
        }
    }
}

fn range(range: Option<PercentRange>, none: &str) -> String {
    range.map_or_else(|| none.to_owned(), |range| range.to_string())
}
