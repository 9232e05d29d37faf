//! Statements about a mailing list: its batch's options, how far it has come, and whether to
//! send to it. Pure: counts in, statements out.
//!
//! Not here: the rows themselves and their results, which are in [`batch`](crate::batch); and what
//! the statements look like on a page or a terminal.

pub mod calibration;
pub mod callback;
pub mod duration;
pub mod eta;
pub mod id;
pub mod preflight;
pub mod progress;
pub mod sampling;
pub mod several;
pub mod spec;
pub mod tally;

pub use callback::{BatchEvent, Callback};
pub use id::BatchId;
pub use preflight::Preflight;
pub use progress::{Batch, Progress, State};
pub use sampling::SampleInterval;
pub use spec::{BatchOptions, SendPolicy, Spec};
pub use tally::{DestinationTally, GroupTally};
