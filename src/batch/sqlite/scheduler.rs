//! The thread that works on running batches: leases, results, chunks for later, the end.
//!
//! All that waits is taken in at once. What workers bring back is written batch by batch, one
//! transaction each, and answered when it is on the disk; then leases are given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use super::commit::LeaseReport;
use super::error::StoreError;
use super::reply::{ReplySender, send_reply};
use super::running::{NextDue, RunningBatch};
use super::shared::SharedStore;
use crate::batch::log_lines::log_finished;
use crate::batch::queue::{Lease, LeaseId, LeaseRequest, QueueError};
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;

/// Jobs of one pass.
const JOBS_PER_PASS: usize = 256;

/// Files of running batches that stay open.
const OPEN_FILES: usize = 32;

/// Pause before a file that could not be opened is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(2);

/// A job for the thread.
pub(super) enum SchedulerJob {
    /// A batch is to be worked on.
    Sealed(Box<Batch>),
    Lease(LeaseRequest, SystemTime, ReplySender<Vec<Lease>>),
    NextDue(SystemTime, ReplySender<Option<SystemTime>>),
    Report(LeaseReport, ReplySender<()>),
    Cancel(BatchId, SystemTime, ReplySender<Batch>),
    Delete(BatchId, ReplySender<()>),
}

/// The state of the thread.
pub(super) struct Scheduler {
    shared: Arc<SharedStore>,
    running: Vec<RunningBatch>,
    /// Batches to be worked on whose files could not be opened: tried again with each look for
    /// work.
    unopened: Vec<Batch>,
    /// Index of the batch whose turn it is.
    turn: usize,
    /// The last lease that was given.
    last: u64,
    /// Counts the passes.
    tick: u64,
    /// Batches that are over, which the catalog could not be told yet.
    unrecorded: Vec<Batch>,
}

impl Scheduler {
    /// `epoch` is another one each time the directory is opened.
    pub(super) fn new(shared: Arc<SharedStore>, running: Vec<RunningBatch>, epoch: u64) -> Self {
        let (unopened, unrecorded) = (Vec::new(), Vec::new());
        Self { shared, running, unopened, turn: 0, last: epoch << 40, tick: 0, unrecorded }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<SchedulerJob>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut waiting = vec![first];
            while waiting.len() < JOBS_PER_PASS
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push(job);
            }
            while !waiting.is_empty() {
                waiting = self.run_pass(waiting);
            }
        }
    }

    /// Does what is asked; gives back what must wait for the next pass.
    fn run_pass(&mut self, jobs: Vec<SchedulerJob>) -> Vec<SchedulerJob> {
        self.tick += 1;
        let mut reports: BTreeMap<BatchId, Vec<(LeaseReport, ReplySender<()>)>> = BTreeMap::new();
        let mut touched = BTreeSet::new();
        let (mut others, mut later) = (Vec::new(), Vec::new());
        for job in jobs {
            match job {
                SchedulerJob::Report(what, reply) if !touched.insert(what.lease) => {
                    later.push(SchedulerJob::Report(what, reply));
                }
                SchedulerJob::Report(what, reply) => match self.holder(what.lease, what.now) {
                    Some(id) => reports.entry(id).or_default().push((what, reply)),
                    None => send_reply(reply, Err(QueueError::LeaseLost.into()), ""),
                },
                other => others.push(other),
            }
        }
        for (id, reports) in reports {
            self.commit(&id, reports);
        }
        for job in others {
            self.run_job(job);
        }
        self.record_ended();
        self.close_idle();
        later
    }

    fn run_job(&mut self, job: SchedulerJob) {
        let place = self.shared.directory.place();
        match job {
            SchedulerJob::Sealed(batch) => match self.open(&batch) {
                Ok(work) => self.running.push(work),
                Err(fault) => {
                    tracing::error!(%fault, batch = %batch.id, "a batch cannot be worked on yet");
                    self.unopened.push(*batch);
                }
            },
            SchedulerJob::Lease(ask, now, reply) => {
                send_reply(reply, self.lease(&ask, now), &place)
            }
            SchedulerJob::NextDue(now, reply) => send_reply(reply, Ok(self.next_due(now)), &place),
            SchedulerJob::Cancel(id, now, reply) => {
                send_reply(reply, self.cancel(&id, now), &place)
            }
            SchedulerJob::Delete(id, reply) => send_reply(reply, self.delete(&id), &place),
            SchedulerJob::Report(..) => {}
        }
    }

    fn open(&self, batch: &Batch) -> Result<RunningBatch, StoreError> {
        let path = self.shared.directory.batch(&batch.id);
        RunningBatch::open(batch.clone(), &path)
    }

    /// Takes up the batches whose files can be opened by now.
    fn open_more(&mut self) {
        for batch in std::mem::take(&mut self.unopened) {
            match self.open(&batch) {
                Ok(work) => self.running.push(work),
                Err(_) => self.unopened.push(batch),
            }
        }
    }

    /// The batch of a lease that is not over. Nothing is ended here: what came before in the same
    /// pass is not written yet.
    fn holder(&self, lease: LeaseId, now: SystemTime) -> Option<BatchId> {
        let mut running = self.running.iter();
        let (batch, out) =
            running.find_map(|work| Some((&work.batch, work.leases.get(&lease)?)))?;
        (out.until > now).then(|| batch.id.clone())
    }

    /// Ends the leases whose time is over.
    fn expire(&mut self, now: SystemTime) {
        for work in &mut self.running {
            let path = self.shared.directory.batch(&work.batch.id);
            if work.expire(&path, now) {
                self.shared.publish(&work.batch);
            }
        }
    }

    fn commit(&mut self, id: &BatchId, reports: Vec<(LeaseReport, ReplySender<()>)>) {
        let Some(at) = self.running.iter().position(|work| work.batch.id == *id) else { return };
        let work = &mut self.running[at];
        work.used = self.tick;
        let path = self.shared.directory.batch(id);
        let (reports, replies): (Vec<LeaseReport>, Vec<ReplySender<()>>) =
            reports.into_iter().unzip();
        let now = reports.iter().map(|report| report.now).max();
        let committed = work.commit(&path, reports);
        let place = self.shared.directory.place();
        if committed.is_err() {
            // The file is put back to what it was, with the transaction; memory never left it.
            work.close();
        } else {
            self.shared.publish(&work.batch);
            if let Some(now) = now {
                tell_that_it_only_waits(&self.shared, work, now);
            }
        }
        if work.batch.state.is_over() {
            let batch = self.running.remove(at).batch;
            log_finished(&batch);
            self.unrecorded.push(batch);
            self.record_ended();
        }
        let error = committed.err().map(|fault| fault.into_report_error(&place));
        for reply in replies {
            let _ = reply.send(error.clone().map_or(Ok(()), Err));
        }
    }

    /// Tells the catalog which batches are over. Their files know: if the catalog cannot take it
    /// now, it is told later, and at the latest when the directory is opened again.
    fn record_ended(&mut self) {
        let shared = &self.shared;
        self.unrecorded.retain(|batch| match shared.catalog().end(batch) {
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

    fn lease(&mut self, ask: &LeaseRequest, now: SystemTime) -> Result<Vec<Lease>, StoreError> {
        self.open_more();
        let batches = self.running.len();
        self.expire(now);
        let each = ask.chunks.checked_div(batches).unwrap_or(0).max(1);
        let (mut leases, mut trouble) = (Vec::new(), None);
        let mut dry = 0;
        // Round and round, until there is enough or a whole round brought nothing.
        while leases.len() < ask.chunks && dry < batches {
            let at = self.turn % batches;
            self.turn = at + 1;
            let work = &mut self.running[at];
            work.used = self.tick;
            let path = self.shared.directory.batch(&work.batch.id);
            let count = each.min(ask.chunks - leases.len());
            let last = &mut self.last;
            let given = work.lease(&path, ask, count, now, || {
                *last += 1;
                LeaseId(*last)
            });
            match given {
                Ok(given) => {
                    work.is_told_unreadable = false;
                    dry = if given.is_empty() { dry + 1 } else { 0 };
                    if !given.is_empty() {
                        self.shared.publish(&work.batch);
                    }
                    leases.extend(given);
                }
                Err(fault) => {
                    dry += 1;
                    leave_out(work, &fault);
                    trouble = Some(fault);
                }
            }
        }
        match trouble {
            Some(fault) if leases.is_empty() => Err(fault),
            _ => Ok(leases),
        }
    }

    fn next_due(&mut self, now: SystemTime) -> Option<SystemTime> {
        self.open_more();
        let mut first = (!self.unopened.is_empty()).then_some(now + OPEN_AGAIN);
        self.expire(now);
        for work in &mut self.running {
            let ends = work.leases.values().map(|out| out.until).min();
            let path = self.shared.directory.batch(&work.batch.id);
            let next = match work.known_due {
                Some(known_due)
                    if known_due.seen_at <= now && known_due.next.is_none_or(|next| now < next) =>
                {
                    known_due.next
                }
                _ => {
                    work.used = self.tick;
                    match work.next_due(&path, now) {
                        Ok(next) => {
                            work.known_due = Some(NextDue { seen_at: now, is_due: true, next });
                            next
                        }
                        Err(fault) => {
                            leave_out(work, &fault);
                            Some(now + OPEN_AGAIN)
                        }
                    }
                }
            };
            first = [first, ends, next].into_iter().flatten().min();
        }
        first
    }

    fn cancel(&mut self, id: &BatchId, now: SystemTime) -> Result<Batch, StoreError> {
        if let Some(at) = self.unopened.iter().position(|batch| batch.id == *id) {
            let work = self.open(&self.unopened[at])?;
            self.unopened.remove(at);
            self.running.push(work);
        }
        let Some(at) = self.running.iter().position(|work| work.batch.id == *id) else {
            return self.shared.batch(id);
        };
        let path = self.shared.directory.batch(id);
        self.running[at].cancel(&path, now)?;
        let batch = self.running.remove(at).batch;
        self.shared.publish(&batch);
        self.unrecorded.push(batch.clone());
        self.record_ended();
        Ok(batch)
    }

    fn delete(&mut self, id: &BatchId) -> Result<(), StoreError> {
        self.shared.known(id)?;
        if let Some(work) = self.running.iter_mut().find(|work| work.batch.id == *id) {
            work.close();
        }
        self.shared.remove(id)?;
        self.running.retain(|work| work.batch.id != *id);
        self.unopened.retain(|batch| batch.id != *id);
        self.unrecorded.retain(|batch| batch.id != *id);
        Ok(())
    }

    /// Closes the files that were longest unused.
    fn close_idle(&mut self) {
        let mut open: Vec<&mut RunningBatch> =
            self.running.iter_mut().filter(|work| work.is_open()).collect();
        let many = open.len().saturating_sub(OPEN_FILES);
        if many > 0 {
            open.sort_unstable_by_key(|work| work.used);
            for work in &mut open[..many] {
                work.close();
            }
        }
    }
}

/// Leaves a batch whose file cannot be read to the next look, which opens it again; the others go
/// on. The log says so once, not with each of the looks that follow within seconds.
fn leave_out(work: &mut RunningBatch, fault: &StoreError) {
    work.close();
    if !work.is_told_unreadable {
        work.is_told_unreadable = true;
        tracing::warn!(%fault, batch = %work.batch.id, "a batch is left out until it can be read");
    }
}

/// Tells the catalog that nothing but waiting rows is open any more, once. If it cannot take it
/// now, the next report tells it again.
fn tell_that_it_only_waits(shared: &SharedStore, work: &mut RunningBatch, now: SystemTime) {
    if work.is_told_to_wait || !work.batch.only_waits() {
        return;
    }
    match shared.catalog().notify(&work.batch, now) {
        Ok(()) => work.is_told_to_wait = true,
        Err(fault) => {
            tracing::warn!(%fault, "the catalog cannot be told that a batch only waits");
        }
    }
}

#[cfg(test)]
mod tests;
