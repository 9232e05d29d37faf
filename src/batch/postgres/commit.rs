//! Writes down what workers bring back. All that waits for one batch goes into one transaction,
//! under the lock of its row: the numbers of results have no gap and are in the order of the
//! commits, so that a reader who goes on from a number never misses one.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use tokio_postgres::Row;

use super::draft::{Draft, KnownItems, LeasedChunk, WorkerReport};
use super::engine::{Engine, batch_id, find, query, signed};
use super::error::DatabaseFault;
use super::outbox;
use super::standing::state;
use super::tables::at;
use super::write::write;
use crate::batch::log_lines::log_finished;
use crate::batch::queue::LeaseId;
use crate::batch::time::time;
use crate::campaign::progress::{Batch, Progress};

/// A batch and what it has beside its progress, locked.
struct RunningRow {
    batch: Batch,
    place: String,
    sequence: i64,
    outcomes: i64,
    has_more_chunks: bool,
}

impl Engine {
    /// The batches of leases, as far as they are not over.
    pub(super) async fn batches_of(
        &self,
        leases: &[LeaseId],
    ) -> Result<HashMap<LeaseId, i64>, DatabaseFault> {
        let names: Vec<i64> = leases.iter().map(|lease| signed(lease.0)).collect();
        let sql = "SELECT id, batch FROM mailvet.leases WHERE id = ANY($1)";
        let rows = query(&self.client().await?, sql, &[&names]).await?;
        let lease = |id: i64| LeaseId(id.unsigned_abs());
        Ok(rows.iter().map(|row| (lease(row.get(0)), row.get(1))).collect())
    }

    /// Writes reports for one batch, whole or not at all; which of their leases were not over.
    pub(super) async fn commit(
        &self,
        n: i64,
        reports: &[WorkerReport],
    ) -> Result<Vec<bool>, DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        let Some(row) = lock(&work, n).await? else { return Ok(vec![false; reports.len()]) };
        let mut chunks = leased_chunks(&work, n, reports).await?;
        let items = known_items(&work, n, &row, &chunks, reports, self).await?;
        let mut draft = Draft::new(n, row.batch.clone(), items, &self.reasons, row.outcomes);
        let alive = {
            let remembered = self.outcomes.lock();
            let mut take = |report: &WorkerReport| {
                draft.take(report.clone(), chunks.remove(&report.lease), &remembered)
            };
            reports.iter().map(&mut take).collect::<Vec<bool>>()
        };
        if !alive.contains(&true) {
            return Ok(alive);
        }
        write(&work, &row.place, (row.sequence, row.has_more_chunks), &draft).await?;
        let stood_so = row.batch.only_waits() && draft.batch.only_waits();
        if let Some(now) = reports.iter().map(|report| report.now).max().filter(|_| !stood_so) {
            outbox::insert(&work, &draft.batch, now).await?;
        }
        work.commit().await?;
        let Draft { batch, new_outcomes, .. } = draft;
        let mut remembered = self.outcomes.lock();
        if batch.state.is_over() {
            remembered.forget(n);
            log_finished(&batch);
        } else {
            remembered.remember(n, new_outcomes);
        }
        drop(remembered);
        self.news.tell();
        Ok(alive)
    }
}

/// Locks a batch, if it is running.
async fn lock(work: &Transaction<'_>, n: i64) -> Result<Option<RunningRow>, DatabaseFault> {
    let sql = "SELECT id, spec, state, created_at, sealed_at, rows, mailboxes, finished, waiting,
                   oldest, place, sequence, outcomes, has_more_chunks, after_consent
               FROM mailvet.batches WHERE n = $1 AND state = 'running' FOR UPDATE";
    let Some(row) = find(work, sql, &[&n]).await? else { return Ok(None) };
    let unknown = DatabaseFault::Unexpected("a batch's state is unknown");
    let batch = Batch {
        id: batch_id(row.get(0))?,
        spec: serde_json::from_str(row.get(1))?,
        state: state(row.get(2)).ok_or(unknown)?,
        created_at: time(row.get(3)),
        sealed_at: row.get::<_, Option<i64>>(4).map(time),
        ended_at: None,
        progress: Progress {
            rows: row.get::<_, i64>(5).unsigned_abs(),
            mailboxes: row.get::<_, i64>(6).unsigned_abs(),
            finished: serde_json::from_str(row.get(7))?,
            waiting: serde_json::from_str(row.get(8))?,
            next_retry_at: None,
            last_retry_at: None,
            forecast: None,
            oldest_evidence: row.get::<_, Option<i64>>(9).map(time),
            registered_after_consent: row.get::<_, i64>(14).unsigned_abs(),
        },
    };
    let (place, sequence) = (row.get(10), row.get(11));
    let (outcomes, has_more_chunks) = (row.get(12), row.get(13));
    Ok(Some(RunningRow { batch, place, sequence, outcomes, has_more_chunks }))
}

/// The chunks that are out under the leases of reports.
async fn leased_chunks(
    work: &Transaction<'_>,
    n: i64,
    reports: &[WorkerReport],
) -> Result<HashMap<LeaseId, LeasedChunk>, DatabaseFault> {
    let names: Vec<i64> = reports.iter().map(|report| signed(report.lease.0)).collect();
    let sql = "SELECT l.id, l.until, c.id, c.grp, c.items FROM mailvet.leases l
               JOIN mailvet.chunks c ON c.batch = l.batch AND c.id = l.chunk
               WHERE l.batch = $1 AND l.id = ANY($2)";
    let rows = query(work, sql, &[&n, &names]).await?;
    let chunk = |row: &Row| {
        let lease = LeaseId(row.get::<_, i64>(0).unsigned_abs());
        let (until, id, group, items) = (row.get(1), row.get(2), row.get(3), row.get(4));
        (lease, LeasedChunk { id, group, until, items })
    };
    Ok(rows.iter().map(chunk).collect())
}

/// What the database has of the items that reports are about.
async fn known_items(
    work: &Transaction<'_>,
    n: i64,
    row: &RunningRow,
    chunks: &HashMap<LeaseId, LeasedChunk>,
    reports: &[WorkerReport],
    engine: &Engine,
) -> Result<KnownItems, DatabaseFault> {
    let progress = &row.batch.progress;
    let mut known = KnownItems::default();
    let kept = reports.iter().filter(|report| chunks.contains_key(&report.lease));
    let named: Vec<i64> =
        kept.flat_map(|report| report.known.iter().map(|known| signed(known.item))).collect();
    let sql = at(
        &row.place,
        "SELECT row, address FROM mailvet.rows_{p} WHERE batch = $1 AND row = ANY($2)",
    );
    for row in query(work, &sql, &[&n, &named]).await? {
        known.addresses.insert(row.get(0), row.get(1));
    }
    if progress.rows != progress.mailboxes {
        let sql = at(
            &row.place,
            "SELECT item, count(*) FROM mailvet.rows_{p} WHERE batch = $1 AND item = ANY($2)
             GROUP BY item",
        );
        for row in query(work, &sql, &[&n, &named]).await? {
            known.copies.insert(row.get(0), row.get::<_, i64>(1).unsigned_abs());
        }
    }
    if !progress.waiting.is_empty() {
        let open: Vec<i64> =
            chunks.values().flat_map(|chunk| chunk.items.iter().copied()).collect();
        let sql = at(
            &row.place,
            "SELECT item, reason FROM mailvet.waiting_{p} WHERE batch = $1 AND item = ANY($2)",
        );
        for row in query(work, &sql, &[&n, &open]).await? {
            known.waiting.insert(row.get(0), engine.reasons.reason(row.get(1)));
        }
    }
    Ok(known)
}
