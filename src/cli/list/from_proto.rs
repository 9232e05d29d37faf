//! The service's words as ours.

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

/// How far a batch has come.
pub(in crate::cli) fn progress(batch: &proto::Batch) -> anyhow::Result<Progress> {
    let progress = batch.progress.as_ref().context("the service named no progress")?;
    Ok(Progress {
        rows: count(progress.rows),
        mailboxes: count(progress.mailboxes),
        finished: reasons(&progress.finished)?,
        waiting: reasons(&progress.waiting)?,
        next_retry_at: progress.next_retry_at.and_then(time),
    })
}

/// What may be said of the campaign: the same counts held against the service's own thresholds.
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

/// Where a batch is in its life.
pub(super) fn state(batch: &proto::Batch) -> State {
    match batch.state() {
        proto::BatchState::Unspecified | proto::BatchState::Receiving => State::Receiving,
        proto::BatchState::Running => State::Running,
        proto::BatchState::Finished => State::Finished,
        proto::BatchState::Cancelled => State::Cancelled,
    }
}

/// How the rows of a domain or a provider fared.
pub(super) fn group_counts(tally: proto::BatchTally) -> anyhow::Result<GroupCounts> {
    let finished = reasons(&tally.finished)?.into_iter().collect();
    Ok(GroupCounts { name: tally.name, rows: count(tally.rows), finished })
}

fn reasons(counts: &[proto::ReasonCount]) -> anyhow::Result<BTreeMap<Reason, u64>> {
    counts.iter().map(|each| Ok((reason(each.reason())?, count(each.rows)))).collect()
}

fn reason(reason: proto::Reason) -> anyhow::Result<Reason> {
    let name = name(reason.as_str_name(), "REASON_");
    let known = Reason::ALL.iter().find(|reason| reason.name() == name);
    known.copied().context("the service knows a reason that this mailvet does not: update it")
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
            assert_eq!(reason(wire).unwrap(), *ours);
        }
        assert!(reason(proto::Reason::Unspecified).is_err());
    }
}
