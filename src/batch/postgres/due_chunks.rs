//! The chunks of a batch that may go out, in the order in which they do.

use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use deadpool_postgres::Transaction;
use futures_util::future::try_join5;
use tokio_postgres::Row;

use super::engine::{Engine, batch_id, find, query};
use super::error::DatabaseFault;
use super::intake::hurry;
use crate::batch::queue::{LeaseId, LeaseRequest};
use crate::batch::time::{floor, time};
use crate::campaign::progress::{Batch, Progress, State};

/// Chunks that are looked at at a time.
const LOOK: usize = 64;

/// A place among the chunks of a batch, by when they are due.
pub(super) type ChunkPlace = (i64, i64);

/// A chunk that may go out.
pub(super) struct DueChunk {
    pub(super) id: i64,
    pub(super) group: i64,
    /// Some of its items have a provisional result.
    pub(super) waiting: bool,
    pub(super) items: Vec<i64>,
}

/// Chunks of a batch that are out.
pub(super) struct LeasedChunks {
    pub(super) n: i64,
    /// Without its progress.
    pub(super) batch: Batch,
    pub(super) place: String,
    pub(super) ready_chunks: i64,
    /// Some item has more than one row.
    pub(super) has_copies: bool,
    pub(super) chunks: Vec<(LeaseId, DueChunk)>,
}

/// What is seen of the chunks of a batch that is locked.
pub(super) struct SeenChunks {
    /// The chunks that are out.
    out: HashSet<i64>,
    /// How many of them there are, by group.
    by_group: BTreeMap<i64, usize>,
    /// No chunk that may go out is before.
    pub(super) front: ChunkPlace,
    /// The first chunks from there on that are due.
    first: Vec<Row>,
}

/// Locks a batch, if it is running, and looks at its chunks; the transaction will not wait for the
/// disk. It is all sent together: the lock before what has to be seen under it.
pub(super) async fn lock(
    engine: &Engine,
    work: &Transaction<'_>,
    n: i64,
    now: SystemTime,
) -> Result<Option<(LeasedChunks, SeenChunks)>, DatabaseFault> {
    let sql = "SELECT id, spec, created_at, sealed_at, place, ready_chunks, rows <> mailboxes
               FROM mailvet.batches WHERE n = $1 AND state = 'running' FOR UPDATE";
    let statement = work.prepare_cached(sql).await?;
    let lock = async { Ok(work.query_opt(&statement, &[&n]).await?) };
    let (_, row, leases, front, first) = try_join5(
        hurry(work),
        lock,
        leases(engine, work, n),
        front(work, n),
        first_due(work, n, now),
    )
    .await?;
    let Some(row) = row else { return Ok(None) };
    engine.floors.lock().note_leases(n, leases.iter().map(|row| row.get(0)));
    let batch = Batch {
        id: batch_id(row.get(0))?,
        spec: serde_json::from_str(row.get(1))?,
        state: State::Running,
        created_at: time(row.get(2)),
        sealed_at: row.get::<_, Option<i64>>(3).map(time),
        ended_at: None,
        progress: Progress::default(),
    };
    let (place, ready_chunks, has_copies) = (row.get(4), row.get(5), row.get(6));
    let mut by_group: BTreeMap<i64, usize> = BTreeMap::new();
    for row in &leases {
        *by_group.entry(row.get(2)).or_default() += 1;
    }
    let out = leases.iter().map(|row| row.get(1)).collect();
    let chunks = LeasedChunks { n, batch, place, ready_chunks, has_copies, chunks: Vec::new() };
    Ok(Some((chunks, SeenChunks { out, by_group, front, first })))
}

/// The leases of a batch, as `id`, `chunk` and `grp`.
async fn leases(
    engine: &Engine,
    work: &Transaction<'_>,
    n: i64,
) -> Result<Vec<Row>, DatabaseFault> {
    let (firsts, ends) = engine.floors.lock().lease_ranges(n);
    let sql = "SELECT l.id, l.chunk, l.grp
               FROM unnest($2::bigint[], $3::bigint[]) r (first, after_last)
               CROSS JOIN LATERAL (
                   SELECT id, batch, chunk, grp FROM mailvet.leases
                   WHERE id >= r.first AND id < r.after_last OFFSET 0
               ) l
               WHERE l.batch = $1";
    query(work, sql, &[&n, &firsts, &ends]).await
}

async fn front(work: &Transaction<'_>, n: i64) -> Result<ChunkPlace, DatabaseFault> {
    let sql = "SELECT due, id FROM mailvet.fronts WHERE batch = $1";
    Ok(find(work, sql, &[&n]).await?.map_or((0, 0), |row| (row.get(0), row.get(1))))
}

/// The first chunks that are due.
async fn first_due(
    work: &Transaction<'_>,
    n: i64,
    now: SystemTime,
) -> Result<Vec<Row>, DatabaseFault> {
    let sql = format!(
        "SELECT due, id, grp, waiting > 0, items FROM mailvet.chunks
         WHERE batch = $1 AND ready AND due <= $2 AND (due, id) >= (
             coalesce((SELECT f.due FROM mailvet.fronts f WHERE f.batch = $1), 0),
             coalesce((SELECT f.id FROM mailvet.fronts f WHERE f.batch = $1), 0))
         ORDER BY due, id LIMIT {LOOK}"
    );
    query(work, &sql, &[&n, &floor(now)]).await
}

impl SeenChunks {
    /// Looks once more, when the front was moved.
    pub(super) async fn look_again(
        &mut self,
        work: &Transaction<'_>,
        n: i64,
        now: SystemTime,
    ) -> Result<(), DatabaseFault> {
        self.front = front(work, n).await?;
        self.first = first_due(work, n, now).await?;
        Ok(())
    }

    /// The next chunks to go out, and the place before which there is then none.
    pub(super) async fn choose(
        mut self,
        work: &Transaction<'_>,
        n: i64,
        ask: &LeaseRequest,
        count: usize,
        now: SystemTime,
    ) -> Result<(Vec<DueChunk>, ChunkPlace), DatabaseFault> {
        let mut place = self.front;
        let (mut found, mut passed): (Vec<DueChunk>, Option<ChunkPlace>) = (Vec::new(), None);
        let sql = format!(
            "SELECT due, id, grp, waiting > 0, items FROM mailvet.chunks
             WHERE batch = $1 AND ready AND due <= $2 AND (due, id) >= ($3, $4)
             ORDER BY due, id LIMIT {LOOK}"
        );
        let mut rows = self.first;
        'search: loop {
            for row in &rows {
                if found.len() >= count {
                    break 'search;
                }
                let (due, id, group): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
                place = (due, id + 1);
                if self.out.contains(&id) {
                    continue;
                }
                let already = self.by_group.entry(group).or_default();
                if *already >= ask.chunks_per_group {
                    passed = passed.or(Some((due, id)));
                    continue;
                }
                *already += 1;
                found.push(DueChunk { id, group, waiting: row.get(3), items: row.get(4) });
            }
            if rows.len() < LOOK {
                break;
            }
            rows = query(work, &sql, &[&n, &floor(now), &place.0, &place.1]).await?;
        }
        Ok((found, passed.unwrap_or(place)))
    }
}
