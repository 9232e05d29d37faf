//! Batches: whole mailing lists, durable, and the worker that has every row verified.

pub mod ask;
pub mod batches;
pub mod config;
pub mod outcome;
pub mod plan;
pub mod queue;
#[cfg(feature = "sqlite")]
pub mod sqlite;

mod chunk;
#[cfg(test)]
mod conformance;
mod destinations;
#[cfg(test)]
mod memory;
mod news;
#[cfg(test)]
mod tests;
mod worker;

pub use ask::Ask;
pub use batches::{Batches, Reading, Stats};
pub use config::Config;
pub use outcome::Outcome;
pub use queue::{Queue, QueueError};
