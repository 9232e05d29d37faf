//! The action for each reason: the part of a verdict that is opinion, and so configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reason::{Action, Reason};

/// The action for each reason, and the time to wait before asking again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The action for a reason, where it differs from the default: `catch_all = "send"`.
    pub actions: BTreeMap<Reason, Action>,
    /// The time to wait before asking again, for a reason with the action `retry_later`, where the
    /// server named no time: `greylisted = "10m"`.
    pub retry_after: BTreeMap<Reason, Wait>,
}

/// A waiting time, written like `"10m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wait(#[serde(with = "humantime_serde")] pub Duration);

const MINUTE: Duration = Duration::from_secs(60);

impl Policy {
    /// The action for `reason`.
    #[must_use]
    pub fn action(&self, reason: Reason) -> Action {
        self.actions.get(&reason).copied().unwrap_or_else(|| default_action(reason))
    }

    /// The time to wait when the server did not name one.
    #[must_use]
    pub fn wait(&self, reason: Reason) -> Duration {
        self.retry_after.get(&reason).map_or_else(|| default_wait(reason), |wait| wait.0)
    }
}

/// The default action.
fn default_action(reason: Reason) -> Action {
    use Reason as R;
    match reason {
        R::MailboxAccepted | R::CatchAllUntested => Action::Send,
        R::RoleAccount | R::CatchAll | R::DisposableDomain => Action::Review,
        R::InvalidSyntax
        | R::DomainNotFound
        | R::NoMailHost
        | R::NullMx
        | R::MailboxNotFound
        | R::MailboxDisabled
        | R::RelayDenied
        | R::ProviderRule
        | R::BouncedBefore
        | R::OptedOut => Action::Suppress,
        // It may pass: time alone can change the answer.
        R::MailboxFull
        | R::Greylisted
        | R::RateLimited
        | R::TemporaryFailure
        | R::MailboxBusy
        | R::NoConnection
        | R::Timeout
        | R::DnsFailure => Action::RetryLater,
        // It will not pass by itself: its sender or its owner has to change something first.
        R::SenderBlocked
        | R::TlsRequired
        | R::Smtputf8Unsupported
        | R::PolicyRefusal
        | R::ProtocolError
        | R::TargetRefused
        | R::NotProbed => Action::Review,
    }
}

/// The default wait: the common settings of servers, rounded up.
fn default_wait(reason: Reason) -> Duration {
    match reason {
        // postgrey and most others let a sender pass after 5 minutes.
        Reason::Greylisted => 6 * MINUTE,
        Reason::DnsFailure => 5 * MINUTE,
        Reason::MailboxFull => 24 * 60 * MINUTE,
        Reason::TemporaryFailure | Reason::Timeout | Reason::MailboxBusy => 30 * MINUTE,
        _ => 60 * MINUTE,
    }
}
