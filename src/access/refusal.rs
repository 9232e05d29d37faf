//! A limit that was reached. Pure.

use std::fmt;
use std::time::Duration;

/// Why a caller, known and welcome, is not served now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The limit that was reached.
    pub limit: Limit,
    /// Time to wait; `None` if waiting does not help.
    pub retry_after: Option<Duration>,
}

/// A limit on callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Calls a minute.
    CallsPerMinute(u64),
    /// Addresses a day.
    AddressesPerDay(u64),
    /// Addresses a day cannot be counted now: the place where all replicas count them is away.
    Uncounted,
    /// Local parts at one domain in an hour.
    LocalPartsPerDomain {
        /// The registrable domain.
        domain: String,
        /// The most allowed.
        cap: u32,
    },
    /// The share of mailboxes that do not exist is above this many percent.
    UnknownMailboxes(u8),
    /// The caller's key was taken away or has expired since the call began.
    KeyWithdrawn,
}

impl Limit {
    /// A name for programs, in the style of `google.rpc.ErrorInfo.reason`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::CallsPerMinute(_) => "CALLS_PER_MINUTE",
            Self::AddressesPerDay(_) => "ADDRESSES_PER_DAY",
            Self::Uncounted => "QUOTA_UNAVAILABLE",
            Self::LocalPartsPerDomain { .. } => "LOCAL_PARTS_PER_DOMAIN",
            Self::UnknownMailboxes(_) => "UNKNOWN_MAILBOXES",
            Self::KeyWithdrawn => "KEY_WITHDRAWN",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limit {
            Limit::CallsPerMinute(limit) => {
                write!(f, "you may make {limit} calls a minute; make fewer, or use a stream")
            }
            Limit::AddressesPerDay(limit) if self.retry_after.is_none() => {
                write!(f, "you may verify {limit} addresses a day; ask for fewer at a time")
            }
            Limit::AddressesPerDay(limit) => {
                write!(
                    f,
                    "you may verify {limit} addresses a day, and fewer are left than you ask \
                     about; ask about fewer, or later"
                )
            }
            Limit::Uncounted => f.write_str(
                "your addresses a day cannot be counted now: the database is away; try again soon",
            ),
            Limit::LocalPartsPerDomain { domain, cap } if self.retry_after.is_none() => write!(
                f,
                "you may ask about {cap} different mailboxes at {domain} within an hour; send no \
                 more of them at a time, an hour apart"
            ),
            Limit::LocalPartsPerDomain { domain, cap } => write!(
                f,
                "you may ask about {cap} different mailboxes at {domain} within an hour; ask about \
                 the others later, and send a list of more of them in parts, an hour apart"
            ),
            Limit::UnknownMailboxes(percent) => write!(
                f,
                "more than {percent} % of the mailboxes that you asked about in the last hour do \
                 not exist; this service cleans lists and does not guess addresses"
            ),
            Limit::KeyWithdrawn => {
                f.write_str("your API key was withdrawn or has expired since the call began")
            }
        }
    }
}
