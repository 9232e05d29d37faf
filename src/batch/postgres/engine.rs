//! State shared by all that works with one database: connections, the membership, what is
//! remembered.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{GenericClient, Object, Pool};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connect::DatabaseTarget;
use super::error::DatabaseFault;
use super::floors::{Floors, LEASE_BITS};
use super::leased_items::LeasedItems;
use super::news::News;
use super::outcome_numbers::OutcomeNumbers;
use super::schema::ReasonNumbers;
use super::tables::SMALL;
use crate::batch::queue::{LeaseId, QueueError};
use crate::campaign::id::BatchId;
use crate::cluster::Tenure;

/// Pauses before what failed for the moment is tried again.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];

/// Time in which the cause of a failed transaction has been heard.
const CAUSE: Duration = Duration::from_secs(5);

/// Connections that are not for building tables, if there are more than as many.
const SPARE: usize = 2;

/// State shared by all that works with one database.
pub(super) struct Engine {
    pub(super) target: DatabaseTarget,
    pool: Pool,
    builders: Semaphore,
    /// The number under which this process is a member; another one after it was taken for dead.
    member: AtomicI64,
    /// Leases given under this membership.
    leases: AtomicU64,
    /// The leases whose time was over then were ended.
    pub(super) expired_to: AtomicI64,
    /// The batch whose turn it is.
    pub(super) turn: AtomicI64,
    pub(super) reasons: ReasonNumbers,
    pub(super) outcomes: Mutex<OutcomeNumbers>,
    pub(super) floors: Mutex<Floors>,
    pub(super) leased: Mutex<LeasedItems>,
    pub(super) news: News,
    /// The difference between this machine's clock and the database's, as of the last sign of life.
    pub(super) drift: watch::Sender<Duration>,
    /// The membership as of the last sign of life.
    pub(super) tenure: watch::Sender<Option<Tenure>>,
    /// The address at which other members ask this one, if it shares destinations.
    pub(super) address: Mutex<Option<String>>,
    /// It shares destinations: the membership ends when they are given up.
    pub(super) shares: AtomicBool,
}

impl Engine {
    pub(super) fn new(target: DatabaseTarget, pool: Pool, reasons: ReasonNumbers) -> Self {
        let builders = Semaphore::new(pool.status().max_size.saturating_sub(SPARE).max(1));
        Self {
            target,
            pool,
            builders,
            member: AtomicI64::new(0),
            leases: AtomicU64::new(0),
            expired_to: AtomicI64::new(i64::MIN),
            turn: AtomicI64::new(0),
            reasons,
            outcomes: Mutex::default(),
            floors: Mutex::default(),
            leased: Mutex::default(),
            news: News::default(),
            drift: watch::Sender::new(Duration::ZERO),
            tenure: watch::Sender::new(None),
            address: Mutex::default(),
            shares: AtomicBool::new(false),
        }
    }

    /// A connection.
    pub(super) async fn client(&self) -> Result<Object, DatabaseFault> {
        let client = self.pool.get().await?;
        if Object::metrics(&client).recycle_count == 0 {
            // Perhaps to another server, which took over and lacks the last commits of the first.
            self.forget_all();
        }
        Ok(client)
    }

    /// The right to build the tables of an upload. A large one keeps a connection for minutes: so
    /// many at a time that some are left for all else. A small one needs none.
    pub(super) async fn builder(
        &self,
        id: &BatchId,
    ) -> Result<Option<SemaphorePermit<'_>>, DatabaseFault> {
        let sql = "SELECT u.rows > $2 FROM mailvet.uploads u
                   JOIN mailvet.batches b ON b.n = u.batch WHERE b.id = $1";
        let rows = signed(SMALL);
        let found = find(&self.client().await?, sql, &[&uuid(id), &rows]).await?;
        if !found.is_some_and(|row| row.get(0)) {
            return Ok(None);
        }
        // It is never closed.
        Ok(self.builders.acquire().await.ok())
    }

    pub(super) fn member(&self) -> i64 {
        self.member.load(Ordering::Relaxed)
    }

    /// Begins a new membership.
    pub(super) fn join(&self, member: i64) {
        self.member.store(member, Ordering::Relaxed);
    }

    /// Forgets what is remembered of a batch.
    pub(super) fn forget(&self, n: i64) {
        self.outcomes.lock().forget(n);
        self.floors.lock().forget(n);
        self.leased.lock().forget(n);
    }

    fn forget_all(&self) {
        *self.outcomes.lock() = OutcomeNumbers::default();
        *self.floors.lock() = Floors::default();
        *self.leased.lock() = LeasedItems::default();
    }

    /// A name for a lease that no other has: the membership's number was drawn durably.
    pub(super) fn lease_name(&self) -> LeaseId {
        let count = self.leases.fetch_add(1, Ordering::Relaxed);
        LeaseId((self.member().unsigned_abs() << LEASE_BITS) + count)
    }

    /// Tries again what failed for the moment: a lost connection, a server that hands over.
    pub(super) async fn retried<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, DatabaseFault>>,
    {
        for pause in PAUSES {
            match attempt().await {
                Err(fault) if fault.is_transient() => {
                    tracing::debug!(%fault, "the database is asked again");
                    if fault.is_of_a_standby() {
                        // New connections find the one that takes writes.
                        self.pool.retain(|_, _| false);
                    }
                    tokio::time::sleep(pause).await;
                }
                other => return other.map_err(|fault| self.told(fault)),
            }
        }
        attempt().await.map_err(|fault| self.told(fault))
    }

    /// A fault as the caller is told.
    pub(super) fn told(&self, fault: DatabaseFault) -> QueueError {
        fault.into_queue_error(&self.target.place)
    }
}

/// Runs a statement that is kept prepared.
pub(super) async fn query<C: GenericClient>(
    client: &C,
    sql: &str,
    given: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, DatabaseFault> {
    let run = async { client.query(&client.prepare_cached(sql).await?, given).await };
    cause_first(run.await).await
}

/// The same for a statement that finds one row or none.
pub(super) async fn find<C: GenericClient>(
    client: &C,
    sql: &str,
    given: &[&(dyn ToSql + Sync)],
) -> Result<Option<Row>, DatabaseFault> {
    let run = async { client.query_opt(&client.prepare_cached(sql).await?, given).await };
    cause_first(run.await).await
}

/// The same for a statement that changes rows; how many.
pub(super) async fn change<C: GenericClient>(
    client: &C,
    sql: &str,
    given: &[&(dyn ToSql + Sync)],
) -> Result<u64, DatabaseFault> {
    let run = async { client.execute(&client.prepare_cached(sql).await?, given).await };
    cause_first(run.await).await
}

/// Holds back what a statement says that failed because another one of its transaction had: of
/// statements that were sent together, the one that tells why is to be heard.
async fn cause_first<T>(result: Result<T, tokio_postgres::Error>) -> Result<T, DatabaseFault> {
    if let Err(error) = &result
        && error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)
    {
        tokio::time::sleep(CAUSE).await;
    }
    Ok(result?)
}

/// A batch's name as the database has it.
pub(super) fn uuid(id: &BatchId) -> Uuid {
    Uuid::try_parse(id.as_str()).unwrap_or_default()
}

/// A batch's name again.
pub(super) fn batch_id(id: Uuid) -> Result<BatchId, DatabaseFault> {
    BatchId::parse(&id.to_string()).ok_or(DatabaseFault::Unexpected("a batch has no name"))
}

/// A number as the database has it.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A `LIMIT`.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
