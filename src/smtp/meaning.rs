//! What a reply means.

use std::sync::Arc;

/// What a server's reply says, in the words of mail administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
}

/// A meaning, and the name of the rule that found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What the reply means.
    pub meaning: Meaning,
    /// The rule that decided, as `mailvet explain` prints it.
    pub rule: Arc<str>,
}

impl Explanation {
    /// Whether nothing but the reply code decided: no enhanced status, no words.
    #[must_use]
    pub fn is_by_code_alone(&self) -> bool {
        self.rule.starts_with("code/")
    }
}
