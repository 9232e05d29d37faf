//! The conclusion from the evidence, before lists and policy have their say.

use std::time::Duration;

use super::reason::{CatchAll, Reason};
use crate::smtp;

/// The stage at which a verification had its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionStage {
    /// The address itself decided.
    Syntax,
    /// DNS decided.
    Dns,
    /// An exchanger was asked, and the dialogue came this far.
    Smtp(smtp::Stage),
}

impl DecisionStage {
    /// The stage's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Dns => "dns",
            Self::Smtp(stage) => stage.name(),
        }
    }
}

/// The conclusion from the evidence, before lists and policy have their say.
pub(super) struct Conclusion {
    pub(super) reason: Reason,
    pub(super) stage: DecisionStage,
    pub(super) catch_all: CatchAll,
    pub(super) decided_by: Option<usize>,
    /// The waiting time the server named.
    pub(super) asked_to_wait: Option<Duration>,
    /// The control recipient was greylisted, and the waiting time the server named with that.
    pub(super) control_wait: Option<Option<Duration>>,
}

impl Conclusion {
    pub(super) fn new(reason: Reason, stage: DecisionStage) -> Self {
        Self {
            reason,
            stage,
            catch_all: CatchAll::Unknown,
            decided_by: None,
            asked_to_wait: None,
            control_wait: None,
        }
    }
}
