//! Chunks going out. All that changes the chunks of a batch holds the lock of its row, so that two
//! processes never see half of what the other does; a lease does not wait for the disk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use deadpool_postgres::Transaction;

use super::engine::{Engine, batch_id, change, find, query, signed};
use super::error::DatabaseFault;
use super::intake::relax;
use super::tables::at;
use crate::batch::queue::{Lease, LeaseItem, LeaseRequest};
use crate::batch::time::{floor, time};
use crate::campaign::progress::{Batch, Progress, State};

/// The widest window but the widest of all, which has every chunk in it.
const WIDE_WINDOW: i64 = 64;

/// Chunks that are looked at at a time.
const LOOK: i64 = 64;

/// A place among the chunks of a batch, by when they are due.
pub(super) type ChunkPlace = (i64, i64);

/// A chunk that may go out.
struct DueChunk {
    id: i64,
    group: i64,
    waiting: bool,
    items: Vec<i64>,
}

/// A running batch, locked.
struct LockedBatch {
    n: i64,
    place: String,
    batch: Batch,
    ready_chunks: i64,
}

impl Engine {
    /// Leases chunks of the batches that have some, which take turns.
    pub(super) async fn lease(
        &self,
        ask: &LeaseRequest,
        now: SystemTime,
    ) -> Result<Vec<Lease>, DatabaseFault> {
        self.expire(now).await?;
        let mut waiting = self.batches_with_work(now).await?;
        let turn = self.turn.load(Ordering::Relaxed);
        let first = waiting.iter().position(|n| *n > turn).unwrap_or_default();
        waiting.rotate_left(first);
        let each = ask.chunks.checked_div(waiting.len()).unwrap_or_default().max(1);
        let mut leases = Vec::new();
        // Round and round, until there is enough or nothing is left.
        while leases.len() < ask.chunks && !waiting.is_empty() {
            let mut rest = Vec::new();
            for n in waiting {
                let count = each.min(ask.chunks - leases.len());
                if count == 0 {
                    break;
                }
                let given = self.lease_from(n, ask, count, now).await?;
                self.turn.store(n, Ordering::Relaxed);
                if given.len() == count {
                    rest.push(n);
                }
                leases.extend(given);
            }
            waiting = rest;
        }
        Ok(leases)
    }

    /// The running batches that have a chunk that may be due and not out.
    async fn batches_with_work(&self, now: SystemTime) -> Result<Vec<i64>, DatabaseFault> {
        let sql = "SELECT b.n FROM mailvet.batches b LEFT JOIN mailvet.fronts f ON f.batch = b.n
                   WHERE b.state = 'running' AND EXISTS (
                       SELECT FROM mailvet.chunks c
                       WHERE c.batch = b.n AND c.ready AND c.due <= $1
                           AND (c.due, c.id) >= (coalesce(f.due, 0), coalesce(f.id, 0)))
                   ORDER BY b.n";
        let rows = query(&self.client().await?, sql, &[&floor(now)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Leases up to `count` chunks of one batch.
    async fn lease_from(
        &self,
        n: i64,
        ask: &LeaseRequest,
        count: usize,
        now: SystemTime,
    ) -> Result<Vec<Lease>, DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        relax(&work).await?;
        let Some(locked) = lock(&work, n).await? else { return Ok(Vec::new()) };
        widen(&work, &locked, ask.chunks_per_group).await?;
        let (chunks, front) = due_chunks(&work, n, ask, count, now).await?;
        set_front(&work, n, front).await?;
        let leases = self.read_leases(&work, &locked, &chunks).await?;
        let names: Vec<i64> = leases.iter().map(|lease| signed(lease.id.0)).collect();
        let ids: Vec<i64> = chunks.iter().map(|chunk| chunk.id).collect();
        let groups: Vec<i64> = chunks.iter().map(|chunk| chunk.group).collect();
        let sql = "INSERT INTO mailvet.leases (id, batch, chunk, grp, member, until)
                   SELECT l.id, $1, l.chunk, l.grp, $2, $3
                   FROM unnest($4::bigint[], $5::bigint[], $6::bigint[]) AS l (id, chunk, grp)";
        let until = floor(ask.until);
        change(&work, sql, &[&n, &self.member(), &until, &names, &ids, &groups]).await?;
        work.commit().await?;
        Ok(leases)
    }

    /// The contents of chunks, under names of leases.
    async fn read_leases(
        &self,
        work: &Transaction<'_>,
        locked: &LockedBatch,
        chunks: &[DueChunk],
    ) -> Result<Vec<Lease>, DatabaseFault> {
        if chunks.is_empty() {
            return Ok(Vec::new());
        }
        let LockedBatch { n, place, batch, .. } = locked;
        let all: Vec<i64> = chunks.iter().flat_map(|chunk| chunk.items.iter().copied()).collect();
        let sql = at(
            place,
            "SELECT row, address, greatest(consent, (
                 SELECT max(c.consent) FROM mailvet.rows_{p} c
                 WHERE c.batch = $1 AND c.item = r.row))
             FROM mailvet.rows_{p} r WHERE batch = $1 AND row = ANY($2)",
        );
        let rows = query(work, &sql, &[n, &all]).await?;
        let mut firsts: HashMap<i64, (String, Option<i64>)> =
            rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let groups: Vec<i64> = chunks.iter().map(|chunk| chunk.group).collect();
        let sql = at(
            place,
            "SELECT id, name FROM mailvet.groups_{p}
             WHERE batch = $1 AND id = ANY($2)",
        );
        let rows = query(work, &sql, &[n, &groups]).await?;
        let names: HashMap<i64, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut provisional = HashMap::new();
        let waiting = chunks.iter().filter(|chunk| chunk.waiting);
        let waiting: Vec<i64> = waiting.flat_map(|chunk| chunk.items.iter().copied()).collect();
        if !waiting.is_empty() {
            let sql = at(
                place,
                "SELECT item, since, outcome FROM mailvet.waiting_{p}
                 WHERE batch = $1 AND item = ANY($2)",
            );
            for row in query(work, &sql, &[n, &waiting]).await? {
                let outcome = serde_json::from_str(row.get(2))?;
                provisional.insert(row.get::<_, i64>(0), (time(row.get(1)), outcome));
            }
        }
        let mut take = |item: i64| {
            let (waiting_since, provisional) = provisional.remove(&item).unzip();
            let (address, consent) = firsts.remove(&item).unwrap_or_default();
            let (number, consented_at) = (item.unsigned_abs(), consent.map(time));
            LeaseItem { number, address, consented_at, waiting_since, provisional }
        };
        let lease = |chunk: &DueChunk| Lease {
            id: self.lease_name(),
            batch: batch.id.clone(),
            options: batch.spec.options.clone(),
            deadline: batch.deadline(),
            group: names.get(&chunk.group).cloned().unwrap_or_default(),
            items: chunk.items.iter().map(|item| take(*item)).collect(),
        };
        Ok(chunks.iter().map(lease).collect())
    }

    /// The time at which the next chunk becomes due, or the next lease ends.
    pub(super) async fn next_due(
        &self,
        now: SystemTime,
    ) -> Result<Option<SystemTime>, DatabaseFault> {
        self.expire(now).await?;
        let sql = "SELECT least(
                (SELECT min(l.until) FROM mailvet.leases l JOIN mailvet.batches b ON b.n = l.batch
                 WHERE b.state = 'running'),
                (SELECT min(next.due) FROM mailvet.batches b CROSS JOIN LATERAL (
                    SELECT c.due FROM mailvet.chunks c
                    WHERE c.batch = b.n AND c.due > $1 AND c.due > 0 AND NOT EXISTS (
                        SELECT FROM mailvet.leases l WHERE l.batch = c.batch AND l.chunk = c.id)
                    ORDER BY c.due LIMIT 1
                ) next WHERE b.state = 'running'))";
        let found = find(&self.client().await?, sql, &[&floor(now)]).await?;
        Ok(found.and_then(|row| row.get::<_, Option<i64>>(0)).map(time))
    }

    /// Ends the leases whose time is over.
    async fn expire(&self, now: SystemTime) -> Result<(), DatabaseFault> {
        let sql = "SELECT DISTINCT batch FROM mailvet.leases WHERE until <= $1";
        let rows = query(&self.client().await?, sql, &[&floor(now)]).await?;
        for row in rows {
            let which = format!("until <= {}", floor(now));
            self.end_leases(row.get(0), &which).await?;
        }
        Ok(())
    }

    /// Ends leases of a batch: those for which `which` holds, a condition on `leases l`.
    pub(super) async fn end_leases(&self, n: i64, which: &str) -> Result<(), DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        relax(&work).await?;
        find(&work, "SELECT FROM mailvet.batches WHERE n = $1 FOR UPDATE", &[&n]).await?;
        let sql = format!(
            "DELETE FROM mailvet.leases l WHERE batch = $1 AND {which}
                           RETURNING chunk"
        );
        let ended: Vec<i64> = work.query(&sql, &[&n]).await?.iter().map(|row| row.get(0)).collect();
        let sql = "SELECT due, id FROM mailvet.chunks WHERE batch = $1 AND id = ANY($2)
                   ORDER BY due, id LIMIT 1";
        if let Some(row) = find(&work, sql, &[&n, &ended]).await? {
            pull_front(&work, n, (row.get(0), row.get(1))).await?;
        }
        work.commit().await?;
        Ok(())
    }
}

/// Locks a batch, if it is running.
async fn lock(work: &Transaction<'_>, n: i64) -> Result<Option<LockedBatch>, DatabaseFault> {
    let sql = "SELECT id, spec, created_at, sealed_at, place, ready_chunks FROM mailvet.batches
               WHERE n = $1 AND state = 'running' FOR UPDATE";
    let Some(row) = find(work, sql, &[&n]).await? else { return Ok(None) };
    let batch = Batch {
        id: batch_id(row.get(0))?,
        spec: serde_json::from_str(row.get(1))?,
        state: State::Running,
        created_at: time(row.get(2)),
        sealed_at: row.get::<_, Option<i64>>(3).map(time),
        ended_at: None,
        progress: Progress::default(),
    };
    Ok(Some(LockedBatch { n, place: row.get(4), batch, ready_chunks: row.get(5) }))
}

/// The next chunks to go out, and the place before which there is then none.
async fn due_chunks(
    work: &Transaction<'_>,
    n: i64,
    ask: &LeaseRequest,
    count: usize,
    now: SystemTime,
) -> Result<(Vec<DueChunk>, ChunkPlace), DatabaseFault> {
    let rows = query(work, "SELECT chunk, grp FROM mailvet.leases WHERE batch = $1", &[&n]).await?;
    let out: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut by_group: BTreeMap<i64, usize> = BTreeMap::new();
    for row in &rows {
        *by_group.entry(row.get(1)).or_default() += 1;
    }
    let sql = "SELECT due, id FROM mailvet.fronts WHERE batch = $1";
    let mut place: ChunkPlace =
        find(work, sql, &[&n]).await?.map_or((0, 0), |row| (row.get(0), row.get(1)));
    let (mut found, mut passed): (Vec<DueChunk>, Option<ChunkPlace>) = (Vec::new(), None);
    let sql = format!(
        "SELECT due, id, grp, waiting > 0, items FROM mailvet.chunks
         WHERE batch = $1 AND ready AND due <= $2 AND (due, id) >= ($3, $4)
         ORDER BY due, id LIMIT {LOOK}"
    );
    'search: loop {
        let rows = query(work, &sql, &[&n, &floor(now), &place.0, &place.1]).await?;
        for row in &rows {
            if found.len() >= count {
                break 'search;
            }
            let (due, id, group): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            place = (due, id + 1);
            if out.contains(&id) {
                continue;
            }
            let already = by_group.entry(group).or_default();
            if *already >= ask.chunks_per_group {
                passed = passed.or(Some((due, id)));
                continue;
            }
            *already += 1;
            found.push(DueChunk { id, group, waiting: row.get(3), items: row.get(4) });
        }
        if signed(rows.len() as u64) < LOOK {
            break;
        }
    }
    Ok((found, passed.unwrap_or(place)))
}

/// Makes the window of every group at least `wanted` chunks wide. Seldom: it grows to what the
/// caller is used to ask for, and stays.
async fn widen(
    work: &Transaction<'_>,
    locked: &LockedBatch,
    wanted: usize,
) -> Result<(), DatabaseFault> {
    let wanted = signed(wanted as u64);
    if wanted <= locked.ready_chunks {
        return Ok(());
    }
    let window = if wanted > WIDE_WINDOW { i64::MAX } else { WIDE_WINDOW };
    let sql = "UPDATE mailvet.chunks SET ready = true
               WHERE batch = $1 AND NOT ready AND id IN (
                   SELECT id FROM (
                       SELECT id, row_number() OVER (PARTITION BY grp ORDER BY due, id) AS place
                       FROM mailvet.chunks WHERE batch = $1
                   ) c WHERE place <= $2)";
    change(work, sql, &[&locked.n, &window]).await?;
    let sql = "UPDATE mailvet.batches SET ready_chunks = $2, has_more_chunks =
                   EXISTS (SELECT FROM mailvet.chunks WHERE batch = $1 AND NOT ready)
               WHERE n = $1";
    change(work, sql, &[&locked.n, &window]).await?;
    set_front(work, locked.n, (0, 0)).await
}

/// Notes that no chunk that may go out is before this place.
async fn set_front(work: &Transaction<'_>, n: i64, to: ChunkPlace) -> Result<(), DatabaseFault> {
    let sql = "INSERT INTO mailvet.fronts VALUES ($1, $2, $3)
               ON CONFLICT (batch) DO UPDATE SET due = excluded.due, id = excluded.id";
    change(work, sql, &[&n, &to.0, &to.1]).await?;
    Ok(())
}

/// Notes that a chunk may go out at this place.
pub(super) async fn pull_front(
    work: &Transaction<'_>,
    n: i64,
    to: ChunkPlace,
) -> Result<(), DatabaseFault> {
    let sql = "UPDATE mailvet.fronts SET due = $2, id = $3 WHERE batch = $1
               AND (due, id) > ($2, $3)";
    change(work, sql, &[&n, &to.0, &to.1]).await?;
    Ok(())
}
