//! The judge: facts in, verdict out. Pure.
//!
//! The rule above all others: `UNDELIVERABLE` needs positive evidence about *that mailbox or its
//! domain*. What a server says about us, what is temporary and what is not understood is
//! `UNKNOWN`. [`judge()`] is the one place where that is decided; [`reason`] holds the tables.

pub mod judge;
pub mod policy;
pub mod reason;

mod conclusion;
mod depth;
mod probe;

#[cfg(test)]
mod tests;

pub use conclusion::DecisionStage;
pub use depth::Depth;
pub use judge::{
    Case, DomainAnswer, Judgement, Traits, judge, judge_invalid_syntax, judge_prior_outcome,
    judge_unknown_past,
};
pub use policy::Policy;
pub use reason::{Action, CatchAll, Reason, Verdict};
