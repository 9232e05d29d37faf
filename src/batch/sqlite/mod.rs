//! The queue in a directory of this machine: one SQLite file for each batch, and a catalog.
//!
//! - One file a batch: deleting it gives its bytes back at once, and a large batch slows no other.
//! - Three kinds of threads do all the work, so that the callers' runtime never waits for a disk:
//!   the intake takes rows, the scheduler gives leases and keeps results, the readers read.
//! - A batch is accepted when the catalog has it, which is after all its rows are on the disk. What
//!   a file says of how a batch ended counts more than what the catalog says.
//! - Times are kept to the millisecond.
//!
//! The shape of the directory is told in `directory`, that of a file in `schema`.

mod catalog;
mod commit;
mod dedup;
mod directory;
mod error;
mod intake;
mod items;
mod layout;
mod leasing;
mod outbox;
mod outcome_dictionary;
mod page;
mod pool;
mod receiver;
mod recovery;
mod reply;
mod results;
mod running;
mod scheduler;
mod schema;
mod shared;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

pub use error::OpenError;

use super::queue::{
    AppendedRows, ItemOutcome, Lease, LeaseId, LeaseRequest, NewRow, Queue, QueueError,
    ResultsPage, ResultsRequest, SubmittedBatch, Usage,
};
use super::{cursor, time};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, State};
use crate::campaign::spec::Spec;
use crate::campaign::tally::{DestinationTally, GroupTally};
use commit::LeaseReport;
use error::StoreError;
use intake::Intake;
use pool::BatchReader;
use reply::{ReplySender, send_reply};
use scheduler::Scheduler;
use shared::SharedStore;

/// Number of calls that wait for a thread before their callers have to.
const WAITING: usize = 256;

/// Number of threads read.
const READERS: usize = 2;

/// Something to be read, with the answer's address in it.
type ReadJob = Box<dyn FnOnce(&SharedStore) + Send>;

/// A durable queue in a directory of this machine. When it is dropped, it ends what it has begun
/// and lets go of the directory; that takes milliseconds.
pub struct SqliteQueue {
    shared: Arc<SharedStore>,
    intake: mpsc::Sender<intake::IntakeJob>,
    scheduler: mpsc::Sender<scheduler::SchedulerJob>,
    readers: mpsc::Sender<ReadJob>,
    /// Declared after the senders, which are dropped first: then the threads end.
    _threads: Threads,
}

impl SqliteQueue {
    /// Opens the queue in `directory`, and makes the directory if it is not there. This waits for
    /// the disk.
    ///
    /// # Errors
    /// When the directory cannot be used; the message says what to do.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let (shared, running, epoch) = recovery::open(directory)?;
        let shared = Arc::new(shared);
        let (scheduler, scheduler_jobs) = mpsc::channel(WAITING);
        let (intake, intake_jobs) = mpsc::channel(WAITING);
        let (readers, reading) = mpsc::channel::<ReadJob>(WAITING);
        let mut threads = Threads::default();
        let wrong = |error| OpenError::of_io(directory, error);
        let work = Intake::new(Arc::clone(&shared), scheduler.clone());
        threads.start("batch-intake", move || work.run(intake_jobs)).map_err(wrong)?;
        let work = Scheduler::new(Arc::clone(&shared), running, epoch);
        threads.start("batch-scheduler", move || work.run(scheduler_jobs)).map_err(wrong)?;
        let reading = Arc::new(Mutex::new(reading));
        for _ in 0..READERS {
            let (shared, reading) = (Arc::clone(&shared), Arc::clone(&reading));
            threads.start("batch-reader", move || read(&shared, &reading)).map_err(wrong)?;
        }
        Ok(Self { shared, intake, scheduler, readers, _threads: threads })
    }

    async fn ask<J, T>(
        &self,
        to: &mpsc::Sender<J>,
        job: impl FnOnce(ReplySender<T>) -> J,
    ) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        let gone = || QueueError::Broken {
            place: self.shared.directory.place(),
            reason: "its thread has ended; start again".to_owned(),
        };
        to.send(job(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    async fn read<T: Send + 'static>(
        &self,
        what: impl FnOnce(&SharedStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.ask(&self.readers, |reply| -> ReadJob {
            Box::new(move |shared| {
                // A caller that went away while it waited costs nothing more.
                if !reply.is_closed() {
                    send_reply(reply, what(shared), &shared.directory.place());
                }
            })
        })
        .await
    }

    /// Reads the file of a batch; `without` is what there is while it is receiving.
    async fn read_file<T: Send + 'static>(
        &self,
        id: &BatchId,
        without: T,
        what: impl FnOnce(&BatchReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let id = id.clone();
        self.read(move |shared| {
            if shared.batch(&id)?.state == State::Receiving {
                return Ok(without);
            }
            let found = read_from(shared, &id, what);
            // Whatever a file looks like that is being removed.
            if found.is_err() && shared.is_gone(&id) {
                return Err(QueueError::NoSuchBatch(id).into());
            }
            found
        })
        .await
    }
}

fn read_from<T>(
    shared: &SharedStore,
    id: &BatchId,
    what: impl FnOnce(&BatchReader) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let reader = shared.readers.take(id, &shared.directory.batch(id))?;
    let found = what(&reader)?;
    shared.readers.give(reader);
    Ok(found)
}

fn read(shared: &SharedStore, jobs: &Mutex<mpsc::Receiver<ReadJob>>) {
    loop {
        // One reader waits, the others wait for it to have something to do.
        let job = jobs.lock().blocking_recv();
        let Some(job) = job else { return };
        job(shared);
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn submit(
        &self,
        id: BatchId,
        spec: Spec,
        now: SystemTime,
    ) -> Result<SubmittedBatch, QueueError> {
        self.ask(&self.intake, |reply| intake::IntakeJob::Submit(id, spec, now, reply)).await
    }

    async fn append(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: Vec<NewRow>,
        now: SystemTime,
    ) -> Result<AppendedRows, QueueError> {
        let page = intake::RowPage { batch: id.clone(), first_row, rows, now };
        self.ask(&self.intake, |reply| intake::IntakeJob::Append(page, reply)).await
    }

    async fn usage(&self, owner: &str) -> Result<Usage, QueueError> {
        let owner = owner.to_owned();
        self.read(move |shared| shared.usage(&owner)).await
    }

    async fn remove_idle_uploads(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError> {
        self.ask(&self.intake, |reply| intake::IntakeJob::RemoveIdle(time, limit, reply)).await
    }

    async fn seal(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError> {
        self.ask(&self.intake, |reply| intake::IntakeJob::Seal(id.clone(), now, reply)).await
    }

    async fn batch(&self, id: &BatchId) -> Result<Batch, QueueError> {
        if let Some(batch) = self.shared.standing(id) {
            return Ok(batch);
        }
        let id = id.clone();
        self.read(move |shared| shared.batch(&id)).await
    }

    async fn running(&self) -> Result<Vec<Batch>, QueueError> {
        Ok(self.shared.running())
    }

    async fn batches(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, QueueError> {
        let (owner, before) = (owner.to_owned(), before.cloned());
        self.read(move |shared| shared.batches(&owner, before.as_ref(), limit)).await
    }

    async fn lease(&self, ask: LeaseRequest, now: SystemTime) -> Result<Vec<Lease>, QueueError> {
        self.ask(&self.scheduler, |reply| scheduler::SchedulerJob::Lease(ask, now, reply)).await
    }

    async fn next_due(&self, now: SystemTime) -> Result<Option<SystemTime>, QueueError> {
        self.ask(&self.scheduler, |reply| scheduler::SchedulerJob::NextDue(now, reply)).await
    }

    async fn complete(
        &self,
        lease: LeaseId,
        results: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        let report = LeaseReport { lease, known: results, until: None, now };
        self.ask(&self.scheduler, |reply| scheduler::SchedulerJob::Report(report, reply)).await
    }

    async fn release_until(
        &self,
        lease: LeaseId,
        until: SystemTime,
        provisional: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        let report = LeaseReport { lease, known: provisional, until: Some(until), now };
        self.ask(&self.scheduler, |reply| scheduler::SchedulerJob::Report(report, reply)).await
    }

    async fn results(
        &self,
        id: &BatchId,
        request: ResultsRequest,
    ) -> Result<ResultsPage, QueueError> {
        if cursor::CursorPosition::read(&request.after, id, request.order).is_none() {
            return Err(QueueError::BadCursor);
        }
        let nothing = results::nothing(request.after.clone());
        self.read_file(id, nothing, move |reader| results::results(reader, &request)).await
    }

    async fn groups(&self, id: &BatchId, limit: usize) -> Result<Vec<GroupTally>, QueueError> {
        self.read_file(id, Vec::new(), move |reader| results::groups(reader, limit)).await
    }

    async fn destinations(
        &self,
        id: &BatchId,
        limit: usize,
    ) -> Result<Vec<DestinationTally>, QueueError> {
        self.read_file(id, Vec::new(), move |reader| results::destinations(reader, limit)).await
    }

    async fn cancel(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError> {
        self.ask(&self.intake, |reply| intake::IntakeJob::Cancel(id.clone(), now, reply)).await
    }

    async fn delete(&self, id: &BatchId) -> Result<(), QueueError> {
        self.ask(&self.intake, |reply| intake::IntakeJob::Delete(id.clone(), reply)).await
    }

    async fn discard(&self, id: &BatchId) -> Result<bool, QueueError> {
        self.ask(&self.intake, |reply| intake::IntakeJob::Discard(id.clone(), reply)).await
    }

    async fn ended_before(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError> {
        self.read(move |shared| shared.catalog().ended_before(time, limit)).await
    }
}

/// The threads, waited for when the queue goes.
#[derive(Default)]
struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    fn start(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.0.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            let _ = thread.join();
        }
    }
}
