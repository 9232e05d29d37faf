//! The limits, and the server behaviour that motivates each.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of the treatment of a destination. Counts are per destination and egress identity unless
/// they say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sessions open to one exchanger at a time. Default 5, as many as a Postfix delivers over to a
    /// new destination (`initial_destination_concurrency`): Exim's documentation suggests 10 for a
    /// whole client (`smtp_accept_max_per_host`), Exchange allows 20, Postfix 50
    /// (`smtpd_client_connection_count_limit`); a sender of mail shares that limit with us.
    pub sessions_per_exchanger: NonZeroU32,
    /// Sessions open to all exchangers of one destination. Default 10, the lowest of those limits.
    pub sessions_per_destination: NonZeroU32,
    /// New connections to a destination in any 60 seconds. Lists leave one in thirty to single
    /// calls, and as many again as were opened for them in the last minute, up to a fifth. Default
    /// 30: servers that limit the rate (`smtpd_client_connection_rate_limit`, firewalls) commonly
    /// start at 30 to 60.
    pub connections_per_minute: NonZeroU32,
    /// Recipients named to a destination in any 60 seconds, control recipients included. Lists
    /// leave a hundredth of them to single calls, and as many again as came in the last minute, up
    /// to a fifth. Default 3000, 50 a second.
    pub recipients_per_minute: NonZeroU32,

    /// Recipients in one transaction, which carries one domain only (Google refuses more). Default
    /// 50, half of what every server must take (RFC 5321 section 4.5.3.1.8).
    pub recipients_per_transaction: NonZeroU32,
    /// Recipients sent without waiting for an answer, where PIPELINING (RFC 2920) is offered; a few
    /// control recipients may come on top. Default 100: about 5 kB, which fits any server's socket
    /// buffer.
    pub recipients_per_flight: NonZeroU32,
    /// Recipients a session takes at a time where PIPELINING is not offered. Default 10, so that
    /// others may share the queue.
    pub recipients_without_pipelining: NonZeroU32,
    /// Transactions sent without waiting for an answer. Default 16.
    pub transactions_per_flight: NonZeroU32,

    /// Recipients in one session. Default 1000, Postfix's `smtpd_recipient_limit`, and Exim's
    /// `smtp_accept_max_per_connection`.
    pub recipients_per_session: NonZeroU32,
    /// Transactions in one session. Default 90: Postfix counts each `RSET` past
    /// `smtpd_junk_command_limit` (100) as an error. With Exim 11 at most: it hangs up at the
    /// twelfth `RSET` (`smtp_accept_max_nonmail`).
    pub transactions_per_session: NonZeroU32,
    /// Unknown users in one session, with every other refused recipient: servers count them all
    /// as errors, refused for now ones too. Default 9: at 10 Postfix delays each reply by a second
    /// (`smtpd_soft_error_limit`), at 20 it hangs up (`smtpd_hard_error_limit`); Sendmail
    /// (`confBAD_RCPT_THROTTLE`) and Exchange tarpit in the same way.
    pub unknown_users_per_session: NonZeroU32,
    /// The same for an exchanger that has shown to bear more: one that answered a single refusal
    /// beyond the number above as quickly as those before it, and one beyond twice that number
    /// without hanging up. Default 50; the number above or less never tries more.
    pub unknown_users_per_proven_session: NonZeroU32,
    /// Age that a session may reach. Default 5 minutes, the time after which load balancers and
    /// Sendmail's and Postfix's own limits start to cut.
    #[serde(with = "humantime_serde")]
    pub session_age: Duration,
    /// Time that an idle session stays open for the next caller. Default 8 seconds: a busy Postfix
    /// gives a silent client 10 (`smtpd_timeout` under stress).
    #[serde(with = "humantime_serde")]
    pub session_idle: Duration,

    /// The pause before knocking again after a destination did not let us in (421, connection
    /// refused, too many connections) or hung up; doubles each time. Default 1 second.
    #[serde(with = "humantime_serde")]
    pub connect_backoff: Duration,
    /// The longest such pause. Default 1 minute: rate limits count by the minute.
    #[serde(with = "humantime_serde")]
    pub connect_backoff_longest: Duration,
    /// The rest for an exchanger that could not be reached at all; doubles each time. Callers get
    /// the remembered evidence meanwhile. Default 30 seconds.
    #[serde(with = "humantime_serde")]
    pub unreachable_backoff: Duration,
    /// The longest such rest. Default 10 minutes.
    #[serde(with = "humantime_serde")]
    pub unreachable_backoff_longest: Duration,
    /// The rest for an egress identity that an exchanger blocks at the banner, `EHLO` or `MAIL`;
    /// doubles each time. Default 30 minutes: blocklists remove an address after hours, not
    /// seconds, and knocking prolongs some listings.
    #[serde(with = "humantime_serde")]
    pub block_backoff: Duration,
    /// The longest such rest. Default 6 hours.
    #[serde(with = "humantime_serde")]
    pub block_backoff_longest: Duration,

    /// Wait after greylisting that names no time. Default 5 minutes and 5 seconds:
    /// postgrey lets a sender pass after 5 minutes.
    #[serde(with = "humantime_serde")]
    pub greylist_wait: Duration,
    /// Wait after a rate limit that names no time. Default 15 seconds, doubling.
    #[serde(with = "humantime_serde")]
    pub rate_wait: Duration,
    /// Wait after another temporary refusal that names no time. Default 1 minute, so
    /// that only callers with a retry window (a batch) wait for it.
    #[serde(with = "humantime_serde")]
    pub temporary_wait: Duration,
    /// Retries of one recipient at one exchanger. Default 4.
    pub retries: u32,
    /// A second try is made only if it leaves this much time before the caller's deadline.
    /// Default 2 seconds.
    #[serde(with = "humantime_serde")]
    pub answer_margin: Duration,
}

/// A count that is not zero; zero, which cannot be written here, would read as one.
const fn count(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sessions_per_exchanger: count(5),
            sessions_per_destination: count(10),
            connections_per_minute: count(30),
            recipients_per_minute: count(3000),
            recipients_per_transaction: count(50),
            recipients_per_flight: count(100),
            recipients_without_pipelining: count(10),
            transactions_per_flight: count(16),
            recipients_per_session: count(1000),
            transactions_per_session: count(90),
            unknown_users_per_session: count(9),
            unknown_users_per_proven_session: count(50),
            session_age: Duration::from_secs(5 * 60),
            session_idle: Duration::from_secs(8),
            connect_backoff: Duration::from_secs(1),
            connect_backoff_longest: Duration::from_secs(60),
            unreachable_backoff: Duration::from_secs(30),
            unreachable_backoff_longest: Duration::from_secs(10 * 60),
            block_backoff: Duration::from_secs(30 * 60),
            block_backoff_longest: Duration::from_secs(6 * 60 * 60),
            greylist_wait: Duration::from_secs(5 * 60 + 5),
            rate_wait: Duration::from_secs(15),
            temporary_wait: Duration::from_secs(60),
            retries: 4,
            answer_margin: Duration::from_secs(2),
        }
    }
}
