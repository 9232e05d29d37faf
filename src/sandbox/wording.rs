//! An exchanger's usual words: one reply for each thing that can happen in a session.
//!
//! The defaults are plain replies with the enhanced status of RFC 3463 and RFC 5248. A style in
//! the world's data says them as a particular vendor's server does.

use serde::Deserialize;

use super::reply::ReplyTemplate;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal;)*) => {
        /// The reply for each thing that can happen; see [`ReplyTemplate`] for what its holes are.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Wording {
            $($(#[$doc])* #[doc = concat!("\n\nDefault: `", $code, " ", $text, "`.")] pub $name: ReplyTemplate,)*
        }

        impl Default for Wording {
            fn default() -> Self {
                Self { $($name: ReplyTemplate::new($code, $text),)* }
            }
        }
    };
}

words! {
    /// The banner (RFC 5321 section 3.1). One with a 4yz or 5yz code turns every client away.
    banner = 220 "{host} ESMTP";
    /// To `HELO`, and the first line of the answer to `EHLO`.
    hello = 250 "{host}";
    /// To `MAIL`.
    mail_ok = 250 "2.1.0 Sender ok";
    /// To `RCPT` for a recipient that is accepted.
    recipient_ok = 250 "2.1.5 Recipient ok";
    /// To `RSET` and `NOOP`.
    ok = 250 "2.0.0 Ok";
    /// To `QUIT`.
    bye = 221 "2.0.0 Bye";
    /// To `STARTTLS`.
    tls_ready = 220 "2.0.0 Ready to start TLS";
    /// To `MAIL` in clear text where TLS is required (RFC 3207 section 4).
    tls_required = 530 "5.7.0 Issue STARTTLS first";
    /// To `RCPT` for a mailbox that does not exist.
    unknown_user = 550 "5.1.1 <{recipient}>: no such mailbox here";
    /// To `RCPT` for a mailbox that has had another owner since the time of `RRVS` (RFC 7293).
    owner_changed = 550 "5.7.17 <{recipient}>: the mailbox has another owner now";
    /// To `RCPT` for a domain that is not served here.
    relay_denied = 554 "5.7.1 <{recipient}>: relaying denied";
    /// To `RCPT` while the recipient is greylisted (RFC 6647).
    greylisted = 450 "4.2.0 <{recipient}>: greylisted, come back in {seconds} seconds";
    /// Instead of a banner, past `limits.parallel`.
    too_many_connections = 421 "4.7.0 {host} too many connections from [{client}]";
    /// Instead of a banner, past `limits.connections`.
    connecting_too_often = 421 "4.7.0 {host} [{client}] connects too often";
    /// To `RCPT`, past `limits.recipients`.
    recipient_rate = 450 "4.7.1 Rate limit: too many recipients from [{client}] for now";
    /// To `RCPT`, past `limits.recipients_per_transaction` (RFC 5321 section 4.5.3.1.10).
    too_many_recipients = 452 "4.5.3 Too many recipients";
    /// To `RCPT`, past `limits.recipients_per_session`; then the connection is closed.
    session_full = 421 "4.7.0 {host} enough recipients for one session";
    /// To `RCPT` for another domain than the transaction's first, if `limits.one_domain`.
    one_domain = 451 "4.3.0 Recipients of one domain only in one transaction";
    /// To the next command, past `limits.errors`; then the connection is closed.
    too_many_errors = 421 "4.7.0 {host} too many errors";
    /// To the next command, past `limits.commands`; then the connection is closed.
    too_many_commands = 421 "4.7.0 {host} too many commands in one session";
    /// To a command out of order.
    bad_sequence = 503 "5.5.1 Bad sequence of commands";
    /// To a command whose parameters cannot be read.
    syntax = 501 "5.5.4 Syntax error in parameters";
    /// To a word that is no command.
    unknown_command = 500 "5.5.2 Command not recognised";
    /// To a command that is not offered, `DATA` and `VRFY` among them.
    not_implemented = 502 "5.5.1 Command not implemented";
    /// To a parameter of `MAIL` or `RCPT` that was not offered.
    unknown_parameter = 555 "5.5.4 Parameter not recognised";
    /// To an address outside ASCII without SMTPUTF8 (RFC 6531 section 3.5).
    not_ascii = 553 "5.6.7 Address outside ASCII without SMTPUTF8";
    /// To nothing at all, after `idle`; then the connection is closed.
    idle = 421 "4.4.2 {host} timeout, closing";
}
