//! Answers that travel from the core to its callers. Pure.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::smtp::{Control, RecipientAnswer, TranscriptLine};

/// An exchanger's answer, and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) answer: RecipientAnswer,
    /// The address that was dialled, if it came to that.
    pub(super) address: Option<IpAddr>,
    pub(super) at: SystemTime,
    /// Dialogue, if the caller wanted it.
    pub(super) transcript: Option<Arc<[TranscriptLine]>>,
}

impl Observation {
    pub(super) fn new(answer: RecipientAnswer, address: Option<IpAddr>, at: SystemTime) -> Self {
        Self { answer, address, at, transcript: None }
    }
}

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
