//! Batches: whole mailing lists, durable, and what may be said of a campaign before it is sent.

pub mod id;
pub mod outcome;
pub mod preflight;
pub mod progress;
pub mod queue;
pub mod spec;

pub use id::BatchId;
pub use outcome::Outcome;
pub use preflight::Preflight;
pub use progress::{Batch, Progress, State};
pub use queue::{Queue, QueueError};
pub use spec::{BatchOptions, SendPolicy, Spec};
