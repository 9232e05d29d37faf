//! Bounded caches: of DNS facts, and of answers whose lifetime the caller decides.
//!
//! [`DnsCache`] sits in front of a [`Lookup`](crate::dns::Lookup); [`Answers`] stores what it is
//! given. A negative answer is cached as an answer, a failure as a failure. A [`SecondLevel`] holds
//! answers that several processes share. Pure: `config`, `counters`, `freshness`, which decides how
//! long anything may be used, `second_level`.

pub mod answers;
pub mod config;
mod counters;
pub mod dns;
mod freshness;
mod moka_ext;
mod second_level;
mod single_flight;
mod store;

pub use answers::Answers;
pub use config::{Config, SettingError};
pub use counters::Stats;
pub use dns::DnsCache;
pub use freshness::Lifespan;
pub use second_level::{SecondLevel, SharedAnswer, SharedKind};
pub use store::Cached;
