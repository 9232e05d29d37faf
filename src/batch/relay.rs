//! Relays changes that other processes made to the same queue.

use super::context::WorkerContext;

/// Wakes what waits here whenever another process may have changed the queue, until told to stop.
pub(super) async fn run(context: WorkerContext) {
    let changed = || context.stop.run_until_cancelled(context.queue.changed_elsewhere());
    while changed().await.is_some() {
        context.changes.notify();
    }
}
