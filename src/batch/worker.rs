//! The worker: leases chunks while there is room, and runs each of them to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
    let mut room = Room::new(context.config.addresses_at_once);
    while !context.stop.is_cancelled() {
        let seen = context.changes.version();
        let leases = lease(&context, room.chunks()).await;
        let found_work = leases.as_ref().is_some_and(|leases| !leases.is_empty());
        for lease in leases.into_iter().flatten() {
            let items = lease.items.len();
            let span = tracing::info_span!(parent: None, "chunk", batch = %lease.batch, items);
            let chunk = Chunk::new(context.clone(), lease, room.take(items));
            let work = async move {
                chunk.run().await;
                items
            };
            chunks.spawn(work.instrument(span));
        }
        if !found_work || room.chunks() == 0 {
            room.held -= wait(&context, &mut chunks, seen, &room).await;
        }
        while let Some(done) = chunks.try_join_next() {
            room.held -= done.unwrap_or_default();
        }
    }
    while chunks.join_next().await.is_some() {}
}

/// Places for addresses. Those whose results wait for the store take none of those that are asked
/// about, so that neither waits for the other; but there are no more of them.
struct Room {
    asked_at_once: usize,
    asked: Arc<Semaphore>,
    /// Addresses of all chunks that are not over.
    held: usize,
}

impl Room {
    fn new(addresses_at_once: usize) -> Self {
        let asked_at_once = addresses_at_once.clamp(CHUNK, Semaphore::MAX_PERMITS / 2);
        Self { asked_at_once, asked: Arc::new(Semaphore::new(asked_at_once)), held: 0 }
    }

    /// Chunks for which there is room.
    fn chunks(&self) -> usize {
        self.asked.available_permits().min(self.beside_the_store()) / CHUNK
    }

    /// Addresses for which there is room apart from those that are asked about.
    fn beside_the_store(&self) -> usize {
        (2 * self.asked_at_once).saturating_sub(self.held)
    }

    /// A chunk's place among those that are asked about.
    fn take(&mut self, items: usize) -> Option<OwnedSemaphorePermit> {
        self.held += items;
        Arc::clone(&self.asked).try_acquire_many_owned(u32::try_from(items).ok()?).ok()
    }

    /// Returns once another chunk can be asked about.
    async fn wait_for_place(&self) {
        if self.beside_the_store() < CHUNK {
            // Until a chunk is over.
            return std::future::pending().await;
        }
        // It is never closed.
        let _free = self.asked.acquire_many(CHUNK as u32).await;
    }
}

/// Chunks, as many as there is room for; `None` if the store failed.
async fn lease(context: &WorkerContext, chunks: usize) -> Option<Vec<Lease>> {
    if chunks == 0 {
        return Some(Vec::new());
    }
    let now = context.clock.now();
    let ask = LeaseRequest {
        chunks,
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
    room: &Room,
) -> usize {
    let now = context.clock.now();
    let has_room = room.chunks() > 0;
    let next = match has_room {
        true => match context.queue.next_due(now).await {
            Ok(next) => next.unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP),
            Err(_) => now + STORE_TROUBLE,
        },
        // What is due makes no difference.
        false => now,
    };
    tokio::select! {
        Some(done) = chunks.join_next() => done.unwrap_or_default(),
        () = room.wait_for_place(), if !has_room => 0,
        () = context.changes.changed_since(seen), if has_room => 0,
        () = tokio::time::sleep_until(context.clock.instant(next)), if has_room => 0,
        () = context.stop.cancelled() => 0,
    }
}
