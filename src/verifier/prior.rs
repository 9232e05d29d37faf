//! The interface to what earlier mail tells of an address. Pure.

use std::fmt;
use std::time::SystemTime;

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

/// Days that [`DomainMail`] goes back.
pub const OWN_MAIL_DAYS: u32 = 180;

/// Knows what became of earlier mail.
pub trait PriorOutcomes: fmt::Debug + Send + Sync {
    /// The outcome for which an address of this identity is not asked about at `now`, if there is
    /// one. Asked for every address, on the runtime's threads: it must not wait.
    fn find(&self, identity: &Identity, now: SystemTime) -> Option<PriorOutcome>;

    /// Finds what became of mail to this domain, if anything is known. Asked for each address of a
    /// domain that accepts every recipient, on the runtime's threads: it must not wait.
    fn find_domain_mail(&self, _domain: &str, _now: SystemTime) -> Option<DomainMail> {
        None
    }

    /// `true` if verdicts on rows of lists are to be remembered.
    fn remembers_verdicts(&self) -> bool {
        false
    }

    /// Remembers the verdicts on rows of one list, to be held against what becomes of mail. Waits
    /// for a disk.
    fn remember_verdicts(&self, _list: &str, _verdicts: &[GivenVerdict], _now: SystemTime) {}
}
