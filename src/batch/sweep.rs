//! Removes batches whose time is over, and the uploads that belong to none.

use std::time::Duration;

use super::context::WorkerContext;
use super::queue::QueueError;
use crate::campaign::id::BatchId;

/// Longest time between two looks for batches whose retention is over.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// Time after which a file that nobody holds is taken for one that was left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(2 * 60 * 60);

/// Batches removed before the next look.
const SWEEP_AT_ONCE: usize = 100;

/// Removes batches whose retention is over and uploads that were abandoned, until told to stop.
pub(super) async fn run(context: WorkerContext) {
    let (retention, upload_timeout) = (context.config.retention, context.config.upload_timeout);
    let pause = (retention.min(upload_timeout) / 10).clamp(Duration::from_secs(1), SWEEP_EVERY);
    let mut ticks = tokio::time::interval(pause);
    while context.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        remove_orphans(&context).await;
        remove_stale(&context).await;
        // One of several that share a queue does it for all.
        if !matches!(context.queue.is_reporter().await, Ok(true)) {
            continue;
        }
        let now = context.clock.now();
        if let Some(before) = now.checked_sub(retention) {
            let over = context.queue.ended_before(before, SWEEP_AT_ONCE).await;
            remove(&context, over, "its retention is over: deleted").await;
        }
        if let Some(before) = now.checked_sub(upload_timeout) {
            let idle = context.queue.remove_idle_uploads(before, SWEEP_AT_ONCE).await;
            for id in idle.unwrap_or_else(|error| {
                tracing::error!(%error, "abandoned uploads are not removed");
                Vec::new()
            }) {
                removed(&context, &id, "its upload was abandoned: removed").await;
            }
        }
    }
}

/// Removes batches, and logs why.
async fn remove(
    context: &WorkerContext,
    found: Result<Vec<BatchId>, QueueError>,
    why: &'static str,
) {
    for id in found.unwrap_or_default() {
        match context.queue.delete(&id).await {
            Ok(()) => removed(context, &id, why).await,
            // Another process that shares the queue was first.
            Err(QueueError::NoSuchBatch(_)) => remove_list(context, &id).await,
            Err(error) => tracing::error!(batch = %id, %error, "could not be deleted"),
        }
    }
}

/// Removes the list of a batch that was removed, and logs why.
async fn removed(context: &WorkerContext, id: &BatchId, why: &'static str) {
    remove_list(context, id).await;
    tracing::info!(batch = %id, "{why}");
    context.changes.notify();
}

/// Removes the list that a batch was uploaded as.
pub(super) async fn remove_list(context: &WorkerContext, id: &BatchId) {
    let Some(uploads) = context.uploads.clone() else { return };
    let id = id.clone();
    // A failure is logged there; a panic has nothing to tell.
    let _ = tokio::task::spawn_blocking(move || uploads.remove(&id)).await;
}

/// Removes lists of batches that are gone: the last process ended between the two, or another
/// process that shares the queue removed the batch.
async fn remove_orphans(context: &WorkerContext) {
    let Some(uploads) = context.uploads.clone() else { return };
    let Ok(Ok(batches)) = tokio::task::spawn_blocking(move || uploads.batches()).await else {
        return;
    };
    for id in batches {
        if matches!(context.queue.batch(&id).await, Err(QueueError::NoSuchBatch(_))) {
            remove_list(context, &id).await;
        }
    }
}

/// Removes files of arrivals that were left behind.
async fn remove_stale(context: &WorkerContext) {
    let Some(uploads) = context.uploads.clone() else { return };
    let Some(before) = context.clock.now().checked_sub(LEFT_BEHIND) else { return };
    match tokio::task::spawn_blocking(move || uploads.remove_stale(before)).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(files)) => tracing::warn!(files, "lists that were left behind are removed"),
        Ok(Err(error)) => tracing::error!(%error, "lists that were left behind are not removed"),
    }
}
