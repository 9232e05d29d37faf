//! The thread that works on running batches: leases, results, chunks for later, the end.
//!
//! All that waits is taken in at once. What workers bring back is written batch by batch, one
//! transaction each, and answered when it is on the disk; then leases are given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::error::Fault;
use super::intake::{Reply, answer};
use super::keeping::Brought;
use super::shared::Shared;
use super::work::{Outlook, Work};
use crate::batch::queue::{Lease, LeaseId, LeaseRequest, QueueError};
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;
use crate::verdict::Verdict;

/// How much is taken in at once.
const PASS: usize = 256;

/// How many files of running batches stay open.
const OPEN: usize = 32;

/// What the thread is asked.
pub(super) enum Job {
    /// A batch is to be worked on.
    Sealed(Box<Batch>),
    Lease(LeaseRequest, SystemTime, Reply<Vec<Lease>>),
    NextDue(SystemTime, Reply<Option<SystemTime>>),
    Bring(Brought, Reply<()>),
    Cancel(BatchId, SystemTime, Reply<Batch>),
    Delete(BatchId, Reply<()>),
}

/// The state of the thread.
pub(super) struct Desk {
    shared: Arc<Shared>,
    works: Vec<Work>,
    /// Whose turn it is.
    turn: usize,
    /// The last lease that was given.
    last: u64,
    /// Counts the passes.
    tick: u64,
    /// Batches that are over, which the catalog could not be told yet.
    untold: Vec<Batch>,
}

impl Desk {
    /// `epoch` is another one each time the directory is opened.
    pub(super) fn new(shared: Arc<Shared>, works: Vec<Work>, epoch: u64) -> Self {
        Self { shared, works, turn: 0, last: epoch << 40, tick: 0, untold: Vec::new() }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut waiting = vec![first];
            while waiting.len() < PASS
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push(job);
            }
            while !waiting.is_empty() {
                waiting = self.pass(waiting);
            }
        }
    }

    /// Does what is asked; gives back what must wait for the next pass.
    fn pass(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        self.tick += 1;
        let mut brought: BTreeMap<BatchId, Vec<(Brought, Reply<()>)>> = BTreeMap::new();
        let mut touched = BTreeSet::new();
        let (mut others, mut later) = (Vec::new(), Vec::new());
        for job in jobs {
            match job {
                Job::Bring(what, reply) if !touched.insert(what.lease) => {
                    later.push(Job::Bring(what, reply));
                }
                Job::Bring(what, reply) => match self.holder(what.lease, what.now) {
                    Some(id) => brought.entry(id).or_default().push((what, reply)),
                    None => answer(reply, Err(QueueError::LeaseLost.into()), ""),
                },
                other => others.push(other),
            }
        }
        for (id, brought) in brought {
            self.keep(&id, brought);
        }
        for job in others {
            self.take(job);
        }
        self.tell();
        self.close_idle();
        later
    }

    fn take(&mut self, job: Job) {
        let place = self.shared.directory.place();
        match job {
            Job::Sealed(batch) => match self.open(*batch) {
                Ok(work) => self.works.push(work),
                // It is on the disk: the next start takes it up.
                Err(fault) => tracing::error!(%fault, "a batch cannot be worked on"),
            },
            Job::Lease(ask, now, reply) => answer(reply, self.lease(&ask, now), &place),
            Job::NextDue(now, reply) => answer(reply, self.next_due(now), &place),
            Job::Cancel(id, now, reply) => answer(reply, self.cancel(&id, now), &place),
            Job::Delete(id, reply) => answer(reply, self.delete(&id), &place),
            Job::Bring(..) => {}
        }
    }

    fn open(&self, batch: Batch) -> Result<Work, Fault> {
        let path = self.shared.directory.batch(&batch.id);
        Work::open(batch, &path)
    }

    /// The batch of a lease that is not over. Nothing is ended here: what came before in the same pass
    /// is not written yet.
    fn holder(&self, lease: LeaseId, now: SystemTime) -> Option<BatchId> {
        let mut works = self.works.iter();
        let (batch, out) = works.find_map(|work| Some((&work.batch, work.leases.get(&lease)?)))?;
        (out.until > now).then(|| batch.id.clone())
    }

    /// Ends the leases whose time is over.
    fn expire(&mut self, now: SystemTime) {
        for work in &mut self.works {
            let path = self.shared.directory.batch(&work.batch.id);
            if work.expire(&path, now) {
                self.shared.publish(&work.batch);
            }
        }
    }

    fn keep(&mut self, id: &BatchId, brought: Vec<(Brought, Reply<()>)>) {
        let Some(at) = self.works.iter().position(|work| work.batch.id == *id) else { return };
        let work = &mut self.works[at];
        work.used = self.tick;
        let path = self.shared.directory.batch(id);
        let (brought, replies): (Vec<Brought>, Vec<Reply<()>>) = brought.into_iter().unzip();
        let kept = work.keep(&path, brought);
        let place = self.shared.directory.place();
        if kept.is_err() {
            // The file is put back to what it was, with the transaction; memory never left it.
            work.close();
        } else {
            self.shared.publish(&work.batch);
        }
        if work.batch.state.is_over() {
            let batch = self.works.remove(at).batch;
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
            self.untold.push(batch);
            self.tell();
        }
        let error = kept.err().map(|fault| fault.told(&place));
        for reply in replies {
            let _ = reply.send(error.as_ref().map_or(Ok(()), |error| Err(again(error))));
        }
    }

    /// Tells the catalog which batches are over. Their files know: if the catalog cannot take it
    /// now, it is told later, and at the latest when the directory is opened again.
    fn tell(&mut self) {
        let shared = &self.shared;
        self.untold.retain(|batch| match shared.catalog().end(batch) {
            Ok(()) => {
                shared.retire(&batch.id);
                false
            }
            Err(fault) => {
                tracing::warn!(%fault, "the catalog cannot be told that a batch is over");
                true
            }
        });
    }

    fn lease(&mut self, ask: &LeaseRequest, now: SystemTime) -> Result<Vec<Lease>, Fault> {
        let batches = self.works.len();
        self.expire(now);
        let each = ask.chunks.checked_div(batches).unwrap_or(0).max(1);
        let (mut leases, mut trouble) = (Vec::new(), None);
        let mut dry = 0;
        // Round and round, until there is enough or a whole round brought nothing.
        while leases.len() < ask.chunks && dry < batches {
            let at = self.turn % batches;
            self.turn = at + 1;
            let work = &mut self.works[at];
            work.used = self.tick;
            let path = self.shared.directory.batch(&work.batch.id);
            let count = each.min(ask.chunks - leases.len());
            let last = &mut self.last;
            let given = work.lease(&path, ask, count, now, || {
                *last += 1;
                LeaseId(*last)
            });
            match given {
                Ok(given) if given.is_empty() => dry += 1,
                Ok(given) => {
                    dry = 0;
                    leases.extend(given);
                    self.shared.publish(&work.batch);
                }
                Err(fault) => {
                    dry += 1;
                    trouble = Some(fault);
                }
            }
        }
        match trouble {
            Some(fault) if leases.is_empty() => Err(fault),
            _ => Ok(leases),
        }
    }

    fn next_due(&mut self, now: SystemTime) -> Result<Option<SystemTime>, Fault> {
        let mut first: Option<SystemTime> = None;
        self.expire(now);
        for work in &mut self.works {
            let ends = work.leases.values().map(|out| out.until).min();
            let path = self.shared.directory.batch(&work.batch.id);
            let next = match work.outlook {
                Some(outlook)
                    if outlook.at <= now && outlook.next.is_none_or(|next| now < next) =>
                {
                    outlook.next
                }
                _ => {
                    work.used = self.tick;
                    let next = work.next_due(&path, now)?;
                    work.outlook = Some(Outlook { at: now, now: true, next });
                    next
                }
            };
            first = [first, ends, next].into_iter().flatten().min();
        }
        Ok(first)
    }

    fn cancel(&mut self, id: &BatchId, now: SystemTime) -> Result<Batch, Fault> {
        let Some(at) = self.works.iter().position(|work| work.batch.id == *id) else {
            return self.shared.batch(id);
        };
        let path = self.shared.directory.batch(id);
        self.works[at].cancel(&path, now)?;
        let batch = self.works.remove(at).batch;
        self.shared.publish(&batch);
        self.untold.push(batch.clone());
        self.tell();
        Ok(batch)
    }

    fn delete(&mut self, id: &BatchId) -> Result<(), Fault> {
        self.shared.batch(id)?;
        if let Some(work) = self.works.iter_mut().find(|work| work.batch.id == *id) {
            work.close();
        }
        self.shared.remove(id)?;
        self.works.retain(|work| work.batch.id != *id);
        self.untold.retain(|batch| batch.id != *id);
        Ok(())
    }

    /// Closes the files that were longest unused.
    fn close_idle(&mut self) {
        let mut open: Vec<&mut Work> =
            self.works.iter_mut().filter(|work| work.is_open()).collect();
        let many = open.len().saturating_sub(OPEN);
        if many > 0 {
            open.sort_unstable_by_key(|work| work.used);
            for work in &mut open[..many] {
                work.close();
            }
        }
    }
}

/// The same error once more, for everybody who waited for the same transaction.
fn again(error: &QueueError) -> QueueError {
    match error {
        QueueError::Full { place } => QueueError::Full { place: place.clone() },
        other => QueueError::Broken { place: String::new(), reason: other.to_string() },
    }
}
