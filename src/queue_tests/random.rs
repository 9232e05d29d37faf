//! Random steps on a queue and on the model beside it. The seed is in every message.

use std::collections::BTreeMap;

use super::model::ModelBatch;
use super::*;
use crate::batch::queue::{LeaseId, QueueError};
use crate::campaign::progress::State;

/// SplitMix64: the same steps for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(length as u64)).unwrap()
    }

    fn reason(&mut self) -> Reason {
        Reason::ALL[self.index(Reason::ALL.len())]
    }
}

pub(crate) async fn random_steps_agree_with_the_model(backend: &dyn Backend) {
    for seed in backend.seeds() {
        let mut run = Run {
            backend,
            queue: Some(backend.open()),
            dice: Dice(seed),
            now: at(seed * 1_000_000),
            batches: Vec::new(),
            leases: Vec::new(),
            read: BTreeMap::new(),
            requests: 0,
        };
        for step in 0..backend.steps() {
            run.step().await;
            run.compare(&format!("seed {seed}, step {step}")).await;
        }
        run.finish().await;
    }
}

struct Run<'a> {
    backend: &'a dyn Backend,
    queue: Option<Box<dyn Queue>>,
    dice: Dice,
    now: SystemTime,
    batches: Vec<ModelBatch>,
    /// All leases that were ever given, with their items.
    leases: Vec<Given>,
    /// What was read of each batch, and up to where, in both orders.
    read: BTreeMap<BatchId, [(Cursor, Vec<u64>); 2]>,
    requests: u64,
}

/// A lease that was given: the numbers of its items, there and in the model.
#[derive(Clone)]
struct Given {
    lease: LeaseId,
    batch: BatchId,
    items: Vec<(u64, usize)>,
}

/// What a worker brings: results for some items of a lease that may be over.
struct Brought {
    lease: LeaseId,
    known: Vec<ItemOutcome>,
    plain: Vec<(usize, Reason)>,
    /// The batch and the chunk, if it is out.
    out: Option<(usize, usize)>,
}

impl Run<'_> {
    async fn step(&mut self) {
        match self.dice.roll(20) {
            0 => self.submit().await,
            1..=3 => self.append().await,
            4 => self.seal().await,
            5..=8 => self.lease().await,
            9..=12 => self.complete().await,
            13..=15 => self.release().await,
            16 if self.dice.roll(6) == 0 => self.cancel().await,
            17 if self.dice.roll(8) == 0 => self.delete().await,
            18 if self.dice.roll(3) == 0 => self.reopen(),
            _ => self.now += Duration::from_millis(self.dice.roll(40_000)),
        }
        for batch in &mut self.batches {
            batch.expire(self.now);
        }
    }

    fn pick(&mut self, wanted: impl Fn(&ModelBatch) -> bool) -> Option<usize> {
        let found: Vec<usize> =
            (0..self.batches.len()).filter(|&n| wanted(&self.batches[n])).collect();
        (!found.is_empty()).then(|| found[self.dice.index(found.len())])
    }

    async fn submit(&mut self) {
        if self.batches.iter().filter(|batch| !batch.state.is_over()).count() > 4 {
            return;
        }
        self.requests += 1;
        let mut wish = spec("me", Some(&format!("{:?} {}", self.now, self.requests)));
        wish.options.deadline =
            (self.dice.roll(2) == 0).then(|| Duration::from_secs(self.dice.roll(200)));
        let id = submit(self.queue.as_deref().unwrap(), wish.clone(), self.now).await;
        self.batches.push(ModelBatch::new(id, wish));
    }

    async fn append(&mut self) {
        let Some(n) = self.pick(|batch| batch.state == State::Receiving) else { return };
        let count = self.dice.roll(120);
        let page: Vec<NewRow> = (0..count)
            .map(|_| {
                // Half of all are of one domain, and some come again, spelled in another way.
                let domain = if self.dice.roll(2) == 0 { 0 } else { self.dice.roll(30) };
                let user = self.dice.roll(if domain == 0 { 900 } else { 30 });
                let name = if self.dice.roll(2) == 0 { "user" } else { "USER" };
                let mut row = row(&format!("{name}{user}@d{domain}.example"));
                row.row_id = self.dice.roll(3).to_string();
                row
            })
            .collect();
        let batch = &mut self.batches[n];
        self.queue.as_deref().unwrap().append(&batch.id, None, page.clone(), at(0)).await.unwrap();
        batch.append(&page);
    }

    async fn seal(&mut self) {
        let Some(n) = self.pick(|batch| batch.state == State::Receiving) else { return };
        let batch = &mut self.batches[n];
        batch.seal(self.now);
        self.queue.as_deref().unwrap().seal(&batch.id, self.now).await.unwrap();
    }

    async fn lease(&mut self) {
        let most = if self.dice.roll(40) == 0 { 100 } else { 5 };
        let ask = LeaseRequest {
            chunks: self.dice.index(12),
            chunks_per_group: 1 + self.dice.index(most),
            until: self.now + Duration::from_millis(1 + self.dice.roll(60_000)),
        };
        let leases = self.queue.as_deref().unwrap().lease(ask, self.now).await.unwrap();
        let there: usize =
            self.batches.iter().map(|batch| batch.next(&ask, ask.chunks, self.now).len()).sum();
        assert_eq!(leases.len(), there.min(ask.chunks));
        for batch in &mut self.batches {
            let of_batch: Vec<&Lease> = leases.iter().filter(|l| l.batch == batch.id).collect();
            let next = batch.next(&ask, of_batch.len(), self.now);
            assert_eq!(next.len(), of_batch.len());
            for (n, lease) in next.into_iter().zip(of_batch) {
                batch.lease(n, lease, ask.until);
                let items =
                    lease.items.iter().map(|i| (i.number, batch.item(&i.address))).collect();
                self.leases.push(Given { lease: lease.id, batch: lease.batch.clone(), items });
            }
        }
    }

    fn brought(&mut self) -> Option<Brought> {
        if self.leases.is_empty() {
            return None;
        }
        let recent = self.leases.len().min(8);
        let Given { lease, batch, items } =
            self.leases[self.leases.len() - 1 - self.dice.index(recent)].clone();
        let some = self.dice.roll(3) == 0;
        let (mut results, mut plain) = (Vec::new(), Vec::new());
        for (number, item) in items {
            if !some || self.dice.roll(2) == 0 {
                let reason = self.dice.reason();
                results.push(known(number, reason));
                plain.push((item, reason));
            }
        }
        let batch = self.batches.iter().position(|kept| kept.id == batch);
        let out = batch.and_then(|n| Some((n, self.batches[n].holds(lease)?)));
        Some(Brought { lease, known: results, plain, out })
    }

    async fn complete(&mut self) {
        let Some(Brought { lease, known, plain, out }) = self.brought() else { return };
        let answer = self.queue.as_deref().unwrap().complete(lease, known, self.now).await;
        match out {
            Some((batch, chunk)) => {
                answer.unwrap();
                self.batches[batch].complete(chunk, &plain, self.now);
            }
            None => assert!(matches!(answer, Err(QueueError::LeaseLost))),
        }
    }

    async fn release(&mut self) {
        let Some(Brought { lease, known, plain, out }) = self.brought() else { return };
        let until = self.now + Duration::from_millis(self.dice.roll(90_000));
        let answer =
            self.queue.as_deref().unwrap().release_until(lease, until, known, self.now).await;
        match out {
            Some((batch, chunk)) => {
                answer.unwrap();
                self.batches[batch].release(chunk, until, &plain, self.now);
            }
            None => assert!(matches!(answer, Err(QueueError::LeaseLost))),
        }
    }

    async fn cancel(&mut self) {
        let Some(n) = self.pick(|_| true) else { return };
        self.batches[n].cancel(self.now);
        self.queue.as_deref().unwrap().cancel(&self.batches[n].id, self.now).await.unwrap();
    }

    async fn delete(&mut self) {
        let Some(n) = self.pick(|_| true) else { return };
        let batch = self.batches.remove(n);
        self.read.remove(&batch.id);
        self.queue.as_deref().unwrap().delete(&batch.id).await.unwrap();
    }

    fn reopen(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        self.queue = Some(self.backend.again(queue));
        if !self.backend.is_durable() {
            return;
        }
        self.batches.retain(|batch| batch.state != State::Receiving);
        for chunk in self.batches.iter_mut().flat_map(|batch| &mut batch.chunks) {
            chunk.out = None;
        }
    }

    /// Whether the queue says what the model says.
    async fn compare(&mut self, place: &str) {
        let next = self.batches.iter().filter_map(|batch| batch.next_due(self.now)).min();
        assert_eq!(
            self.queue.as_deref().unwrap().next_due(self.now).await.unwrap(),
            next,
            "{place}"
        );
        for batch in &self.batches {
            let standing = standing(self.queue.as_deref().unwrap(), &batch.id).await;
            assert_eq!(standing.state, batch.state, "{place}");
            assert_eq!(standing.ended_at, batch.ended_at, "{place}");
            let mut expected = batch.progress();
            if batch.state == State::Receiving {
                // They may be counted when the batch is sealed.
                expected.mailboxes = standing.progress.mailboxes;
            }
            assert_eq!(standing.progress, expected, "{place}");
        }
        let Some(n) = self.pick(|_| true) else { return };
        let limit = 1 + self.dice.index(150);
        let batch = &self.batches[n];
        let seen = self.read.entry(batch.id.clone()).or_default();
        for (order, (cursor, found)) in [Order::Completion, Order::Row].into_iter().zip(seen) {
            let page = page(self.queue.as_deref().unwrap(), &batch.id, order, cursor, limit).await;
            for result in &page.rows {
                let (row, item) = &batch.rows[usize::try_from(result.row).unwrap()];
                assert_eq!((&result.address, &result.row_id), (&row.address, &row.row_id));
                assert_eq!(result.outcome.reason(), batch.results[item], "{place}");
            }
            found.extend(numbers(&page.rows));
            *cursor = page.next;
        }
    }

    /// Reads on to the end: every row with a result was met once.
    async fn finish(&mut self) {
        for batch in &self.batches {
            let [completion, by_row] = self.read.remove(&batch.id).unwrap_or_default();
            let done = |(n, (_, item)): (usize, &(NewRow, usize))| {
                batch.results.contains_key(item).then_some(n as u64)
            };
            let all: Vec<u64> = batch.rows.iter().enumerate().filter_map(done).collect();
            for (order, (mut cursor, mut found)) in
                [(Order::Completion, completion), (Order::Row, by_row)]
            {
                loop {
                    let page =
                        page(self.queue.as_deref().unwrap(), &batch.id, order, &cursor, 64).await;
                    found.extend(numbers(&page.rows));
                    cursor = page.next;
                    if page.at_end {
                        break;
                    }
                }
                if order == Order::Row && batch.state != State::Cancelled {
                    let first_open = (0..).zip(&all).find(|(n, row)| n != *row);
                    let end = first_open.map_or(all.len(), |(n, _)| usize::try_from(n).unwrap());
                    assert_eq!(found, all[..end]);
                } else {
                    if order == Order::Completion {
                        found.sort_unstable();
                    }
                    assert_eq!(found, all);
                }
            }
        }
        for batch in self.batches.drain(..) {
            self.queue.as_deref().unwrap().delete(&batch.id).await.unwrap();
        }
    }
}
