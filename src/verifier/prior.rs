//! The interface to what earlier mail tells of an address. Pure.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::address::Identity;
use crate::verdict::Reason;

/// An outcome of earlier mail for which an address is not asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorOutcome {
    /// [`Reason::BouncedBefore`] or [`Reason::OptedOut`].
    pub reason: Reason,
    /// The kind, the time, the source and the server's words.
    pub words: String,
}

/// Mail of the operator's own that arrived at an address in the last [`OWN_MAIL_DAYS`] days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredMail {
    /// The time at which it arrived, of several the last.
    pub at: SystemTime,
    /// The kind of source that told it: `postfix`, `ses` and the like.
    pub source: String,
}

/// Knowledge of earlier mail to an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorMail {
    /// The outcome for which it is not asked about.
    pub suppression: Option<PriorOutcome>,
    /// Mail that arrived. It is shown, and no verdict rests on it.
    pub delivered: Option<DeliveredMail>,
}

/// What became of earlier mail cannot be looked up now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what became of earlier mail cannot be looked up: {0}")]
pub struct PriorLookupError(pub String);

/// A verdict on a row of a list. `Debug` shows no address.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenVerdict {
    /// The address.
    pub address: String,
    /// The reason that decided.
    pub reason: Reason,
    /// The registrable domain of the exchanger that answered; empty if none did.
    pub provider: String,
    /// The time at which its evidence was gathered.
    pub gathered_at: Option<SystemTime>,
}

impl fmt::Debug for GivenVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenVerdict").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Fate of the operator's own mail to one domain in [`OWN_MAIL_DAYS`] days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DomainMail {
    /// Messages with any fate.
    pub sent: u64,
    /// Messages that came back for good.
    pub bounced: u64,
    /// Those of them whose mailbox was gone.
    pub gone: u64,
}

impl fmt::Display for DomainMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, bounced, gone } = self;
        write!(f, "sent {sent}, bounced {bounced} ({gone} as gone) in {OWN_MAIL_DAYS} days")
    }
}

/// Days that [`DomainMail`] and [`DeliveredMail`] go back.
pub const OWN_MAIL_DAYS: u32 = 180;

/// Knows what became of earlier mail.
#[async_trait]
pub trait PriorOutcomes: fmt::Debug + Send + Sync {
    /// Finds what became of mail to an address of this identity. Asked for every address, before
    /// anything else is: it waits for seconds at most.
    ///
    /// # Errors
    ///
    /// If that cannot be told now. Then nobody is asked about the address either: it may be one
    /// that is not to be asked about.
    async fn find(
        &self,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<PriorMail, PriorLookupError>;

    /// `true` if nothing is known of any address now, so that none need be looked up.
    fn is_empty(&self) -> bool {
        false
    }

    /// Finds what became of mail to this domain, if anything is known. Asked for each address of a
    /// domain that accepts every recipient: it waits for seconds at most.
    async fn find_domain_mail(&self, _domain: &str, _now: SystemTime) -> Option<DomainMail> {
        None
    }

    /// `true` if verdicts on rows of lists are to be remembered.
    fn remembers_verdicts(&self) -> bool {
        false
    }

    /// Remembers the verdicts on rows of one list, to be held against what becomes of mail.
    async fn remember_verdicts(&self, _list: &str, _verdicts: &[GivenVerdict], _now: SystemTime) {}
}
