//! Kinds of outcomes. Pure.

/// The fate of one message to one recipient, as far as a bounce, a log or a vendor tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// The mailbox or its domain does not exist, or takes no mail any more.
    Gone,
    /// The server refused the sender: a blocklist, a policy, a login that it wants.
    Blocked,
    /// The server refused the message for its content or its size.
    Content,
    /// The mailbox is over its quota.
    Full,
    /// Not now: greylisting, a rate limit, a broken network, a queue that gave up.
    Temporary,
    /// The recipient called the message spam (RFC 5965).
    Complaint,
    /// The recipient wants no more.
    Unsubscribed,
    /// The message was sent; nothing more is known.
    Sent,
    /// The message arrived.
    Delivered,
    /// A mail that reports nothing: an automatic answer, a letter.
    NotABounce,
    /// Something came back, and its words are not understood.
    Unknown,
}

impl OutcomeKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Gone,
        Self::Blocked,
        Self::Content,
        Self::Full,
        Self::Temporary,
        Self::Complaint,
        Self::Unsubscribed,
        Self::Sent,
        Self::Delivered,
        Self::NotABounce,
        Self::Unknown,
    ];

    /// The name in files and on the command line: lower snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Blocked => "blocked",
            Self::Content => "content",
            Self::Full => "full",
            Self::Temporary => "temporary",
            Self::Complaint => "complaint",
            Self::Unsubscribed => "unsubscribed",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::NotABounce => "not_a_bounce",
            Self::Unknown => "unknown",
        }
    }

    /// `true` if mail that was sent came back, for whatever reason.
    #[must_use]
    pub const fn is_bounce(self) -> bool {
        matches!(self, Self::Gone | Self::Blocked | Self::Content | Self::Full | Self::Unknown)
    }

    /// `true` if the recipient wants no more mail, which holds for good.
    #[must_use]
    pub const fn is_opt_out(self) -> bool {
        matches!(self, Self::Complaint | Self::Unsubscribed)
    }

    /// The kind of that [`name`](Self::name), or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
