//! Errors of hooks.

use std::time::Duration;

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
    /// It gave way to others before it was verified, or found no place.
    #[error("more posts come than the hooks take at a time; post it again")]
    Crowded,
    /// Its body did not arrive in this time.
    #[error("the body did not arrive within {} seconds; post it again", .0.as_secs())]
    Late(Duration),
    /// Its body has more than this many octets.
    #[error("the body is longer than {0} octets; post fewer events at a time")]
    TooLong(usize),
    /// Its sender went away.
    #[error("the sender broke off")]
    BrokenOff,
    /// The key to verify it with cannot be had now, or SNS cannot be answered.
    #[error("{0}; post it again")]
    Unreachable(String),
    /// It cannot be kept now.
    #[error("the outcomes cannot be kept now; post them again")]
    Unkept(#[from] OutcomeStoreError),
}
