//! Limits on what callers may keep and send: rows of a batch, batches and bytes of a caller, and
//! bytes that wait in memory for the disk.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::config::Config;
use super::queue::{NewRow, Queue, QueueError};
use crate::campaign::id::BatchId;

/// A caller's bytes are looked at whenever a batch grew by this many rows.
const ROWS_BETWEEN_LOOKS: u64 = 100_000;

/// Memory that a row takes beside its texts.
const ROW_OVERHEAD: usize = size_of::<NewRow>();

/// The units in which memory is given out.
const KIB: usize = 1024;

/// Memory for rows that wait for the disk.
pub(super) struct ArrivalBudget {
    kibibytes: Arc<Semaphore>,
    most: usize,
}

impl ArrivalBudget {
    pub(super) fn new(config: &Config) -> Self {
        let mebibytes = usize::try_from(config.megabytes_in_arrival.max(1)).unwrap_or(1);
        let most = (mebibytes * KIB).min(Semaphore::MAX_PERMITS);
        Self { kibibytes: Arc::new(Semaphore::new(most)), most }
    }

    /// Waits until there is room for these rows; a page larger than all there is takes all.
    pub(super) async fn take(&self, rows: &[NewRow]) -> Option<OwnedSemaphorePermit> {
        let texts = |row: &NewRow| {
            row.row_id.len() + row.address.len() + row.key.len() + row.group.len() + ROW_OVERHEAD
        };
        let wanted = rows.iter().map(texts).sum::<usize>().div_ceil(KIB).min(self.most);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        Arc::clone(&self.kibibytes).acquire_many_owned(wanted).await.ok()
    }
}

/// A new batch that is discarded unless it is kept.
pub(super) struct UnkeptBatch {
    queue: Arc<dyn Queue>,
    tasks: TaskTracker,
    id: Option<BatchId>,
}

impl UnkeptBatch {
    pub(super) fn new(queue: Arc<dyn Queue>, tasks: TaskTracker, id: BatchId) -> Self {
        Self { queue, tasks, id: Some(id) }
    }

    /// Discards nothing: the batch is kept, or was never made.
    pub(super) fn keep(&mut self) {
        self.id = None;
    }
}

impl Drop for UnkeptBatch {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            discard(&self.queue, &self.tasks, id);
        }
    }
}

/// Removes a batch that will not be sealed, in the background. One that was sealed nevertheless
/// stays: its caller may have been told so.
pub(super) fn discard(queue: &Arc<dyn Queue>, tasks: &TaskTracker, id: BatchId) {
    let queue = Arc::clone(queue);
    tasks.spawn(async move {
        if let Err(error) = queue.discard(&id).await {
            tracing::warn!(batch = %id, %error, "an upload that is not kept is removed later");
        }
    });
}

/// Refuses a new batch of `owner`, which is there already, if it is one too many.
pub(super) async fn may_keep_another(
    queue: &dyn Queue,
    config: &Config,
    owner: &str,
) -> Result<(), QueueError> {
    let usage = queue.usage(owner).await?;
    let most = config.batches_per_caller.max(1);
    if usage.batches > most {
        return Err(QueueError::TooManyBatches { most });
    }
    may_keep_bytes(config, usage.bytes)
}

fn may_keep_bytes(config: &Config, bytes: u64) -> Result<(), QueueError> {
    let most = config.megabytes_per_caller.max(1);
    if bytes / (1024 * 1024) >= most { Err(QueueError::TooManyBytes { most }) } else { Ok(()) }
}

/// Refuses rows of a batch of `owner` that would be more than are allowed: `there` are there.
pub(super) async fn may_append(
    queue: &dyn Queue,
    config: &Config,
    owner: &str,
    there: u64,
    new: u64,
) -> Result<(), QueueError> {
    let most = config.rows_per_batch.max(1);
    if there.saturating_add(new) > most {
        return Err(QueueError::TooManyRows { most });
    }
    if there / ROWS_BETWEEN_LOOKS != there.saturating_add(new) / ROWS_BETWEEN_LOOKS {
        return may_keep_bytes(config, queue.usage(owner).await?.bytes);
    }
    Ok(())
}
