//! DNS: the mail route of a domain (RFC 5321 section 5.1, RFC 7505) and the facts behind it.
//!
//! Pure: [`facts`], [`answer`], [`route`], [`hosts`], [`lifetime`], [`reverse`], [`config`],
//! [`query`], `counters`. I/O: the [`Resolver`] and the files below it; `question_message`,
//! `response` and `special_names` are among those because they speak the DNS library's types. A
//! negative answer is data; a [`DnsFailure`] means that no name server could tell. Nothing is
//! cached here: `cache/` does that, in front of [`Lookup`].

pub mod answer;
pub mod config;
mod counters;
mod edns;
pub mod facts;
mod failover;
pub mod hosts;
pub mod lifetime;
pub mod lookup;
mod name_server;
#[cfg(test)]
pub(crate) mod no_dns;
pub mod query;
mod question_message;
mod questions;
mod reply_queue;
pub mod resolver;
mod response;
pub mod reverse;
pub mod route;
mod special_names;
mod tcp;
#[cfg(test)]
pub(crate) mod test_server;
mod udp;
mod upstream;

pub use config::{Config, SetupError};
pub use counters::Stats;
pub use facts::{DnsFailure, DomainFacts, Exchanger, HostFacts, Note, Route};
pub use lifetime::Lifetimes;
pub use lookup::{DomainLookup, Lookup};
pub use resolver::Resolver;
