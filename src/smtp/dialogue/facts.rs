//! The facts and counters of a session.

use std::fmt;

use super::refusal_kinds::RefusalKinds;
use crate::smtp::wire::{Capabilities, Reply};

/// Facts about an exchanger that are known before a session, remembered from earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// It asked for TLS before.
    pub needs_starttls: bool,
    /// It refused `<>` before.
    pub refuses_null_sender: bool,
    /// It offered TLS and then failed: none is begun unless it is required.
    pub avoid_starttls: bool,
    /// It hung up on `EHLO`: only `HELO` is said.
    pub says_helo: bool,
    /// It answered `EHLO` before: if it hangs up on that now, it is for another reason.
    pub knows_ehlo: bool,
    /// It offered PIPELINING and lost commands or replies: they go one by one.
    pub avoid_pipelining: bool,
    /// It took no `RSET`, or no second `MAIL`: a session carries one transaction.
    pub one_transaction: bool,
    /// It answered a recipient in a flight whose replies and commands fitted together.
    pub keeps_step: bool,
    /// The kinds of refusals that it gave in such flights.
    pub refuses_in_one_reply: RefusalKinds,
}

/// Facts learned in a session. They live as long as the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// The banner, once it came (a refusing one too).
    pub banner: Option<Reply>,
    /// The capabilities that the last `EHLO` offered.
    pub capabilities: Capabilities,
    /// The TLS connection, if there is one.
    pub tls: Option<TlsFacts>,
    /// The server asked for TLS (or authentication) before it would go on.
    pub needs_starttls: bool,
    /// The server offered TLS and then refused to begin it.
    pub refuses_starttls: bool,
    /// The server refused `<>` with a 5yz at `MAIL`, and the configured mailbox was used since.
    pub refuses_null_sender: bool,
    /// Commands and replies of one flight did not fit together, where it offers PIPELINING.
    pub breaks_pipelining: bool,
    /// It takes no `RSET`, or no second `MAIL`.
    pub one_transaction: bool,
    /// It answered a recipient in a flight whose replies and commands fitted together.
    pub keeps_step: bool,
    /// The kinds of refusals that it gave in such flights.
    pub refuses_in_one_reply: RefusalKinds,
    /// The transactions that were over when the server took no further `RSET`.
    pub transactions_per_session: Option<u32>,
    /// The recipients that one transaction had when the server said that it takes no more.
    pub recipients_per_transaction: Option<u32>,
    /// The counters.
    pub counters: SessionCounters,
}

/// Counters of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// Flights: writes of one or more commands, each followed by waiting.
    pub flights: u32,
    /// Replies read.
    pub replies: u32,
    /// `MAIL` commands sent.
    pub mail: u32,
    /// `RCPT` commands sent.
    pub rcpt: u32,
    /// Recipients accepted.
    pub accepted: u32,
    /// Recipients refused as unknown users.
    pub unknown_users: u32,
    /// 4yz and 5yz replies to `MAIL` and `RCPT`: what servers count against their error limits.
    pub errors: u32,
}

/// A TLS connection (RFC 7435: used, not relied upon).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The version.
    pub version: TlsVersion,
    /// The cipher suite, by its IANA name.
    pub cipher: String,
    /// The outcome of verifying the certificate.
    pub certificate: Certificate,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// The outcome of verifying a certificate for the exchanger's name. Recorded only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It verifies against the public roots.
    Verified,
    /// It does not. The text says why.
    NotVerified(String),
}

impl fmt::Display for TlsFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            TlsVersion::Tls12 => "TLS 1.2",
            TlsVersion::Tls13 => "TLS 1.3",
        };
        write!(f, "{version}, {}, ", self.cipher)?;
        match &self.certificate {
            Certificate::Verified => f.write_str("certificate verified"),
            Certificate::NotVerified(why) => write!(f, "certificate not verified: {why}"),
        }
    }
}
