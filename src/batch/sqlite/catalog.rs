//! The catalog: every batch that was accepted, whose it is and how it stands. A batch that is over
//! is told from here alone.

use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::{OpenError, StoreError};
use super::time::{floor, time};
use super::{directory, outbox, schema};
use crate::batch::stored_reasons::StoredCounts;
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, Progress};

const SCHEMA: &str = "
    CREATE TABLE epoch (n INTEGER NOT NULL);
    INSERT INTO epoch VALUES (0);
    CREATE TABLE batches (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        request_id TEXT,
        spec TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        sealed_at INTEGER,
        ended_at INTEGER,
        progress TEXT NOT NULL,
        oldest INTEGER,
        after_consent INTEGER,
        unchecked_consents INTEGER
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX requests ON batches (owner, request_id) WHERE request_id IS NOT NULL;
    CREATE INDEX owners ON batches (owner, id);
    CREATE INDEX ended ON batches (ended_at) WHERE ended_at IS NOT NULL;
";

const COLUMNS: &str = "id, spec, state, created_at, sealed_at, ended_at, progress, oldest,
     after_consent, unchecked_consents";

/// The catalog of a data directory.
pub(super) struct Catalog {
    connection: Connection,
    /// Number of times the directory was opened.
    pub(super) epoch: u64,
}

impl Catalog {
    /// Opens the catalog at `path`, and makes it if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        directory::create(path).map_err(|error| OpenError::of_io(path, error))?;
        let wrong = |error| OpenError::of(path, &error);
        let connection = schema::open(path).map_err(wrong)?;
        schema::lasting(&connection, schema::CACHE).map_err(wrong)?;
        // What is taken out of it leaves no trace. The other files go as a whole.
        connection.execute_batch("PRAGMA secure_delete = ON").map_err(wrong)?;
        schema::check(&connection, path, SCHEMA)?;
        schema::add_column(&connection, "batches", "oldest").map_err(wrong)?;
        schema::add_column(&connection, "batches", "after_consent").map_err(wrong)?;
        schema::add_column(&connection, "batches", "unchecked_consents").map_err(wrong)?;
        connection.execute_batch(outbox::TABLE).map_err(wrong)?;
        connection.execute("UPDATE epoch SET n = n + 1", []).map_err(wrong)?;
        let epoch: i64 =
            connection.query_row("SELECT n FROM epoch", [], |row| row.get(0)).map_err(wrong)?;
        Ok(Self { connection, epoch: epoch.unsigned_abs() })
    }

    /// The connection, for the outbox.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Puts a batch in: from here on it is accepted.
    pub(super) fn insert(&self, batch: &Batch) -> Result<(), StoreError> {
        let change = self.connection.unchecked_transaction()?;
        change.execute(
            "INSERT INTO batches (id, owner, request_id, spec, state, created_at, sealed_at,
                 ended_at, progress) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                batch.id.as_str(),
                batch.spec.owner,
                batch.spec.request_id,
                serde_json::to_string(&batch.spec)?,
                batch.state.name(),
                floor(batch.created_at),
                batch.sealed_at.map(floor),
                batch.ended_at.map(floor),
                progress_text(&batch.progress)?,
            ],
        )?;
        outbox::insert(&change, batch, batch.created_at)?;
        change.commit()?;
        Ok(())
    }

    /// Puts in whom to tell about a batch as it stands since `now`.
    pub(super) fn notify(&self, batch: &Batch, now: SystemTime) -> Result<(), StoreError> {
        let change = self.connection.unchecked_transaction()?;
        outbox::insert(&change, batch, now)?;
        change.commit()?;
        Ok(())
    }

    /// Notes how a batch ended, and whom to tell.
    pub(super) fn end(&self, batch: &Batch) -> Result<(), StoreError> {
        let change = self.connection.unchecked_transaction()?;
        change.execute(
            "UPDATE batches SET state = ?2, ended_at = ?3, progress = ?4, oldest = ?5,
                 after_consent = ?6, unchecked_consents = ?7
             WHERE id = ?1",
            params![
                batch.id.as_str(),
                batch.state.name(),
                batch.ended_at.map(floor),
                progress_text(&batch.progress)?,
                batch.progress.oldest_evidence.map(floor),
                i64::try_from(batch.progress.registered_after_consent).unwrap_or(i64::MAX),
                i64::try_from(batch.progress.unchecked_consents).unwrap_or(i64::MAX),
            ],
        )?;
        outbox::insert(&change, batch, batch.created_at)?;
        change.commit()?;
        Ok(())
    }

    /// Takes a batch out, so that nothing of it stays in the file or its log.
    pub(super) fn remove(&self, id: &BatchId) -> Result<bool, StoreError> {
        let change = self.connection.unchecked_transaction()?;
        let removed = change.execute("DELETE FROM batches WHERE id = ?", [id.as_str()])?;
        outbox::remove(&change, id)?;
        change.commit()?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(removed > 0)
    }

    pub(super) fn batch(&self, id: &BatchId) -> Result<Option<Batch>, StoreError> {
        self.one("WHERE id = ?1", params![id.as_str()])
    }

    /// The batch that `owner` submitted under `request_id`.
    pub(super) fn requested(
        &self,
        owner: &str,
        request_id: &str,
    ) -> Result<Option<Batch>, StoreError> {
        self.one("WHERE owner = ?1 AND request_id = ?2", params![owner, request_id])
    }

    fn one(&self, which: &str, given: impl rusqlite::Params) -> Result<Option<Batch>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM batches {which}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.query_row(given, |row| Ok(read(row))).optional()?.transpose()
    }

    /// The batches of `owner` older than `before`, the newest first.
    pub(super) fn of_owner(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM batches WHERE owner = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
        );
        let before = before.map_or("~", BatchId::as_str);
        self.many(&sql, params![owner, before, schema::limit(limit)])
    }

    /// Those that are not over.
    pub(super) fn running(&self) -> Result<Vec<Batch>, StoreError> {
        self.many(&format!("SELECT {COLUMNS} FROM batches WHERE ended_at IS NULL"), [])
    }

    fn many(&self, sql: &str, given: impl rusqlite::Params) -> Result<Vec<Batch>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(given, |row| Ok(read(row)))?;
        rows.map(|row| row?).collect()
    }

    /// The names of those of `owner`.
    pub(super) fn names_of(&self, owner: &str) -> Result<Vec<BatchId>, StoreError> {
        self.identify("SELECT id FROM batches WHERE owner = ?", [owner])
    }

    /// The names of all of them.
    pub(super) fn names(&self) -> Result<Vec<BatchId>, StoreError> {
        self.identify("SELECT id FROM batches", [])
    }

    /// Those that ended before `at`, the oldest first.
    pub(super) fn ended_before(
        &self,
        at: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, StoreError> {
        self.identify(
            "SELECT id FROM batches WHERE ended_at < ?1 ORDER BY ended_at, id LIMIT ?2",
            params![super::time::ceiling(at), schema::limit(limit)],
        )
    }

    fn identify(
        &self,
        sql: &str,
        given: impl rusqlite::Params,
    ) -> Result<Vec<BatchId>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(given, |row| row.get::<_, String>(0))?;
        rows.map(|name| identified(&name?)).collect()
    }
}

fn identified(name: &str) -> Result<BatchId, StoreError> {
    BatchId::parse(name).ok_or(StoreError::Unexpected("the catalog holds a batch without a name"))
}

fn read(row: &Row<'_>) -> Result<Batch, StoreError> {
    let state: String = row.get(2)?;
    Ok(Batch {
        id: identified(&row.get::<_, String>(0)?)?,
        spec: serde_json::from_str(&row.get::<_, String>(1)?)?,
        state: schema::state(&state)
            .ok_or(StoreError::Unexpected("the catalog holds an unknown state"))?,
        created_at: time(row.get(3)?),
        sealed_at: row.get::<_, Option<i64>>(4)?.map(time),
        ended_at: row.get::<_, Option<i64>>(5)?.map(time),
        progress: Progress {
            oldest_evidence: row.get::<_, Option<i64>>(7)?.map(time),
            registered_after_consent: row.get::<_, Option<i64>>(8)?.unwrap_or(0).unsigned_abs(),
            unchecked_consents: row.get::<_, Option<i64>>(9)?.unwrap_or(0).unsigned_abs(),
            ..progress(&row.get::<_, String>(6)?)?
        },
    })
}

/// A progress as text: counts by reason's name.
fn progress_text(progress: &Progress) -> Result<String, StoreError> {
    let Progress { rows, mailboxes, finished, waiting, .. } = progress;
    Ok(serde_json::to_string(&(rows, mailboxes, finished, waiting))?)
}

fn progress(text: &str) -> Result<Progress, StoreError> {
    let (rows, mailboxes, StoredCounts(finished), StoredCounts(waiting)) =
        serde_json::from_str(text)?;
    Ok(Progress { rows, mailboxes, finished, waiting, ..Progress::default() })
}
