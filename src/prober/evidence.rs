//! Answers that travel from the core to its callers. Pure.

use crate::smtp::{Control, Observation};

/// Answer of a lane about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LaneAnswer {
    pub(super) evidence: Observation,
    pub(super) control: Control,
    /// The exchanger was too busy for us, or did not let us in for now: it may answer a caller
    /// whose retry window is open.
    pub(super) may_answer_later: bool,
    /// It is about the egress identity, not the recipient: the exchanger refuses it, or its proxy
    /// failed.
    pub(super) blocked: bool,
}

impl LaneAnswer {
    pub(super) fn new(evidence: Observation, control: Control) -> Self {
        Self { evidence, control, may_answer_later: false, blocked: false }
    }
}
