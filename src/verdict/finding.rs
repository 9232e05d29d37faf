//! What the evidence shows, before lists and policy have their say.

use std::time::Duration;

use super::reason::{CatchAll, Reason};
use crate::smtp;

/// How far a verification came before it had its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The address itself decided.
    Syntax,
    /// DNS decided.
    Dns,
    /// An exchanger was asked, and the dialogue came this far.
    Smtp(smtp::Stage),
}

impl Stage {
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

/// What the evidence shows, before lists and policy have their say.
pub(super) struct Finding {
    pub(super) reason: Reason,
    pub(super) stage: Stage,
    pub(super) catch_all: CatchAll,
    pub(super) decided_by: Option<usize>,
    /// The waiting time the server named.
    pub(super) asked_to_wait: Option<Duration>,
}

impl Finding {
    pub(super) fn new(reason: Reason, stage: Stage) -> Self {
        Self { reason, stage, catch_all: CatchAll::Unknown, decided_by: None, asked_to_wait: None }
    }
}
