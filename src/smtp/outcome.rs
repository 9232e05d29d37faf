//! The outcome of a probe: plain data, from the prober to the judge.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Explanation, Reply, Stage};
use crate::address::DomainName;

/// The reason why there was no reply to judge by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// The exchanger's name exists in DNS and has no address.
    NoAddress,
    /// The exchanger's name does not exist in DNS.
    HostNotFound,
    /// The exchanger's addresses could not be looked up for now.
    DnsFailure,
    /// Every address of the exchanger is one we do not dial (not global unicast).
    TargetRefused,
    /// The connection could not be opened: refused, reset, unreachable. The text is the system's.
    ConnectFailed(String),
    /// Our own proxy could not be reached, or did not take us to the exchanger. The text is its
    /// reason.
    ProxyFailed(String),
    /// Our own source address is not one of this machine's. The text is the system's.
    SourceFailed(String),
    /// This machine had no socket or port left for a connection. The text is the system's.
    SocketFailed(String),
    /// The server was silent for longer than it may be, or the caller's time was up.
    Timeout,
    /// The server closed the connection in mid-dialogue.
    Closed,
    /// The server said something that is not SMTP, or too much of it. The text says what.
    Protocol(String),
    /// The TLS handshake failed. The text says why.
    TlsFailed(String),
    /// The local part needs SMTPUTF8 (RFC 6531) and the server does not offer it.
    Smtputf8Unsupported,
    /// Nothing was dialled: the replica that paces the exchanger could not be asked for now.
    Postponed,
}

impl NoReply {
    /// The names of all of them.
    pub const NAMES: [&'static str; 14] = [
        "no_address",
        "host_not_found",
        "dns_failure",
        "target_refused",
        "connect_failed",
        "proxy_failed",
        "source_failed",
        "socket_failed",
        "timeout",
        "closed",
        "protocol",
        "tls_failed",
        "smtputf8_unsupported",
        "postponed",
    ];

    /// Time after which it is worth another try where nothing was dialled. With the 15 seconds in
    /// which a dead holder is missed, lists go on within 20.
    pub const POSTPONED_FOR: Duration = Duration::from_secs(5);

    /// The reason of this name; `words` go with those that have some.
    #[must_use]
    pub fn from_name(name: &str, words: String) -> Option<Self> {
        Some(match name {
            "no_address" => Self::NoAddress,
            "host_not_found" => Self::HostNotFound,
            "dns_failure" => Self::DnsFailure,
            "target_refused" => Self::TargetRefused,
            "connect_failed" => Self::ConnectFailed(words),
            "proxy_failed" => Self::ProxyFailed(words),
            "source_failed" => Self::SourceFailed(words),
            "socket_failed" => Self::SocketFailed(words),
            "timeout" => Self::Timeout,
            "closed" => Self::Closed,
            "protocol" => Self::Protocol(words),
            "tls_failed" => Self::TlsFailed(words),
            "smtputf8_unsupported" => Self::Smtputf8Unsupported,
            "postponed" => Self::Postponed,
            _ => return None,
        })
    }

    /// Its name, in lower snake case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::HostNotFound => "host_not_found",
            Self::DnsFailure => "dns_failure",
            Self::TargetRefused => "target_refused",
            Self::ConnectFailed(_) => "connect_failed",
            Self::ProxyFailed(_) => "proxy_failed",
            Self::SourceFailed(_) => "source_failed",
            Self::SocketFailed(_) => "socket_failed",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol(_) => "protocol",
            Self::TlsFailed(_) => "tls_failed",
            Self::Smtputf8Unsupported => "smtputf8_unsupported",
            Self::Postponed => "postponed",
        }
    }
}

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the exchanger has no address"),
            Self::HostNotFound => f.write_str("the exchanger does not exist"),
            Self::DnsFailure => f.write_str("the exchanger's addresses could not be looked up"),
            Self::TargetRefused => f.write_str("the exchanger's addresses are not public"),
            Self::ConnectFailed(why) => write!(f, "no connection: {why}"),
            Self::ProxyFailed(why) => write!(f, "no connection through the proxy: {why}"),
            Self::SourceFailed(why) => write!(f, "no connection from our own address: {why}"),
            Self::SocketFailed(why) => write!(f, "this machine could not connect: {why}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Protocol(what) => write!(f, "not SMTP as we know it: {what}"),
            Self::TlsFailed(why) => write!(f, "no TLS: {why}"),
            Self::Smtputf8Unsupported => f.write_str("the server does not offer SMTPUTF8"),
            Self::Postponed => f.write_str("no replica could ask the exchanger for now"),
        }
    }
}

/// Octets of a reply that are remembered: a refusal in one or two lines is kept whole.
const REMEMBERED_OCTETS: usize = 1024;

/// One exchanger's answer about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientAnswer {
    /// This reply decided, at this stage (a banner can refuse every recipient).
    Replied {
        /// The command it answers.
        stage: Stage,
        /// The server's reply: one for all whom it answered in the same words, one after the other.
        reply: Arc<Reply>,
        /// Its meaning.
        explanation: Explanation,
    },
    /// The dialogue ended at this stage without a reply that decides.
    NoReply {
        /// The stage that the dialogue had reached.
        stage: Stage,
        /// The reason why it went no further.
        reason: NoReply,
    },
}

impl RecipientAnswer {
    /// `true` if the recipient was accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(
            self,
            Self::Replied { stage: Stage::Rcpt, reply, .. } if reply.accepts_recipient()
        )
    }

    /// The answer as it is remembered: with no more than a kilobyte of the reply. What a stranger
    /// says at length would else be held for as long as all others together.
    #[must_use]
    pub fn to_remembered(&self) -> Self {
        let mut answer = self.clone();
        if let Self::Replied { reply, .. } = &mut answer
            && reply.size() > REMEMBERED_OCTETS
        {
            *reply = Arc::new(reply.shortened(REMEMBERED_OCTETS));
        }
        answer
    }

    /// `true` if nothing was dialled, and something may be in a moment.
    #[must_use]
    pub fn is_postponed(&self) -> bool {
        matches!(self, Self::NoReply { reason: NoReply::Postponed, .. })
    }
}

/// One line of a session's transcript, redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptLine {
    /// Time since the session began.
    pub after: Duration,
    /// The speaker.
    pub speaker: Speaker,
    /// The words, with local parts redacted.
    pub text: String,
}

/// The speaker of a line of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// We did.
    Client,
    /// The exchanger did.
    Server,
    /// Neither: something that happened (connected, TLS began, closed).
    Event,
}

impl Speaker {
    /// The speaker's name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Event => "event",
        }
    }
}

/// An exchanger's answer about one recipient: one shape from the session to the judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The answer.
    pub answer: RecipientAnswer,
    /// The address that was dialled, if it came to that.
    pub address: Option<IpAddr>,
    /// The address is from a DNS answer that had expired: another host may have it by now, and
    /// what that does not know condemns nobody.
    pub stale: bool,
    /// Time at which it answered.
    pub at: SystemTime,
    /// The dialogue, if the caller wanted it.
    pub transcript: Option<Arc<[TranscriptLine]>>,
}

impl Observation {
    /// An answer without its dialogue, from an address that DNS vouches for.
    #[must_use]
    pub fn new(answer: RecipientAnswer, address: Option<IpAddr>, at: SystemTime) -> Self {
        Self { answer, address, stale: false, at, transcript: None }
    }

    /// The observation as it is remembered: without its dialogue, which was one caller's own.
    #[must_use]
    pub fn to_remembered(&self) -> Self {
        let answer = self.answer.to_remembered();
        Self { answer, transcript: None, ..*self }
    }

    /// The dialogue; empty if it was not wanted.
    #[must_use]
    pub fn dialogue(&self) -> &[TranscriptLine] {
        self.transcript.as_deref().unwrap_or_default()
    }
}

/// One exchanger asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The exchanger's host name.
    pub exchanger: DomainName,
    /// Its MX preference.
    pub preference: u16,
    /// Its answer.
    pub observation: Observation,
}

/// Facts about a domain that accepts everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Not asked, or not needed: the caller did not want to know.
    NotAsked,
    /// The same domain refused some recipient as unknown, so it is not catch-all.
    KnownNo,
    /// A made-up recipient was accepted before.
    KnownYes,
    /// A made-up recipient was asked for just now, and this is the answer, for all recipients that
    /// waited for it.
    Answered(Arc<RecipientAnswer>),
}

/// Everything a probe learned about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeOutcome {
    /// The exchangers asked, in the order they were asked. Empty if none was.
    pub attempts: Vec<Attempt>,
    /// Result of the control recipient.
    pub control: Control,
}

impl ProbeOutcome {
    /// `true` if an exchanger could not be asked for now, for a reason of our own.
    #[must_use]
    pub fn is_postponed(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.observation.answer.is_postponed())
    }
}
