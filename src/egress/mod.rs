//! Egress: the identities that mail servers see, and how a connection leaves this machine.
//!
//! A connection is opened directly from a chosen source address, or through a SOCKS5 proxy
//! (RFC 1928). Only a checked [`Target`](crate::smtp::Target) can be dialled. No SMTP is spoken
//! here; which host is dialled and what follows a failure is the caller's matter.
//!
//! Pure: [`choose`], [`score`] and [`EgressIdentity`]. Shell: [`Tcp`], [`connect()`].

mod choice;
mod connect;
mod dial;
mod identity;

pub use choice::{choose, score};
pub use connect::{ConnectError, Dialled, connect};
pub use dial::{Connection, Dial, DialOptions, Stream, Tcp};
pub use identity::{EgressIdentity, Socks5};
