//! The durable queue of batches: the trait, and the semantics every implementation keeps.
//!
//! A row is one line of the list. Rows that reach one mailbox (their `key` is equal) are one
//! *item*: it is asked about once, and every one of its rows gets its result. Items of one `group`
//! (the domain) are put together in *chunks* of at most [`CHUNK`], in the order of their first
//! rows. A chunk is the unit of work: it is leased, asked about, and given back.
//!
//! # What every queue keeps to
//!
//! - What was answered with `Ok` survives the end of the process, however it ended.
//! - A batch that was neither sealed nor cancelled was not accepted: when the queue is opened again
//!   it is gone, and its request id may be used again. A sealed one is never lost.
//! - An upload outlives the connection it came by: a batch that takes rows waits for the next page,
//!   and a page that is sent again changes nothing.
//! - A row gets one result and keeps it: what comes later for the same item is refused with its
//!   lease, or ignored.
//! - A lease ends when its last item has a result, when it is given back, when its time is over,
//!   when its batch is over, and when the queue is opened again after its process ended. Whoever
//!   then comes with it is told [`QueueError::LeaseLost`], and nothing of what he brings is kept.
//! - Nothing grows with the length of a list but what is on disk.
//!
//! `now` is always the caller's. Times are kept to the millisecond. The tests of a queue are in
//! `conformance`; a new kind of queue passes them all.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use super::outcome::Outcome;
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;
use crate::campaign::spec::{BatchOptions, Spec};
use crate::campaign::tally::{DestinationTally, GroupTally};
use crate::verdict::Verdict;

/// The most items in a chunk.
pub const CHUNK: usize = 100;

/// One row to be verified.
#[derive(Clone, PartialEq, Eq)]
pub struct NewRow {
    /// The caller's own name for the row; may be empty.
    pub row_id: String,
    /// The address as given.
    pub address: String,
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

/// The name of a lease. No two leases of one queue ever have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub u64);

/// A request for chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Most chunks to lease.
    pub chunks: usize,
    /// Most chunks of one group of one batch that may be out at a time, those already out
    /// included.
    pub chunks_per_group: usize,
    /// The time at which the leases end by themselves.
    pub until: SystemTime,
}

/// A chunk, for one worker and for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// The batch it is of.
    pub batch: BatchId,
    /// The options of its batch.
    pub options: BatchOptions,
    /// The time at which open items become UNKNOWN.
    pub deadline: Option<SystemTime>,
    /// The group of its items.
    pub group: String,
    /// Those of its items that have no result yet, in the order of their first rows.
    pub items: Vec<LeaseItem>,
}

/// One mailbox to be asked about.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaseItem {
    /// Its number within the batch.
    pub number: u64,
    /// The address, as the first of its rows spells it.
    pub address: String,
    /// The time of its server's first "not now".
    pub waiting_since: Option<SystemTime>,
    /// The result so far; set with `waiting_since`.
    pub provisional: Option<Outcome>,
}

impl fmt::Debug for LeaseItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseItem").field("number", &self.number).finish_non_exhaustive()
    }
}

/// An item and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemOutcome {
    /// [`LeaseItem::number`].
    pub item: u64,
    /// Its outcome.
    pub outcome: Outcome,
}

/// In which order results are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// As they came. Every row that has a result is there.
    Completion,
    /// As the list has them. The first row without a result ends what can be read so far; in a
    /// cancelled batch, where it will never have one, it is passed over.
    Row,
}

/// A place in the results of a batch, in one of the orders; opaque. The empty one is the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A set of verdicts; the empty one stands for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictSet([bool; Verdict::ALL.len()]);

impl VerdictSet {
    /// `true` if a result with this verdict is wanted.
    #[must_use]
    pub fn admits(self, verdict: Verdict) -> bool {
        let wanted = Verdict::ALL.into_iter().zip(self.0);
        self.0 == [false; Verdict::ALL.len()] || wanted.into_iter().any(|is| is == (verdict, true))
    }
}

impl FromIterator<Verdict> for VerdictSet {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        let mut set = Self::default();
        for verdict in verdicts {
            for (known, is_wanted) in Verdict::ALL.into_iter().zip(&mut set.0) {
                *is_wanted |= known == verdict;
            }
        }
        set
    }
}

/// Which results to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsRequest {
    /// In which order.
    pub order: Order,
    /// After which place.
    pub after: Cursor,
    /// With which verdicts only; empty: all.
    pub verdicts: VerdictSet,
    /// Most rows to return.
    pub limit: usize,
}

/// One row with its result.
#[derive(Clone, PartialEq, Eq)]
pub struct RowResult {
    /// Its number in the list, from 0.
    pub row: u64,
    /// The caller's own name for it.
    pub row_id: String,
    /// The address as given.
    pub address: String,
    /// The result, of the first row that reaches this mailbox.
    pub outcome: Outcome,
    /// The place after this row: whoever reads on from here misses none and gets none twice.
    pub cursor: Cursor,
}

impl fmt::Debug for RowResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowResult").field("row", &self.row).finish_non_exhaustive()
    }
}

/// Results, and the place to read on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsPage {
    /// The rows.
    pub rows: Vec<RowResult>,
    /// The place up to which was looked: after the last row, and after what the verdicts left out.
    pub next: Cursor,
    /// `true`: there is nothing more to read now.
    pub at_end: bool,
}

/// What the batches of one owner take up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of batches.
    pub batches: usize,
    /// Bytes that they hold.
    pub bytes: u64,
}

/// Why a queue cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
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
    #[error("a batch may have {most} rows: make another one of the rest")]
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
    #[error("batches may hold {most} MiB: delete some that are over, or wait until they expire")]
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
    /// The store failed.
    #[error("the store in {place} failed: {reason}")]
    Broken {
        /// The data directory.
        place: String,
        /// The cause.
        reason: String,
    },
}

/// The rows of a page that are not there yet, when a batch has `there` rows and the page begins
/// with `first_row`; `None` for the next number. A gap before the page is an error.
#[cfg(any(test, feature = "sqlite"))]
pub(super) fn new_rows<'a>(
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

/// A durable queue of batches.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Makes the batch `id`, which then takes rows; or finds the one that its owner submitted
    /// before under the same request id (also one that is over, until it is deleted).
    async fn submit(
        &self,
        id: BatchId,
        spec: Spec,
        now: SystemTime,
    ) -> Result<SubmittedBatch, QueueError>;

    /// Takes a page of rows whose first one has the number `first_row`; `None`: the next number.
    /// Rows that are there already are passed over, so that a page may be sent again. Returns the
    /// number of rows that are there, which is the number of the next row.
    ///
    /// # Errors
    /// [`QueueError::WrongState`] unless the batch is receiving; [`QueueError::Gap`] when rows
    /// before the page are missing.
    async fn append(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: Vec<NewRow>,
        now: SystemTime,
    ) -> Result<u64, QueueError>;

    /// What the batches of an owner take up, those that are receiving included.
    async fn usage(&self, owner: &str) -> Result<Usage, QueueError>;

    /// Batches of any owner that are receiving and got their last page before `time`, at most
    /// `limit`.
    async fn idle_uploads(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError>;

    /// Accepts the batch: from here on it is worked on, and never lost. One without rows is
    /// finished at once.
    ///
    /// # Errors
    /// [`QueueError::WrongState`] unless the batch is receiving.
    async fn seal(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError>;

    /// A batch as it stands. Cheap: it may be asked many times a second.
    async fn batch(&self, id: &BatchId) -> Result<Batch, QueueError>;

    /// The batches of any owner that are running, as they stand. Cheap.
    async fn running(&self) -> Result<Vec<Batch>, QueueError>;

    /// The batches of `owner`, the newest first (by their names), at most `limit`, older than
    /// `before`.
    async fn batches(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, QueueError>;

    /// Chunks to work on: of running batches, due, and not out. Batches take turns; of one batch
    /// the longest due come first, and of those equally due the ones whose rows came first.
    /// A chunk never released is due since its batch was sealed, and none was ever due before that;
    /// at the batch's deadline all its chunks are due.
    async fn lease(&self, ask: LeaseRequest, now: SystemTime) -> Result<Vec<Lease>, QueueError>;

    /// The time at which the next chunk becomes due that is not due at `now`; `None` if none waits.
    /// Chunks that
    /// are out do not count, but for the time when their leases end.
    async fn next_due(&self, now: SystemTime) -> Result<Option<SystemTime>, QueueError>;

    /// Keeps results. When the last item of a lease has one, the lease ends; when the last row of
    /// a batch has one, the batch is finished. An item that already has a result keeps it; one that
    /// is not of the lease is ignored.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`].
    async fn complete(
        &self,
        lease: LeaseId,
        results: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError>;

    /// Gives the chunk back: those of its items without a result are due at `until` (clamped to
    /// the batch's deadline). `provisional` is what is known of some of them so far; an item keeps
    /// the time of its first provisional result as `waiting_since`. An item that had a provisional
    /// result and gets none now keeps the old one.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`].
    async fn release_until(
        &self,
        lease: LeaseId,
        until: SystemTime,
        provisional: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError>;

    /// Results from a place on: each row exactly once, however often the reader stops and goes
    /// on, while the batch runs and after. One answer may hold fewer than were asked for, and none
    /// at all, without being the end: [`ResultsPage::at_end`] tells.
    ///
    /// # Errors
    /// [`QueueError::BadCursor`].
    async fn results(
        &self,
        id: &BatchId,
        request: ResultsRequest,
    ) -> Result<ResultsPage, QueueError>;

    /// The `limit` groups with the most rows, the largest first, and of equal ones the one that
    /// came first. None while the batch is receiving.
    async fn groups(&self, id: &BatchId, limit: usize) -> Result<Vec<GroupTally>, QueueError>;

    /// The `limit` destinations with the most rows, the largest first.
    async fn destinations(
        &self,
        id: &BatchId,
        limit: usize,
    ) -> Result<Vec<DestinationTally>, QueueError>;

    /// Stops a batch: nothing more of it is leased or waited for, its leases are over, its results
    /// stay. One that is receiving takes no more rows and is kept. A batch that is over stays as it
    /// is.
    async fn cancel(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError>;

    /// Removes a batch and everything it held, so that its bytes are on the disk no more. One that
    /// is running is cancelled by it.
    async fn delete(&self, id: &BatchId) -> Result<(), QueueError>;

    /// Batches of any owner that ended before `time`, the oldest first, at most `limit`.
    async fn ended_before(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_set_however_often_a_verdict_is_named() {
        let all = VerdictSet::default();
        assert!(Verdict::ALL.into_iter().all(|verdict| all.admits(verdict)));
        let risky: VerdictSet = std::iter::repeat_n(Verdict::Risky, 1_000).collect();
        assert_eq!(risky, [Verdict::Risky].into_iter().collect());
        assert!(risky.admits(Verdict::Risky) && !risky.admits(Verdict::Unknown));
    }
}
