//! Mail servers that no one here wrote: what they answer, and what mailvet makes of it.
//!
//! Needs root and the servers that `tests/run` downloads. Nothing listens outside 127.0.0.0/8, and
//! port 25 only inside a network namespace.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod exim;
mod harness;
mod lanes;
mod opensmtpd;
mod outcomes;
mod postfix_dns;
mod postfix_limits;
mod postfix_mailboxes;
mod postfix_policies;
mod postscreen;
mod verdicts;
