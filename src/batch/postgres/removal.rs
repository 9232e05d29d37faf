//! Ends batches, and removes them. A deletion is noted first; whoever comes later carries it out,
//! if the process that began it does not.

use std::time::SystemTime;

use deadpool_postgres::Transaction;

use super::connect::WHOLE_TABLES;
use super::engine::{Engine, change, find, query, uuid};
use super::error::DatabaseFault;
use super::intake::hurry;
use super::outbox;
use super::standing::read_batch;
use super::tables;
use crate::batch::queue::QueueError;
use crate::batch::time::{ceiling, floor};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, State};

/// Deletions that are carried out at a time.
const AT_ONCE: i64 = 20;

/// Settings of a transaction that rewrites shared tables, beside [`WHOLE_TABLES`]. All who come
/// after a wait for a whole table wait behind it, so that it gives up before they notice.
const REWRITING: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '200ms'";

impl Engine {
    /// Stops a batch.
    pub(super) async fn cancel(
        &self,
        id: &BatchId,
        now: SystemTime,
    ) -> Result<Batch, DatabaseFault> {
        let batch = self.batch(id).await?;
        if batch.state == State::Receiving {
            match self.end_upload(id, None, now).await {
                // It was sealed in this moment.
                Err(DatabaseFault::Caller(QueueError::WrongState { .. })) => {}
                other => return other,
            }
        }
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        let sql = "UPDATE mailvet.batches SET state = 'cancelled', ended_at = $2, waiting = '{}'
                   WHERE id = $1 AND state = 'running' RETURNING n";
        if let Some(row) = find(&work, sql, &[&uuid(id), &floor(now)]).await? {
            let n: i64 = row.get(0);
            change(&work, "DELETE FROM mailvet.leases WHERE batch = $1", &[&n]).await?;
            change(&work, "DELETE FROM mailvet.chunks WHERE batch = $1", &[&n]).await?;
            self.forget(n);
            outbox::insert(&work, &read_batch(&work, id).await?, now).await?;
        }
        work.commit().await?;
        drop(client);
        self.news.tell();
        self.batch(id).await
    }

    /// Removes a batch and everything it held.
    pub(super) async fn delete(&self, id: &BatchId) -> Result<(), DatabaseFault> {
        let client = self.client().await?;
        let sql = "UPDATE mailvet.batches SET state = 'deleting', request_id = NULL
                   WHERE id = $1 AND state <> 'deleting' RETURNING n";
        let found = find(&client, sql, &[&uuid(id)]).await?;
        drop(client);
        let row = found.ok_or_else(|| QueueError::NoSuchBatch(id.clone()))?;
        self.news.tell();
        self.remove(row.get(0)).await
    }

    /// Removes a batch that is still receiving, unless `keeps` finds a row: a query about the
    /// upload of the batch with the number `$1`. `false` if it stays. One that is being sealed is
    /// left alone.
    pub(super) async fn discard(&self, id: &BatchId, keeps: &str) -> Result<bool, DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        hurry(&work).await?;
        let sql = "SELECT n FROM mailvet.batches WHERE id = $1 AND state = 'receiving'
                   FOR UPDATE SKIP LOCKED";
        let Some(row) = find(&work, sql, &[&uuid(id)]).await? else { return Ok(false) };
        let n: i64 = row.get(0);
        // From here on it takes no page and is not sealed.
        find(&work, "SELECT FROM mailvet.uploads WHERE batch = $1 FOR UPDATE", &[&n]).await?;
        if find(&work, keeps, &[&n]).await?.is_some() {
            return Ok(false);
        }
        let sql = "UPDATE mailvet.batches SET state = 'deleting', request_id = NULL WHERE n = $1";
        change(&work, sql, &[&n]).await?;
        work.commit().await?;
        drop(client);
        self.news.tell();
        self.remove(n).await?;
        Ok(true)
    }

    /// Removes a batch that is still receiving, also while a page of it is being taken; `false` if
    /// it is none. One that is being sealed is left alone: its seal holds the row to the end.
    pub(super) async fn discard_upload(&self, id: &BatchId) -> Result<bool, DatabaseFault> {
        let client = self.client().await?;
        let sql = "UPDATE mailvet.batches SET state = 'deleting', request_id = NULL
                   WHERE n = (SELECT n FROM mailvet.batches WHERE id = $1 AND state = 'receiving'
                       FOR UPDATE SKIP LOCKED) RETURNING n";
        let found = find(&client, sql, &[&uuid(id)]).await?;
        drop(client);
        let Some(row) = found else { return Ok(false) };
        self.news.tell();
        self.remove(row.get(0)).await?;
        Ok(true)
    }

    /// Removes uploads that got their last page before `at`, at most `most`; says which.
    pub(super) async fn remove_idle_uploads(
        &self,
        at: SystemTime,
        most: usize,
    ) -> Result<Vec<BatchId>, DatabaseFault> {
        let before = ceiling(at);
        let keeps =
            format!("SELECT FROM mailvet.uploads WHERE batch = $1 AND last_page >= {before}");
        let mut removed = Vec::new();
        for id in self.idle_uploads(at, most).await? {
            match self.discard(&id, &keeps).await {
                Ok(true) => removed.push(id),
                Ok(false) => {}
                // It does not keep the others.
                Err(fault) => tracing::error!(%fault, batch = %id, "could not be removed"),
            }
        }
        Ok(removed)
    }

    /// Carries out a deletion.
    async fn remove(&self, n: i64) -> Result<(), DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        let sql = "SELECT place FROM mailvet.batches WHERE n = $1 AND state = 'deleting'
                   FOR UPDATE";
        let Some(row) = find(&work, sql, &[&n]).await? else { return Ok(()) };
        let place: Option<String> = row.get(0);
        let mut sql = format!(
            // Waits for a page that is being taken: its first one makes the table.
            "DELETE FROM mailvet.uploads WHERE batch = {n};
             DROP TABLE IF EXISTS mailvet.staging_{n};
             DELETE FROM mailvet.leases WHERE batch = {n};
             DELETE FROM mailvet.fronts WHERE batch = {n};
             DELETE FROM mailvet.chunks WHERE batch = {n};
             DELETE FROM mailvet.outbox WHERE batch = (
                 SELECT id FROM mailvet.batches WHERE n = {n});
             DELETE FROM mailvet.batches WHERE n = {n};\n"
        );
        match &place {
            Some(place) if tables::is_own(place) => sql.push_str(&tables::drop(place)),
            Some(place) => {
                sql.push_str(&tables::delete(place, n));
                sql.push_str(&format!(
                    "UPDATE mailvet.places SET dirty_since = now()
                     WHERE name = '{place}' AND dirty_since IS NULL;"
                ));
            }
            None => {}
        }
        work.batch_execute(&sql).await?;
        work.commit().await?;
        self.forget(n);
        Ok(())
    }

    /// Carries out deletions that were begun, and rewrites the tables that small batches were
    /// deleted from half an hour ago: then their bytes are gone as well.
    pub(super) async fn sweep(&self) -> Result<(), DatabaseFault> {
        let client = self.client().await?;
        let sql = "SELECT n FROM mailvet.batches WHERE state = 'deleting' LIMIT $1";
        let rows = query(&client, sql, &[&AT_ONCE]).await?;
        drop(client);
        // One that cannot be carried out now does not keep the others.
        let mut trouble = None;
        for row in rows {
            trouble = self.remove(row.get(0)).await.err().or(trouble);
        }
        trouble = self.rewrite("30 minutes").await.err().or(trouble);
        trouble.map_or(Ok(()), Err)
    }

    /// Rewrites the tables that a small batch was deleted from longer ago than `age`, or drops
    /// those that hold no batch and will get none. One process at a time does it. Tables that
    /// somebody reads are left for the next time: a dump may read them for hours.
    pub(super) async fn rewrite(&self, age: &str) -> Result<(), DatabaseFault> {
        let mut client = self.client().await?;
        let mut in_use: Vec<String> = Vec::new();
        loop {
            let work = client.transaction().await?;
            work.batch_execute(&format!("{WHOLE_TABLES} {REWRITING}")).await?;
            let sql = "SELECT name, day FROM mailvet.places
                       WHERE dirty_since <= now() - $1::text::interval AND name <> ALL ($2)
                       ORDER BY dirty_since LIMIT 1 FOR UPDATE SKIP LOCKED";
            let Some(row) = find(&work, sql, &[&age, &in_use]).await? else { return Ok(()) };
            let (place, day): (String, i64) = (row.get(0), row.get(1));
            match rewrite_or_drop(&work, &place, day).await {
                Ok(()) => work.commit().await?,
                Err(fault) if fault.is_locked_out() => {
                    work.rollback().await?;
                    in_use.push(place);
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}

/// Rewrites the tables of a place, or drops them.
async fn rewrite_or_drop(
    work: &Transaction<'_>,
    place: &str,
    day: i64,
) -> Result<(), DatabaseFault> {
    let sql = "SELECT EXISTS (SELECT FROM mailvet.batches WHERE place = $1),
                   $2 < extract(epoch FROM now())::bigint / 86400 - 1";
    let found = find(work, sql, &[&place, &day]).await?;
    let (is_used, is_past) =
        found.map_or((true, false), |row| (row.get::<_, bool>(0), row.get::<_, bool>(1)));
    if is_past && !is_used {
        work.batch_execute(&tables::drop(place)).await?;
        change(work, "DELETE FROM mailvet.places WHERE name = $1", &[&place]).await?;
    } else {
        work.batch_execute(&tables::rewrite(place)).await?;
        let sql = "UPDATE mailvet.places SET dirty_since = NULL WHERE name = $1";
        change(work, sql, &[&place]).await?;
    }
    Ok(())
}
