//! [`Batches`]: the interface of this room to the service and the command line.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::address_verifier::AddressVerifier;
use super::answer_listener::{AnswerListener, AnswerListenerSlot};
use super::change_notifier::ChangeNotifier;
use super::config::Config;
use super::context::WorkerContext;
use super::cursor::CursorPosition;
use super::destinations::Destinations;
use super::forecasts::Forecasts;
use super::limits::{self, ArrivalBudget, UnkeptBatch};
use super::queue::{Cursor, Order, Queue, QueueError, ResultsRequest, SubmittedBatch, VerdictSet};
use super::uploads::UploadStore;
use super::{relay, sweep, worker};
use crate::campaign::eta::Pace;
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, Progress, State};
use crate::campaign::spec::Spec;
use crate::campaign::tally::{DestinationTally, GroupTally};
use crate::clock::Clock;

/// Whole lists, durably. Cheap to clone; all clones share the same queue and worker.
#[derive(Clone)]
pub struct Batches {
    pub(super) context: WorkerContext,
    pub(super) forecasts: Arc<Forecasts>,
    tasks: TaskTracker,
}

/// Which results a reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsQuery {
    /// In which order.
    pub order: Order,
    /// After which place.
    pub after: Cursor,
    /// With which verdicts only; empty: all.
    pub verdicts: VerdictSet,
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
    /// Callbacks that no receiver has taken yet.
    pub pending_callbacks: u64,
    /// Age of the oldest of their events; zero if there is none.
    pub oldest_callback: Duration,
}

impl Batches {
    /// Opens the door to `queue` and starts to work on what is in it; lists that were uploaded are
    /// kept in `uploads`. `pace` is what a destination takes: work for it is put off, and its end
    /// foretold, by that.
    #[must_use]
    pub fn start(
        queue: Arc<dyn Queue>,
        verifier: Arc<dyn AddressVerifier>,
        uploads: Option<UploadStore>,
        config: Config,
        pace: Pace,
        clock: Clock,
    ) -> Self {
        let interval = pace.per_recipient();
        let context = WorkerContext {
            queue,
            verifier,
            listener: AnswerListenerSlot::default(),
            uploads,
            destinations: Destinations::new(config.addresses_per_destination(), interval),
            arrivals: Arc::new(ArrivalBudget::new(&config)),
            config: Arc::new(config),
            changes: Arc::new(ChangeNotifier::new()),
            results: Arc::default(),
            clock,
            stop: CancellationToken::new(),
        };
        let tasks = TaskTracker::new();
        tasks.spawn(worker::run(context.clone()));
        tasks.spawn(sweep::run(context.clone()));
        tasks.spawn(relay::run(context.clone()));
        Self { context, forecasts: Arc::new(Forecasts::new(pace)), tasks }
    }

    /// Has the listener told of each answer that a batch gets from now on. Only the first is.
    pub fn tell_answers(&self, listener: Arc<dyn AnswerListener>) {
        self.context.listener.set(listener);
    }

    /// Makes a batch that takes rows, or finds the one of the same owner and request id: if that
    /// one is still receiving, its upload goes on at row [`Progress::rows`]. A new one with a
    /// request id stays though its caller goes away meanwhile: a second call may have it by then.
    ///
    /// # Errors
    /// As [`Queue::submit`]; [`QueueError::OtherRequest`] when the first request under this id had
    /// other options; [`QueueError::TooManyBatches`] and [`QueueError::TooManyBytes`].
    pub async fn submit(&self, spec: Spec) -> Result<SubmittedBatch, QueueError> {
        let outlives_caller = spec.request_id.is_some();
        self.make_or_find(spec, outlives_caller).await
    }

    /// Makes a batch for a list whose rows come in the same call, or finds one. A new one is
    /// discarded if its caller goes away meanwhile: no other call can bring the rest of its rows.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_upload(&self, spec: Spec) -> Result<SubmittedBatch, QueueError> {
        self.make_or_find(spec, false).await
    }

    async fn make_or_find(
        &self,
        spec: Spec,
        outlives_caller: bool,
    ) -> Result<SubmittedBatch, QueueError> {
        let (batches, asked) = (self.clone(), spec.clone());
        let made = self.run_to_end(async move { batches.make(spec, outlives_caller).await }).await;
        let (submission, mut unkept) = made.ok_or_else(|| QueueError::Broken {
            place: "this process".to_owned(),
            reason: "the submission broke; the log says how".to_owned(),
        })??;
        unkept.keep();
        if let SubmittedBatch::Known(batch) = &submission
            && let Some(difference) = batch.spec.difference(&asked)
        {
            let (id, request_id) = (batch.id.clone(), asked.request_id.unwrap_or_default());
            return Err(QueueError::OtherRequest { id, request_id, difference });
        }
        Ok(submission)
    }

    /// Makes a batch, or finds one. A new one that is refused is discarded when the store is done
    /// with it, since a discard that overtook it would find nothing; so is one whose caller went
    /// away meanwhile, unless it outlives its caller.
    async fn make(
        &self,
        spec: Spec,
        outlives_caller: bool,
    ) -> Result<(SubmittedBatch, UnkeptBatch), QueueError> {
        let (queue, now) = (&self.context.queue, self.context.clock.now());
        let (id, owner) = (BatchId::new(now), spec.owner.clone());
        let mut unkept = UnkeptBatch::new(Arc::clone(queue), self.tasks.clone(), id.clone());
        let submission = queue.submit(id, spec, now).await;
        let is_new = matches!(submission, Ok(SubmittedBatch::New(_)));
        if is_new {
            limits::may_keep_another(&**queue, &self.context.config, &owner).await?;
        }
        if outlives_caller || !is_new {
            unkept.keep();
        }
        Ok((submission?, unkept))
    }

    /// Accepts the batch, and begins. A batch that was sealed before stays as it is, so that a
    /// caller whose answer was lost may ask again.
    ///
    /// # Errors
    /// As [`Queue::seal`]; [`QueueError::Empty`].
    pub async fn seal(&self, id: &BatchId) -> Result<Batch, QueueError> {
        let batch = self.context.queue.batch(id).await?;
        if batch.state == State::Receiving && batch.progress.rows == 0 {
            return Err(QueueError::Empty(id.clone()));
        }
        let sealed = self.context.queue.seal(id, self.context.clock.now()).await;
        if let Err(QueueError::WrongState { .. }) = &sealed {
            let batch = self.context.queue.batch(id).await?;
            return if batch.sealed_at.is_some() { Ok(batch) } else { sealed };
        }
        let batch = sealed?;
        let Progress { rows, mailboxes, .. } = batch.progress;
        tracing::info!(batch = %id, rows, mailboxes, "the batch is accepted");
        self.context.changes.notify();
        Ok(batch)
    }

    /// A batch as it stands.
    ///
    /// # Errors
    /// [`QueueError::NoSuchBatch`] also for a batch of another owner.
    pub async fn batch(&self, owner: &str, id: &BatchId) -> Result<Batch, QueueError> {
        let batch = self.context.queue.batch(id).await?;
        if batch.spec.owner != owner {
            return Err(QueueError::NoSuchBatch(id.clone()));
        }
        Ok(self.forecasts.add_to(&self.context, batch).await)
    }

    /// Divides the places at each destination among so many processes, which pace it together.
    pub fn share_destinations(&self, processes: usize) {
        self.context.destinations.share_among(processes);
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
        self.context.queue.batches(owner, before, limit).await
    }

    /// The address of a row of the owner's batch, once the row has a result.
    ///
    /// # Errors
    /// As [`Self::batch`].
    pub async fn row_address(
        &self,
        owner: &str,
        id: &BatchId,
        row: u64,
    ) -> Result<Option<String>, QueueError> {
        let queue = &self.context.queue;
        let before = i64::try_from(row).ok().map(|row| CursorPosition::Row { row: row - 1 });
        let (batch, Some(before)) = (queue.batch(id).await?, before) else { return Ok(None) };
        if batch.spec.owner != owner {
            return Err(QueueError::NoSuchBatch(id.clone()));
        }
        let after = before.cursor(id);
        let verdicts = VerdictSet::default();
        let request = ResultsRequest { order: Order::Row, after, verdicts, limit: 1 };
        match queue.results(id, request).await {
            Ok(page) => {
                Ok(page.rows.into_iter().find(|found| found.row == row).map(|found| found.address))
            }
            // There are not that many rows.
            Err(QueueError::BadCursor) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The time at which a batch that ended will be deleted.
    #[must_use]
    pub fn expires_at(&self, batch: &Batch) -> Option<SystemTime> {
        batch.ended_at?.checked_add(self.context.config.retention)
    }

    /// The domains with the most rows.
    ///
    /// # Errors
    /// As [`Queue::groups`].
    pub async fn domains(&self, id: &BatchId, limit: usize) -> Result<Vec<GroupTally>, QueueError> {
        self.context.queue.groups(id, limit).await
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
        self.context.queue.destinations(id, limit).await
    }

    /// Stops a batch.
    ///
    /// # Errors
    /// As [`Queue::cancel`].
    pub async fn cancel(&self, id: &BatchId) -> Result<Batch, QueueError> {
        let batch = self.context.queue.cancel(id, self.context.clock.now()).await?;
        if batch.state == State::Cancelled {
            let without_result = batch.progress.open_rows();
            tracing::info!(batch = %id, without_result, "the batch is stopped");
        }
        self.context.changes.notify();
        Ok(batch)
    }

    /// Removes a batch and everything it held.
    ///
    /// # Errors
    /// As [`Queue::delete`].
    pub async fn delete(&self, id: &BatchId) -> Result<(), QueueError> {
        self.context.queue.delete(id).await?;
        sweep::remove_list(&self.context, id).await;
        tracing::info!(batch = %id, "the batch is deleted");
        self.context.changes.notify();
        Ok(())
    }

    /// Runs `work` to its end, also when its caller goes away meanwhile; without a caller,
    /// [`Self::drain`] ends it. `None` if it broke.
    pub async fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (stop, left) = (self.context.stop.clone(), CancellationToken::new());
        let _caller = left.clone().drop_guard();
        let running = async move {
            // A stop leaves calls their time: as long as one waits, the server bounds it.
            let ended = async {
                stop.cancelled().await;
                left.cancelled().await;
            };
            tokio::select! {
                biased;
                done = work => Some(done),
                () = ended => None,
            }
        };
        // What is logged and done in it is part of the call.
        self.tasks.spawn(running.in_current_span()).await.ok().flatten()
    }

    /// Removes a batch that is still receiving and will not be sealed, in the background.
    pub fn discard(&self, id: BatchId) {
        limits::discard(&self.context.queue, &self.tasks, id);
    }

    /// The lists as they were uploaded, if they are kept.
    #[must_use]
    pub fn uploads(&self) -> Option<UploadStore> {
        self.context.uploads.clone()
    }

    /// The queue, with its outbox.
    pub fn queue(&self) -> Arc<dyn Queue> {
        Arc::clone(&self.context.queue)
    }

    /// Wakes everything that waits for a change.
    pub fn notify(&self) {
        self.context.changes.notify();
    }

    /// The version of all batches; it grows with every change.
    pub fn version(&self) -> u64 {
        self.context.changes.version()
    }

    /// Waits for a change after version `seen`.
    pub async fn changed_since(&self, seen: u64) {
        self.context.changes.changed_since(seen).await;
    }

    /// Figures of the running batches and of the work done so far. Of several processes that share
    /// a queue one has those of the batches; the others have nought.
    ///
    /// # Errors
    /// As [`Queue::running`].
    pub async fn stats(&self) -> Result<Stats, QueueError> {
        let results = self.context.results.value();
        if !self.context.queue.is_reporter().await? {
            return Ok(Stats { results, ..Stats::default() });
        }
        let running = self.context.queue.running().await?;
        let outbox = self.context.queue.outbox_stats().await?;
        let age = outbox.oldest.and_then(|at| self.context.clock.now().duration_since(at).ok());
        let sum = |rows: fn(&Progress) -> u64| running.iter().map(|b| rows(&b.progress)).sum();
        Ok(Stats {
            running: running.len(),
            open_rows: sum(Progress::open_rows),
            waiting_rows: sum(Progress::waiting_rows),
            results,
            pending_callbacks: outbox.pending,
            oldest_callback: age.unwrap_or_default(),
        })
    }

    /// Gives all work back to the queue, and ends what runs.
    pub async fn drain(&self) {
        self.context.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.context.queue.close().await;
    }
}
