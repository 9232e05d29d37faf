//! Log lines about batches, the same for every queue.

use crate::campaign::progress::Batch;
use crate::verdict::Verdict;

/// Says that a batch is finished, and what it came to.
pub(super) fn log_finished(batch: &Batch) {
    let with = |verdict| batch.progress.with_verdict(verdict);
    tracing::info!(
        batch = %batch.id,
        rows = batch.progress.rows,
        deliverable = with(Verdict::Deliverable),
        risky = with(Verdict::Risky),
        undeliverable = with(Verdict::Undeliverable),
        unknown = with(Verdict::Unknown),
        "the batch is finished"
    );
}
