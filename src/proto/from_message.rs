//! Converts messages of the service to our own types.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::campaign::calibration::PastSend;
use crate::campaign::eta::{Forecast, ForecastBasis};
use crate::campaign::preflight::{
    self, Basis, Bound, Caution, CautionKind, Decision, Estimate, ExpectedBounces, HostFault,
    Percent, PercentRange, PreflightStep, Share, StepEffect, StepKind, Thresholds,
};
use crate::campaign::{Preflight, Progress, SendPolicy, State};
use crate::proto;
use crate::proto::names::enum_name;
use crate::report::{AccuracySummary, GroupCounts, KindAccuracy, Operator};
use crate::verdict::{Depth, Reason, Verdict};

/// A message that lacks what every service of this version sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncompleteMessage {
    /// A part is not there.
    #[error("the service named no {0}")]
    Missing(&'static str),
    /// The thresholds of the pre-flight answer are none.
    #[error("the service's thresholds are none: {0}")]
    Thresholds(String),
}

/// The accuracy of earlier verdicts as the service tells it.
#[must_use]
pub fn accuracy(accuracy: &proto::Accuracy) -> AccuracySummary {
    let share = |share: Option<proto::AccuracyShare>| {
        let share = share.unwrap_or_default();
        Share { count: count(share.count), of: count(share.of) }
    };
    AccuracySummary {
        right: share(accuracy.right),
        decided: share(accuracy.decided),
        apart: count(accuracy.apart),
        definitions: accuracy.definitions.clone(),
        kinds: accuracy.kinds.iter().map(kind_accuracy).collect(),
        sends: accuracy.sends.iter().filter_map(past_send).collect(),
    }
}

fn kind_accuracy(row: &proto::AccuracyRow) -> KindAccuracy {
    KindAccuracy {
        provider: row.provider.clone(),
        reason: reason_name(row.reason),
        age: match row.evidence_age() {
            proto::EvidenceAge::Unspecified => "",
            proto::EvidenceAge::UnderOneDay => "under 1 day",
            proto::EvidenceAge::OneToThreeDays => "1 to 3 days",
            proto::EvidenceAge::ThreeToSevenDays => "3 to 7 days",
            proto::EvidenceAge::OverSevenDays => "over 7 days",
        },
        mails: count(row.mails),
        gone: count(row.gone),
        apart: count(row.apart),
        interval: row.gone_percent.as_ref().map(percent_range),
    }
}

/// An earlier send; `None` if it has no time.
fn past_send(send: &proto::PastSend) -> Option<PastSend> {
    Some(PastSend {
        at: send.verdict_time.and_then(time)?,
        mails: count(send.mails),
        gone: count(send.gone),
        expected: send.expected_percent.as_ref().map(percent_range),
    })
}

fn percent_range(range: &proto::PercentRange) -> PercentRange {
    let end = |percent: f64| Percent::from_fraction(percent / 100.0);
    PercentRange { low: end(range.low), high: end(range.high) }
}

/// The progress of a batch.
///
/// # Errors
/// If the message has none.
pub fn progress(batch: &proto::Batch) -> Result<Progress, IncompleteMessage> {
    let progress = batch.progress.as_ref().ok_or(IncompleteMessage::Missing("progress"))?;
    Ok(Progress {
        rows: count(progress.rows),
        mailboxes: count(progress.mailboxes),
        finished: reasons(&progress.finished),
        waiting: reasons(&progress.waiting),
        next_retry_at: progress.next_retry_time.and_then(time),
        last_retry_at: None,
        forecast: progress.forecast.as_ref().and_then(forecast),
        oldest_evidence: progress.oldest_evidence_time.and_then(time),
        registered_after_consent: count(progress.registered_after_consent_rows),
        unchecked_consents: count(progress.unchecked_consent_rows),
    })
}

/// An expected end; `None` if its grounds are of a later version, or it has no time.
fn forecast(forecast: &proto::BatchForecast) -> Option<Forecast> {
    use proto::BatchForecastBasis as Basis;
    let (rows, per_minute) = (count(forecast.rows), count(forecast.rows_per_minute));
    let basis = match forecast.basis() {
        Basis::Unspecified => return None,
        Basis::Provider => {
            ForecastBasis::Provider { name: forecast.provider.clone(), rows, per_minute }
        }
        Basis::Rate => ForecastBasis::Rate { rows, per_minute },
        Basis::Waiting => ForecastBasis::Waiting { rows },
        Basis::Timeout => ForecastBasis::Deadline,
    };
    let end = forecast.end_time.and_then(time)?;
    Some(Forecast { end, at_least: forecast.at_least, basis })
}

/// The pre-flight answer as the service computed it.
///
/// # Errors
/// If the message has none, or one that is no answer.
pub fn preflight(batch: &proto::Batch) -> Result<Preflight, IncompleteMessage> {
    let missing = IncompleteMessage::Missing;
    let answer = batch.preflight.as_ref().ok_or(missing("pre-flight answer"))?;
    let thresholds = thresholds(answer.thresholds.unwrap_or_default())?;
    let oldest = batch.progress.as_ref().and_then(|progress| progress.oldest_evidence_time);
    let policy = batch.options.as_ref().map(proto::BatchOptions::send_policy);
    let estimates: Vec<Estimate> =
        answer.estimates.iter().map(|each| estimate(each, &thresholds)).collect();
    let estimates = estimates.try_into();
    Ok(Preflight {
        policy: send_policy(policy.unwrap_or_default()),
        estimates: estimates.ok().ok_or(missing("estimate for each policy"))?,
        steps: answer.steps.iter().filter_map(step).collect(),
        cautions: answer.cautions.iter().filter_map(caution).collect(),
        oldest_evidence: oldest.and_then(time),
        rows: count(batch.progress.as_ref().map(|progress| progress.rows).unwrap_or_default()),
        open: count(answer.open_rows),
        unknown: count(answer.unknown_rows),
        host_fault: answer.host_fault.as_ref().map(|fault| HostFault {
            unreached: Share { count: count(fault.unreached_rows), of: count(fault.of_rows) },
            without_dns: count(fault.without_dns_rows),
        }),
        thresholds,
        expected: answer.expected.as_ref().map(expected),
    })
}

fn expected(expected: &proto::ExpectedBounces) -> ExpectedBounces {
    let range = expected.percent.as_ref().map(|range| PercentRange {
        low: Percent::from_fraction(range.low / 100.0),
        high: Percent::from_fraction(range.high / 100.0),
    });
    ExpectedBounces { range, mails: count(expected.mails) }
}

fn thresholds(thresholds: proto::PreflightThresholds) -> Result<Thresholds, IncompleteMessage> {
    let no_threshold = |error: String| IncompleteMessage::Thresholds(error);
    let percent =
        |percent: f64| Percent::try_from(percent).map_err(|error| no_threshold(error.to_string()));
    Thresholds::try_from(preflight::Config {
        healthy: percent(thresholds.healthy_percent)?,
        review: percent(thresholds.review_percent)?,
        pause: percent(thresholds.pause_percent)?,
    })
    .map_err(|error| no_threshold(error.to_string()))
}

fn send_policy(policy: proto::SendPolicy) -> SendPolicy {
    match policy {
        proto::SendPolicy::Unspecified | proto::SendPolicy::Deliverable => SendPolicy::Deliverable,
        proto::SendPolicy::DeliverableAndRisky => SendPolicy::DeliverableAndRisky,
        proto::SendPolicy::All => SendPolicy::All,
    }
}

fn estimate(estimate: &proto::PreflightEstimate, thresholds: &Thresholds) -> Estimate {
    let bound = |bound: Option<proto::PreflightBound>| {
        let bound = bound.unwrap_or_default();
        let share = Share { count: count(bound.bounces), of: count(bound.of_rows) };
        Bound { share, band: thresholds.band(share) }
    };
    Estimate {
        policy: send_policy(estimate.send_policy()),
        sent_now: count(estimate.sent_rows),
        sent_at_most: count(estimate.sent_rows_at_most),
        at_least: bound(estimate.at_least),
        at_most: bound(estimate.at_most),
        decision: match estimate.decision() {
            proto::PreflightDecision::Go => Decision::Go,
            proto::PreflightDecision::NoGo => Decision::NoGo,
            // A decision of a later version is not taken for a go.
            proto::PreflightDecision::CleanFirst | proto::PreflightDecision::Unspecified => {
                Decision::CleanFirst
            }
        },
        basis: basis(estimate.basis()),
    }
}

fn basis(basis: proto::PreflightBasis) -> Basis {
    match basis {
        proto::PreflightBasis::EmptyList => Basis::EmptyList,
        proto::PreflightBasis::Receiving => Basis::Receiving,
        proto::PreflightBasis::NobodyLeft => Basis::NobodyLeft,
        proto::PreflightBasis::NobodyYet => Basis::NobodyYet,
        proto::PreflightBasis::KnownBounces => Basis::KnownBounces,
        proto::PreflightBasis::FewEnough => Basis::FewEnough,
        proto::PreflightBasis::PossibleBounces | proto::PreflightBasis::Unspecified => {
            Basis::PossibleBounces
        }
    }
}

/// A step; `None` for a kind of a later version.
fn step(step: &proto::PreflightStep) -> Option<PreflightStep> {
    use proto::PreflightStepKind as Kind;
    let kind = match step.kind() {
        Kind::Unspecified => return None,
        Kind::SendTo => StepKind::SendTo(send_policy(step.send_policy())),
        Kind::Wait => StepKind::Wait,
        Kind::GetUnblocked => StepKind::GetUnblocked,
        Kind::AskAgain => StepKind::AskAgain,
        Kind::AskServers => StepKind::AskServers,
    };
    let effect = match step.effect() {
        proto::PreflightEffect::Go => StepEffect::Go,
        proto::PreflightEffect::MayBeGo => StepEffect::MayBeGo,
        proto::PreflightEffect::Helps | proto::PreflightEffect::Unspecified => StepEffect::Helps,
    };
    Some(PreflightStep { kind, rows: count(step.rows), effect })
}

/// A caution; `None` for a kind of a later version.
fn caution(caution: &proto::PreflightCaution) -> Option<Caution> {
    let kind = match caution.kind() {
        proto::PreflightCautionKind::Unspecified => return None,
        proto::PreflightCautionKind::MostlyUndeliverable => CautionKind::MostlyUndeliverable,
        proto::PreflightCautionKind::RegisteredAfterConsent => CautionKind::RegisteredAfterConsent,
        proto::PreflightCautionKind::UncheckedConsent => CautionKind::UncheckedConsent,
    };
    Some(Caution { kind, share: Share { count: count(caution.rows), of: count(caution.of_rows) } })
}

/// The state of a batch.
#[must_use]
pub fn state(batch: &proto::Batch) -> State {
    match batch.state() {
        proto::BatchState::Unspecified | proto::BatchState::Receiving => State::Receiving,
        proto::BatchState::Running => State::Running,
        proto::BatchState::Finished => State::Finished,
        proto::BatchState::Cancelled => State::Cancelled,
    }
}

/// The depth to which a batch is verified.
#[must_use]
pub fn depth(batch: &proto::Batch) -> Depth {
    match batch.options.as_ref().map(proto::BatchOptions::depth).unwrap_or_default() {
        proto::Depth::Unspecified | proto::Depth::Mailbox => Depth::Mailbox,
        proto::Depth::Domain => Depth::Domain,
        proto::Depth::Syntax => Depth::Syntax,
    }
}

/// The counts of a domain or a provider.
#[must_use]
pub fn group_counts(tally: proto::BatchTally) -> GroupCounts {
    let finished = reasons(&tally.finished).into_iter().collect();
    let operator = tally.operator.map(|operator| Operator {
        is_gateway: operator.kind() == proto::OperatorKind::Gateway,
        name: operator.name,
    });
    GroupCounts { name: tally.name, rows: count(tally.rows), finished, operator }
}

fn reasons(counts: &[proto::ReasonCount]) -> BTreeMap<Reason, u64> {
    let mut reasons = BTreeMap::new();
    for each in counts {
        *reasons.entry(reason(each.reason, each.verdict())).or_default() += count(each.rows);
    }
    reasons
}

/// The reason of a number on the wire; one of a later version falls back to the plainest of its
/// verdict.
#[must_use]
pub fn reason(number: i32, verdict: proto::Verdict) -> Reason {
    let name = reason_name(number);
    let known = Reason::ALL.iter().find(|reason| reason.name() == name);
    known.copied().unwrap_or(match verdict {
        proto::Verdict::Deliverable => Reason::MailboxAccepted,
        proto::Verdict::Risky => Reason::CatchAll,
        proto::Verdict::Undeliverable => Reason::MailboxNotFound,
        proto::Verdict::Unknown | proto::Verdict::Unspecified => Reason::ProtocolError,
    })
}

/// The verdict of a verification, as its reason implies it.
#[must_use]
pub fn verdict(verification: &proto::Verification) -> Verdict {
    reason(verification.reason, verification.verdict()).verdict()
}

/// A reason's name; empty if this version does not know it. The verdict stands without it.
#[must_use]
pub fn reason_name(number: i32) -> String {
    match proto::Reason::try_from(number) {
        Ok(proto::Reason::Unspecified) | Err(_) => String::new(),
        Ok(reason) => enum_name(reason.as_str_name(), "REASON_"),
    }
}

/// A time, if it is one.
#[must_use]
pub fn time(at: prost_types::Timestamp) -> Option<SystemTime> {
    SystemTime::try_from(at).ok()
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    #[test]
    fn every_reason_on_the_wire_is_one_of_ours() {
        for ours in Reason::ALL {
            let name = format!("REASON_{}", ours.name().to_ascii_uppercase());
            let wire = proto::Reason::from_str_name(&name).unwrap();
            assert_eq!(reason(wire.into(), proto::Verdict::Unspecified), *ours);
        }
    }

    #[test]
    fn a_reason_of_a_later_version_falls_back_to_its_verdict() {
        let of = |verdict: proto::Verdict| reason(9_999, verdict);
        assert_eq!(of(proto::Verdict::Undeliverable).verdict(), Verdict::Undeliverable);
        assert_eq!(of(proto::Verdict::Risky).verdict(), Verdict::Risky);
        assert_eq!(of(proto::Verdict::Deliverable).verdict(), Verdict::Deliverable);
        assert_eq!(of(proto::Verdict::Unknown).verdict(), Verdict::Unknown);
        assert_eq!(reason_name(9_999), "");
    }

    #[test]
    fn a_step_of_a_later_version_is_left_out() {
        assert!(step(&proto::PreflightStep { kind: 9_999, ..Default::default() }).is_none());
    }
}
