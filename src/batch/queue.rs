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
//! - An item has the latest time of a consent that one of its rows has.
//! - A lease ends when its last item has a result, when it is given back, when its time is over,
//!   when its batch is over, and when the queue is opened again after its process ended. Whoever
//!   then comes with it is told [`QueueError::LeaseLost`], and nothing of what he brings is kept.
//! - Nothing grows with the length of a list but what is on disk.
//!
//! `now` is always the caller's. Times are kept to the millisecond. The tests of a queue are in
//! `src/queue_tests`; a new kind of queue passes them all.

mod error;
mod intake;
mod lease;
mod outbox;
mod results;

use std::time::SystemTime;

use async_trait::async_trait;

pub use error::QueueError;
#[cfg(any(test, feature = "sqlite", feature = "postgres"))]
pub(crate) use intake::new_rows;
pub use intake::{AppendedRows, NewRow, SubmittedBatch, Usage};
pub use lease::{CHUNK, ItemOutcome, Lease, LeaseId, LeaseItem, LeaseRequest};
#[cfg(any(test, feature = "sqlite", feature = "postgres"))]
pub(crate) use outbox::notification;
pub use outbox::{
    NextTry, Notification, NotificationId, NotificationState, Outbox, OutboxStats, TryReport,
};
pub use results::{Cursor, Order, ResultsPage, ResultsRequest, RowResult, VerdictSet};

use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;
use crate::campaign::spec::Spec;
use crate::campaign::tally::{DestinationTally, GroupTally};

/// A durable queue of batches, with what is to be told about those that are over.
#[async_trait]
pub trait Queue: Outbox {
    /// Makes the batch `id`, which then takes rows; or finds the one that its owner submitted
    /// before under the same request id (also one that is over, until it is deleted).
    async fn submit(
        &self,
        id: BatchId,
        spec: Spec,
        now: SystemTime,
    ) -> Result<SubmittedBatch, QueueError>;

    /// Takes a page of rows whose first one has the number `first_row`; `None`: the next number.
    /// Rows that are there already are passed over, so that a page may be sent again.
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
    ) -> Result<AppendedRows, QueueError>;

    /// What the batches of an owner take up, those that are receiving included.
    async fn usage(&self, owner: &str) -> Result<Usage, QueueError>;

    /// Removes batches of any owner that are receiving and got their last page before `time`, at
    /// most `limit`; says which. One that is sealed in this moment is none of them.
    async fn remove_idle_uploads(
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

    /// A batch as it stands. Cheap: it may be asked many times a second. The mailboxes of one that
    /// is receiving may not be counted yet.
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

    /// Removes a batch that is still receiving. One that was sealed or cancelled, or is being
    /// sealed in this moment, stays as it is; `false` if nothing was removed.
    async fn discard(&self, id: &BatchId) -> Result<bool, QueueError>;

    /// Batches of any owner that ended before `time`, the oldest first, at most `limit`.
    async fn ended_before(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError>;

    /// Waits until another process may have changed something. A queue that one process has for
    /// itself never returns.
    async fn changed_elsewhere(&self) {
        std::future::pending().await
    }

    /// `true` if this process is the one that reports figures about all of the queue, and removes
    /// what is kept for long enough: of several that share one, a single one does, so that their
    /// sum counts nothing twice.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn is_reporter(&self) -> Result<bool, QueueError> {
        Ok(true)
    }

    /// Lets go of what this process has of a queue that others share: they take over at once what
    /// they would otherwise take over in a while.
    async fn close(&self) {}
}
