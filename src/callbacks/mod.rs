//! Callbacks: the end of a batch is told to the URL that its owner named.
//!
//! A notification comes out of the outbox of the queue ([`crate::batch::queue::Outbox`]), is signed
//! by the rules of Standard Webhooks, and is sent until its receiver has taken it, at least once,
//! over three days. Nothing is connected to that is not a public address, or allowed by name; the
//! address that was checked is the one that is connected to; redirects are not followed.
//!
//! Pure: what is sent, how it is signed, what counts as taken and when the next try is. Shell: the
//! sender and one try.

pub mod config;

mod answer;
mod delivery;
mod payload;
mod receiver;
mod schedule;
mod secrets;
mod sender;
mod signature;

pub use config::Config;
pub use receiver::{ReceiverUrl, UrlError};
pub use secrets::{Secret, SecretsError, read_secrets};
pub use sender::{Callbacks, TestError, problems};
pub use signature::sign;
