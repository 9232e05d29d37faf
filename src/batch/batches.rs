//! [`Batches`]: what the door and the command line see of this room.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, Stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ask::Ask;
use super::config::Config;
use super::destinations::Destinations;
use super::news::News;
use super::plan;
use super::queue::{
    Cursor, DestinationTally, GroupTally, Order, Queue, QueueError, Results, ResultsRequest,
    Submission,
};
use super::worker::{self, Workshop};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, Progress, State};
use crate::campaign::spec::Spec;
use crate::clock::Clock;
use crate::verdict::Verdict;
use crate::verifier::Subject;

/// How often at most a watcher is told, and new results are looked for.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// How many results are read at a time.
const RESULTS_AT_ONCE: usize = 500;

/// How often batches whose time is over are looked for, at most.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// How many of them are removed before the next look.
const SWEEP_AT_ONCE: usize = 100;

/// Whole lists, durably. Cheap to clone; all clones share the same queue and worker.
#[derive(Clone)]
pub struct Batches {
    workshop: Workshop,
    tasks: TaskTracker,
}

/// Which results a reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// In which order.
    pub order: Order,
    /// After which place.
    pub after: Cursor,
    /// With which verdicts only; empty: all.
    pub verdicts: Vec<Verdict>,
}

/// The state of all batches at one moment, and what was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches that are being worked on.
    pub running: usize,
    /// Their rows without a result, the waiting ones included.
    pub open_rows: u64,
    /// Their rows whose servers said "not now", and that will be asked again.
    pub waiting_rows: u64,
    /// Different addresses of any batch that got their result.
    pub results: u64,
}

impl Batches {
    /// Opens the door to `queue` and starts to work on what is in it. A destination is taken to
    /// need `pace` for one address when work for it is put off.
    #[must_use]
    pub fn start(
        queue: Arc<dyn Queue>,
        ask: Arc<dyn Ask>,
        config: Config,
        pace: Duration,
        clock: Clock,
    ) -> Self {
        let workshop = Workshop {
            queue,
            ask,
            destinations: Destinations::new(config.addresses_per_destination(), pace),
            config: Arc::new(config),
            news: Arc::new(News::new()),
            results: Arc::default(),
            clock,
            stop: CancellationToken::new(),
        };
        let tasks = TaskTracker::new();
        tasks.spawn(worker::run(workshop.clone()));
        tasks.spawn(sweep(workshop.clone()));
        Self { workshop, tasks }
    }

    /// Makes a batch that takes rows, or finds the one of the same owner and request id: if that
    /// one is still receiving, its upload goes on at row [`Progress::rows`].
    ///
    /// # Errors
    /// As [`Queue::submit`]; [`QueueError::OtherRequest`] when the first request under this id had
    /// other options.
    pub async fn submit(&self, spec: Spec) -> Result<Submission, QueueError> {
        let now = self.workshop.clock.now();
        let (request_id, options) = (spec.request_id.clone(), spec.options.clone());
        let submission = self.workshop.queue.submit(BatchId::new(now), spec, now).await?;
        if let Submission::Known(batch) = &submission
            && let Some(difference) = batch.spec.options.difference(&options)
        {
            let (id, request_id) = (batch.id.clone(), request_id.unwrap_or_default());
            return Err(QueueError::OtherRequest { id, request_id, difference });
        }
        Ok(submission)
    }

    /// Takes a page of rows: each an id of the caller's, which may be empty, and its subject. The
    /// first has the number `first_row`; `None`: the next. Returns how many rows are there. Rows
    /// that were there before the page are not taken again, so a page may be sent twice.
    ///
    /// An upload may pause for [`Config::upload_timeout`] between two pages, whatever becomes of
    /// the connection; then it is removed. A restart of the process removes it too: only a sealed
    /// batch is durable.
    ///
    /// # Errors
    /// As [`Queue::append`].
    pub async fn append(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: impl IntoIterator<Item = (String, Subject)>,
    ) -> Result<u64, QueueError> {
        let rows = rows.into_iter().map(|(row_id, subject)| plan::row(row_id, subject)).collect();
        self.workshop.queue.append(id, first_row, rows, self.workshop.clock.now()).await
    }

    /// Accepts the batch, and begins. A batch that was sealed before stays as it is, so that a
    /// caller whose answer was lost may ask again.
    ///
    /// # Errors
    /// As [`Queue::seal`].
    pub async fn seal(&self, id: &BatchId) -> Result<Batch, QueueError> {
        let sealed = self.workshop.queue.seal(id, self.workshop.clock.now()).await;
        if let Err(QueueError::WrongState { .. }) = &sealed {
            let batch = self.workshop.queue.batch(id).await?;
            return if batch.sealed_at.is_some() { Ok(batch) } else { sealed };
        }
        let batch = sealed?;
        let Progress { rows, mailboxes, .. } = batch.progress;
        tracing::info!(batch = %id, rows, mailboxes, "the batch is accepted");
        self.workshop.news.tell();
        Ok(batch)
    }

    /// A batch as it stands.
    ///
    /// # Errors
    /// [`QueueError::NoSuchBatch`] also for a batch of another owner.
    pub async fn batch(&self, owner: &str, id: &BatchId) -> Result<Batch, QueueError> {
        let batch = self.workshop.queue.batch(id).await?;
        if batch.spec.owner == owner { Ok(batch) } else { Err(QueueError::NoSuchBatch(id.clone())) }
    }

    /// The owner's batches, the newest first, older than `before`.
    ///
    /// # Errors
    /// As [`Queue::batches`].
    pub async fn list(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, QueueError> {
        self.workshop.queue.batches(owner, before, limit).await
    }

    /// When a batch that ended will be deleted.
    #[must_use]
    pub fn expires_at(&self, batch: &Batch) -> Option<SystemTime> {
        batch.ended_at?.checked_add(self.workshop.config.retention)
    }

    /// The batch as it stands, and again whenever it has changed, until it is over.
    pub fn watch(&self, id: BatchId) -> impl Stream<Item = Result<Batch, QueueError>> + use<> {
        let state = Some((self.workshop.clone(), id, None::<Batch>));
        stream::unfold(state, |state| async move {
            let (workshop, id, last) = state?;
            loop {
                let seen = workshop.news.seen();
                let batch = match workshop.queue.batch(&id).await {
                    Ok(batch) => batch,
                    Err(error) => return Some((Err(error), None)),
                };
                if batch.state.is_over() {
                    return Some((Ok(batch), None));
                }
                if last.as_ref() != Some(&batch) {
                    let next = Some((workshop, id, Some(batch.clone())));
                    return Some((Ok(batch), next));
                }
                wait(&workshop, seen).await;
            }
        })
    }

    /// The results from a place on, as they come, until the batch is over and all were read.
    pub fn results(
        &self,
        id: BatchId,
        reading: Reading,
    ) -> impl Stream<Item = Result<Results, QueueError>> + use<> {
        let state = Some((self.workshop.clone(), id, reading));
        stream::unfold(state, |state| async move {
            let (workshop, id, mut reading) = state?;
            loop {
                match read(&workshop, &id, &reading).await {
                    Err(error) => return Some((Err(error), None)),
                    Ok(Read { results, seen, is_over }) => {
                        let has_rows = !results.rows.is_empty();
                        reading.after = results.next.clone();
                        let at_end = results.at_end;
                        let next = (!(at_end && is_over))
                            .then(|| (workshop.clone(), id.clone(), reading.clone()));
                        if has_rows || next.is_none() {
                            return Some((Ok(results), next));
                        }
                        if at_end {
                            wait(&workshop, seen).await;
                        }
                    }
                }
            }
        })
    }

    /// The domains with the most rows.
    ///
    /// # Errors
    /// As [`Queue::groups`].
    pub async fn domains(&self, id: &BatchId, limit: usize) -> Result<Vec<GroupTally>, QueueError> {
        self.workshop.queue.groups(id, limit).await
    }

    /// The mail providers with the most rows.
    ///
    /// # Errors
    /// As [`Queue::destinations`].
    pub async fn providers(
        &self,
        id: &BatchId,
        limit: usize,
    ) -> Result<Vec<DestinationTally>, QueueError> {
        self.workshop.queue.destinations(id, limit).await
    }

    /// Stops a batch.
    ///
    /// # Errors
    /// As [`Queue::cancel`].
    pub async fn cancel(&self, id: &BatchId) -> Result<Batch, QueueError> {
        let batch = self.workshop.queue.cancel(id, self.workshop.clock.now()).await?;
        if batch.state == State::Cancelled {
            let without_result = batch.progress.open_rows();
            tracing::info!(batch = %id, without_result, "the batch is stopped");
        }
        self.workshop.news.tell();
        Ok(batch)
    }

    /// Removes a batch and everything it held.
    ///
    /// # Errors
    /// As [`Queue::delete`].
    pub async fn delete(&self, id: &BatchId) -> Result<(), QueueError> {
        self.workshop.queue.delete(id).await?;
        tracing::info!(batch = %id, "the batch is deleted");
        self.workshop.news.tell();
        Ok(())
    }

    /// Removes a batch that will not be sealed, in the background.
    pub fn discard(&self, id: BatchId) {
        let queue = Arc::clone(&self.workshop.queue);
        self.tasks.spawn(async move {
            if let Err(error) = queue.delete(&id).await {
                tracing::debug!(batch = %id, %error, "was not there to be removed");
            }
        });
    }

    /// What is going on, and what was done.
    ///
    /// # Errors
    /// As [`Queue::running`].
    pub async fn stats(&self) -> Result<Stats, QueueError> {
        let running = self.workshop.queue.running().await?;
        let sum = |rows: fn(&Progress) -> u64| running.iter().map(|b| rows(&b.progress)).sum();
        Ok(Stats {
            running: running.len(),
            open_rows: sum(Progress::open_rows),
            waiting_rows: sum(Progress::waiting_rows),
            results: self.workshop.results.value(),
        })
    }

    /// Gives all work back to the queue, and ends what runs.
    pub async fn drain(&self) {
        self.workshop.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Some results, whether the batch was over before they were read, and the news before that.
struct Read {
    results: Results,
    seen: u64,
    is_over: bool,
}

async fn read(workshop: &Workshop, id: &BatchId, reading: &Reading) -> Result<Read, QueueError> {
    let seen = workshop.news.seen();
    // Asked first: what is read after a batch is over, is all there is.
    let is_over = workshop.queue.batch(id).await?.state.is_over();
    let request = ResultsRequest {
        order: reading.order,
        after: reading.after.clone(),
        verdicts: reading.verdicts.clone(),
        limit: RESULTS_AT_ONCE,
    };
    let results = workshop.queue.results(id, request).await?;
    Ok(Read { results, seen, is_over })
}

/// Waits for news, but not to hear every one.
async fn wait(workshop: &Workshop, seen: u64) {
    tokio::time::sleep(TELL_EVERY).await;
    workshop.news.after(seen).await;
}

/// Removes batches whose retention is over and uploads that were abandoned, until told to stop.
async fn sweep(workshop: Workshop) {
    let (retention, upload_timeout) = (workshop.config.retention, workshop.config.upload_timeout);
    let pause = (retention.min(upload_timeout) / 10).clamp(Duration::from_secs(1), SWEEP_EVERY);
    let mut ticks = tokio::time::interval(pause);
    while workshop.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = workshop.clock.now();
        if let Some(before) = now.checked_sub(retention) {
            let over = workshop.queue.ended_before(before, SWEEP_AT_ONCE).await;
            remove(&workshop, over, "its retention is over: deleted").await;
        }
        if let Some(before) = now.checked_sub(upload_timeout) {
            let idle = workshop.queue.idle_uploads(before, SWEEP_AT_ONCE).await;
            remove(&workshop, idle, "its upload was abandoned: removed").await;
        }
    }
}

/// Removes batches, and logs why.
async fn remove(workshop: &Workshop, found: Result<Vec<BatchId>, QueueError>, why: &'static str) {
    for id in found.unwrap_or_default() {
        match workshop.queue.delete(&id).await {
            Ok(()) => tracing::info!(batch = %id, "{why}"),
            Err(error) => tracing::error!(batch = %id, %error, "could not be deleted"),
        }
        workshop.news.tell();
    }
}
