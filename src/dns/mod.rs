//! How a domain receives mail: its route (RFC 5321 section 5.1, RFC 7505) and the facts behind it.
//!
//! Pure: [`facts`]. Shell: the resolver. A negative answer is data; a [`DnsFailure`] means that
//! nobody could tell.

pub mod facts;

pub use facts::{DnsFailure, DomainFacts, Exchanger, HostFacts, Note, Route};
