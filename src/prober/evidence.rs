//! Answers that travel from the core to its callers. Pure.

use std::time::SystemTime;

use crate::smtp::{Control, NoReply, Observation, RecipientAnswer, Stage};

/// Answer of a lane about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneAnswer {
    /// What was said.
    pub evidence: Observation,
    /// Result of the control recipient.
    pub control: Control,
    /// The exchanger was too busy for us, or did not let us in for now: it may answer a caller
    /// whose retry window is open.
    pub may_answer_later: bool,
    /// It is about the egress identity, not the recipient: the exchanger refuses it, or its proxy
    /// failed.
    pub blocked: bool,
}

impl LaneAnswer {
    pub(super) fn new(evidence: Observation, control: Control) -> Self {
        Self { evidence, control, may_answer_later: false, blocked: false }
    }

    /// Nothing was dialled: another process may ask the exchanger, and could not be asked.
    pub(super) fn postponed(now: SystemTime) -> Self {
        let answer = RecipientAnswer::NoReply { stage: Stage::Connect, reason: NoReply::Postponed };
        Self::new(Observation::new(answer, None, now), Control::NotAsked)
    }
}
