//! Steps that would make a campaign a go.

use super::Decision;
use super::counts::VerdictCounts;
use super::thresholds::{Band, Thresholds};
use crate::campaign::progress::Progress;
use crate::campaign::spec::SendPolicy;
use crate::verdict::{Action, Policy, Reason, Verdict};

/// Something to do before sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreflightStep {
    /// The kind of step.
    pub kind: StepKind,
    /// Number of rows it is about: those left out, or those to learn more of.
    pub rows: u64,
    /// Its effect, done alone.
    pub effect: StepEffect,
}

/// A thing to do before sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// Send by this more careful policy.
    SendTo(SendPolicy),
    /// Wait for the rows that are still open.
    Wait,
    /// Have the servers that refuse us accept us, then ask them again.
    GetUnblocked,
    /// Ask again about those whose servers had trouble, or no time for us.
    AskAgain,
    /// Ask the mail servers, which was not done.
    AskServers,
}

/// The effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StepEffect {
    /// It is a go then.
    Go,
    /// It is a go then if all goes well.
    MayBeGo,
    /// It brings the bounds closer to each other, and is not enough alone.
    Helps,
}

/// The steps that would change the answer for `policy`, the surest first.
pub(super) fn steps(
    counts: &VerdictCounts,
    progress: &Progress,
    policy: SendPolicy,
    thresholds: &Thresholds,
) -> Vec<PreflightStep> {
    let chosen = counts.estimate(policy, thresholds);
    if chosen.decision == Decision::Go {
        return Vec::new();
    }
    let careful = SendPolicy::ALL
        .into_iter()
        .rev()
        .filter(|other| *other < policy)
        .map(|other| counts.estimate(other, thresholds))
        .find(|estimate| estimate.decision == Decision::Go)
        .map(|estimate| PreflightStep {
            kind: StepKind::SendTo(estimate.policy),
            rows: chosen.sent_now - estimate.sent_now,
            effect: StepEffect::Go,
        });
    // What is known to bounce is known: where that alone is too much, learning more changes
    // nothing.
    let learn = match chosen.at_least.band {
        Band::Healthy | Band::Elevated => learnable(counts, progress, policy, chosen.sent_now),
        Band::Review | Band::Pause => Vec::new(),
    };
    let learn = learn.into_iter().map(|(kind, rows)| PreflightStep {
        kind,
        rows,
        effect: effect(counts, kind, rows, policy, thresholds),
    });
    let mut steps: Vec<PreflightStep> = careful.into_iter().chain(learn).collect();
    steps.sort_by_key(|step| step.effect);
    steps
}

/// Steps that learn more of rows that weigh on the bounds of `policy`.
fn learnable(
    counts: &VerdictCounts,
    progress: &Progress,
    policy: SendPolicy,
    sent_now: u64,
) -> Vec<(StepKind, u64)> {
    let mut found = vec![(StepKind::Wait, counts.open)];
    // A policy that leaves the unknown out gains nothing from knowing them, unless it has nobody.
    if policy == SendPolicy::All || sent_now == 0 {
        let unknown = |wanted: fn(Reason) -> bool| -> u64 {
            let rows = progress.finished.iter();
            rows.filter(|(reason, _)| reason.verdict() == Verdict::Unknown && wanted(**reason))
                .map(|(_, rows)| rows)
                .sum()
        };
        let passes = |reason| Policy::default().action(reason) == Action::RetryLater;
        found.push((StepKind::GetUnblocked, unknown(|reason| reason == Reason::SenderBlocked)));
        // What a cancelled batch never came to is counted as unknown, without a reason.
        let never_asked = progress.open_rows() - counts.open;
        found.push((StepKind::AskAgain, unknown(passes) + never_asked));
        found.push((StepKind::AskServers, unknown(|reason| reason == Reason::NotProbed)));
    }
    found.retain(|(kind, rows)| *rows > 0 || (*kind == StepKind::Wait && counts.receiving));
    found
}

/// The effect if all of the `rows` turned out to be deliverable.
fn effect(
    counts: &VerdictCounts,
    kind: StepKind,
    rows: u64,
    policy: SendPolicy,
    thresholds: &Thresholds,
) -> StepEffect {
    let mut best = VerdictCounts { deliverable: counts.deliverable + rows, ..*counts };
    if kind == StepKind::Wait {
        best.open -= rows;
        best.receiving = false;
    } else {
        best.unknown -= rows;
    }
    let go = counts.receiving || best.estimate(policy, thresholds).decision == Decision::Go;
    if go { StepEffect::MayBeGo } else { StepEffect::Helps }
}
