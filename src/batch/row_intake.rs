//! Rows on their way into a batch: they wait for memory, then for the store.

use tokio::sync::OwnedSemaphorePermit;

use super::batches::Batches;
use super::limits;
use super::plan::{self, IncomingRow};
use super::queue::{AppendedRows, NewRow, QueueError};
use crate::campaign::id::BatchId;

/// A page of rows that has its place in memory, and is to be stored.
pub struct ArrivedPage {
    id: BatchId,
    first_row: Option<u64>,
    rows: Vec<NewRow>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Batches {
    /// Takes a page of rows: each an id of the caller's, which may be empty, and its subject. The
    /// first has the number `first_row`; `None`: the next. Rows that were there before the page are
    /// not taken again, so a page may be sent twice.
    ///
    /// An upload may pause for [`upload_timeout`](super::Config::upload_timeout) between two pages,
    /// whatever becomes of the connection; then it is removed. A restart of the process removes it
    /// too: only a sealed batch is durable.
    ///
    /// # Errors
    /// As [`Self::wait_for_room`] and [`Self::store`].
    pub async fn append(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: impl IntoIterator<Item = IncomingRow>,
    ) -> Result<AppendedRows, QueueError> {
        let page = self.wait_for_room(id, first_row, rows).await?;
        self.store(page).await
    }

    /// Waits until there is memory for a page; nothing of it is stored before.
    ///
    /// # Errors
    /// [`QueueError::NoSuchBatch`], [`QueueError::TooManyRows`] and [`QueueError::TooManyBytes`].
    pub async fn wait_for_room(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: impl IntoIterator<Item = IncomingRow>,
    ) -> Result<ArrivedPage, QueueError> {
        let (queue, config) = (&*self.context.queue, &self.context.config);
        let rows: Vec<NewRow> = rows.into_iter().map(plan::row).collect();
        let batch = queue.batch(id).await?;
        let there = batch.progress.rows;
        let end = first_row.unwrap_or(there).saturating_add(rows.len() as u64);
        let new = end.saturating_sub(there);
        limits::may_append(queue, config, &batch.spec.owner, there, new).await?;
        let room = self.context.arrivals.take(&rows).await;
        Ok(ArrivedPage { id: id.clone(), first_row, rows, _room: room })
    }

    /// Stores a page. It may be stored also when the caller ends this early.
    ///
    /// # Errors
    /// As [`Queue::append`](super::Queue::append).
    pub async fn store(&self, page: ArrivedPage) -> Result<AppendedRows, QueueError> {
        let ArrivedPage { id, first_row, rows, _room } = page;
        self.context.queue.append(&id, first_row, rows, self.context.clock.now()).await
    }
}
