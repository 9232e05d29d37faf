//! The worker: leases chunks while there is room, and sees each of them through.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::ask::Ask;
use super::chunk::{self, Chunk};
use super::config::Config;
use super::destinations::Destinations;
use super::news::News;
use super::queue::{CHUNK, Lease, LeaseRequest, Queue};
use crate::clock::Clock;
use crate::instruments::Counter;

/// How long the worker waits when the store fails, before it looks again.
const STORE_TROUBLE: Duration = Duration::from_secs(2);

/// The longest the worker sleeps without a look: a net under lost news, not a rhythm.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What the worker and its chunks share.
#[derive(Clone)]
pub(super) struct Workshop {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) ask: Arc<dyn Ask>,
    pub(super) config: Arc<Config>,
    pub(super) destinations: Arc<Destinations>,
    pub(super) news: Arc<News>,
    /// How many addresses got their result.
    pub(super) results: Arc<Counter>,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
}

/// Works until told to stop; then every chunk is given back and waited for.
pub(super) async fn run(workshop: Workshop) {
    let mut chunks: JoinSet<usize> = JoinSet::new();
    let mut in_flight = 0;
    while !workshop.stop.is_cancelled() {
        let seen = workshop.news.seen();
        let leases = lease(&workshop, in_flight).await;
        let found_work = leases.as_ref().is_some_and(|leases| !leases.is_empty());
        for lease in leases.into_iter().flatten() {
            let items = lease.items.len();
            in_flight += items;
            let span = tracing::info_span!(parent: None, "chunk", batch = %lease.batch, items);
            let chunk = Chunk::new(workshop.clone(), lease);
            let work = async move {
                chunk::see_through(chunk).await;
                items
            };
            chunks.spawn(work.instrument(span));
        }
        if !(found_work && has_room(&workshop, in_flight)) {
            in_flight -= wait(&workshop, &mut chunks, seen, has_room(&workshop, in_flight)).await;
        }
        while let Some(done) = chunks.try_join_next() {
            in_flight -= done.unwrap_or_default();
        }
    }
    while chunks.join_next().await.is_some() {}
}

fn has_room(workshop: &Workshop, in_flight: usize) -> bool {
    in_flight + CHUNK <= workshop.config.addresses_at_once.max(CHUNK)
}

/// Chunks for the room there is; `None` if the store failed.
async fn lease(workshop: &Workshop, in_flight: usize) -> Option<Vec<Lease>> {
    if !has_room(workshop, in_flight) {
        return Some(Vec::new());
    }
    let room = workshop.config.addresses_at_once.max(CHUNK) - in_flight;
    let now = workshop.clock.now();
    let ask = LeaseRequest {
        chunks: room / CHUNK,
        chunks_per_group: workshop.config.chunks_per_domain.max(1),
        until: now + workshop.config.lease_time(),
    };
    match workshop.queue.lease(ask, now).await {
        Ok(leases) => Some(leases),
        Err(error) => {
            tracing::error!(%error, "no work can be fetched; trying again");
            None
        }
    }
}

/// Waits until something may have changed; returns how many addresses are done with.
async fn wait(
    workshop: &Workshop,
    chunks: &mut JoinSet<usize>,
    seen: u64,
    has_room: bool,
) -> usize {
    let now = workshop.clock.now();
    let next = match workshop.queue.next_due(now).await {
        Ok(next) => next.unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP),
        Err(_) => now + STORE_TROUBLE,
    };
    tokio::select! {
        Some(done) = chunks.join_next() => done.unwrap_or_default(),
        () = workshop.news.after(seen), if has_room => 0,
        () = tokio::time::sleep_until(workshop.clock.instant(next)), if has_room => 0,
        () = workshop.stop.cancelled() => 0,
    }
}
