//! The accuracy of verdicts as messages.

use crate::campaign::calibration::PastSend;
use crate::campaign::preflight::{PercentRange, Share};
use crate::outcomes::accuracy::{Accuracy, AccuracyRow, DEFINITIONS, EvidenceAge};
use crate::proto;

use super::convert::count;
use super::enums;

/// Kinds of verdicts that are told at most, those with the most mail.
const MOST_KINDS: usize = 1000;

/// Sends that are told at most, the newest.
const MOST_SENDS: usize = 100;

/// The message of an accuracy.
pub(super) fn to_message(accuracy: &Accuracy) -> proto::Accuracy {
    let sends = &accuracy.calibration.sends;
    proto::Accuracy {
        right: Some(share(accuracy.right)),
        decided: Some(share(accuracy.decided)),
        apart: count(accuracy.apart),
        reasons: accuracy.reasons.iter().map(row).collect(),
        kinds: accuracy.kinds.iter().take(MOST_KINDS).map(row).collect(),
        sends: sends.iter().rev().take(MOST_SENDS).map(past_send).collect(),
        definitions: DEFINITIONS.to_owned(),
    }
}

fn share(share: Share) -> proto::AccuracyShare {
    proto::AccuracyShare { count: count(share.count), of: count(share.of) }
}

fn row(row: &AccuracyRow) -> proto::AccuracyRow {
    let (provider, age) =
        row.part.clone().map_or((String::new(), None), |(provider, age)| (provider, Some(age)));
    proto::AccuracyRow {
        reason: enums::reason(row.reason).into(),
        provider,
        evidence_age: age.map_or(proto::EvidenceAge::Unspecified, evidence_age).into(),
        verdicts: count(row.counts.given),
        mails: count(row.counts.mails()),
        gone: count(row.counts.gone),
        apart: count(row.counts.apart),
        gone_percent: row.gone.map(range),
    }
}

fn past_send(send: &PastSend) -> proto::PastSend {
    proto::PastSend {
        verdict_time: Some(send.at.into()),
        mails: count(send.mails),
        gone: count(send.gone),
        expected_percent: send.expected.map(range),
    }
}

/// The message of a range.
pub(super) fn range(range: PercentRange) -> proto::PercentRange {
    proto::PercentRange { low: range.low.into(), high: range.high.into() }
}

fn evidence_age(age: EvidenceAge) -> proto::EvidenceAge {
    match age {
        EvidenceAge::Day => proto::EvidenceAge::UnderOneDay,
        EvidenceAge::ThreeDays => proto::EvidenceAge::OneToThreeDays,
        EvidenceAge::Week => proto::EvidenceAge::ThreeToSevenDays,
        EvidenceAge::Older => proto::EvidenceAge::OverSevenDays,
    }
}
