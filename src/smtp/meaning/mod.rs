//! The meaning of replies, read by rules that are data.
//!
//! A reply's code says whether it is good, bad or "not now" (RFC 5321 section 4.2.1), and its
//! enhanced status says more (RFC 3463), but both lie: blocklists answer `550 5.1.1` and full
//! mailboxes `550 5.7.1`. So the words are read too, by rules that are data: `rules/*.toml`, which
//! a mail administrator can read and extend. The first rule whose conditions all hold decides, in
//! this order: facts of one provider or product; words about *us* (greylisting, rates, blocklists,
//! authentication); words about the message; words about the mailbox and its domain; the enhanced
//! status where it is specific; the bare code. What no rule knows stays [`Meaning::Unknown`].
//!
//! Pure: no I/O; the cost is linear in the length of a text that is cut at [`MAX_EXAMINED`] bytes.
//! Nothing here judges an address: a meaning is evidence, and `verdict/` weighs it (and never takes
//! a 4yz as proof of a dead mailbox, whatever its words).

mod bits;
mod classifier;
mod compile;
mod error;
mod lexicon;
mod limits;
mod ourselves;
mod phrase;
mod quoted;
mod retry_hint;
mod rule;
mod rule_file;
mod rule_index;
mod view;
mod vocabulary;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use classifier::{Classifier, RuleFacts};
pub use error::RuleError;
pub use limits::MAX_EXAMINED;
pub use ourselves::Ourselves;
pub(in crate::smtp) use quoted::QuotingReply;
pub use view::ReplyView;

/// The meaning of a server's reply, in the words of mail administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Meaning {
    /// The recipient was accepted.
    Accepted,
    /// No such mailbox.
    MailboxNotFound,
    /// The mailbox exists, or did, and takes no mail.
    MailboxDisabled,
    /// The mailbox is over its quota.
    MailboxFull,
    /// Come back later: we are not known yet (RFC 6647).
    Greylisted,
    /// The server refuses *us*: a blocklist, our name, our address, our sender.
    SenderBlocked,
    /// Too much from us for now.
    RateLimited,
    /// The server does not take mail for this domain from us.
    RelayDenied,
    /// The server says that the recipient's domain does not exist.
    DomainNotFound,
    /// The server wants authentication or TLS first.
    AuthOrTlsRequired,
    /// The server did not like the command.
    SyntaxError,
    /// The refusal is about a message's content; cannot be the answer to `RCPT TO`.
    MessageContent,
    /// Something is wrong for now, on their side.
    TemporaryFailure,
    /// Their network or server is broken.
    NetworkOrServerError,
    /// Refused by a policy that is not named.
    AmbiguousPolicy,
    /// Not understood. An answer, not a failure.
    Unknown,
}

impl Meaning {
    /// Every meaning.
    pub const ALL: [Self; 16] = [
        Self::Accepted,
        Self::MailboxNotFound,
        Self::MailboxDisabled,
        Self::MailboxFull,
        Self::Greylisted,
        Self::SenderBlocked,
        Self::RateLimited,
        Self::RelayDenied,
        Self::DomainNotFound,
        Self::AuthOrTlsRequired,
        Self::SyntaxError,
        Self::MessageContent,
        Self::TemporaryFailure,
        Self::NetworkOrServerError,
        Self::AmbiguousPolicy,
        Self::Unknown,
    ];

    /// The name in rule files and in the output of `mailvet explain`: lower snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::MailboxNotFound => "mailbox_not_found",
            Self::MailboxDisabled => "mailbox_disabled",
            Self::MailboxFull => "mailbox_full",
            Self::Greylisted => "greylisted",
            Self::SenderBlocked => "sender_blocked",
            Self::RateLimited => "rate_limited",
            Self::RelayDenied => "relay_denied",
            Self::DomainNotFound => "domain_not_found",
            Self::AuthOrTlsRequired => "auth_or_tls_required",
            Self::SyntaxError => "syntax_error",
            Self::MessageContent => "message_content",
            Self::TemporaryFailure => "temporary_failure",
            Self::NetworkOrServerError => "network_or_server_error",
            Self::AmbiguousPolicy => "ambiguous_policy",
            Self::Unknown => "unknown",
        }
    }

    /// The meaning in one sentence, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Accepted => "the recipient was accepted",
            Self::MailboxNotFound => "there is no such mailbox",
            Self::MailboxDisabled => "the mailbox takes no mail any more",
            Self::MailboxFull => "the mailbox is over its quota",
            Self::Greylisted => "come back later; the server does not know us yet",
            Self::SenderBlocked => "the server refuses us, whoever the recipient",
            Self::RateLimited => "too much from us for now",
            Self::RelayDenied => "the server does not take mail for this domain",
            Self::DomainNotFound => "the server says that the recipient's domain does not exist",
            Self::AuthOrTlsRequired => "the server wants a login or TLS first",
            Self::SyntaxError => "the server did not like the command",
            Self::MessageContent => "about a message's content; no answer to RCPT TO",
            Self::TemporaryFailure => "something is wrong for now, on their side",
            Self::NetworkOrServerError => "their network or server is broken",
            Self::AmbiguousPolicy => "refused by a policy that is not named",
            Self::Unknown => "not understood",
        }
    }

    /// The meaning of that [`name`](Self::name), or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|meaning| meaning.name() == name)
    }

    /// `true` if this meaning, behind a 5yz, says that mail can never arrive.
    #[must_use]
    pub const fn is_dead(self) -> bool {
        matches!(self, Self::MailboxNotFound | Self::MailboxDisabled | Self::DomainNotFound)
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The part of a reply that decided its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleBasis {
    /// The reply code: no enhanced status, no words. Weak evidence, since many servers have one
    /// code for everything.
    Code,
    /// The enhanced status (RFC 3463).
    EnhancedStatus,
    /// The server's words.
    Words,
}

/// A limit that the server named, where it is no limit of all that we ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyLimit {
    /// Recipients of one transaction (RFC 5321 section 4.5.3.1.10, RFC 3463 X.5.3): it says nothing
    /// about this recipient, and a new transaction takes more.
    Recipients,
    /// Messages, or transactions, of one session: a new session takes more.
    Messages,
    /// What one mailbox is sent by all its senders: any other recipient may be asked about at once.
    Mailbox,
}

impl ReplyLimit {
    /// The limit of that name in rule files, or `None`.
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "recipients" => Some(Self::Recipients),
            "messages" => Some(Self::Messages),
            "mailbox" => Some(Self::Mailbox),
            _ => None,
        }
    }
}

/// The meaning of a reply, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The meaning found.
    pub meaning: Meaning,
    /// The rule that decided, as `mailvet explain` prints it.
    pub rule: Arc<str>,
    /// The part of the reply that the rule read.
    pub basis: RuleBasis,
    /// The waiting time that a refusal names, 1 second to 24 hours.
    pub retry_after: Option<Duration>,
    /// The limit that was reached, if the rule says that there is one.
    pub limit: Option<ReplyLimit>,
}

impl Explanation {
    /// A meaning that some rule found in the words, without waiting time or limit.
    #[must_use]
    pub fn new(meaning: Meaning, rule: impl Into<Arc<str>>) -> Self {
        Self { meaning, rule: rule.into(), basis: RuleBasis::Words, retry_after: None, limit: None }
    }

    /// `true` if nothing but the reply code decided: no enhanced status, no words.
    #[must_use]
    pub fn is_by_code_alone(&self) -> bool {
        self.basis == RuleBasis::Code
    }
}
