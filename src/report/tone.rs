//! [`Tone`]: good news, bad news, no news.

use std::fmt;

use crate::campaign::preflight::Decision;
use crate::verdict::Verdict;

/// The tone a thing is drawn in: a class of the style sheet, and a mark for readers who see no
/// colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Good news.
    Good,
    /// Mixed news.
    Careful,
    /// Bad news.
    Bad,
    /// No usable answer.
    Open,
    /// Not asked yet, or to be asked again.
    Waiting,
}

impl Tone {
    /// The tone of a verdict.
    #[must_use]
    pub fn from_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Deliverable => Self::Good,
            Verdict::Risky => Self::Careful,
            Verdict::Undeliverable => Self::Bad,
            Verdict::Unknown => Self::Open,
        }
    }

    /// The tone of a decision.
    #[must_use]
    pub fn from_decision(decision: Decision) -> Self {
        match decision {
            Decision::Go => Self::Good,
            Decision::CleanFirst => Self::Careful,
            Decision::NoGo => Self::Bad,
        }
    }

    /// The mark for readers who see no colour.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Careful => "!",
            Self::Bad => "✕",
            Self::Open => "?",
            Self::Waiting => "…",
        }
    }
}

impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Careful => "careful",
            Self::Bad => "bad",
            Self::Open => "open",
            Self::Waiting => "waiting",
        })
    }
}
