//! A queue in memory, for tests: the plainest thing that keeps to [`queue`](super::queue), less what
//! it says of the end of the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;

use super::id::BatchId;
use super::outcome::Outcome;
use super::progress::{Batch, Progress, State};
use super::queue::{
    CHUNK, Cursor, DestinationTally, GroupTally, Item, Known, Lease, LeaseId, LeaseRequest, NewRow,
    Order, Queue, QueueError, Results, ResultsRequest, RowResult, Submission,
};
use super::spec::Spec;
use crate::verdict::Reason;

/// A queue that forgets everything with its process.
#[derive(Default)]
pub(super) struct MemoryQueue {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    batches: BTreeMap<BatchId, Kept>,
    leases: HashMap<LeaseId, (BatchId, usize)>,
    last_lease: u64,
    /// Where the next turn begins.
    turn: Option<BatchId>,
}

struct Kept {
    batch: Batch,
    rows: Vec<Row>,
    items: Vec<KeptItem>,
    by_key: HashMap<String, usize>,
    chunks: Vec<KeptChunk>,
    /// Items in the order of their results.
    completed: Vec<usize>,
}

struct Row {
    row_id: String,
    address: String,
    item: usize,
}

struct KeptItem {
    address: String,
    rows: Vec<usize>,
    waiting_since: Option<SystemTime>,
    provisional: Option<Outcome>,
    result: Option<Outcome>,
}

struct KeptChunk {
    group: String,
    items: Vec<usize>,
    due: SystemTime,
    /// Until when it is out, and under which lease.
    out: Option<(LeaseId, SystemTime)>,
}

impl KeptChunk {
    fn is_out(&self, now: SystemTime) -> bool {
        self.out.is_some_and(|(_, until)| until > now)
    }
}

impl Kept {
    fn is_open(&self, chunk: usize) -> bool {
        self.chunks[chunk].items.iter().any(|item| self.items[*item].result.is_none())
    }

    fn due(&self, chunk: usize) -> SystemTime {
        let due = self.chunks[chunk].due;
        self.batch.deadline().map_or(due, |deadline| due.min(deadline))
    }

    fn progress(&self) -> Progress {
        let mut progress = Progress {
            rows: self.rows.len() as u64,
            mailboxes: self.items.len() as u64,
            ..Progress::default()
        };
        for item in &self.items {
            let (count, known) = match (&item.result, &item.provisional) {
                (Some(result), _) => (&mut progress.finished, result),
                (None, Some(provisional)) => (&mut progress.waiting, provisional),
                (None, None) => continue,
            };
            *count.entry(known.reason()).or_default() += item.rows.len() as u64;
        }
        let waiting = (0..self.chunks.len()).filter(|chunk| {
            let mut items = self.chunks[*chunk].items.iter().map(|item| &self.items[*item]);
            items.any(|item| item.result.is_none() && item.provisional.is_some())
        });
        progress.next_retry_at = waiting.map(|chunk| self.due(chunk)).min();
        progress
    }

    fn shown(&self) -> Batch {
        Batch { progress: self.progress(), ..self.batch.clone() }
    }

    fn item(&self, number: usize) -> Item {
        let item = &self.items[number];
        Item {
            number: number as u64,
            address: item.address.clone(),
            waiting_since: item.waiting_since,
            provisional: item.provisional.clone(),
        }
    }
}

impl Inner {
    fn kept(&mut self, id: &BatchId) -> Result<&mut Kept, QueueError> {
        self.batches.get_mut(id).ok_or_else(|| QueueError::NoSuchBatch(id.clone()))
    }

    fn receiving(&mut self, id: &BatchId) -> Result<&mut Kept, QueueError> {
        let kept = self.kept(id)?;
        if kept.batch.state == State::Receiving {
            return Ok(kept);
        }
        let (id, state) = (id.clone(), kept.batch.state.name());
        Err(QueueError::WrongState { id, state, remedy: "make a new batch" })
    }

    /// The lease, if it is not over.
    fn out(&mut self, lease: LeaseId, now: SystemTime) -> Result<(BatchId, usize), QueueError> {
        let (batch, chunk) = self.leases.get(&lease).cloned().ok_or(QueueError::LeaseLost)?;
        match self.kept(&batch)?.chunks[chunk].out {
            Some((out, until)) if out == lease && until > now => Ok((batch, chunk)),
            _ => Err(QueueError::LeaseLost),
        }
    }
}

impl Kept {
    /// The chunk whose turn it is.
    fn next_chunk(&self, ask: LeaseRequest, now: SystemTime) -> Option<usize> {
        let mut out: HashMap<&str, usize> = HashMap::new();
        for chunk in self.chunks.iter().filter(|chunk| chunk.is_out(now)) {
            *out.entry(chunk.group.as_str()).or_default() += 1;
        }
        (0..self.chunks.len())
            .filter(|c| !self.chunks[*c].is_out(now) && self.due(*c) <= now && self.is_open(*c))
            .filter(|c| {
                let out = out.get(self.chunks[*c].group.as_str());
                out.is_none_or(|out| *out < ask.chunks_per_group)
            })
            .min_by_key(|c| (self.due(*c), *c))
    }
}

impl MemoryQueue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn submit(
        &self,
        id: BatchId,
        spec: Spec,
        now: SystemTime,
    ) -> Result<Submission, QueueError> {
        let mut inner = self.lock();
        let known = inner.batches.values().find(|kept| {
            spec.request_id.is_some()
                && kept.batch.spec.request_id == spec.request_id
                && kept.batch.spec.owner == spec.owner
        });
        if let Some(known) = known {
            return Ok(Submission::Known(known.shown()));
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
        let kept = Kept {
            batch: batch.clone(),
            rows: Vec::new(),
            items: Vec::new(),
            by_key: HashMap::new(),
            chunks: Vec::new(),
            completed: Vec::new(),
        };
        inner.batches.insert(id, kept);
        Ok(Submission::New(batch))
    }

    async fn append(&self, id: &BatchId, rows: Vec<NewRow>) -> Result<(), QueueError> {
        let mut inner = self.lock();
        let kept = inner.receiving(id)?;
        for new in rows {
            let item = *kept.by_key.entry(new.key).or_insert(kept.items.len());
            if item == kept.items.len() {
                kept.items.push(KeptItem {
                    address: new.address.clone(),
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
                    None => kept.chunks.push(KeptChunk {
                        group: new.group,
                        items: vec![item],
                        due: SystemTime::UNIX_EPOCH,
                        out: None,
                    }),
                }
            }
            kept.items[item].rows.push(kept.rows.len());
            kept.rows.push(Row { row_id: new.row_id, address: new.address, item });
        }
        Ok(())
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
        Ok(kept.shown())
    }

    async fn batch(&self, id: &BatchId) -> Result<Batch, QueueError> {
        Ok(self.lock().kept(id)?.shown())
    }

    async fn running(&self) -> Result<Vec<Batch>, QueueError> {
        let inner = self.lock();
        let running = inner.batches.values().filter(|kept| kept.batch.state == State::Running);
        Ok(running.map(Kept::shown).collect())
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
        Ok(older.take(limit).map(Kept::shown).collect())
    }

    async fn lease(&self, ask: LeaseRequest, now: SystemTime) -> Result<Vec<Lease>, QueueError> {
        let mut inner = self.lock();
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
        let inner = self.lock();
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
        results: Vec<Known>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        let mut inner = self.lock();
        let (batch, chunk) = inner.out(lease, now)?;
        let kept = inner.kept(&batch)?;
        for Known { item, outcome } in results {
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
        Ok(())
    }

    async fn release_until(
        &self,
        lease: LeaseId,
        until: SystemTime,
        provisional: Vec<Known>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        let mut inner = self.lock();
        let (batch, chunk) = inner.out(lease, now)?;
        inner.leases.remove(&lease);
        let kept = inner.kept(&batch)?;
        kept.chunks[chunk].out = None;
        kept.chunks[chunk].due = until;
        for Known { item, outcome } in provisional {
            let item = &mut kept.items[usize::try_from(item).unwrap_or(usize::MAX)];
            item.waiting_since.get_or_insert(now);
            item.provisional = Some(outcome);
        }
        Ok(())
    }

    async fn results(&self, id: &BatchId, request: ResultsRequest) -> Result<Results, QueueError> {
        let mut inner = self.lock();
        let kept = inner.kept(id)?;
        let order = match request.order {
            Order::Completion => 'c',
            Order::Row => 'r',
        };
        let cursor = |place: usize| Cursor(format!("{order}{place}"));
        let from = match request.after.0.strip_prefix(order) {
            _ if request.after.0.is_empty() => 0,
            Some(place) => place.parse().map_err(|_| QueueError::BadCursor)?,
            None => return Err(QueueError::BadCursor),
        };
        let rows: Vec<usize> = match request.order {
            Order::Row => (0..kept.rows.len()).collect(),
            Order::Completion => {
                kept.completed.iter().flat_map(|item| kept.items[*item].rows.clone()).collect()
            }
        };
        let mut results = Results { rows: Vec::new(), next: request.after, at_end: true };
        for (place, row) in rows.iter().enumerate().skip(from) {
            let kept_row = &kept.rows[*row];
            let Some(outcome) = kept.items[kept_row.item].result.clone() else { break };
            if results.rows.len() == request.limit {
                results.at_end = false;
                break;
            }
            results.next = cursor(place + 1);
            if request.verdicts.is_empty() || request.verdicts.contains(&outcome.verdict()) {
                results.rows.push(RowResult {
                    row: *row as u64,
                    row_id: kept_row.row_id.clone(),
                    address: kept_row.address.clone(),
                    outcome,
                    cursor: cursor(place + 1),
                });
            }
        }
        Ok(results)
    }

    async fn groups(&self, id: &BatchId, limit: usize) -> Result<Vec<GroupTally>, QueueError> {
        let mut inner = self.lock();
        let kept = inner.kept(id)?;
        let mut tallies: BTreeMap<&str, (u64, BTreeMap<Reason, u64>)> = BTreeMap::new();
        for chunk in &kept.chunks {
            let (rows, finished) = tallies.entry(&chunk.group).or_default();
            for item in chunk.items.iter().map(|item| &kept.items[*item]) {
                *rows += item.rows.len() as u64;
                if let Some(result) = &item.result {
                    *finished.entry(result.reason()).or_default() += item.rows.len() as u64;
                }
            }
        }
        let mut tallies: Vec<GroupTally> = tallies
            .into_iter()
            .map(|(group, (rows, finished))| GroupTally {
                group: group.to_owned(),
                rows,
                finished: finished.into_iter().collect(),
            })
            .collect();
        tallies.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.group.cmp(&b.group)));
        tallies.truncate(limit);
        Ok(tallies)
    }

    async fn destinations(
        &self,
        id: &BatchId,
        limit: usize,
    ) -> Result<Vec<DestinationTally>, QueueError> {
        let mut inner = self.lock();
        let kept = inner.kept(id)?;
        let mut tallies: BTreeMap<String, BTreeMap<Reason, u64>> = BTreeMap::new();
        for item in &kept.items {
            let result = item.result.as_ref();
            if let Some((result, to)) = result.and_then(|r| Some((r, r.destination()?))) {
                let finished = tallies.entry(to.as_str().to_owned()).or_default();
                *finished.entry(result.reason()).or_default() += item.rows.len() as u64;
            }
        }
        let mut tallies: Vec<DestinationTally> = tallies
            .into_iter()
            .map(|(destination, finished)| DestinationTally {
                destination,
                finished: finished.into_iter().collect(),
            })
            .collect();
        tallies.sort_by_key(|t| std::cmp::Reverse(t.finished.iter().map(|(_, n)| n).sum::<u64>()));
        tallies.truncate(limit);
        Ok(tallies)
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
        Ok(shown)
    }

    async fn delete(&self, id: &BatchId) -> Result<(), QueueError> {
        let mut inner = self.lock();
        inner.kept(id)?;
        inner.batches.remove(id);
        inner.leases.retain(|_, (batch, _)| batch != id);
        Ok(())
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
