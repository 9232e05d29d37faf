//! Batches: whole mailing lists, durable, and what may be said of a campaign before it is sent.

pub mod ask;
pub mod batches;
pub mod config;
pub mod id;
pub mod outcome;
pub mod plan;
pub mod preflight;
pub mod progress;
pub mod queue;
pub mod spec;
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
pub use id::BatchId;
pub use outcome::Outcome;
pub use preflight::Preflight;
pub use progress::{Batch, Progress, State};
pub use queue::{Queue, QueueError};
pub use spec::{BatchOptions, SendPolicy, Spec};
