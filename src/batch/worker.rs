//! The worker: leases chunks while there is room, and runs each of them to its end.

use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::chunk::Chunk;
use super::context::WorkerContext;
use super::queue::{CHUNK, Lease, LeaseRequest};

/// Pause after a failure of the store.
const STORE_TROUBLE: Duration = Duration::from_secs(2);

/// Upper bound on sleep, in case a notification is missed; not a polling interval.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Works until told to stop; then every chunk is given back and waited for.
pub(super) async fn run(context: WorkerContext) {
    let mut chunks: JoinSet<usize> = JoinSet::new();
    let mut in_flight = 0;
    while !context.stop.is_cancelled() {
        let seen = context.changes.version();
        let leases = lease(&context, in_flight).await;
        let found_work = leases.as_ref().is_some_and(|leases| !leases.is_empty());
        for lease in leases.into_iter().flatten() {
            let items = lease.items.len();
            in_flight += items;
            let span = tracing::info_span!(parent: None, "chunk", batch = %lease.batch, items);
            let chunk = Chunk::new(context.clone(), lease);
            let work = async move {
                chunk.run().await;
                items
            };
            chunks.spawn(work.instrument(span));
        }
        if !(found_work && has_room(&context, in_flight)) {
            in_flight -= wait(&context, &mut chunks, seen, has_room(&context, in_flight)).await;
        }
        while let Some(done) = chunks.try_join_next() {
            in_flight -= done.unwrap_or_default();
        }
    }
    while chunks.join_next().await.is_some() {}
}

fn has_room(context: &WorkerContext, in_flight: usize) -> bool {
    in_flight + CHUNK <= context.config.addresses_at_once.max(CHUNK)
}

/// Chunks for the room there is; `None` if the store failed.
async fn lease(context: &WorkerContext, in_flight: usize) -> Option<Vec<Lease>> {
    if !has_room(context, in_flight) {
        return Some(Vec::new());
    }
    let room = context.config.addresses_at_once.max(CHUNK) - in_flight;
    let now = context.clock.now();
    let ask = LeaseRequest {
        chunks: room / CHUNK,
        chunks_per_group: context.config.chunks_per_domain.max(1),
        until: now + context.config.lease_time(),
    };
    match context.queue.lease(ask, now).await {
        Ok(leases) => Some(leases),
        Err(error) => {
            tracing::error!(%error, "no work can be fetched; trying again");
            None
        }
    }
}

/// Waits until something may have changed; returns how many addresses are done with.
async fn wait(
    context: &WorkerContext,
    chunks: &mut JoinSet<usize>,
    seen: u64,
    has_room: bool,
) -> usize {
    let now = context.clock.now();
    let next = match context.queue.next_due(now).await {
        Ok(next) => next.unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP),
        Err(_) => now + STORE_TROUBLE,
    };
    tokio::select! {
        Some(done) = chunks.join_next() => done.unwrap_or_default(),
        () = context.changes.changed_since(seen), if has_room => 0,
        () = tokio::time::sleep_until(context.clock.instant(next)), if has_room => 0,
        () = context.stop.cancelled() => 0,
    }
}
