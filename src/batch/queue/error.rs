//! Why a queue cannot do what it is asked.

use crate::campaign::id::BatchId;

/// Why a queue cannot do what it is asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no such batch.
    #[error("there is no batch {0}")]
    NoSuchBatch(BatchId),
    /// The batch takes rows no more, or not yet what was asked.
    #[error("batch {id} is {state}: {remedy}")]
    WrongState {
        /// The batch.
        id: BatchId,
        /// Its state.
        state: &'static str,
        /// The remedy.
        remedy: &'static str,
    },
    /// A page of rows does not follow those that are there.
    #[error(
        "batch {id} has {expected} rows: send the page that begins with row {expected}, not {found}"
    )]
    Gap {
        /// The batch.
        id: BatchId,
        /// The number of the row that comes next.
        expected: u64,
        /// The number of the first row of the page.
        found: u64,
    },
    /// The request id was used before, for something else.
    #[error("request_id {request_id:?} made batch {id}, with {difference}: use another request_id")]
    OtherRequest {
        /// The batch that was made.
        id: BatchId,
        /// The request id.
        request_id: String,
        /// The options that differ, with both values.
        difference: String,
    },
    /// The lease is over; what was brought with it is not kept.
    #[error("the lease is over")]
    LeaseLost,
    /// A batch that is to be sealed has no rows.
    #[error("batch {0} has no rows: append some, then seal it; or delete it")]
    Empty(BatchId),
    /// The batch would have more rows than are allowed.
    #[error("a batch may have {most} rows at most: make another one for the rest")]
    TooManyRows {
        /// The most rows.
        most: u64,
    },
    /// The caller keeps as many batches as are allowed.
    #[error("{most} batches may be kept: delete some that are over, or wait until they expire")]
    TooManyBatches {
        /// The most batches.
        most: usize,
    },
    /// The caller's batches hold as many bytes as are allowed.
    #[error(
        "batches may hold at most {most} MiB: delete some that are over, or wait until they expire"
    )]
    TooManyBytes {
        /// The most, in MiB.
        most: u64,
    },
    /// The cursor is of another batch or order, or none.
    #[error("the cursor is not of these results; start without one")]
    BadCursor,
    /// The disk is full.
    #[error("the disk of {place} is full: make room, then go on; nothing is lost")]
    Full {
        /// The data directory.
        place: String,
    },
    /// The store cannot be reached for the moment.
    #[error(
        "the store in {place} cannot be used for the moment ({reason}): try again; nothing is lost"
    )]
    Unavailable {
        /// The database.
        place: String,
        /// The cause.
        reason: String,
    },
    /// The store failed.
    #[error("the store in {place} failed: {reason}")]
    Broken {
        /// The data directory.
        place: String,
        /// The cause.
        reason: String,
    },
}
