//! What was learned, remembered for as long as a pure function says, and never without bound.
//!
//! [`DnsCache`] stands above [`Lookup`](crate::dns::Lookup); [`Answers`] keeps what anybody gives
//! it. Pure: `config`, `counters`, `freshness`. A negative answer is remembered as an answer, a failure as a
//! failure.

pub mod answers;
mod at_hand;
pub mod config;
mod counters;
pub mod dns;
mod flight;
mod freshness;
mod store;

pub use answers::Answers;
pub use config::{Config, SettingError};
pub use counters::Stats;
pub use dns::DnsCache;
pub use store::Cached;
