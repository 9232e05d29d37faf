//! Accepts a batch: its rows become items, its items chunks, in one transaction.

use std::time::SystemTime;

use deadpool_postgres::Transaction;

use super::connect::WHOLE_TABLES;
use super::engine::{Engine, change, find, uuid};
use super::error::DatabaseFault;
use super::intake::not_receiving;
use super::outbox;
use super::standing::read_batch;
use super::tables::{self, SMALL};
use crate::batch::queue::{CHUNK, QueueError};
use crate::batch::time::floor;
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, State};

/// Chunks of a group that are `ready` at first.
const READY: i64 = 8;

/// Settings of the transaction beside [`WHOLE_TABLES`]: ten million rows take minutes.
const PATIENT: &str = "SET LOCAL statement_timeout = '1h'; SET LOCAL work_mem = '64MB';
     SET LOCAL maintenance_work_mem = '128MB';";

impl Engine {
    /// Ends the receiving: the batch is then running, or over if it has no rows, durably.
    pub(super) async fn seal(&self, id: &BatchId, now: SystemTime) -> Result<Batch, DatabaseFault> {
        self.end_upload(id, Some(now), now).await
    }

    /// Ends the receiving. Without `sealed_at` the batch is cancelled.
    pub(super) async fn end_upload(
        &self,
        id: &BatchId,
        sealed_at: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<Batch, DatabaseFault> {
        let _builder = self.builder(id).await?;
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        let sql = "SELECT n FROM mailvet.batches
                   WHERE id = $1 AND state = 'receiving' FOR UPDATE";
        let upload = match find(&work, sql, &[&uuid(id)]).await? {
            Some(row) => {
                let sql = "SELECT batch, rows, bytes FROM mailvet.uploads WHERE batch = $1
                           FOR UPDATE";
                find(&work, sql, &[&row.get::<_, i64>(0)]).await?
            }
            None => None,
        };
        let Some(upload) = upload else {
            return Err(not_receiving(&work, id, "a batch is sealed once").await);
        };
        let (n, rows, bytes): (i64, i64, i64) = (upload.get(0), upload.get(1), upload.get(2));
        let built = if rows > 0 { Some(build(&work, id, n, rows, now).await?) } else { None };
        let state = match sealed_at {
            None => State::Cancelled,
            Some(_) if rows == 0 => State::Finished,
            Some(_) => State::Running,
        };
        let Built { place, mailboxes, has_more } = built.unwrap_or_default();
        let ended_at = state.is_over().then_some(floor(now));
        let sealed_at = sealed_at.map(floor);
        let sql = "UPDATE mailvet.batches SET state = $2, sealed_at = $3, ended_at = $4, rows = $5,
                       mailboxes = $6, bytes = $7, ready_chunks = $8, has_more_chunks = $9,
                       place = $10
                   WHERE n = $1";
        let name = state.name();
        change(
            &work,
            sql,
            &[
                &n, &name, &sealed_at, &ended_at, &rows, &mailboxes, &bytes, &READY, &has_more,
                &place,
            ],
        )
        .await?;
        change(&work, "DELETE FROM mailvet.uploads WHERE batch = $1", &[&n]).await?;
        if state == State::Cancelled {
            change(&work, "DELETE FROM mailvet.chunks WHERE batch = $1", &[&n]).await?;
        }
        work.batch_execute(&format!("DROP TABLE IF EXISTS mailvet.staging_{n}")).await?;
        let batch = read_batch(&work, id).await?;
        outbox::insert(&work, &batch, now).await?;
        work.commit().await?;
        self.news.tell();
        Ok(batch)
    }
}

/// The outcome of building.
#[derive(Default)]
struct Built {
    /// The tables it is in.
    place: Option<String>,
    mailboxes: i64,
    /// `true` if some group has more chunks than are `ready`.
    has_more: bool,
}

/// Builds the tables of a batch from its upload.
async fn build(
    work: &Transaction<'_>,
    id: &BatchId,
    n: i64,
    rows: i64,
    now: SystemTime,
) -> Result<Built, DatabaseFault> {
    work.batch_execute(&format!("{WHOLE_TABLES} {PATIENT}")).await?;
    let is_large = rows.unsigned_abs() > SMALL;
    let place = if is_large {
        let place = tables::own(n);
        work.batch_execute(&tables::create(&place)).await?;
        place
    } else {
        shared_place(work, tables::day(floor(now))).await?
    };
    let staging = format!("mailvet.staging_{n}");
    work.batch_execute(&format!(
        "CREATE TEMP TABLE again ON COMMIT DROP AS
             SELECT hash, min(row) AS first, count(*) - 1 AS copies FROM {staging}
             GROUP BY hash HAVING count(*) > 1;
         ANALYZE again;
         ANALYZE {staging} (grp);"
    ))
    .await?;
    let sql = format!(
        "INSERT INTO mailvet.rows_{place} (batch, row, address, row_id, item, consent)
         SELECT {n}, s.row, s.address, s.row_id, CASE WHEN a.first < s.row THEN a.first END,
             s.consent
         FROM {staging} s LEFT JOIN again a USING (hash)"
    );
    let written = work.execute(&sql, &[]).await?;
    if written != rows.unsigned_abs() {
        // The database crashed meanwhile, and the upload with it.
        return Err(QueueError::NoSuchBatch(id.clone()).into());
    }
    work.batch_execute(&groups_and_chunks(&place, n)).await?;
    if is_large {
        work.batch_execute(&tables::keys(&place)).await?;
        work.batch_execute(&format!(
            "ANALYZE mailvet.rows_{place}; ANALYZE mailvet.groups_{place}; ANALYZE mailvet.chunks;"
        ))
        .await?;
    }
    let sql = "SELECT coalesce(sum(copies), 0)::bigint,
                   EXISTS (SELECT FROM mailvet.chunks WHERE batch = $1 AND NOT ready) FROM again";
    let row = work.query_one(sql, &[&n]).await?;
    let has_more = row.get(1);
    Ok(Built { place: Some(place), mailboxes: rows - row.get::<_, i64>(0), has_more })
}

/// Statements that make the groups and the chunks of a batch.
fn groups_and_chunks(place: &str, n: i64) -> String {
    format!(
        "INSERT INTO mailvet.groups_{place} (batch, id, name, rows)
         SELECT {n}, row_number() OVER (ORDER BY first) - 1, grp, rows
         FROM (
             SELECT grp, count(*) AS rows, min(row) AS first FROM mailvet.staging_{n} GROUP BY grp
         ) g;
         INSERT INTO mailvet.chunks (batch, id, grp, due, ready, waiting, items)
         SELECT {n}, min(row), grp, 0, part < {READY}, 0, array_agg(row ORDER BY row)
         FROM (
             SELECT s.row, g.id AS grp,
                 (row_number() OVER (PARTITION BY g.id ORDER BY s.row) - 1) / {CHUNK} AS part
             FROM mailvet.staging_{n} s
             JOIN mailvet.groups_{place} g ON g.batch = {n} AND g.name = s.grp
             LEFT JOIN again a USING (hash)
             WHERE a.first IS NULL OR a.first = s.row
         ) i
         GROUP BY grp, part;"
    )
}

/// The tables that the small batches of a day share, made if they are not there.
async fn shared_place(work: &Transaction<'_>, day: i64) -> Result<String, DatabaseFault> {
    let place = tables::of_day(day);
    // Held until the end: a place is not removed while a batch comes in.
    let sql = "SELECT FROM mailvet.places WHERE name = $1 FOR KEY SHARE";
    if find(work, sql, &[&place]).await?.is_none() {
        let sql = "INSERT INTO mailvet.places (name, day) VALUES ($1, $2)
                   ON CONFLICT (name) DO NOTHING";
        if change(work, sql, &[&place, &day]).await? > 0 {
            work.batch_execute(&tables::create(&place)).await?;
            work.batch_execute(&tables::keys(&place)).await?;
        } else {
            find(work, "SELECT FROM mailvet.places WHERE name = $1 FOR KEY SHARE", &[&place])
                .await?;
        }
    }
    Ok(place)
}
