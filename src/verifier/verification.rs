//! What a verification returns, as plain data.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::address::{DomainName, SyntaxError, redact};
use crate::smtp::{Reply, outcome::TranscriptLine};
use crate::verdict::{Depth, Judgement, Traits};

/// How to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How deep to look.
    pub depth: Depth,
    /// The oldest remembered evidence to accept; `None`: any that is still valid, zero: none.
    pub max_age: Option<Duration>,
    /// Whether to ask for a made-up recipient, to see whether the domain accepts everything.
    pub test_catch_all: bool,
    /// Whether to return the SMTP dialogue.
    pub transcript: bool,
    /// When the caller wants an answer, whatever is known by then.
    pub deadline: SystemTime,
    /// Until when to come back to servers that say "not now"; in the past: not at all.
    pub retry_until: SystemTime,
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
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The exchanger whose answer decided.
    pub exchanger: Option<DomainName>,
    /// The address that was dialled.
    pub exchanger_ip: Option<IpAddr>,
    /// The reply that decided.
    pub reply: Option<Arc<Reply>>,
    /// What happened instead of a reply.
    pub failure: Option<String>,
    /// The rule that read the reply.
    pub rule: Option<Arc<str>>,
    /// When the evidence was gathered.
    pub gathered_at: Option<SystemTime>,
    /// Whether it was remembered from an earlier verification.
    pub from_cache: bool,
    /// How many exchangers were asked.
    pub exchangers_asked: usize,
}

/// One line of a dialogue, and with whom it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogueLine {
    /// The exchanger spoken to.
    pub exchanger: DomainName,
    /// What was said, redacted.
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
    /// What is known about the address from itself and from the lists.
    pub traits: Traits,
    /// The form to compare addresses by; `None` if the address is not one.
    pub canonical: Option<String>,
    /// The address that was probably meant.
    pub suggestion: Option<String>,
    /// What was seen.
    pub evidence: Evidence,
    /// When to ask again.
    pub retry_at: Option<SystemTime>,
    /// The fault that the grammar finds in `address`. One that is asked about all the same has the
    /// trait `irregular`.
    pub syntax_error: Option<SyntaxError>,
    /// The SMTP dialogue, if asked for.
    pub transcript: Vec<DialogueLine>,
    /// How long the verification took.
    pub elapsed: Duration,
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
