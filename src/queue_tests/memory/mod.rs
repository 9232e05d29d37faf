//! A queue in memory, for tests: the plainest thing that keeps to
//! [`queue`](crate::batch::queue), less what it says of the end of the process.

mod inner;
mod memory_batch;
mod outbox;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};

use crate::batch::queue::{
    AppendedRows, CHUNK, ItemOutcome, Lease, LeaseId, LeaseRequest, NewRow, Queue, QueueError,
    ResultsPage, ResultsRequest, SubmittedBatch, Usage, new_rows,
};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, Progress, State};
use crate::campaign::spec::Spec;
use crate::campaign::tally::{DestinationTally, GroupTally};
use inner::Inner;
use memory_batch::{MemoryBatch, MemoryChunk, MemoryItem, Row};

/// A queue that forgets everything with its process.
#[derive(Default)]
pub(crate) struct MemoryQueue {
    inner: Mutex<Inner>,
    /// Time that it takes to take results in.
    pub(crate) delay: Mutex<Duration>,
    /// Time that it takes to make a batch.
    pub(crate) submit_delay: Mutex<Duration>,
    /// Time that it takes to tell what a caller keeps.
    pub(crate) usage_delay: Mutex<Duration>,
    /// `true`: no batch can be made.
    pub(crate) is_away: Mutex<bool>,
    /// For each batch that was to be discarded whether it was there.
    pub(crate) discards: Mutex<Vec<bool>>,
}

impl MemoryQueue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn submit(
        &self,
        id: BatchId,
        spec: Spec,
        now: SystemTime,
    ) -> Result<SubmittedBatch, QueueError> {
        if *self.is_away.lock() {
            let (place, reason) = ("memory".to_owned(), "it is away".to_owned());
            return Err(QueueError::Unavailable { place, reason });
        }
        let delay = *self.submit_delay.lock();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut inner = self.lock();
        let known = inner.batches.values().find(|kept| {
            spec.request_id.is_some()
                && kept.batch.spec.request_id == spec.request_id
                && kept.batch.spec.owner == spec.owner
        });
        if let Some(known) = known {
            return Ok(SubmittedBatch::Known(known.shown()));
        }
        let batch = Batch {
            id: id.clone(),
            spec,
            state: State::Receiving,
            created_at: now,
            sealed_at: None,
            ended_at: None,
            progress: Progress::default(),
        };
        inner.batches.insert(id, MemoryBatch::new(batch.clone()));
        Ok(SubmittedBatch::New(batch))
    }

    async fn append(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: Vec<NewRow>,
        now: SystemTime,
    ) -> Result<AppendedRows, QueueError> {
        let mut inner = self.lock();
        let kept = inner.receiving(id)?;
        kept.last_page = now;
        let new = new_rows(id, kept.rows.len() as u64, first_row, &rows)?.to_vec();
        let count = new.len() as u64;
        for new in new {
            let item = *kept.by_key.entry(new.key).or_insert(kept.items.len());
            if item == kept.items.len() {
                kept.items.push(MemoryItem {
                    address: new.address.clone(),
                    consented_at: None,
                    rows: Vec::new(),
                    waiting_since: None,
                    provisional: None,
                    result: None,
                });
                let open = kept
                    .chunks
                    .iter_mut()
                    .find(|chunk| chunk.group == new.group && chunk.items.len() < CHUNK);
                match open {
                    Some(chunk) => chunk.items.push(item),
                    None => kept.chunks.push(MemoryChunk {
                        group: new.group,
                        items: vec![item],
                        due: SystemTime::UNIX_EPOCH,
                        out: None,
                    }),
                }
            }
            kept.items[item].rows.push(kept.rows.len());
            kept.items[item].consented_at = kept.items[item].consented_at.max(new.consented_at);
            kept.rows.push(Row { row_id: new.row_id, address: new.address, item });
        }
        Ok(AppendedRows { rows: kept.rows.len() as u64, new: count })
    }

    async fn usage(&self, owner: &str) -> Result<Usage, QueueError> {
        let delay = *self.usage_delay.lock();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let inner = self.lock();
        let of_owner = inner.batches.values().filter(|kept| kept.batch.spec.owner == owner);
        let bytes = |kept: &MemoryBatch| -> u64 {
            kept.rows.iter().map(|row| (row.row_id.len() + row.address.len()) as u64).sum()
        };
        Ok(of_owner.fold(Usage::default(), |sum, kept| Usage {
            batches: sum.batches + 1,
            bytes: sum.bytes + bytes(kept),
        }))
    }

    async fn remove_idle_uploads(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError> {
        let mut inner = self.lock();
        let receiving = inner.batches.values().filter(|kept| kept.batch.state == State::Receiving);
        let idle = receiving.filter(|kept| kept.last_page < time);
        let idle: Vec<_> = idle.map(|kept| kept.batch.id.clone()).take(limit).collect();
        inner.batches.retain(|id, _| !idle.contains(id));
        Ok(idle)
    }

    async fn seal(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError> {
        let mut inner = self.lock();
        let kept = inner.receiving(id)?;
        kept.batch.sealed_at = Some(now);
        kept.batch.state = State::Running;
        if kept.rows.is_empty() {
            kept.batch.state = State::Finished;
            kept.batch.ended_at = Some(now);
        }
        for chunk in &mut kept.chunks {
            chunk.due = now;
        }
        let shown = kept.shown();
        inner.notify(id, now);
        Ok(shown)
    }

    async fn batch(&self, id: &BatchId) -> Result<Batch, QueueError> {
        Ok(self.lock().kept(id)?.shown())
    }

    async fn running(&self) -> Result<Vec<Batch>, QueueError> {
        let inner = self.lock();
        let running = inner.batches.values().filter(|kept| kept.batch.state == State::Running);
        Ok(running.map(MemoryBatch::shown).collect())
    }

    async fn batches(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, QueueError> {
        let inner = self.lock();
        let of_owner = inner.batches.values().rev().filter(|kept| kept.batch.spec.owner == owner);
        let older = of_owner.filter(|kept| before.is_none_or(|before| kept.batch.id < *before));
        Ok(older.take(limit).map(MemoryBatch::shown).collect())
    }

    async fn lease(&self, ask: LeaseRequest, now: SystemTime) -> Result<Vec<Lease>, QueueError> {
        let mut inner = self.lock();
        inner.expire(now);
        let mut running: Vec<BatchId> = inner
            .batches
            .values()
            .filter(|kept| kept.batch.state == State::Running)
            .map(|kept| kept.batch.id.clone())
            .collect();
        let turn = running.iter().position(|id| Some(id) > inner.turn.as_ref()).unwrap_or(0);
        running.rotate_left(turn);
        let mut leases = Vec::new();
        while leases.len() < ask.chunks && !running.is_empty() {
            let batch = running.remove(0);
            let Some(chunk) = inner.kept(&batch)?.next_chunk(ask, now) else { continue };
            inner.last_lease += 1;
            let id = LeaseId(inner.last_lease);
            inner.leases.insert(id, (batch.clone(), chunk));
            let kept = inner.kept(&batch)?;
            kept.chunks[chunk].out = Some((id, ask.until));
            let open = kept.chunks[chunk].items.iter().filter(|i| kept.items[**i].result.is_none());
            leases.push(Lease {
                id,
                batch: batch.clone(),
                owner: kept.batch.spec.owner.clone(),
                options: kept.batch.spec.options.clone(),
                deadline: kept.batch.deadline(),
                group: kept.chunks[chunk].group.clone(),
                items: open.map(|item| kept.item(*item)).collect(),
            });
            inner.turn = Some(batch.clone());
            running.push(batch);
        }
        Ok(leases)
    }

    async fn next_due(&self, now: SystemTime) -> Result<Option<SystemTime>, QueueError> {
        let mut inner = self.lock();
        inner.expire(now);
        let running = inner.batches.values().filter(|kept| kept.batch.state == State::Running);
        let times = running.flat_map(|kept| {
            let open = (0..kept.chunks.len()).filter(|chunk| kept.is_open(*chunk));
            open.map(|chunk| match kept.chunks[chunk].out {
                Some((_, until)) if until > now => until,
                _ => kept.due(chunk),
            })
        });
        Ok(times.filter(|time| *time > now).min())
    }

    async fn complete(
        &self,
        lease: LeaseId,
        results: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        let delay = *self.delay.lock();
        tokio::time::sleep(delay).await;
        let mut inner = self.lock();
        let (batch, chunk) = inner.out(lease, now)?;
        let kept = inner.kept(&batch)?;
        for ItemOutcome { item, outcome } in results {
            let number = usize::try_from(item).unwrap_or(usize::MAX);
            let in_chunk = kept.chunks[chunk].items.contains(&number);
            if in_chunk && kept.items[number].result.is_none() {
                kept.items[number].result = Some(outcome);
                kept.completed.push(number);
            }
        }
        let (is_open, is_over) = (kept.is_open(chunk), kept.completed.len() == kept.items.len());
        if is_over {
            kept.batch.state = State::Finished;
            kept.batch.ended_at = Some(now);
        }
        if !is_open {
            kept.chunks[chunk].out = None;
            inner.leases.remove(&lease);
        }
        inner.notify(&batch, now);
        Ok(())
    }

    async fn release_until(
        &self,
        lease: LeaseId,
        until: SystemTime,
        provisional: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        let mut inner = self.lock();
        let (batch, chunk) = inner.out(lease, now)?;
        inner.leases.remove(&lease);
        let kept = inner.kept(&batch)?;
        kept.chunks[chunk].out = None;
        kept.chunks[chunk].due = kept.batch.sealed_at.map_or(until, |sealed| sealed.max(until));
        for ItemOutcome { item, outcome } in provisional {
            let number = usize::try_from(item).unwrap_or(usize::MAX);
            if kept.chunks[chunk].items.contains(&number) && kept.items[number].result.is_none() {
                let item = &mut kept.items[number];
                item.waiting_since.get_or_insert(now);
                item.provisional = Some(outcome);
            }
        }
        inner.notify(&batch, now);
        Ok(())
    }

    async fn results(
        &self,
        id: &BatchId,
        request: ResultsRequest,
    ) -> Result<ResultsPage, QueueError> {
        self.lock().kept(id)?.results(request)
    }

    async fn groups(&self, id: &BatchId, limit: usize) -> Result<Vec<GroupTally>, QueueError> {
        Ok(self.lock().kept(id)?.groups(limit))
    }

    async fn destinations(
        &self,
        id: &BatchId,
        limit: usize,
    ) -> Result<Vec<DestinationTally>, QueueError> {
        Ok(self.lock().kept(id)?.destinations(limit))
    }

    async fn cancel(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError> {
        let mut inner = self.lock();
        let kept = inner.kept(id)?;
        if !kept.batch.state.is_over() {
            kept.batch.state = State::Cancelled;
            kept.batch.ended_at = Some(now);
        }
        let shown = kept.shown();
        inner.leases.retain(|_, (batch, _)| batch != id);
        inner.notify(id, now);
        Ok(shown)
    }

    async fn delete(&self, id: &BatchId) -> Result<(), QueueError> {
        let mut inner = self.lock();
        inner.kept(id)?;
        inner.batches.remove(id);
        inner.outbox.retain(|_, one| one.batch != *id);
        inner.leases.retain(|_, (batch, _)| batch != id);
        Ok(())
    }

    async fn discard(&self, id: &BatchId) -> Result<bool, QueueError> {
        let mut inner = self.lock();
        let is_receiving =
            inner.batches.get(id).is_some_and(|kept| kept.batch.state == State::Receiving);
        if is_receiving {
            inner.batches.remove(id);
        }
        self.discards.lock().push(is_receiving);
        Ok(is_receiving)
    }

    async fn ended_before(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError> {
        let inner = self.lock();
        let mut over: Vec<&Batch> = inner
            .batches
            .values()
            .map(|kept| &kept.batch)
            .filter(|batch| batch.ended_at.is_some_and(|ended| ended < time))
            .collect();
        over.sort_by_key(|batch| batch.ended_at);
        Ok(over.into_iter().take(limit).map(|batch| batch.id.clone()).collect())
    }
}
