//! Reads how batches stand.

use std::time::SystemTime;

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::engine::{Engine, batch_id, find, limit, query, uuid};
use super::error::DatabaseFault;
use crate::batch::queue::{QueueError, Usage};
use crate::batch::stored_reasons;
use crate::batch::time::{ceiling, time};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, Progress, State};

/// The columns of a batch, and the tables they are from. One that is being removed is not seen, and
/// neither is one whose upload went with a crash of the database.
const BATCH: &str = "
    SELECT b.id, b.spec, b.state, b.created_at, b.sealed_at, b.ended_at,
        coalesce(u.rows, b.rows), b.mailboxes, b.finished, b.waiting, b.oldest,
        CASE WHEN b.state = 'running' AND b.waiting <> '{}' THEN (
            SELECT greatest(c.due, b.sealed_at) FROM mailvet.chunks c
            WHERE c.batch = b.n AND c.waiting > 0 AND NOT EXISTS (
                SELECT FROM mailvet.leases l WHERE l.batch = c.batch AND l.chunk = c.id)
            ORDER BY c.due LIMIT 1
        ) END,
        CASE WHEN b.state = 'running' AND b.waiting <> '{}' THEN (
            SELECT greatest(c.due, b.sealed_at) FROM mailvet.chunks c
            WHERE c.batch = b.n AND c.waiting > 0 AND NOT EXISTS (
                SELECT FROM mailvet.leases l WHERE l.batch = c.batch AND l.chunk = c.id)
            ORDER BY c.due DESC LIMIT 1
        ) END,
        b.after_consent, b.unchecked_consents
    FROM mailvet.batches b LEFT JOIN mailvet.uploads u ON u.batch = b.n
    WHERE b.state <> 'deleting' AND (b.state <> 'receiving' OR u.batch IS NOT NULL) ";

impl Engine {
    /// A batch as it stands.
    pub(super) async fn batch(&self, id: &BatchId) -> Result<Batch, DatabaseFault> {
        read_batch(&self.client().await?, id).await
    }

    /// The batches that are worked on.
    pub(super) async fn running(&self) -> Result<Vec<Batch>, DatabaseFault> {
        self.many("AND b.state = 'running' ORDER BY b.n", &[]).await
    }

    /// The batches of `owner` older than `before`, the newest first.
    pub(super) async fn batches(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        most: usize,
    ) -> Result<Vec<Batch>, DatabaseFault> {
        let before = before.map_or(Uuid::max(), uuid);
        let which = "AND b.owner = $1 AND b.id < $2 ORDER BY b.id DESC LIMIT $3";
        self.many(which, &[&owner, &before, &limit(most)]).await
    }

    async fn many(
        &self,
        which: &str,
        given: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Batch>, DatabaseFault> {
        let client = self.client().await?;
        let rows = query(&client, &format!("{BATCH}{which}"), given).await?;
        rows.iter().map(read).collect()
    }

    /// The batches that ended before `at`, the oldest first.
    pub(super) async fn ended_before(
        &self,
        at: SystemTime,
        most: usize,
    ) -> Result<Vec<BatchId>, DatabaseFault> {
        let sql = "SELECT id FROM mailvet.batches WHERE ended_at < $1 AND state <> 'deleting'
                   ORDER BY ended_at, id LIMIT $2";
        self.identify(sql, &[&ceiling(at), &limit(most)]).await
    }

    /// Uploads that got their last page before `at`.
    pub(super) async fn idle_uploads(
        &self,
        at: SystemTime,
        most: usize,
    ) -> Result<Vec<BatchId>, DatabaseFault> {
        let sql = "SELECT b.id FROM mailvet.uploads u JOIN mailvet.batches b ON b.n = u.batch
                   WHERE u.last_page < $1 AND b.state = 'receiving' ORDER BY u.last_page LIMIT $2";
        self.identify(sql, &[&ceiling(at), &limit(most)]).await
    }

    async fn identify(
        &self,
        sql: &str,
        given: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<BatchId>, DatabaseFault> {
        let rows = query(&self.client().await?, sql, given).await?;
        rows.iter().map(|row| batch_id(row.get(0))).collect()
    }

    /// What the batches of an owner take up, by the bytes of their rows and what is kept for each.
    pub(super) async fn usage(&self, owner: &str) -> Result<Usage, DatabaseFault> {
        let sql = "SELECT count(*), coalesce(sum(coalesce(u.bytes, b.bytes)), 0)::bigint
                   FROM mailvet.batches b LEFT JOIN mailvet.uploads u ON u.batch = b.n
                   WHERE b.owner = $1 AND b.state <> 'deleting'
                       AND (b.state <> 'receiving' OR u.batch IS NOT NULL)";
        let found = find(&self.client().await?, sql, &[&owner]).await?;
        Ok(found.map_or_else(Usage::default, |row| Usage {
            batches: usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX),
            bytes: row.get::<_, i64>(1).unsigned_abs(),
        }))
    }
}

/// A batch as it stands in the view of `client`.
pub(super) async fn read_batch<C: GenericClient>(
    client: &C,
    id: &BatchId,
) -> Result<Batch, DatabaseFault> {
    let found = find(client, &format!("{BATCH}AND b.id = $1"), &[&uuid(id)]).await?;
    found.as_ref().map_or_else(|| Err(QueueError::NoSuchBatch(id.clone()).into()), read)
}

/// The batch that `owner` submitted under `request_id`, in the view of `client`.
pub(super) async fn requested<C: GenericClient>(
    client: &C,
    owner: &str,
    request_id: &str,
) -> Result<Option<Batch>, DatabaseFault> {
    let sql = format!("{BATCH}AND b.owner = $1 AND b.request_id = $2");
    find(client, &sql, &[&owner, &request_id]).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<Batch, DatabaseFault> {
    let at = |column: usize| row.get::<_, Option<i64>>(column).map(time);
    let count = |column: usize| row.get::<_, i64>(column).unsigned_abs();
    Ok(Batch {
        id: batch_id(row.get(0))?,
        spec: serde_json::from_str(row.get(1))?,
        state: state(row.get(2)).ok_or(DatabaseFault::Unexpected("a batch's state is unknown"))?,
        created_at: time(row.get(3)),
        sealed_at: at(4),
        ended_at: at(5),
        progress: Progress {
            rows: count(6),
            mailboxes: count(7),
            finished: stored_reasons::counts(row.get(8))?,
            waiting: stored_reasons::counts(row.get(9))?,
            next_retry_at: at(11),
            last_retry_at: at(12),
            forecast: None,
            oldest_evidence: at(10),
            registered_after_consent: count(13),
            unchecked_consents: count(14),
        },
    })
}

/// The state of this name.
pub(super) fn state(name: &str) -> Option<State> {
    [State::Receiving, State::Running, State::Finished, State::Cancelled]
        .into_iter()
        .find(|state| state.name() == name)
}
