//! The thread that takes rows in. A batch that is not sealed need not outlive the process, so
//! nothing is written through to the disk before [`seal`](Intake::seal); a file that cannot be
//! finished is put back to the last page that was taken whole.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{mpsc, oneshot};

use super::desk;
use super::error::Fault;
use super::receiver::Receiver;
use super::shared::Shared;
use super::time::kept;
use crate::batch::queue::{NewRow, QueueError, Submission, new_rows};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, Progress, State};
use crate::campaign::spec::Spec;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// How many files that are receiving stay open.
const OPEN: usize = 4;

/// Rows to be taken in.
pub(super) struct Page {
    pub(super) batch: BatchId,
    /// The number of the first; `None`: the next.
    pub(super) first_row: Option<u64>,
    pub(super) rows: Vec<NewRow>,
    pub(super) now: SystemTime,
}

/// What the thread is asked.
pub(super) enum Job {
    Submit(BatchId, Spec, SystemTime, Reply<Submission>),
    Append(Page, Reply<u64>),
    IdleUploads(SystemTime, usize, Reply<Vec<BatchId>>),
    Seal(BatchId, SystemTime, Reply<Batch>),
    Cancel(BatchId, SystemTime, Reply<Batch>),
    Delete(BatchId, Reply<()>),
}

/// The state of the thread.
pub(super) struct Intake {
    shared: Arc<Shared>,
    desk: mpsc::Sender<desk::Job>,
    /// The batches that are receiving, the one that was longest idle first.
    receiving: Vec<Receiver>,
}

impl Intake {
    pub(super) fn new(shared: Arc<Shared>, desk: mpsc::Sender<desk::Job>) -> Self {
        Self { shared, desk, receiving: Vec::new() }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            self.take(job);
        }
    }

    fn take(&mut self, job: Job) {
        let place = self.shared.directory.place();
        match job {
            Job::Submit(id, spec, now, reply) => {
                answer(reply, self.submit(id, spec, now), &place);
            }
            Job::Append(page, reply) => answer(reply, self.append(&page), &place),
            Job::IdleUploads(time, limit, reply) => {
                answer(reply, Ok(self.idle_uploads(time, limit)), &place);
            }
            Job::Seal(id, now, reply) => answer(reply, self.seal(&id, now), &place),
            Job::Cancel(id, now, reply) => {
                if self.find(&id).is_some() {
                    answer(reply, self.end(&id, State::Cancelled, now), &place);
                } else {
                    self.pass_on(desk::Job::Cancel(id, now, reply));
                }
            }
            Job::Delete(id, reply) => {
                if let Some(receiver) = self.find(&id) {
                    receiver.let_go();
                    let removed = self.shared.remove(&id);
                    if removed.is_ok() {
                        self.receiving.retain(|receiver| receiver.batch().id != id);
                    }
                    answer(reply, removed, &place);
                } else {
                    self.pass_on(desk::Job::Delete(id, reply));
                }
            }
        }
    }

    /// The desk answers; it outlives this thread.
    fn pass_on(&self, job: desk::Job) {
        let _ = self.desk.blocking_send(job);
    }

    /// The batch, if it is receiving; it is now the one that was idle for the shortest time.
    fn find(&mut self, id: &BatchId) -> Option<&mut Receiver> {
        let at = self.receiving.iter().position(|receiver| receiver.batch().id == *id)?;
        self.receiving[at..].rotate_left(1);
        let idle = self.receiving.len().saturating_sub(OPEN);
        for receiver in &mut self.receiving[..idle] {
            receiver.close();
        }
        self.receiving.last_mut()
    }

    fn submit(&mut self, id: BatchId, spec: Spec, now: SystemTime) -> Result<Submission, Fault> {
        if let Some(request_id) = &spec.request_id
            && let Some(known) = self.shared.requested(&spec.owner, request_id)?
        {
            return Ok(Submission::Known(known));
        }
        match self.shared.batch(&id) {
            Err(Fault::Told(QueueError::NoSuchBatch(_))) => {}
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
        self.shared.publish(&batch);
        Ok(Submission::New(batch))
    }

    fn append(&mut self, page: &Page) -> Result<u64, Fault> {
        let shared = Arc::clone(&self.shared);
        let Some(receiver) = self.find(&page.batch) else {
            return Err(self.not_receiving(&page.batch, "append only before the batch is sealed"));
        };
        receiver.last_page = page.now;
        let there = receiver.batch().progress.rows;
        let new = new_rows(&page.batch, there, page.first_row, &page.rows)?;
        if new.is_empty() {
            return Ok(there);
        }
        receiver.append(&shared.directory, new)?;
        shared.publish(receiver.batch());
        Ok(receiver.batch().progress.rows)
    }

    /// Uploads that got their last page before `time`.
    fn idle_uploads(&self, time: SystemTime, limit: usize) -> Vec<BatchId> {
        let idle = self.receiving.iter().filter(|receiver| receiver.last_page < time);
        idle.map(|receiver| receiver.batch().id.clone()).take(limit).collect()
    }

    fn seal(&mut self, id: &BatchId, now: SystemTime) -> Result<Batch, Fault> {
        let Some(receiver) = self.find(id) else {
            return Err(self.not_receiving(id, "a batch is sealed once"));
        };
        let empty = receiver.batch().progress.rows == 0;
        self.end(id, if empty { State::Finished } else { State::Running }, now)
    }

    /// Ends the receiving: the batch is then in `state`, durably.
    fn end(&mut self, id: &BatchId, state: State, now: SystemTime) -> Result<Batch, Fault> {
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
            self.pass_on(desk::Job::Sealed(Box::new(batch.clone())));
        }
        Ok(batch)
    }

    fn not_receiving(&self, id: &BatchId, remedy: &'static str) -> Fault {
        match self.shared.batch(id) {
            Ok(batch) => {
                let state = batch.state.name();
                QueueError::WrongState { id: id.clone(), state, remedy }.into()
            }
            Err(error) => error,
        }
    }
}

/// Answers. Whoever asked may be gone.
pub(super) fn answer<T>(reply: Reply<T>, result: Result<T, Fault>, place: &str) {
    let _ = reply.send(result.map_err(|fault| fault.told(place)));
}
