//! The result of a verification, as plain data.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::prior::{DeliveredMail, DomainMail};
use crate::address::{DomainName, SyntaxError, redact};
use crate::registration::RegistrationReport;
use crate::smtp::{Reply, outcome::TranscriptLine};
use crate::verdict::{Depth, Judgement, Reason, Traits};

/// Options of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Depth of the verification.
    pub depth: Depth,
    /// The oldest remembered evidence to accept; `None`: any that is still valid, zero: none.
    pub max_age: Option<Duration>,
    /// Asks for a made-up recipient, to see whether the domain accepts everything.
    pub test_catch_all: bool,
    /// Returns the SMTP dialogue too.
    pub transcript: bool,
    /// Time at which the caller wants an answer, whatever is known by then.
    pub deadline: SystemTime,
    /// Until when to come back to servers that say "not now"; in the past: not at all.
    pub retry_until: SystemTime,
    /// Asks the domain's registry too; the verdict does not wait for its answer.
    pub registration: bool,
    /// Longest wait for the registry's answer once the evidence is there; it does not count against
    /// the deadline. Zero: no wait, but for a short one within the deadline where the time of a
    /// consent is known.
    pub registration_wait: Duration,
    /// Time at which the recipient consented to mail; `None`: not known. It asks the domain's
    /// registry too.
    pub consented_at: Option<SystemTime>,
}

impl Options {
    /// Returns whether the domain's registration is wanted.
    #[must_use]
    pub fn wants_registration(&self) -> bool {
        (self.registration || self.consented_at.is_some()) && self.depth > Depth::Syntax
    }
}

impl Default for Options {
    /// To the mailbox, with the catch-all test, no transcript, no deadline beyond the time limits
    /// of DNS and SMTP, and no second attempt at a server that says "not now".
    fn default() -> Self {
        Self {
            depth: Depth::Mailbox,
            max_age: None,
            test_catch_all: true,
            transcript: false,
            deadline: SystemTime::UNIX_EPOCH + Duration::from_secs(u32::MAX.into()),
            retry_until: SystemTime::UNIX_EPOCH,
            registration: false,
            registration_wait: Duration::ZERO,
            consented_at: None,
        }
    }
}

/// The observations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The exchanger whose answer decided.
    pub exchanger: Option<DomainName>,
    /// The address that was dialled.
    pub exchanger_ip: Option<IpAddr>,
    /// The reply that decided.
    pub reply: Option<Arc<Reply>>,
    /// The event that took the place of a reply.
    pub failure: Option<String>,
    /// The rule that read the reply.
    pub rule: Option<Arc<str>>,
    /// Time at which the evidence was gathered.
    pub gathered_at: Option<SystemTime>,
    /// True if it was remembered from an earlier verification.
    pub from_cache: bool,
    /// Number of exchangers that were asked.
    pub exchangers_asked: usize,
    /// The domain's registration, if it was wanted.
    pub registration: Option<Box<RegistrationReport>>,
    /// Fate of the operator's own mail to the domain, if it accepts every recipient and
    /// outcomes are kept. No verdict rests on it.
    pub own_mail: Option<DomainMail>,
    /// The operator's own mail that arrived at the address, where outcomes are kept. No verdict
    /// rests on it.
    pub delivered: Option<DeliveredMail>,
    /// True if an exchanger was not asked for a reason of our own that passes in a moment.
    pub postponed: bool,
}

/// One line of a dialogue, and with whom it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogueLine {
    /// The exchanger spoken to.
    pub exchanger: DomainName,
    /// The dialogue, redacted.
    pub line: TranscriptLine,
}

/// Everything about one address. `Debug` redacts.
#[derive(Clone, PartialEq, Eq)]
pub struct Verification {
    /// The text as given.
    pub input: String,
    /// The address in it, as it was asked about; the cleaned text if it holds none.
    pub address: String,
    /// The verdict and what it rests on.
    pub judgement: Judgement,
    /// Traits of the address, from itself and from the lists.
    pub traits: Traits,
    /// The form to compare addresses by; `None` if the address is not one.
    pub canonical: Option<String>,
    /// The address that was probably meant.
    pub suggestion: Option<String>,
    /// The observations.
    pub evidence: Evidence,
    /// Time at which to ask again.
    pub retry_at: Option<SystemTime>,
    /// The fault that the grammar finds in `address`. One that is asked about all the same has the
    /// trait `irregular`.
    pub syntax_error: Option<SyntaxError>,
    /// The SMTP dialogue, if asked for.
    pub transcript: Vec<DialogueLine>,
    /// Duration of the verification.
    pub elapsed: Duration,
}

impl Verification {
    /// The names of the flags that are set, in lower snake case.
    #[must_use]
    pub fn flag_names(&self) -> Vec<&'static str> {
        let mut names = self.traits.names();
        if self.judgement.is_catch_all_untested() {
            names.push(Reason::CatchAllUntested.name());
        }
        names
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification")
            .field("address", &redact::text(&self.address))
            .field("judgement", &self.judgement)
            .field("evidence", &self.evidence)
            .finish_non_exhaustive()
    }
}
