//! The queue in a PostgreSQL database that several processes share.
//!
//! - All that is promised is in the database; a process remembers nothing that others need.
//! - All that changes a batch holds the lock of its row.
//! - A process is a member: its leases and its uploads are over when it is gone, by the database's
//!   clock, and only then. Chunks are due by the clock of the caller, who hands `now` in.
//! - The processes tell each other that something changed; they look now and then all the same.
//!
//! The tables are told of in `schema` and `tables`, and their reasons in `docs/postgresql.md`.

mod absence;
mod check;
mod clearing;
mod commit;
mod connect;
mod destination_tables;
mod draft;
mod due_chunks;
mod engine;
mod error;
mod floors;
mod harvest;
mod holders;
mod intake;
mod lease_contents;
mod leased_items;
mod leasing;
mod limit_tables;
mod limits;
mod listener;
mod members;
mod news;
mod outbox;
mod outcome_numbers;
mod removal;
mod reports;
mod results;
mod schema;
mod seal;
mod standing;
mod tables;
mod vacancies;
mod write;

#[cfg(test)]
#[cfg(feature = "external-tests")]
pub(crate) mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

pub use check::{SettingFinding, SettingStatus};
pub use connect::DatabaseTarget;
pub(crate) use connect::WHOLE_TABLES;
pub use error::{DatabaseFault, PostgresError};

use super::cursor::CursorPosition;
use super::queue::{
    AppendedRows, ItemOutcome, Lease, LeaseId, LeaseRequest, NewRow, Queue, QueueError,
    ResultsPage, ResultsRequest, SubmittedBatch, Usage,
};
use super::store::StoreConfig;
use crate::access::LimitStore;
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;
use crate::campaign::spec::Spec;
use crate::campaign::tally::{DestinationTally, GroupTally};
use crate::clock::Clock;
use crate::cluster::HolderStore;
use draft::WorkerReport;
use engine::Engine;
use holders::PostgresHolders;
use limits::PostgresLimits;
use reports::QueuedReport;
use schema::ReasonNumbers;

/// Reports that wait before those who bring them have to.
const WAITING: usize = 256;

/// A durable queue in a database. When it is dropped, it ends as a process does that is killed; a
/// process that means to end calls [`Queue::close`] first.
pub struct PostgresQueue {
    engine: Arc<Engine>,
    reports: mpsc::Sender<QueuedReport>,
    /// Seals run to their end, whatever becomes of their callers. The others end with the queue.
    tasks: Arc<tokio::sync::Mutex<JoinSet<()>>>,
}

impl PostgresQueue {
    /// Opens the queue in the database that `config` names, and makes the tables if there are none.
    /// The work of other processes goes on.
    ///
    /// # Errors
    /// When the database cannot be used; the message says what to do.
    pub async fn open(config: &StoreConfig, clock: Clock) -> Result<Self, PostgresError> {
        let target = DatabaseTarget::read(config)?;
        let pool = target.pool(config.connections)?;
        let (mut client, _connection) = connect(&target).await?;
        let wrong = |error: tokio_postgres::Error| target.refused(&error);
        let findings = check::look(&client).await.map_err(wrong)?;
        if let Some(settings) = check::lossy(&findings) {
            let place = target.place.clone();
            if !config.allow_lossy {
                return Err(PostgresError::Lossy { place, settings });
            }
            tracing::warn!(settings, "the database may lose what it says is kept");
        }
        schema::prepare(&mut client, &target, false).await?;
        let reasons = ReasonNumbers::read(&client).await.map_err(wrong)?;
        let engine = Arc::new(Engine::new(target.clone(), pool, reasons));
        let joined_at = clock.now();
        members::join(&engine, &client, joined_at).await.map_err(wrong)?;
        if let Err(fault) = clearing::reap(&engine).await {
            tracing::warn!(%fault, "what the dead left behind is still there");
        }
        let (reports, jobs) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        tasks.spawn(reports::run(Arc::clone(&engine), jobs));
        tasks.spawn(members::run(Arc::clone(&engine), clock));
        tasks.spawn(clearing::run(Arc::clone(&engine)));
        let listening = Arc::clone(&engine);
        tasks.spawn(async move { listener::run(&listening).await });
        Ok(Self { engine, reports, tasks: Arc::new(tokio::sync::Mutex::new(tasks)) })
    }

    /// The database, as errors name it.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.engine.target.place
    }

    /// The difference between this machine's clock and the database's: chunks are due by the first,
    /// members live by the second.
    #[must_use]
    pub fn clock_drift(&self) -> watch::Receiver<Duration> {
        self.engine.drift.subscribe()
    }

    /// Has this process share its destinations with the others that do: they ask it at `address`.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn share_destinations(
        &self,
        address: &str,
    ) -> Result<Arc<dyn HolderStore>, PostgresError> {
        let holders = PostgresHolders::begin(&self.engine, address).await;
        let wrong = |fault: DatabaseFault| self.engine.target.unusable(&fault.to_string());
        Ok(Arc::new(holders.map_err(wrong)?))
    }

    /// Counts what callers use together with the other processes.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn limits(&self) -> Result<Arc<dyn LimitStore>, PostgresError> {
        Ok(Arc::new(PostgresLimits::open(&self.engine.target).await?))
    }

    async fn report(&self, report: WorkerReport) -> Result<(), QueueError> {
        let (reply, answer) = oneshot::channel();
        let gone = || QueueError::Broken {
            place: self.engine.target.place.clone(),
            reason: "its task has ended; start again".to_owned(),
        };
        self.reports.send(QueuedReport { report, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Reads tables of a batch, which may be removed meanwhile.
    async fn read<T, F>(&self, id: &BatchId, what: impl Fn() -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, DatabaseFault>>,
    {
        let read = || async {
            match what().await {
                Err(fault) if fault.is_missing_table() => {
                    Err(QueueError::NoSuchBatch(id.clone()).into())
                }
                other => other,
            }
        };
        self.engine.retried(read).await
    }
}

/// A connection of its own, with what drives it: it ends with that.
async fn connect(
    target: &DatabaseTarget,
) -> Result<(tokio_postgres::Client, JoinSet<()>), PostgresError> {
    let (client, connection) =
        target.config.connect(target.tls.clone()).await.map_err(|error| target.refused(&error))?;
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    Ok((client, driver))
}

/// Brings the tables of the database to this version.
///
/// # Errors
/// When the database cannot be used.
pub async fn migrate(config: &StoreConfig) -> Result<String, PostgresError> {
    let target = DatabaseTarget::read(config)?;
    let (mut client, _connection) = connect(&target).await?;
    schema::prepare(&mut client, &target, true).await?;
    Ok(format!("{}: the tables are of version {}", target.place, schema::VERSION))
}

/// Looks at the settings of the database, and at the version of its tables.
///
/// # Errors
/// When the database cannot be reached.
pub async fn look_at_settings(config: &StoreConfig) -> Result<Vec<SettingFinding>, PostgresError> {
    let target = DatabaseTarget::read(config)?;
    let (client, _connection) = connect(&target).await?;
    let wrong = |error: tokio_postgres::Error| target.refused(&error);
    let mut found = check::look(&client).await.map_err(wrong)?;
    let seen = match schema::version(&client).await.map_err(wrong)? {
        Some(version) => format!("the tables are of version {version}"),
        None => "there are no tables yet: the first start makes them".to_owned(),
    };
    found.push(SettingFinding { status: SettingStatus::Good, seen, means: "", remedy: "" });
    Ok(found)
}

/// What is wrong with the configuration of a store, without a look at the database.
///
/// # Errors
/// When its URL or one of its files cannot be used.
pub fn check_config(config: &StoreConfig) -> Result<(), PostgresError> {
    if config.url.is_some() { DatabaseTarget::read(config).map(drop) } else { Ok(()) }
}

#[async_trait]
impl Queue for PostgresQueue {
    async fn submit(
        &self,
        id: BatchId,
        spec: Spec,
        now: SystemTime,
    ) -> Result<SubmittedBatch, QueueError> {
        self.engine.retried(|| self.engine.submit(&id, &spec, now)).await
    }

    async fn append(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: Vec<NewRow>,
        now: SystemTime,
    ) -> Result<AppendedRows, QueueError> {
        let append = || self.engine.append(id, first_row, &rows, now);
        if first_row.is_none() {
            // A page without a number is not sent again: it might then be there twice.
            return append().await.map_err(|fault| self.engine.told(fault));
        }
        self.engine.retried(append).await
    }

    async fn usage(&self, owner: &str) -> Result<Usage, QueueError> {
        self.engine.retried(|| self.engine.usage(owner)).await
    }

    async fn remove_idle_uploads(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError> {
        self.engine.retried(|| self.engine.remove_idle_uploads(time, limit)).await
    }

    async fn seal(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError> {
        let (engine, id) = (Arc::clone(&self.engine), id.clone());
        let (reply, answer) = oneshot::channel();
        let mut tasks = self.tasks.lock().await;
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _ = reply.send(engine.retried(|| engine.seal(&id, now)).await);
        });
        drop(tasks);
        answer.await.unwrap_or_else(|_| {
            let place = self.engine.target.place.clone();
            Err(QueueError::Broken { place, reason: "its task has ended".to_owned() })
        })
    }

    async fn batch(&self, id: &BatchId) -> Result<Batch, QueueError> {
        self.engine.retried(|| self.engine.batch(id)).await
    }

    async fn running(&self) -> Result<Vec<Batch>, QueueError> {
        self.engine.retried(|| self.engine.running()).await
    }

    async fn batches(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, QueueError> {
        self.engine.retried(|| self.engine.batches(owner, before, limit)).await
    }

    async fn lease(&self, ask: LeaseRequest, now: SystemTime) -> Result<Vec<Lease>, QueueError> {
        let leased = self.engine.retried(|| self.engine.lease(&ask, now)).await?;
        self.engine.retried(|| self.engine.contents(&leased)).await
    }

    async fn next_due(&self, now: SystemTime) -> Result<Option<SystemTime>, QueueError> {
        self.engine.retried(|| self.engine.next_due(now)).await
    }

    async fn complete(
        &self,
        lease: LeaseId,
        results: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        self.report(WorkerReport { lease, known: results, until: None, now }).await
    }

    async fn release_until(
        &self,
        lease: LeaseId,
        until: SystemTime,
        provisional: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        self.report(WorkerReport { lease, known: provisional, until: Some(until), now }).await
    }

    async fn results(
        &self,
        id: &BatchId,
        request: ResultsRequest,
    ) -> Result<ResultsPage, QueueError> {
        if CursorPosition::read(&request.after, id, request.order).is_none() {
            return Err(QueueError::BadCursor);
        }
        self.read(id, || self.engine.results(id, &request)).await
    }

    async fn groups(&self, id: &BatchId, limit: usize) -> Result<Vec<GroupTally>, QueueError> {
        self.read(id, || self.engine.groups(id, limit)).await
    }

    async fn destinations(
        &self,
        id: &BatchId,
        limit: usize,
    ) -> Result<Vec<DestinationTally>, QueueError> {
        self.read(id, || self.engine.destinations(id, limit)).await
    }

    async fn cancel(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError> {
        self.engine.retried(|| self.engine.cancel(id, now)).await
    }

    async fn delete(&self, id: &BatchId) -> Result<(), QueueError> {
        self.engine.retried(|| self.engine.delete(id)).await
    }

    async fn discard(&self, id: &BatchId) -> Result<bool, QueueError> {
        self.engine.retried(|| self.engine.discard_upload(id)).await
    }

    async fn ended_before(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError> {
        self.engine.retried(|| self.engine.ended_before(time, limit)).await
    }

    async fn changed_elsewhere(&self) {
        self.engine.news.heard_or_late().await;
    }

    async fn is_reporter(&self) -> Result<bool, QueueError> {
        self.engine.retried(|| members::is_oldest(&self.engine)).await
    }

    async fn close(&self) {
        // What it holds is given up first, and not by the queue.
        if !self.engine.shares.load(Ordering::Relaxed) {
            clearing::leave_or_be_missed(&self.engine).await;
        }
    }
}
