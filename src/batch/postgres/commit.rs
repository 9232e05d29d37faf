//! Writes down what workers bring back. All that waits for one batch goes into one transaction,
//! under the lock of its row: the numbers of results have no gap and are in the order of the
//! commits, so that a reader who goes on from a number never misses one.
//!
//! While the lock is held, nobody else gets on with the batch: what does not change any more is
//! read before, and all the rest is asked for together with the lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deadpool_postgres::{Object, Transaction};
use futures_util::future::try_join4;
use tokio_postgres::Row;

use super::draft::{Draft, KnownItems, LeasedChunk, WorkerReport};
use super::due_chunks::ChunkPlace;
use super::engine::{Engine, batch_id, query, signed};
use super::error::DatabaseFault;
use super::leased_items::LeasedItem;
use super::outbox;
use super::standing::state;
use super::tables::at;
use super::write::write;
use crate::batch::log_lines::log_finished;
use crate::batch::queue::LeaseId;
use crate::batch::stored_reasons;
use crate::batch::time::time;
use crate::campaign::progress::{Batch, Progress};
use crate::verdict::Reason;

/// A batch that reports are about, as far as it stays as it is.
#[derive(Clone)]
pub(super) struct ReportedBatch {
    pub(super) n: i64,
    place: String,
    /// Some item has more than one row.
    has_copies: bool,
    /// The groups of the leases that are reported on, and how many each has of them.
    groups: BTreeMap<i64, i64>,
}

impl ReportedBatch {
    /// Adds a lease of a group.
    pub(super) fn add(&mut self, group: i64) {
        *self.groups.entry(group).or_default() += 1;
    }
}

/// A batch and what is out of it under the leases of reports, locked.
struct LockedBatch {
    batch: Batch,
    /// The number of the last result.
    sequence: i64,
    /// The number of the last outcome.
    outcomes: i64,
    chunks: HashMap<LeaseId, LeasedChunk>,
    /// The reasons of the provisional results of their items.
    waiting: HashMap<i64, Reason>,
    /// By group, the first chunks that are not `ready`: of each group as many as are reported on.
    held_back: HashMap<i64, BTreeSet<ChunkPlace>>,
}

impl Engine {
    /// The batches and the groups of leases, as far as they are not over.
    pub(super) async fn batches_of(
        &self,
        leases: &[LeaseId],
    ) -> Result<HashMap<LeaseId, (ReportedBatch, i64)>, DatabaseFault> {
        let names: Vec<i64> = leases.iter().map(|lease| signed(lease.0)).collect();
        let sql = "SELECT l.id, b.n, b.place, b.rows <> b.mailboxes, l.grp
                   FROM mailvet.leases l JOIN mailvet.batches b ON b.n = l.batch
                   WHERE l.id = ANY($1)";
        let rows = query(&self.client().await?, sql, &[&names]).await?;
        let batch = |row: &Row| {
            let (n, place, has_copies) = (row.get(1), row.get(2), row.get(3));
            let batch = ReportedBatch { n, place, has_copies, groups: BTreeMap::new() };
            (LeaseId(row.get::<_, i64>(0).unsigned_abs()), (batch, row.get(4)))
        };
        Ok(rows.iter().map(batch).collect())
    }

    /// Writes reports for one batch, whole or not at all; which of their leases were not over.
    pub(super) async fn commit(
        &self,
        of: &ReportedBatch,
        reports: &[WorkerReport],
    ) -> Result<Vec<bool>, DatabaseFault> {
        match self.commit_locked(of, reports).await {
            // The batch was removed meanwhile.
            Err(fault) if fault.is_missing_table() => Ok(vec![false; reports.len()]),
            other => other,
        }
    }

    async fn commit_locked(
        &self,
        of: &ReportedBatch,
        reports: &[WorkerReport],
    ) -> Result<Vec<bool>, DatabaseFault> {
        let mut client = self.client().await?;
        let mut items = self.known_items(&client, of, reports).await?;
        let work = client.transaction().await?;
        let Some(locked) = self.lock(&work, of, reports).await? else {
            return Ok(vec![false; reports.len()]);
        };
        let LockedBatch { batch, sequence, outcomes, mut chunks, waiting, held_back } = locked;
        items.waiting = waiting;
        let only_waited = batch.only_waits();
        let mut draft = Draft::new(of.n, batch, items, &self.reasons, outcomes);
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
        let came_up = write(&work, &of.place, sequence, held_back, &draft).await?;
        let stood_so = only_waited && draft.batch.only_waits();
        if let Some(now) = reports.iter().map(|report| report.now).max().filter(|_| !stood_so) {
            outbox::insert(&work, &draft.batch, now).await?;
        }
        work.commit().await?;
        let Draft { batch, new_outcomes, ended, .. } = draft;
        if batch.state.is_over() {
            self.forget(of.n);
            log_finished(&batch);
        } else {
            self.outcomes.lock().remember(of.n, new_outcomes);
            self.floors.lock().note_groups(of.n, came_up);
            let mut leased = self.leased.lock();
            ended.iter().for_each(|chunk| leased.end(LeaseId(chunk.lease.unsigned_abs())));
        }
        self.news.tell();
        Ok(alive)
    }

    /// Locks a batch, if it is running, and reads with that what can change until it is locked.
    async fn lock(
        &self,
        work: &Transaction<'_>,
        of: &ReportedBatch,
        reports: &[WorkerReport],
    ) -> Result<Option<LockedBatch>, DatabaseFault> {
        let sql = "SELECT id, spec, state, created_at, sealed_at, rows, mailboxes, finished,
                       waiting, oldest, sequence, outcomes, after_consent, unchecked_consents
                   FROM mailvet.batches WHERE n = $1 AND state = 'running' FOR UPDATE";
        let statement = work.prepare_cached(sql).await?;
        let names: Vec<i64> = reports.iter().map(|report| signed(report.lease.0)).collect();
        // The lock is sent first, so that the others see what is there when it is held.
        let lock = async { Ok(work.query_opt(&statement, &[&of.n]).await?) };
        let (row, chunks, waiting, held_back) = try_join4(
            lock,
            leased_chunks(work, of.n, &names),
            self.waiting(work, of, &names),
            self.held_back(work, of),
        )
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(LockedBatch {
            batch: running(&row)?,
            sequence: row.get(10),
            outcomes: row.get(11),
            chunks,
            waiting,
            held_back,
        }))
    }

    /// The reasons of the provisional results of the items that are out under leases.
    async fn waiting(
        &self,
        work: &Transaction<'_>,
        of: &ReportedBatch,
        leases: &[i64],
    ) -> Result<HashMap<i64, Reason>, DatabaseFault> {
        let sql = at(
            &of.place,
            "SELECT w.item, w.reason FROM mailvet.leases l
             JOIN mailvet.chunks c ON c.batch = $1 AND c.id = l.chunk AND c.waiting > 0
             CROSS JOIN LATERAL (
                 SELECT item, reason FROM mailvet.waiting_{p}
                 WHERE batch = $1 AND item = ANY(c.items)) w
             WHERE l.id = ANY($2)",
        );
        let rows = query(work, &sql, &[&of.n, &leases]).await?;
        let waiting = |row: &Row| (row.get(0), self.reasons.reason(row.get(1)));
        Ok(rows.iter().map(waiting).collect())
    }

    /// What is known of the items that reports are about, as far as it stays as it is.
    async fn known_items(
        &self,
        client: &Object,
        of: &ReportedBatch,
        reports: &[WorkerReport],
    ) -> Result<KnownItems, DatabaseFault> {
        let mut items = KnownItems::default();
        let mut named: Vec<i64> = Vec::new();
        {
            let leased = self.leased.lock();
            for report in reports {
                let Some(held) = leased.of(report.lease) else {
                    named.extend(report.known.iter().map(|known| signed(known.item)));
                    continue;
                };
                for LeasedItem { item, address, copies } in held {
                    items.addresses.insert(*item, address.clone());
                    items.copies.insert(*item, *copies);
                }
            }
        }
        if named.is_empty() {
            return Ok(items);
        }
        let sql = at(
            &of.place,
            "SELECT row, address FROM mailvet.rows_{p} WHERE batch = $1 AND row = ANY($2)",
        );
        for row in query(client, &sql, &[&of.n, &named]).await? {
            items.addresses.insert(row.get(0), row.get(1));
        }
        if of.has_copies {
            let sql = at(
                &of.place,
                "SELECT item, count(*) FROM mailvet.rows_{p} WHERE batch = $1 AND item = ANY($2)
                 GROUP BY item",
            );
            for row in query(client, &sql, &[&of.n, &named]).await? {
                items.copies.insert(row.get(0), row.get::<_, i64>(1).unsigned_abs());
            }
        }
        Ok(items)
    }

    /// By group, the first chunks that are not `ready`: of each group as many as are reported on.
    async fn held_back(
        &self,
        work: &Transaction<'_>,
        of: &ReportedBatch,
    ) -> Result<HashMap<i64, BTreeSet<ChunkPlace>>, DatabaseFault> {
        let (groups, counts): (Vec<i64>, Vec<i64>) = of.groups.iter().unzip();
        let after = self.floors.lock().groups(of.n, &groups);
        let sql = "SELECT g.grp, c.due, c.id
                   FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) g (grp, most, last)
                   CROSS JOIN LATERAL (
                       SELECT due, id FROM mailvet.chunks
                       WHERE batch = $1 AND grp = g.grp AND NOT ready AND (due, id) > (0, g.last)
                       ORDER BY due, id LIMIT g.most
                   ) c
                   WHERE (SELECT has_more_chunks FROM mailvet.batches WHERE n = $1)";
        let mut found: HashMap<i64, BTreeSet<ChunkPlace>> = HashMap::new();
        for row in query(work, sql, &[&of.n, &groups, &counts, &after]).await? {
            found.entry(row.get(0)).or_default().insert((row.get(1), row.get(2)));
        }
        Ok(found)
    }
}

/// A running batch as its row has it.
fn running(row: &Row) -> Result<Batch, DatabaseFault> {
    let unknown = DatabaseFault::Unexpected("a batch's state is unknown");
    Ok(Batch {
        id: batch_id(row.get(0))?,
        spec: serde_json::from_str(row.get(1))?,
        state: state(row.get(2)).ok_or(unknown)?,
        created_at: time(row.get(3)),
        sealed_at: row.get::<_, Option<i64>>(4).map(time),
        ended_at: None,
        progress: Progress {
            rows: row.get::<_, i64>(5).unsigned_abs(),
            mailboxes: row.get::<_, i64>(6).unsigned_abs(),
            finished: stored_reasons::counts(row.get(7))?,
            waiting: stored_reasons::counts(row.get(8))?,
            next_retry_at: None,
            last_retry_at: None,
            forecast: None,
            oldest_evidence: row.get::<_, Option<i64>>(9).map(time),
            registered_after_consent: row.get::<_, i64>(12).unsigned_abs(),
            unchecked_consents: row.get::<_, i64>(13).unsigned_abs(),
        },
    })
}

/// The chunks that are out under leases.
async fn leased_chunks(
    work: &Transaction<'_>,
    n: i64,
    leases: &[i64],
) -> Result<HashMap<LeaseId, LeasedChunk>, DatabaseFault> {
    let sql = "SELECT l.id, l.until, c.id, c.grp, c.items FROM mailvet.leases l
               JOIN mailvet.chunks c ON c.batch = $1 AND c.id = l.chunk
               WHERE l.id = ANY($2)";
    let rows = query(work, sql, &[&n, &leases]).await?;
    let chunk = |row: &Row| {
        let lease: i64 = row.get(0);
        let (until, id, group, items) = (row.get(1), row.get(2), row.get(3), row.get(4));
        (LeaseId(lease.unsigned_abs()), LeasedChunk { id, lease, group, until, items })
    };
    Ok(rows.iter().map(chunk).collect())
}
