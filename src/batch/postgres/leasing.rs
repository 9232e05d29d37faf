//! Chunks going out. All that changes the chunks of a batch holds the lock of its row, so that two
//! processes never see half of what the other does; a lease does not wait for the disk.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use deadpool_postgres::Transaction;
use tokio::try_join;

use super::connect::WHOLE_TABLES;
use super::due_chunks::{ChunkPlace, DueChunk, LeasedChunks, lock};
use super::engine::{Engine, change, find, query, signed};
use super::error::DatabaseFault;
use super::intake::hurry;
use crate::batch::queue::{LeaseId, LeaseRequest};
use crate::batch::time::{floor, time};

/// The time for which leases that are over are looked for once more, in milliseconds: the clocks of
/// those who gave them may be behind.
const CLOCKS_DIFFER: i64 = 60_000;

/// The widest window but the widest of all, which has every chunk in it.
const WIDE_WINDOW: i64 = 64;

impl Engine {
    /// Leases chunks of the batches that have some, which take turns. What they hold is read
    /// afterwards, when nobody waits: see [`Engine::contents`].
    pub(super) async fn lease(
        &self,
        ask: &LeaseRequest,
        now: SystemTime,
    ) -> Result<Vec<LeasedChunks>, DatabaseFault> {
        self.expire(now).await?;
        let mut waiting = self.batches_with_work(now).await?;
        let turn = self.turn.load(Ordering::Relaxed);
        let first = waiting.iter().position(|n| *n > turn).unwrap_or_default();
        waiting.rotate_left(first);
        let each = ask.chunks.checked_div(waiting.len()).unwrap_or_default().max(1);
        let (mut leases, mut given, mut trouble) = (Vec::new(), 0, None);
        // Round and round, until there is enough or nothing is left.
        while given < ask.chunks && !waiting.is_empty() {
            let mut rest = Vec::new();
            for n in waiting {
                let count = each.min(ask.chunks - given);
                if count == 0 {
                    break;
                }
                let leased = self.lease_from(n, ask, count, now).await;
                self.turn.store(n, Ordering::Relaxed);
                let leased = match leased {
                    Ok(leased) => leased,
                    // What is leased already is worked on; else all of it is asked for again.
                    Err(fault) if fault.is_transient() && given == 0 => return Err(fault),
                    Err(fault) if fault.is_transient() => return Ok(leases),
                    // A batch that somebody holds does not keep the others.
                    Err(fault) => {
                        trouble = Some(fault);
                        None
                    }
                };
                let Some(leased) = leased else { continue };
                given += leased.chunks.len();
                if leased.chunks.len() == count {
                    rest.push(n);
                }
                leases.push(leased);
            }
            waiting = rest;
        }
        match trouble {
            Some(fault) if given == 0 => Err(fault),
            Some(fault) => {
                tracing::warn!(%fault, "a batch is left out for now");
                Ok(leases)
            }
            None => Ok(leases),
        }
    }

    /// The running batches that have a chunk that may be due and not out.
    async fn batches_with_work(&self, now: SystemTime) -> Result<Vec<i64>, DatabaseFault> {
        // Of each batch one chunk is looked at: `EXISTS` may be carried out as a join of them all.
        let sql = "SELECT b.n FROM mailvet.batches b LEFT JOIN mailvet.fronts f ON f.batch = b.n
                   CROSS JOIN LATERAL (
                       SELECT FROM mailvet.chunks c
                       WHERE c.batch = b.n AND c.ready AND c.due <= $1
                           AND (c.due, c.id) >= (coalesce(f.due, 0), coalesce(f.id, 0))
                       ORDER BY c.due, c.id LIMIT 1
                   ) next
                   WHERE b.state = 'running' ORDER BY b.n";
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
    ) -> Result<Option<LeasedChunks>, DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        let Some((mut batch, mut seen)) = lock(self, &work, n, now).await? else { return Ok(None) };
        if widen(&work, n, batch.ready_chunks, ask.chunks_per_group).await? {
            seen.look_again(&work, n, now).await?;
        }
        let before = seen.front;
        let (chunks, front) = seen.choose(&work, n, ask, count, now).await?;
        let names: Vec<LeaseId> = chunks.iter().map(|_| self.lease_name()).collect();
        let move_front =
            async { if front == before { Ok(()) } else { set_front(&work, n, front).await } };
        try_join!(move_front, self.insert_leases(&work, n, ask, &names, &chunks))?;
        work.commit().await?;
        batch.chunks = names.into_iter().zip(chunks).collect();
        Ok(Some(batch))
    }

    async fn insert_leases(
        &self,
        work: &Transaction<'_>,
        n: i64,
        ask: &LeaseRequest,
        names: &[LeaseId],
        chunks: &[DueChunk],
    ) -> Result<(), DatabaseFault> {
        if chunks.is_empty() {
            return Ok(());
        }
        let names: Vec<i64> = names.iter().map(|name| signed(name.0)).collect();
        let ids: Vec<i64> = chunks.iter().map(|chunk| chunk.id).collect();
        let groups: Vec<i64> = chunks.iter().map(|chunk| chunk.group).collect();
        let sql = "INSERT INTO mailvet.leases (id, batch, chunk, grp, member, until)
                   SELECT l.id, $1, l.chunk, l.grp, $2, $3
                   FROM unnest($4::bigint[], $5::bigint[], $6::bigint[]) AS l (id, chunk, grp)";
        let until = floor(ask.until);
        change(work, sql, &[&n, &self.member(), &until, &names, &ids, &groups]).await?;
        Ok(())
    }

    /// The time at which the next chunk becomes due, or the next lease ends.
    pub(super) async fn next_due(
        &self,
        now: SystemTime,
    ) -> Result<Option<SystemTime>, DatabaseFault> {
        self.expire(now).await?;
        let sql = "SELECT least(
                (SELECT l.until FROM mailvet.leases l JOIN mailvet.batches b ON b.n = l.batch
                 WHERE b.state = 'running' ORDER BY l.until LIMIT 1),
                (SELECT min(next.due) FROM mailvet.batches b CROSS JOIN LATERAL (
                    SELECT c.due FROM mailvet.chunks c
                    WHERE c.batch = b.n AND c.due > $1 AND c.due > 0 AND NOT EXISTS (
                        SELECT FROM mailvet.leases l WHERE l.batch = c.batch AND l.chunk = c.id)
                    ORDER BY c.due LIMIT 1
                ) next WHERE b.state = 'running'))";
        let found = find(&self.client().await?, sql, &[&floor(now)]).await?;
        Ok(found.and_then(|row| row.get::<_, Option<i64>>(0)).map(time))
    }

    /// Ends the leases whose time is over, as far as it was not over a minute before the last time.
    async fn expire(&self, now: SystemTime) -> Result<(), DatabaseFault> {
        let now = floor(now);
        let last = self.expired_to.swap(now, Ordering::Relaxed);
        let since = if last <= now { last.saturating_sub(CLOCKS_DIFFER) } else { i64::MIN };
        let sql = "SELECT DISTINCT batch FROM mailvet.leases WHERE until > $1 AND until <= $2";
        let rows = query(&self.client().await?, sql, &[&since, &now]).await?;
        for row in rows {
            let ended = self.end_leases(row.get(0), &format!("until <= {now}")).await;
            if let Err(fault) = ended {
                tracing::debug!(%fault, "leases of a batch that are over are not ended yet");
                self.expired_to.store(i64::MIN, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Ends leases of a batch: those for which `which` holds, a condition on `leases l`.
    pub(super) async fn end_leases(&self, n: i64, which: &str) -> Result<(), DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        hurry(&work).await?;
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

/// Makes the window of every group at least `wanted` chunks wide, where it was `ready_chunks`.
/// Seldom: it grows to what the caller is used to ask for, and stays. `true` if it grew.
async fn widen(
    work: &Transaction<'_>,
    n: i64,
    ready_chunks: i64,
    wanted: usize,
) -> Result<bool, DatabaseFault> {
    let wanted = signed(wanted as u64);
    if wanted <= ready_chunks {
        return Ok(false);
    }
    work.batch_execute(WHOLE_TABLES).await?;
    let window = if wanted > WIDE_WINDOW { i64::MAX } else { WIDE_WINDOW };
    let sql = "UPDATE mailvet.chunks SET ready = true
               WHERE batch = $1 AND NOT ready AND id IN (
                   SELECT id FROM (
                       SELECT id, row_number() OVER (PARTITION BY grp ORDER BY due, id) AS place
                       FROM mailvet.chunks WHERE batch = $1
                   ) c WHERE place <= $2)";
    change(work, sql, &[&n, &window]).await?;
    let sql = "UPDATE mailvet.batches SET ready_chunks = $2, has_more_chunks =
                   EXISTS (SELECT FROM mailvet.chunks WHERE batch = $1 AND NOT ready)
               WHERE n = $1";
    change(work, sql, &[&n, &window]).await?;
    set_front(work, n, (0, 0)).await?;
    Ok(true)
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
