//! The words of a verdict: the table of reasons, each belonging to one verdict.

use serde::{Deserialize, Serialize};

/// The answer to "will mail to this address arrive?".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The recipient's server accepted the address.
    Deliverable,
    /// It may arrive; sending has a cost.
    Risky,
    /// There is positive evidence that this mailbox or its domain takes no mail.
    Undeliverable,
    /// Cannot be told now.
    Unknown,
}

impl Verdict {
    /// Every verdict, best first.
    pub const ALL: [Self; 4] = [Self::Deliverable, Self::Risky, Self::Undeliverable, Self::Unknown];

    /// The verdict's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deliverable => "deliverable",
            Self::Risky => "risky",
            Self::Undeliverable => "undeliverable",
            Self::Unknown => "unknown",
        }
    }
}

/// The step that a campaign should take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Send.
    Send,
    /// Let a person or a policy decide.
    Review,
    /// Verify again later.
    RetryLater,
    /// Do not send.
    Suppress,
}

impl Action {
    /// The action's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Review => "review",
            Self::RetryLater => "retry_later",
            Self::Suppress => "suppress",
        }
    }
}

/// The domain accepts every recipient: yes, no or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchAll {
    /// It was not asked, or the server would not say.
    Unknown,
    /// It accepted a made-up recipient.
    Yes,
    /// It refused a recipient as unknown.
    No,
}

impl CatchAll {
    /// The answer's name: `yes`, `no` or `unknown`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// One row of the table of reasons.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal : $verdict:ident, $says:literal;)*) => {
        /// The reason for a verdict. Each belongs to one verdict.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The reason's name, in lower snake case.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The verdict the reason belongs to.
            #[must_use]
            pub fn verdict(self) -> Verdict {
                match self { $(Self::$variant => Verdict::$verdict,)* }
            }

            /// The reason in one sentence, for people.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $says,)* }
            }
        }
    };
}

reasons! {
    /// The server accepted the recipient.
    MailboxAccepted = "mailbox_accepted": Deliverable, "the server accepted the recipient";
    /// Beside [`Reason::MailboxAccepted`]: a function, not a person.
    RoleAccount = "role_account": Deliverable, "accepted; a function, not a person";
    /// Beside [`Reason::MailboxAccepted`]: nothing tells whether the domain accepts everything.
    CatchAllUntested = "catch_all_untested": Deliverable,
        "accepted; the domain was not tested for catch-all";

    /// The domain accepts every recipient.
    CatchAll = "catch_all": Risky, "the domain accepts every recipient, made-up ones too";
    /// The mailbox is over its quota.
    MailboxFull = "mailbox_full": Risky, "the mailbox exists and is full";
    /// Accepted, and the domain hands out throw-away addresses.
    DisposableDomain = "disposable_domain": Risky, "accepted; a throw-away address";
    /// The recipient complained, unsubscribed, or is on the operator's suppression list; nobody was
    /// asked.
    OptedOut = "opted_out": Risky, "wants no mail from you; not asked";

    /// The address breaks the grammar.
    InvalidSyntax = "invalid_syntax": Undeliverable, "not an e-mail address";
    /// An authoritative NXDOMAIN.
    DomainNotFound = "domain_not_found": Undeliverable, "the domain does not exist";
    /// No exchanger and no address, or none of the exchangers exists.
    NoMailHost = "no_mail_host": Undeliverable, "the domain has no mail server";
    /// `MX 0 .` (RFC 7505).
    NullMx = "null_mx": Undeliverable, "the domain says that it takes no mail";
    /// A definitive reply: no such mailbox.
    MailboxNotFound = "mailbox_not_found": Undeliverable, "the server says: no such mailbox";
    /// A definitive reply: the mailbox takes no mail.
    MailboxDisabled = "mailbox_disabled": Undeliverable, "the mailbox takes no mail any more";
    /// A 5yz from every exchanger of the best preference.
    RelayDenied = "relay_denied": Undeliverable, "no mail server takes mail for the domain";
    /// The provider can never have given out this local part.
    ProviderRule = "provider_rule": Undeliverable, "the provider has no such addresses";
    /// Earlier mail came back: the mailbox or its domain was gone; nobody was asked.
    BouncedBefore = "bounced_before": Undeliverable, "earlier mail came back as gone; not asked";

    /// Come back later (RFC 6647).
    Greylisted = "greylisted": Unknown, "the server asks newcomers to come back later";
    /// Too much from us for now.
    RateLimited = "rate_limited": Unknown, "the server has had enough from us for now";
    /// The server refuses us.
    SenderBlocked = "sender_blocked": Unknown, "the server refuses us, whoever the recipient";
    /// Wrong for now, on their side.
    TemporaryFailure = "temporary_failure": Unknown, "the server has a problem for now";
    /// The mailbox is busy.
    MailboxBusy = "mailbox_busy": Unknown, "the mailbox is busy for now";
    /// No exchanger could be connected to.
    NoConnection = "no_connection": Unknown, "no mail server could be connected to";
    /// No answer in time.
    Timeout = "timeout": Unknown, "no answer in time";
    /// DNS could not tell.
    DnsFailure = "dns_failure": Unknown, "the domain could not be looked up for now";
    /// TLS or authentication wanted that we could not give.
    TlsRequired = "tls_required": Unknown, "the server wants TLS or a login first";
    /// The server cannot take a local part that is not ASCII.
    Smtputf8Unsupported = "smtputf8_unsupported": Unknown,
        "the server cannot take addresses that are not ASCII";
    /// A policy the server does not name.
    PolicyRefusal = "policy_refusal": Unknown, "refused by a policy that is not named";
    /// Not SMTP, or not understood.
    ProtocolError = "protocol_error": Unknown, "the server was not understood";
    /// The exchanger's address may not be dialled.
    TargetRefused = "target_refused": Unknown, "the mail server's address is not a public one";
    /// The depth asked for ends before the mailbox, or the time limit of a batch came first.
    NotProbed = "not_probed": Unknown, "the mail server was not asked";
}
