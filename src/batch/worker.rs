//! The worker: leases chunks while there is room, and runs each of them to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    let mut chunks: JoinSet<()> = JoinSet::new();
    let room = Room::new(context.config.addresses_at_once);
    while !context.stop.is_cancelled() {
        let seen = context.changes.version();
        let leases = lease(&context, room.chunks()).await;
        let found_work = leases.as_ref().is_some_and(|leases| !leases.is_empty());
        for lease in leases.into_iter().flatten() {
            let items = lease.items.len();
            let span = tracing::info_span!(parent: None, "chunk", batch = %lease.batch, items);
            let held = room.hold(items);
            let chunk = Chunk::new(context.clone(), lease, room.take(items));
            let work = async move {
                // Given back however the chunk ends.
                let _held = held;
                chunk.run().await;
            };
            chunks.spawn(work.instrument(span));
        }
        if !found_work || room.chunks() == 0 {
            wait(&context, &mut chunks, seen, &room).await;
        }
        while chunks.try_join_next().is_some() {}
    }
    while chunks.join_next().await.is_some() {}
}

/// Places for addresses. Those whose results wait for the store take none of those that are asked
/// about, so that neither waits for the other; but there are no more of them.
struct Room {
    asked_at_once: usize,
    asked: Arc<Semaphore>,
    /// Addresses of all chunks that are not over.
    held: Arc<AtomicUsize>,
}

/// The addresses of a chunk, until it is over.
struct HeldAddresses {
    held: Arc<AtomicUsize>,
    addresses: usize,
}

impl Drop for HeldAddresses {
    fn drop(&mut self) {
        self.held.fetch_sub(self.addresses, Ordering::Relaxed);
    }
}

impl Room {
    fn new(addresses_at_once: usize) -> Self {
        let asked_at_once = addresses_at_once.clamp(CHUNK, Semaphore::MAX_PERMITS / 2);
        let asked = Arc::new(Semaphore::new(asked_at_once));
        Self { asked_at_once, asked, held: Arc::default() }
    }

    /// Chunks for which there is room.
    fn chunks(&self) -> usize {
        self.asked.available_permits().min(self.beside_the_store()) / CHUNK
    }

    /// Addresses for which there is room apart from those that are asked about.
    fn beside_the_store(&self) -> usize {
        (2 * self.asked_at_once).saturating_sub(self.held.load(Ordering::Relaxed))
    }

    fn hold(&self, addresses: usize) -> HeldAddresses {
        self.held.fetch_add(addresses, Ordering::Relaxed);
        HeldAddresses { held: Arc::clone(&self.held), addresses }
    }

    /// A chunk's place among those that are asked about.
    fn take(&self, items: usize) -> Option<OwnedSemaphorePermit> {
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

/// Waits until something may have changed.
async fn wait(context: &WorkerContext, chunks: &mut JoinSet<()>, seen: u64, room: &Room) {
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
        Some(_) = chunks.join_next() => {}
        () = room.wait_for_place(), if !has_room => {}
        () = context.changes.changed_since(seen), if has_room => {}
        () = tokio::time::sleep_until(context.clock.instant(next)), if has_room => {}
        () = context.stop.cancelled() => {}
    }
}
