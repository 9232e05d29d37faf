//! The answer of a receiver. Pure.

use std::fmt;
use std::time::Duration;

/// The outcome of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReceiverAnswer {
    /// An answer of HTTP.
    Status {
        /// Its code.
        code: u16,
        /// The time after which the receiver wants to be called again; zero if it says nothing.
        retry_after: Duration,
    },
    /// None, and why.
    Failed(String),
}

impl ReceiverAnswer {
    /// The time after which the receiver wants to be called again.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Failed(_) => Duration::ZERO,
        }
    }
}

impl fmt::Display for ReceiverAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code: code @ 300..=399, .. } => {
                write!(f, "{code}: redirects are not followed")
            }
            Self::Status { code, .. } => write!(f, "{code}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}
