//! Behaviour of an exchanger: plain data, read from the world or built by a test.
//!
//! Nothing here runs; `session` plays it, `serving` puts it on a socket.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::certificate::{ServerCertificate, TlsaEntry};
use super::reply::{RecipientReply, ReplyTemplate};
use super::wording::Wording;

/// An SMTP server that receives mail: what it offers, whom it knows, what it endures.
///
/// The default is a friendly one without TLS and without mailboxes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExchangerSpec {
    /// `true` if anything listens; if not, connections are refused. Default: true.
    pub listens: bool,
    /// Number of addresses its name has, 1 to 16. Default: 1.
    pub addresses: u8,
    /// The time from a flight of commands to its replies, as a distant server takes; opening the
    /// connection costs two, a TLS handshake one more. Default: the world's.
    #[serde(with = "humantime_serde::option")]
    pub round_trip: Option<Duration>,
    /// Time the banner is held back to see who talks too early. Default: 0.
    #[serde(with = "humantime_serde")]
    pub greet_delay: Duration,
    /// First line of a banner that is held back, sent at once, as postscreen
    /// does. Default: nothing.
    pub teaser: Option<ReplyTemplate>,
    /// Reply to a client that talks before the banner; the connection is closed after it.
    /// Default: it is let in.
    pub early_talker: Option<ReplyTemplate>,
    /// `true` if `EHLO` is understood; if not, only `HELO` is. Default: true.
    pub ehlo: bool,
    /// `true` if PIPELINING is offered (RFC 2920). Default: true.
    pub pipelining: bool,
    /// `true` if SMTPUTF8 is offered (RFC 6531). Default: false.
    pub smtputf8: bool,
    /// `true` if raw UTF-8 is taken from a client that did not say SMTPUTF8. Default: false.
    pub takes_raw_utf8: bool,
    /// STARTTLS (RFC 3207). Default: off.
    pub starttls: StartTls,
    /// The certificate that it shows, if STARTTLS is offered. Default: one that it signed itself.
    pub certificate: ServerCertificate,
    /// Its TLSA records in a signed zone, as `"3 1 1"` (see [`TlsaEntry`]). Default: none.
    pub tlsa: Vec<TlsaEntry>,
    /// Further lines of the answer to `EHLO`. Default: SIZE, 8BITMIME and ENHANCEDSTATUSCODES.
    pub capabilities: Vec<String>,
    /// Mailbox -> answer. A name may have `*` in it, and `@` and a domain behind it to mean only
    /// that domain's; the exact ones go first, then the longest pattern. Default: none.
    pub recipients: BTreeMap<String, RecipientReply>,
    /// Mailbox -> the time since when it has its owner, as `2025-06-01T00:00:00Z`. If there is one,
    /// RRVS is offered (RFC 7293), and a time before it refused. Default: none.
    pub owners_since: BTreeMap<String, String>,
    /// The answer for the others; `"accept"` makes a catch-all. Default: `words.unknown_user`.
    pub others: Option<RecipientReply>,
    /// Domains accepted; `"*"` is every domain. Default: those whose MX records name it.
    pub serves: Option<Vec<String>>,
    /// Separator between a mailbox and its tag: `jane+news` is `jane`. Default: `+`.
    pub tag_separator: Option<char>,
    /// `true` if dots in a local part mean nothing, as at Gmail. Default: false.
    pub ignores_dots: bool,
    /// Sender -> reply, `""` being the null sender, `*` any run of characters. Default: none.
    pub senders: BTreeMap<String, ReplyTemplate>,
    /// Greylisting (RFC 6647). Default: none.
    pub greylist: Option<Greylist>,
    /// Delay of the answer to an accepted recipient. Default: 0.
    #[serde(with = "humantime_serde")]
    pub accept_delay: Duration,
    /// Delay of the refusal of a recipient, as a tarpit has it. Default: 0.
    #[serde(with = "humantime_serde")]
    pub refusal_delay: Duration,
    /// Number of refusals in a session that come without that delay. Default: 0.
    pub refusal_delay_after: u32,
    /// Time after which a silent client is dropped. Default: 5 minutes (RFC 5321 section
    /// 4.5.3.2.7).
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Limits on what clients may do.
    pub limits: ServerLimits,
    /// Exceptions to the regular behaviour. The first that applies is taken.
    pub deviations: Vec<Deviation>,
    /// Its words.
    pub words: Wording,
}

impl Default for ExchangerSpec {
    fn default() -> Self {
        Self {
            listens: true,
            addresses: 1,
            round_trip: None,
            greet_delay: Duration::ZERO,
            teaser: None,
            early_talker: None,
            ehlo: true,
            pipelining: true,
            smtputf8: false,
            takes_raw_utf8: false,
            starttls: StartTls::Off,
            certificate: ServerCertificate::SelfSigned,
            tlsa: Vec::new(),
            capabilities: ["SIZE 36700160", "8BITMIME", "ENHANCEDSTATUSCODES"]
                .map(String::from)
                .into(),
            recipients: BTreeMap::new(),
            owners_since: BTreeMap::new(),
            others: None,
            serves: None,
            tag_separator: Some('+'),
            ignores_dots: false,
            senders: BTreeMap::new(),
            greylist: None,
            accept_delay: Duration::ZERO,
            refusal_delay: Duration::ZERO,
            refusal_delay_after: 0,
            idle: Duration::from_secs(300),
            limits: ServerLimits::default(),
            deviations: Vec::new(),
            words: Wording::default(),
        }
    }
}

/// Support for STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartTls {
    /// Not offered.
    Off,
    /// Offered.
    Offered,
    /// Offered, and `MAIL` is refused without it.
    Required,
}

/// Greylisting: a (client, sender, recipient) not seen before is told to come back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greylist {
    /// Waiting time, counted from the first attempt.
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
    /// `true` if mailboxes that do not exist are greylisted too, as where greylisting is asked
    /// before the recipient table. Default: true.
    #[serde(default = "yes")]
    pub unknown_too: bool,
}

fn yes() -> bool {
    true
}

/// Limits of a server on its clients. All are off by default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerLimits {
    /// Connections at the same time, from all clients.
    pub parallel: Option<u32>,
    /// New connections in a `window`.
    pub connections: Option<u32>,
    /// Recipients in a `window`, over all sessions.
    pub recipients: Option<u32>,
    /// Length of the window for `connections` and `recipients`. Default: one minute.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// Recipients accepted in one transaction.
    pub recipients_per_transaction: Option<u32>,
    /// Recipients named in one session.
    pub recipients_per_session: Option<u32>,
    /// `true` if one transaction takes recipients of one domain only, as at large providers.
    pub one_domain: bool,
    /// Refused commands in one session, as Postfix's hard error limit.
    pub errors: Option<u32>,
    /// Commands in one session.
    pub commands: Option<u32>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            parallel: None,
            connections: None,
            recipients: None,
            window: Duration::from_secs(60),
            recipients_per_transaction: None,
            recipients_per_session: None,
            one_domain: false,
            errors: None,
            commands: None,
        }
    }
}

/// Point in a session at which a deviation applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionPoint {
    /// The banner.
    Banner,
    /// `EHLO` or `HELO`.
    Ehlo,
    /// `STARTTLS`.
    StartTls,
    /// The TLS handshake after it. Only `fault` applies, and any fault breaks the handshake off.
    Handshake,
    /// `MAIL`.
    Mail,
    /// `RCPT`.
    Rcpt,
    /// `RSET`.
    Rset,
    /// `QUIT`.
    Quit,
}

/// The number of places, for counting what happened at each.
pub(super) const PLACES: usize = SessionPoint::Quit as usize + 1;

/// An exception to a server's regular behaviour.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// Point in the session.
    pub at: SessionPoint,
    /// Only for clients of these networks. Default: all.
    #[serde(default)]
    pub clients: Vec<IpNet>,
    /// Only for this recipient (as in `recipients`). Default: all.
    #[serde(default)]
    pub recipient: Option<String>,
    /// Number of such commands in a session that are answered regularly before. Default: 0.
    #[serde(default)]
    pub after: u32,
    /// Number of exceptions after that. Default: all.
    #[serde(default)]
    pub times: Option<u32>,
    /// Number of connections that are served regularly before. Default: 0.
    #[serde(default)]
    pub after_connections: u64,
    /// Number of exceptions after that. Default: all.
    #[serde(default)]
    pub connections: Option<u64>,
    /// This reply instead of the regular one.
    #[serde(default)]
    pub reply: Option<ReplyTemplate>,
    /// Octets sent instead of a reply; they include the line endings.
    #[serde(default)]
    pub raw: Option<String>,
    /// Fault injected into the answer. Default: none.
    #[serde(default)]
    pub fault: Option<InjectedFault>,
    /// Delay of the answer. Default: 0.
    #[serde(default, with = "humantime_serde")]
    pub delay: Duration,
    /// The time between two octets of `drip`, or two lines of `flood`. Default: one second for
    /// `drip`, none for `flood`.
    #[serde(default, with = "humantime_serde::option")]
    pub pace: Option<Duration>,
    /// Length of the line of `long_line`, in octets. Default: 10 MiB.
    #[serde(default = "ten_mib")]
    pub size: usize,
    /// `true` if the connection is closed after the answer. Default: false.
    #[serde(default)]
    pub close: bool,
}

fn ten_mib() -> usize {
    10 << 20
}

impl Deviation {
    /// A deviation that changes nothing yet.
    #[must_use]
    pub fn at(at: SessionPoint) -> Self {
        Self {
            at,
            clients: Vec::new(),
            recipient: None,
            after: 0,
            times: None,
            after_connections: 0,
            connections: None,
            reply: None,
            raw: None,
            fault: None,
            delay: Duration::ZERO,
            pace: None,
            size: ten_mib(),
            close: false,
        }
    }
}

/// Fault injected into an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InjectedFault {
    /// Nothing is said any more, and the connection stays open.
    Silence,
    /// The connection is closed without an answer.
    Close,
    /// Half of the answer, then the connection is closed.
    HalfReply,
    /// Octets that are no SMTP, then silence.
    Garbage,
    /// Continuation lines without end.
    Flood,
    /// One line of `size` octets, then silence.
    LongLine,
    /// The answer, one octet at a time.
    Drip,
}
