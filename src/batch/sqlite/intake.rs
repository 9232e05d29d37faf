//! The thread that takes rows in. A batch that is not sealed need not outlive the process, so
//! nothing is written through to the disk before [`seal`](Intake::seal); a file that cannot be
//! finished is put back to the last page that was taken whole.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::error::StoreError;
use super::receiver::Receiver;
use super::reply::{ReplySender, send_reply};
use super::scheduler;
use super::shared::SharedStore;
use super::time::kept;
use crate::batch::queue::{AppendedRows, NewRow, QueueError, SubmittedBatch, new_rows};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, Progress, State};
use crate::campaign::spec::Spec;

/// Files of receiving batches that stay open.
const OPEN_FILES: usize = 4;

/// Rows to be taken in.
pub(super) struct RowPage {
    pub(super) batch: BatchId,
    /// The number of the first; `None`: the next.
    pub(super) first_row: Option<u64>,
    pub(super) rows: Vec<NewRow>,
    pub(super) now: SystemTime,
}

/// A job for the thread.
pub(super) enum IntakeJob {
    Submit(BatchId, Spec, SystemTime, ReplySender<SubmittedBatch>),
    Append(RowPage, ReplySender<AppendedRows>),
    RemoveIdle(SystemTime, usize, ReplySender<Vec<BatchId>>),
    Seal(BatchId, SystemTime, ReplySender<Batch>),
    Cancel(BatchId, SystemTime, ReplySender<Batch>),
    Delete(BatchId, ReplySender<()>),
    Discard(BatchId, ReplySender<bool>),
}

/// The state of the thread.
pub(super) struct Intake {
    shared: Arc<SharedStore>,
    scheduler: mpsc::Sender<scheduler::SchedulerJob>,
    /// The batches that are receiving, the one that was longest idle first.
    receiving: Vec<Receiver>,
}

impl Intake {
    pub(super) fn new(
        shared: Arc<SharedStore>,
        scheduler: mpsc::Sender<scheduler::SchedulerJob>,
    ) -> Self {
        Self { shared, scheduler, receiving: Vec::new() }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<IntakeJob>) {
        while let Some(job) = jobs.blocking_recv() {
            self.run_job(job);
        }
    }

    fn run_job(&mut self, job: IntakeJob) {
        let place = self.shared.directory.place();
        match job {
            IntakeJob::Submit(id, spec, now, reply) => {
                send_reply(reply, self.submit(id, spec, now), &place);
            }
            IntakeJob::Append(page, reply) => send_reply(reply, self.append(&page), &place),
            IntakeJob::RemoveIdle(time, limit, reply) => {
                send_reply(reply, Ok(self.remove_idle(time, limit)), &place);
            }
            IntakeJob::Seal(id, now, reply) => send_reply(reply, self.seal(&id, now), &place),
            IntakeJob::Cancel(id, now, reply) => {
                if self.find(&id).is_some() {
                    send_reply(reply, self.end(&id, State::Cancelled, now), &place);
                } else {
                    self.pass_on(scheduler::SchedulerJob::Cancel(id, now, reply));
                }
            }
            IntakeJob::Delete(id, reply) => {
                if self.find(&id).is_some() {
                    send_reply(reply, self.remove(&id), &place);
                } else {
                    self.pass_on(scheduler::SchedulerJob::Delete(id, reply));
                }
            }
            IntakeJob::Discard(id, reply) => {
                let is_receiving = self.find(&id).is_some();
                let removed = if is_receiving { self.remove(&id) } else { Ok(()) };
                send_reply(reply, removed.map(|()| is_receiving), &place);
            }
        }
    }

    /// The scheduler answers; it outlives this thread.
    fn pass_on(&self, job: scheduler::SchedulerJob) {
        let _ = self.scheduler.blocking_send(job);
    }

    /// The batch, if it is receiving; it is now the one that was idle for the shortest time.
    fn find(&mut self, id: &BatchId) -> Option<&mut Receiver> {
        let at = self.receiving.iter().position(|receiver| receiver.batch().id == *id)?;
        self.receiving[at..].rotate_left(1);
        self.close_idle();
        self.receiving.last_mut()
    }

    /// Closes the files of those that were longest idle.
    fn close_idle(&mut self) {
        let idle = self.receiving.len().saturating_sub(OPEN_FILES);
        for receiver in &mut self.receiving[..idle] {
            receiver.close();
        }
    }

    fn submit(
        &mut self,
        id: BatchId,
        spec: Spec,
        now: SystemTime,
    ) -> Result<SubmittedBatch, StoreError> {
        if let Some(request_id) = &spec.request_id
            && let Some(known) = self.shared.requested(&spec.owner, request_id)?
        {
            return Ok(SubmittedBatch::Known(known));
        }
        match self.shared.batch(&id) {
            Err(StoreError::Caller(QueueError::NoSuchBatch(_))) => {}
            Err(error) => return Err(error),
            Ok(known) => {
                let remedy = "submit under a name of its own";
                return Err(QueueError::WrongState { id, state: known.state.name(), remedy }.into());
            }
        }
        let batch = Batch {
            id,
            spec,
            state: State::Receiving,
            created_at: kept(now),
            sealed_at: None,
            ended_at: None,
            progress: Progress::default(),
        };
        let receiver = Receiver::create(&self.shared.directory, batch.clone())?;
        self.receiving.push(receiver);
        // It may be that none of them ever gets a page.
        self.close_idle();
        self.shared.publish(&batch);
        Ok(SubmittedBatch::New(batch))
    }

    fn append(&mut self, page: &RowPage) -> Result<AppendedRows, StoreError> {
        let shared = Arc::clone(&self.shared);
        let Some(receiver) = self.find(&page.batch) else {
            return Err(self.not_receiving(&page.batch, "append only before the batch is sealed"));
        };
        receiver.last_page = page.now;
        let there = receiver.batch().progress.rows;
        let new = new_rows(&page.batch, there, page.first_row, &page.rows)?;
        if new.is_empty() {
            return Ok(AppendedRows { rows: there, new: 0 });
        }
        receiver.append(&shared.directory, new)?;
        shared.publish(receiver.batch());
        Ok(AppendedRows { rows: receiver.batch().progress.rows, new: new.len() as u64 })
    }

    /// Removes a batch that is receiving.
    fn remove(&mut self, id: &BatchId) -> Result<(), StoreError> {
        if let Some(receiver) = self.find(id) {
            receiver.let_go();
        }
        self.shared.remove(id)?;
        self.receiving.retain(|receiver| receiver.batch().id != *id);
        Ok(())
    }

    /// Removes uploads that got their last page before `time`.
    fn remove_idle(&mut self, time: SystemTime, limit: usize) -> Vec<BatchId> {
        let idle = self.receiving.iter().filter(|receiver| receiver.last_page < time);
        let mut idle: Vec<_> = idle.map(|receiver| receiver.batch().id.clone()).collect();
        let mut left = limit;
        idle.retain(|id| {
            if left == 0 {
                return false;
            }
            let removed = self.remove(id);
            if let Err(fault) = &removed {
                tracing::error!(%fault, batch = %id, "could not be removed");
            }
            left -= usize::from(removed.is_ok());
            removed.is_ok()
        });
        idle
    }

    fn seal(&mut self, id: &BatchId, now: SystemTime) -> Result<Batch, StoreError> {
        let Some(receiver) = self.find(id) else {
            return Err(self.not_receiving(id, "a batch is sealed once"));
        };
        let empty = receiver.batch().progress.rows == 0;
        self.end(id, if empty { State::Finished } else { State::Running }, now)
    }

    /// Ends the receiving: the batch is then in `state`, durably.
    fn end(&mut self, id: &BatchId, state: State, now: SystemTime) -> Result<Batch, StoreError> {
        let shared = Arc::clone(&self.shared);
        let Some(receiver) = self.find(id) else {
            return Err(self.not_receiving(id, "it takes no more rows"));
        };
        let mut batch = receiver.batch().clone();
        batch.state = state;
        batch.sealed_at = (state != State::Cancelled).then_some(kept(now));
        batch.ended_at = state.is_over().then_some(kept(now));
        receiver.finish(&shared.directory, &batch)?;
        shared.catalog().insert(&batch)?;
        self.receiving.retain(|receiver| receiver.batch().id != *id);
        // What stays of it goes when the directory is next opened.
        let _ = super::directory::remove(&shared.directory.intake(id));
        if state.is_over() {
            shared.retire(id);
        } else {
            shared.publish(&batch);
            self.pass_on(scheduler::SchedulerJob::Sealed(Box::new(batch.clone())));
        }
        Ok(batch)
    }

    fn not_receiving(&self, id: &BatchId, remedy: &'static str) -> StoreError {
        match self.shared.batch(id) {
            Ok(batch) => {
                let state = batch.state.name();
                QueueError::WrongState { id: id.clone(), state, remedy }.into()
            }
            Err(error) => error,
        }
    }
}
