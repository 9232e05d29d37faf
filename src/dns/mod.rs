//! How a domain receives mail: its route (RFC 5321 section 5.1, RFC 7505) and the facts behind it.
//!
//! Pure: [`facts`], [`answer`], [`route`], [`hosts`], [`lifetime`], [`reverse`], [`config`],
//! [`query`], `counters`. Shell: the [`Resolver`] and what it stands on. A negative answer is data; a
//! [`DnsFailure`] means that nobody could tell. Nothing is remembered here: `cache/` does that,
//! above [`Lookup`].

pub mod answer;
pub mod config;
mod counters;
pub mod facts;
mod failover;
pub mod hosts;
pub mod lifetime;
pub mod lookup;
pub mod query;
mod questions;
pub mod resolver;
pub mod reverse;
pub mod route;
#[cfg(test)]
pub(crate) mod test_server;
mod upstream;

pub use config::{Config, SetupError};
pub use counters::Stats;
pub use facts::{DnsFailure, DomainFacts, Exchanger, HostFacts, Note, Route};
pub use lifetime::Lifetimes;
pub use lookup::{DomainLookup, Lookup};
pub use resolver::Resolver;
