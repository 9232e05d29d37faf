//! Rows coming in: a new batch, its pages. Nothing of it need outlive a crash of the database
//! before the batch is sealed, so that nothing here waits for the disk, and rows go into an
//! unlogged table.

use std::pin::pin;
use std::time::SystemTime;

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use uuid::Uuid;

use sha2::{Digest as _, Sha256};

use super::clearing::received_by_the_living;
use super::engine::{Engine, change, find, signed, uuid};
use super::error::DatabaseFault;
use super::members::LIVES;
use super::standing::{read_batch, requested};
use crate::batch::queue::{AppendedRows, NewRow, QueueError, SubmittedBatch, new_rows};
use crate::batch::time::{floor, kept};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, Progress, State};
use crate::campaign::spec::Spec;

/// Bytes that a row takes up beside its texts: its result, and the keys of both.
const BYTES_A_ROW: usize = 200;

/// Abandoned batches that one submission removes before it gives up.
const ATTEMPTS: u32 = 5;

/// The outcome of a submission.
enum SubmitAttempt {
    Done(Box<SubmittedBatch>),
    /// The batch of this name is in the way, and its receiver is gone.
    Abandoned(BatchId),
}

impl Engine {
    /// Makes a batch, or finds the one of this request.
    pub(super) async fn submit(
        &self,
        id: &BatchId,
        spec: &Spec,
        now: SystemTime,
    ) -> Result<SubmittedBatch, DatabaseFault> {
        for _ in 0..ATTEMPTS {
            match self.try_submit(id, spec, now).await? {
                SubmitAttempt::Done(found) => return Ok(*found),
                SubmitAttempt::Abandoned(other) => {
                    self.discard(&other, &received_by_the_living()).await?;
                }
            }
        }
        Err(DatabaseFault::Busy("another submission is in the way"))
    }

    async fn try_submit(
        &self,
        id: &BatchId,
        spec: &Spec,
        now: SystemTime,
    ) -> Result<SubmitAttempt, DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        relax(&work).await?;
        let sql = "INSERT INTO mailvet.batches (id, owner, request_id, spec, state, created_at)
                   VALUES ($1, $2, $3, $4, 'receiving', $5) ON CONFLICT DO NOTHING RETURNING n";
        let text = serde_json::to_string(spec)?;
        let created_at = floor(now);
        let made =
            find(&work, sql, &[&uuid(id), &spec.owner, &spec.request_id, &text, &created_at])
                .await?;
        let Some(made) = made else { return known(&work, id, spec).await };
        let sql = "INSERT INTO mailvet.uploads VALUES ($1, $2, 0, 0, $3)";
        change(&work, sql, &[&made.get::<_, i64>(0), &self.member(), &created_at]).await?;
        work.commit().await?;
        Ok(SubmitAttempt::Done(Box::new(SubmittedBatch::New(Batch {
            id: id.clone(),
            spec: spec.clone(),
            state: State::Receiving,
            created_at: kept(now),
            sealed_at: None,
            ended_at: None,
            progress: Progress::default(),
        }))))
    }

    /// Takes a page of rows, whole or not at all.
    pub(super) async fn append(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: &[NewRow],
        now: SystemTime,
    ) -> Result<AppendedRows, DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        relax(&work).await?;
        let sql = "SELECT u.batch, u.rows FROM mailvet.batches b
                   JOIN mailvet.uploads u ON u.batch = b.n
                   WHERE b.id = $1 AND b.state = 'receiving' FOR UPDATE OF u";
        let Some(upload) = find(&work, sql, &[&uuid(id)]).await? else {
            return Err(not_receiving(&work, id, "append only before the batch is sealed").await);
        };
        let (n, there) = (upload.get::<_, i64>(0), upload.get::<_, i64>(1));
        let new = new_rows(id, there.unsigned_abs(), first_row, rows)?;
        if there == 0 && !new.is_empty() {
            work.batch_execute(&create_staging(n)).await?;
        }
        if !new.is_empty() {
            copy(&work, n, there, new).await?;
        }
        let texts = |row: &NewRow| row.address.len() + row.row_id.len() + BYTES_A_ROW;
        let bytes = signed(new.iter().map(texts).sum::<usize>() as u64);
        let count = signed(new.len() as u64);
        // Whoever took the last page is the one whose end is the end of the upload.
        let sql = "UPDATE mailvet.uploads SET rows = rows + $2, bytes = bytes + $3, last_page = $4,
                       member = $5 WHERE batch = $1";
        change(&work, sql, &[&n, &count, &bytes, &floor(now), &self.member()]).await?;
        work.commit().await?;
        let new = new.len() as u64;
        Ok(AppendedRows { rows: there.unsigned_abs() + new, new })
    }
}

/// Does not wait for the disk when this transaction ends.
pub(super) async fn relax(work: &Transaction<'_>) -> Result<(), DatabaseFault> {
    Ok(work.batch_execute("SET LOCAL synchronous_commit = off").await?)
}

/// The same, and waits for a row that somebody holds no longer than others can wait.
pub(super) async fn hurry(work: &Transaction<'_>) -> Result<(), DatabaseFault> {
    let sql = "SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = '3s'";
    Ok(work.batch_execute(sql).await?)
}

/// The batch that is in the way of a new one.
async fn known(
    work: &Transaction<'_>,
    id: &BatchId,
    spec: &Spec,
) -> Result<SubmitAttempt, DatabaseFault> {
    let other = match &spec.request_id {
        Some(request_id) => requested(work, &spec.owner, request_id).await?,
        None => None,
    };
    let Some(other) = other else {
        return match read_batch(work, id).await {
            // The submission again, after a connection was lost.
            Ok(same) if same.spec == *spec && same.state == State::Receiving => {
                Ok(SubmitAttempt::Done(Box::new(SubmittedBatch::New(same))))
            }
            Ok(same) => {
                let (id, state) = (id.clone(), same.state.name());
                Err(QueueError::WrongState { id, state, remedy: "submit under a name of its own" }
                    .into())
            }
            // It went with its upload, and nobody has cleared it away.
            Err(DatabaseFault::Caller(_)) => stale(work, id, spec).await,
            Err(fault) => Err(fault),
        };
    };
    if other.id == *id {
        return Ok(SubmitAttempt::Done(Box::new(SubmittedBatch::New(other))));
    }
    if other.state == State::Receiving {
        let sql = format!(
            "SELECT FROM mailvet.batches b JOIN mailvet.uploads u ON u.batch = b.n
             JOIN mailvet.members m ON m.id = u.member AND {LIVES} WHERE b.id = $1"
        );
        if find(work, &sql, &[&uuid(&other.id)]).await?.is_none() {
            return Ok(SubmitAttempt::Abandoned(other.id));
        }
    }
    Ok(SubmitAttempt::Done(Box::new(SubmittedBatch::Known(other))))
}

/// The batch of this name or request whose upload is not there any more.
async fn stale(
    work: &Transaction<'_>,
    id: &BatchId,
    spec: &Spec,
) -> Result<SubmitAttempt, DatabaseFault> {
    let sql = "SELECT id FROM mailvet.batches
               WHERE id = $1 OR (owner = $2 AND request_id = $3)";
    let found = find(work, sql, &[&uuid(id), &spec.owner, &spec.request_id]).await?;
    let other = found.map(|row| super::engine::batch_id(row.get(0))).transpose()?;
    Ok(SubmitAttempt::Abandoned(other.unwrap_or_else(|| id.clone())))
}

/// The error for a batch that is not receiving.
pub(super) async fn not_receiving<C: GenericClient>(
    client: &C,
    id: &BatchId,
    remedy: &'static str,
) -> DatabaseFault {
    match read_batch(client, id).await {
        Ok(batch) => {
            QueueError::WrongState { id: id.clone(), state: batch.state.name(), remedy }.into()
        }
        Err(fault) => fault,
    }
}

/// The table that takes the rows of an upload.
fn create_staging(n: i64) -> String {
    format!(
        "CREATE UNLOGGED TABLE mailvet.staging_{n} (row bigint NOT NULL, hash uuid NOT NULL,
             address text NOT NULL, row_id text, grp text COLLATE \"C\" NOT NULL, consent bigint)
         WITH (autovacuum_enabled = off)"
    )
}

/// Writes rows, numbered from `first`.
async fn copy(
    work: &Transaction<'_>,
    n: i64,
    first: i64,
    rows: &[NewRow],
) -> Result<(), DatabaseFault> {
    const TYPES: [Type; 6] =
        [Type::INT8, Type::UUID, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT8];
    let sql = format!("COPY mailvet.staging_{n} FROM STDIN (FORMAT binary)");
    let mut writer = pin!(BinaryCopyInWriter::new(work.copy_in(&sql).await?, &TYPES));
    for (row, new) in (first..).zip(rows) {
        let row_id = (!new.row_id.is_empty()).then(|| text(&new.row_id));
        let consent = new.consented_at.map(floor);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&row, &hash(&new.key), &address(&new.address), &row_id, &text(&new.group), &consent];
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
}

/// A short hash of a mailbox.
fn hash(key: &str) -> Uuid {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(key.as_bytes())[..16]);
    Uuid::from_bytes(short)
}

/// An address as the database takes it: it knows no NUL. Nothing stands in its place: the address
/// is asked as it is kept, and its reader passes over control characters, but not over other signs.
fn address(text: &str) -> String {
    text.replace('\0', "")
}

/// Any other text that the database takes.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
