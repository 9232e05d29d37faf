//! What comes into a queue: rows, and the answer to a submission.

use std::fmt;
use std::time::SystemTime;

#[cfg(any(test, feature = "sqlite", feature = "postgres"))]
use super::error::QueueError;
#[cfg(any(test, feature = "sqlite", feature = "postgres"))]
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;

/// One row to be verified.
#[derive(Clone, PartialEq, Eq)]
pub struct NewRow {
    /// The caller's own name for the row; may be empty.
    pub row_id: String,
    /// The address as given.
    pub address: String,
    /// The time at which the recipient consented to mail, if the row has its own.
    pub consented_at: Option<SystemTime>,
    /// Equal for rows that reach one mailbox.
    pub key: String,
    /// Shared by the items of a chunk: the domain; empty for what is not an address.
    pub group: String,
}

impl fmt::Debug for NewRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRow").field("group", &self.group).finish_non_exhaustive()
    }
}

/// The answer to a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmittedBatch {
    /// A new batch, which now takes rows.
    New(Batch),
    /// The owner submitted it before under the same request id. It takes no more rows from this
    /// submission; it may still be receiving from the first.
    Known(Batch),
}

/// The rows of a batch after a page was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedRows {
    /// The rows that are there, which is the number of the next row.
    pub rows: u64,
    /// Those of the page that were not there before.
    pub new: u64,
}

/// What the batches of one owner take up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of batches.
    pub batches: usize,
    /// Bytes that they hold.
    pub bytes: u64,
}

/// The rows of a page that are not there yet, when a batch has `there` rows and the page begins
/// with `first_row`; `None` for the next number. A gap before the page is an error.
#[cfg(any(test, feature = "sqlite", feature = "postgres"))]
pub(crate) fn new_rows<'a>(
    id: &BatchId,
    there: u64,
    first_row: Option<u64>,
    rows: &'a [NewRow],
) -> Result<&'a [NewRow], QueueError> {
    let found = first_row.unwrap_or(there);
    let Some(known) = there.checked_sub(found) else {
        return Err(QueueError::Gap { id: id.clone(), expected: there, found });
    };
    let known = usize::try_from(known).unwrap_or(usize::MAX);
    Ok(rows.get(known..).unwrap_or_default())
}
