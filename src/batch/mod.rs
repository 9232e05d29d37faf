//! Batches: whole mailing lists, durable, and the worker that has every row verified.

pub mod address_verifier;
pub mod answer_listener;
pub mod batches;
pub mod config;
pub mod outcome;
pub mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod queue;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;
pub mod uploads;

mod batch_streams;
mod change_notifier;
mod chunk;
mod context;
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "only a store reads a place")
)]
mod cursor;
mod destinations;
mod forecasts;
mod limits;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod log_lines;
mod prospect;
mod relay;
mod row_intake;
mod stored_reasons;
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod time;
mod worker;

pub use address_verifier::AddressVerifier;
pub use answer_listener::AnswerListener;
pub use batches::{Batches, ResultsQuery, Stats};
pub use config::Config;
pub use outcome::Outcome;
pub use plan::IncomingRow;
pub use queue::{Queue, QueueError};
pub use row_intake::ArrivedPage;
pub use store::StoreConfig;
