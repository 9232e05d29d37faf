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

/// The time that a `Retry-After` names, in seconds; dates are not read.
pub(super) fn retry_after(text: &str) -> Duration {
    Duration::from_secs(text.trim().parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_and_anything_else_is_no_wish() {
        assert_eq!(retry_after(" 120 "), Duration::from_secs(120));
        for text in ["", "-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(retry_after(text), Duration::ZERO, "{text}");
        }
    }
}
