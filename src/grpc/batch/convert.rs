//! Converts batches to messages.

use std::collections::BTreeMap;
use std::mem;
use std::time::{Duration, SystemTime};

use prost::Message as _;

use crate::address::DomainName;
use crate::batch::queue::{ResultsPage, RowResult};
use crate::campaign::eta::{Forecast, ForecastBasis};
use crate::campaign::preflight::{
    Basis, Bound, Caution, CautionKind, Decision, Estimate, HostFault, PreflightStep, StepEffect,
    StepKind,
};
use crate::campaign::{
    Batch, BatchOptions, DestinationTally, GroupTally, Preflight, Progress, SendPolicy, State,
};
use crate::grpc::convert::count;
use crate::grpc::request::LONGEST_DURATION;
use crate::grpc::{accuracy, convert, enums};
use crate::proto::{self, StreamBatchResultsResponse};
use crate::verdict::Reason;
use crate::verifier::Depth;

/// Octets at which a message of results is full. Clients of gRPC read 4 MiB unless they are told
/// otherwise, and what a mail server says may be long: a page of rows may be larger.
const FULL_MESSAGE: usize = 1024 * 1024;

/// A batch, with what may be said of its campaign, and when it will be deleted.
pub(super) fn batch(
    batch: Batch,
    preflight: &Preflight,
    expires_at: Option<SystemTime>,
) -> proto::Batch {
    proto::Batch {
        batch_id: batch.id.to_string(),
        display_name: batch.spec.display_name,
        request_id: batch.spec.request_id.unwrap_or_default(),
        options: Some(options(&batch.spec.options)),
        state: state(batch.state).into(),
        create_time: Some(batch.created_at.into()),
        seal_time: batch.sealed_at.map(Into::into),
        end_time: batch.ended_at.map(Into::into),
        expire_time: expires_at.map(Into::into),
        progress: Some(progress(&batch.progress)),
        preflight: Some(self::preflight(preflight)),
    }
}

fn options(options: &BatchOptions) -> proto::BatchOptions {
    let depth = match options.depth {
        Depth::Syntax => proto::Depth::Syntax,
        Depth::Domain => proto::Depth::Domain,
        Depth::Mailbox => proto::Depth::Mailbox,
    };
    proto::BatchOptions {
        depth: depth.into(),
        timeout: options.deadline.and_then(duration),
        retry_window: duration(options.retry_window),
        max_age: options.max_age.and_then(duration),
        skip_catch_all: !options.test_catch_all,
        send_policy: send_policy(options.send_policy).into(),
        include_registration: options.registration,
        consent_time: options.consented_at.map(Into::into),
    }
}

/// A duration of a batch. Of one from before longer ones were refused as much as JSON can write:
/// else nobody could list the batches of its owner.
fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.min(LONGEST_DURATION).try_into().ok()
}

fn state(state: State) -> proto::BatchState {
    match state {
        State::Receiving => proto::BatchState::Receiving,
        State::Running => proto::BatchState::Running,
        State::Finished => proto::BatchState::Finished,
        State::Cancelled => proto::BatchState::Cancelled,
    }
}

fn send_policy(policy: SendPolicy) -> proto::SendPolicy {
    match policy {
        SendPolicy::Deliverable => proto::SendPolicy::Deliverable,
        SendPolicy::DeliverableAndRisky => proto::SendPolicy::DeliverableAndRisky,
        SendPolicy::All => proto::SendPolicy::All,
    }
}

fn progress(progress: &Progress) -> proto::BatchProgress {
    proto::BatchProgress {
        rows: count(progress.rows),
        mailboxes: count(progress.mailboxes),
        finished_rows: count(progress.finished_rows()),
        waiting_rows: count(progress.waiting_rows()),
        finished: reasons(&progress.finished),
        waiting: reasons(&progress.waiting),
        next_retry_time: progress.next_retry_at.map(Into::into),
        oldest_evidence_time: progress.oldest_evidence.map(Into::into),
        registered_after_consent_rows: count(progress.registered_after_consent),
        unchecked_consent_rows: count(progress.unchecked_consents),
        forecast: progress.forecast.as_ref().map(forecast),
    }
}

fn forecast(forecast: &Forecast) -> proto::BatchForecast {
    use proto::BatchForecastBasis as Basis;
    let (basis, provider, rows, per_minute) = match &forecast.basis {
        ForecastBasis::Provider { name, rows, per_minute } => {
            (Basis::Provider, name.clone(), *rows, *per_minute)
        }
        ForecastBasis::Rate { rows, per_minute } => {
            (Basis::Rate, String::new(), *rows, *per_minute)
        }
        ForecastBasis::Waiting { rows } => (Basis::Waiting, String::new(), *rows, 0),
        ForecastBasis::Deadline => (Basis::Timeout, String::new(), 0, 0),
    };
    proto::BatchForecast {
        end_time: Some(forecast.end.into()),
        basis: basis.into(),
        provider,
        rows: count(rows),
        rows_per_minute: count(per_minute),
        text: forecast.basis.words(),
        at_least: forecast.at_least,
    }
}

fn reasons(counts: &BTreeMap<Reason, u64>) -> Vec<proto::ReasonCount> {
    counts.iter().map(|(reason, rows)| reason_count(*reason, *rows)).collect()
}

fn reason_count(reason: Reason, rows: u64) -> proto::ReasonCount {
    proto::ReasonCount {
        reason: enums::reason(reason).into(),
        rows: count(rows),
        verdict: enums::verdict(reason.verdict()).into(),
    }
}

fn preflight(preflight: &Preflight) -> proto::Preflight {
    let thresholds = &preflight.thresholds;
    proto::Preflight {
        decision: decision(preflight.decision()).into(),
        headline: preflight.headline(),
        explanation: preflight.sentence(),
        steps: preflight.steps.iter().map(step).collect(),
        estimates: preflight.estimates.iter().map(estimate).collect(),
        open_rows: count(preflight.open),
        thresholds: Some(proto::PreflightThresholds {
            healthy_percent: thresholds.healthy().into(),
            review_percent: thresholds.review().into(),
            pause_percent: thresholds.pause().into(),
        }),
        unknown_rows: count(preflight.unknown),
        basis: basis(preflight.basis()).into(),
        host_fault: preflight.host_fault.as_ref().map(host_fault),
        cautions: preflight.cautions.iter().map(caution).collect(),
        expected: preflight.expected.as_ref().map(|expected| proto::ExpectedBounces {
            percent: expected.range.map(accuracy::range),
            mails: count(expected.mails),
        }),
    }
}

fn caution(caution: &Caution) -> proto::PreflightCaution {
    let kind = match caution.kind {
        CautionKind::MostlyUndeliverable => proto::PreflightCautionKind::MostlyUndeliverable,
        CautionKind::RegisteredAfterConsent => proto::PreflightCautionKind::RegisteredAfterConsent,
        CautionKind::UncheckedConsent => proto::PreflightCautionKind::UncheckedConsent,
    };
    proto::PreflightCaution {
        kind: kind.into(),
        rows: count(caution.share.count),
        of_rows: count(caution.share.of),
        text: caution.sentence(),
    }
}

fn host_fault(fault: &HostFault) -> proto::PreflightHostFault {
    proto::PreflightHostFault {
        unreached_rows: count(fault.unreached.count),
        of_rows: count(fault.unreached.of),
        without_dns_rows: count(fault.without_dns),
        text: fault.sentence(),
    }
}

fn step(step: &PreflightStep) -> proto::PreflightStep {
    use proto::PreflightStepKind as Kind;
    let (kind, policy) = match step.kind {
        StepKind::SendTo(policy) => (Kind::SendTo, Some(policy)),
        StepKind::Wait => (Kind::Wait, None),
        StepKind::GetUnblocked => (Kind::GetUnblocked, None),
        StepKind::AskAgain => (Kind::AskAgain, None),
        StepKind::AskServers => (Kind::AskServers, None),
    };
    let effect = match step.effect {
        StepEffect::Go => proto::PreflightEffect::Go,
        StepEffect::MayBeGo => proto::PreflightEffect::MayBeGo,
        StepEffect::Helps => proto::PreflightEffect::Helps,
    };
    proto::PreflightStep {
        kind: kind.into(),
        send_policy: policy.map(|policy| send_policy(policy).into()),
        rows: count(step.rows),
        effect: effect.into(),
        text: step.sentence(),
    }
}

fn basis(basis: Basis) -> proto::PreflightBasis {
    match basis {
        Basis::EmptyList => proto::PreflightBasis::EmptyList,
        Basis::Receiving => proto::PreflightBasis::Receiving,
        Basis::NobodyLeft => proto::PreflightBasis::NobodyLeft,
        Basis::NobodyYet => proto::PreflightBasis::NobodyYet,
        Basis::KnownBounces => proto::PreflightBasis::KnownBounces,
        Basis::PossibleBounces => proto::PreflightBasis::PossibleBounces,
        Basis::FewEnough => proto::PreflightBasis::FewEnough,
    }
}

fn estimate(estimate: &Estimate) -> proto::PreflightEstimate {
    proto::PreflightEstimate {
        send_policy: send_policy(estimate.policy).into(),
        sent_rows: count(estimate.sent_now),
        sent_rows_at_most: count(estimate.sent_at_most),
        at_least: Some(bound(estimate.at_least)),
        at_most: Some(bound(estimate.at_most)),
        decision: decision(estimate.decision).into(),
        basis: basis(estimate.basis).into(),
    }
}

fn bound(bound: Bound) -> proto::PreflightBound {
    let share = bound.share;
    proto::PreflightBound {
        bounces: count(share.count),
        of_rows: count(share.of),
        percent: share.fraction() * 100.0,
    }
}

fn decision(decision: Decision) -> proto::PreflightDecision {
    match decision {
        Decision::Go => proto::PreflightDecision::Go,
        Decision::CleanFirst => proto::PreflightDecision::CleanFirst,
        Decision::NoGo => proto::PreflightDecision::NoGo,
    }
}

/// The messages that a page of results is sent in, each with the place after its last row.
pub(super) fn result_messages(page: ResultsPage) -> Vec<StreamBatchResultsResponse> {
    let mut messages = Vec::new();
    let (mut results, mut cursor, mut octets) = (Vec::new(), String::new(), 0);
    for row in page.rows {
        let after = row.cursor.0.clone();
        let result = result(row);
        let length = result.encoded_len();
        if octets + length > FULL_MESSAGE && !results.is_empty() {
            let (results, cursor) = (mem::take(&mut results), mem::take(&mut cursor));
            messages.push(StreamBatchResultsResponse { results, cursor });
            octets = 0;
        }
        results.push(result);
        octets += length;
        cursor = after;
    }
    messages.push(StreamBatchResultsResponse { results, cursor: page.next.0 });
    messages
}

fn result(row: RowResult) -> proto::BatchResult {
    let verification = row.outcome.into_verification(&row.address);
    proto::BatchResult {
        row: count(row.row),
        row_id: row.row_id,
        verification: Some(convert::verification(verification)),
    }
}

pub(super) fn domain_tally(tally: GroupTally) -> proto::BatchTally {
    proto::BatchTally {
        name: tally.group,
        rows: count(tally.rows),
        finished: tally.finished.into_iter().map(|(reason, n)| reason_count(reason, n)).collect(),
        operator: None,
    }
}

pub(super) fn provider_tally(tally: DestinationTally) -> proto::BatchTally {
    proto::BatchTally {
        operator: convert::operator(&DomainName::from_ascii(&tally.destination)),
        name: tally.destination,
        rows: count(tally.finished.iter().map(|(_, rows)| rows).sum()),
        finished: tally.finished.into_iter().map(|(reason, n)| reason_count(reason, n)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::queue::Cursor;

    fn page(rows: u64, reply: &str) -> ResultsPage {
        let outcome = format!(
            r#"{{"reasons":["policy_refusal"],"action":"review","stage":"rcpt","code":550,
                "reply":["{reply}"]}}"#
        );
        let row = |row| RowResult {
            row,
            row_id: String::new(),
            address: format!("user{row}@a.example"),
            outcome: serde_json::from_str(&outcome).unwrap(),
            cursor: Cursor(format!("after-{row}")),
        };
        let rows = (0..rows).map(row).collect();
        ResultsPage { rows, next: Cursor("next".to_owned()), at_end: false }
    }

    #[test]
    fn a_batch_from_before_with_a_longer_time_than_json_can_write_is_told_with_the_longest() {
        let kept = BatchOptions {
            deadline: Some(Duration::from_secs(u64::MAX)),
            retry_window: Duration::from_secs(1 << 62),
            ..BatchOptions::default()
        };
        let told = options(&kept);
        let longest = Some(prost_types::Duration { seconds: 315_576_000_000, nanos: 0 });
        assert_eq!((told.timeout, told.retry_window), (longest, longest));
    }

    #[test]
    fn results_with_long_replies_come_in_messages_that_every_client_reads() {
        let messages = result_messages(page(300, &"x".repeat(16_000)));
        assert!(messages.len() > 4, "{}", messages.len());
        let mut rows = Vec::new();
        for message in &messages {
            assert!(message.encoded_len() < 2 * FULL_MESSAGE, "{}", message.encoded_len());
            rows.extend(message.results.iter().map(|result| result.row));
            let after = format!("after-{}", rows[rows.len() - 1]);
            let is_last = rows.len() == 300;
            assert_eq!(message.cursor, if is_last { "next".to_owned() } else { after });
        }
        assert_eq!(rows, (0..300).collect::<Vec<i64>>());
        assert_eq!(result_messages(page(300, "5.7.1 no")).len(), 1);
        assert_eq!(result_messages(page(0, ""))[0].cursor, "next");
    }
}
