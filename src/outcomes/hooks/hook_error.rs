//! Errors of hooks.

use super::refusal::HookRefusal;
use crate::outcomes::store_error::OutcomeStoreError;

/// A post that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// There is no hook of this name.
    #[error("there is no hook of this name; outcomes.hooks lists them")]
    NoSuchHook,
    /// It does not come from its service.
    #[error(transparent)]
    Refused(#[from] HookRefusal),
    /// The body is no JSON.
    #[error("the body is no JSON")]
    NotJson,
    /// The key to verify it with cannot be had now, or SNS cannot be answered.
    #[error("{0}; post it again")]
    Unreachable(String),
    /// It cannot be kept now.
    #[error("the outcomes cannot be kept now; post them again")]
    Unkept(#[from] OutcomeStoreError),
}
