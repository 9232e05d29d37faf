//! The service's messages as our types.

use std::collections::BTreeMap;
use std::time::SystemTime;

use anyhow::Context as _;

use crate::campaign::preflight::{self, Percent, Thresholds};
use crate::campaign::{Preflight, Progress, SendPolicy, State};
use crate::proto;
use crate::report::GroupCounts;
use crate::verdict::Reason;

/// The name of an enum's value without its prefix, in lower case.
pub(in crate::cli) fn name(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_ascii_lowercase()
}

/// The progress of a batch.
pub(in crate::cli) fn progress(batch: &proto::Batch) -> anyhow::Result<Progress> {
    let progress = batch.progress.as_ref().context("the service named no progress")?;
    Ok(Progress {
        rows: count(progress.rows),
        mailboxes: count(progress.mailboxes),
        finished: reasons(&progress.finished),
        waiting: reasons(&progress.waiting),
        next_retry_at: progress.next_retry_at.and_then(time),
    })
}

/// The pre-flight answer: the same counts held against the service's own thresholds.
pub(in crate::cli) fn preflight(
    batch: &proto::Batch,
    progress: &Progress,
) -> anyhow::Result<Preflight> {
    let answer = batch.preflight.as_ref().context("the service gave no pre-flight answer")?;
    let thresholds = answer.thresholds.unwrap_or_default();
    let percent = |percent: f64| Percent::try_from(percent);
    let thresholds = Thresholds::try_from(preflight::Config {
        healthy: percent(thresholds.healthy_percent)?,
        review: percent(thresholds.review_percent)?,
        pause: percent(thresholds.pause_percent)?,
    })?;
    let policy = batch.options.as_ref().map(proto::BatchOptions::send_policy);
    let policy = match policy.unwrap_or_default() {
        proto::SendPolicy::Unspecified | proto::SendPolicy::Deliverable => SendPolicy::Deliverable,
        proto::SendPolicy::DeliverableAndRisky => SendPolicy::DeliverableAndRisky,
        proto::SendPolicy::All => SendPolicy::All,
    };
    Ok(Preflight::of(progress, state(batch), policy, &thresholds))
}

/// The state of a batch.
pub(super) fn state(batch: &proto::Batch) -> State {
    match batch.state() {
        proto::BatchState::Unspecified | proto::BatchState::Receiving => State::Receiving,
        proto::BatchState::Running => State::Running,
        proto::BatchState::Finished => State::Finished,
        proto::BatchState::Cancelled => State::Cancelled,
    }
}

/// The counts of a domain or a provider.
pub(super) fn group_counts(tally: proto::BatchTally) -> GroupCounts {
    let finished = reasons(&tally.finished).into_iter().collect();
    GroupCounts { name: tally.name, rows: count(tally.rows), finished }
}

fn reasons(counts: &[proto::ReasonCount]) -> BTreeMap<Reason, u64> {
    let mut reasons = BTreeMap::new();
    for each in counts {
        *reasons.entry(reason(each.reason)).or_default() += count(each.rows);
    }
    reasons
}

/// One of our reasons. One that this version does not know is no evidence: its rows count as
/// unknown.
pub(super) fn reason(number: i32) -> Reason {
    let name = reason_name(number);
    let known = Reason::ALL.iter().find(|reason| reason.name() == name);
    known.copied().unwrap_or(Reason::ProtocolError)
}

/// A reason's name; empty if this version does not know it. The verdict stands without it.
pub(super) fn reason_name(number: i32) -> String {
    match proto::Reason::try_from(number) {
        Ok(proto::Reason::Unspecified) | Err(_) => String::new(),
        Ok(reason) => name(reason.as_str_name(), "REASON_"),
    }
}

/// A time as RFC 3339 writes it, in whole seconds.
pub(super) fn rfc3339(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at)
        .map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// A time, if it is one.
pub(super) fn time(at: prost_types::Timestamp) -> Option<SystemTime> {
    SystemTime::try_from(at).ok()
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_on_the_wire_is_one_of_ours() {
        for ours in Reason::ALL {
            let name = format!("REASON_{}", ours.name().to_ascii_uppercase());
            let wire = proto::Reason::from_str_name(&name).unwrap();
            assert_eq!(reason(wire.into()), *ours);
        }
    }

    #[test]
    fn a_reason_of_a_newer_service_counts_as_unknown_and_aborts_nothing() {
        let newer = proto::ReasonCount { reason: 9_999, rows: 3 };
        let unknown = proto::ReasonCount { reason: proto::Reason::ProtocolError.into(), rows: 1 };
        let progress = proto::BatchProgress {
            rows: 4,
            finished: vec![newer, unknown],
            ..proto::BatchProgress::default()
        };
        let batch = proto::Batch { progress: Some(progress), ..proto::Batch::default() };
        let progress = progress_of(&batch);
        assert_eq!(progress.with_verdict(crate::verdict::Verdict::Unknown), 4);
        assert_eq!(reason_name(9_999), "");
    }

    fn progress_of(batch: &proto::Batch) -> Progress {
        progress(batch).unwrap()
    }
}
