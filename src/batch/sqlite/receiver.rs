//! A batch that is receiving: rows into items, items into chunks.
//!
//! Which mailboxes and groups were met before is kept in a file of its own beside the batch's, see
//! [`dedup`](super::dedup), which is removed when the batch is sealed. Neither has a log, and
//! neither waits for the disk.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::time::SystemTime;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use super::dedup::{DedupIndex, Numbers};
use super::directory::{self, Directory};
use super::error::StoreError;
use super::page::{PageWriter, WINDOW};
use super::schema;
use crate::batch::queue::NewRow;
use crate::campaign::progress::Batch;

const INTAKE: &str = "
    CREATE TABLE intake.mailboxes (hash BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE intake.groups (hash BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
";

/// A batch that is receiving.
pub(super) struct Receiver {
    batch: Batch,
    groups: i64,
    mailbox_index: DedupIndex,
    group_index: DedupIndex,
    /// Time of the last page.
    pub(super) last_page: SystemTime,
    /// `None` while it is idle.
    connection: Option<Connection>,
}

/// The change of a transaction, for memory to follow.
#[derive(Default)]
struct IntakeChange {
    rows: usize,
    /// The new ones.
    mailboxes: Numbers,
    /// The new ones.
    groups: Numbers,
    /// Buckets of the index.
    mailboxes_flushed: usize,
    /// Buckets of the index.
    groups_flushed: usize,
}

impl Receiver {
    /// Makes the files of `batch`.
    pub(super) fn create(directory: &Directory, batch: Batch) -> Result<Self, StoreError> {
        let made = Self::make(directory, batch.clone());
        if made.is_err() {
            let _ = directory.remove(&batch.id);
        }
        made
    }

    fn make(directory: &Directory, batch: Batch) -> Result<Self, StoreError> {
        directory::create(&directory.batch(&batch.id))?;
        directory::create(&directory.intake(&batch.id))?;
        let mut receiver = Self {
            last_page: batch.created_at,
            batch,
            groups: 0,
            mailbox_index: DedupIndex::mailboxes(),
            group_index: DedupIndex::groups(),
            connection: None,
        };
        let connection = receiver.open(directory)?;
        schema::create(connection, schema::BATCH)?;
        connection.execute_batch(INTAKE)?;
        connection.execute(
            "INSERT INTO meta (state, sequence, window, finished, waiting)
             VALUES ('receiving', 0, ?, '{}', '{}')",
            [WINDOW],
        )?;
        schema::Reasons::write(connection)?;
        Ok(receiver)
    }

    /// The batch as it stands.
    pub(super) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Lets go of the files, and of what is gathered for them; they are opened again when they are
    /// needed.
    pub(super) fn close(&mut self) {
        while !(self.mailbox_index.is_flushed() && self.group_index.is_flushed()) {
            // What cannot be written now stays in memory.
            if self.change(|connection, receiver| receiver.flush(connection, true)).is_err() {
                break;
            }
        }
        self.mailbox_index.drop_filter();
        self.group_index.drop_filter();
        self.connection = None;
    }

    /// Lets go of the files, which are to be removed.
    pub(super) fn let_go(&mut self) {
        self.connection = None;
    }

    fn open(&mut self, directory: &Directory) -> Result<&Connection, StoreError> {
        if self.connection.is_none() {
            let connection = schema::open(&directory.batch(&self.batch.id))?;
            let intake = directory.intake(&self.batch.id);
            // A path need not be UTF-8.
            let intake = ToSqlOutput::Borrowed(ValueRef::Text(intake.as_os_str().as_bytes()));
            connection.execute("ATTACH ? AS intake", [intake])?;
            connection.execute_batch(
                "PRAGMA main.journal_mode = MEMORY; PRAGMA intake.journal_mode = MEMORY;
                 PRAGMA main.synchronous = OFF; PRAGMA intake.synchronous = OFF;
                 PRAGMA main.cache_size = -4096; PRAGMA intake.cache_size = -16384;",
            )?;
            self.connection = Some(connection);
        }
        self.connection.as_ref().ok_or(StoreError::Unexpected("the file was not opened"))
    }

    /// Takes a page of rows, whole or not at all.
    pub(super) fn append(
        &mut self,
        directory: &Directory,
        rows: &[NewRow],
    ) -> Result<(), StoreError> {
        self.open(directory)?;
        self.change(|connection, receiver| {
            let flushed = receiver.flush(connection, false)?;
            let first = number(receiver.batch.progress.rows);
            let mut page = PageWriter::new(connection, &receiver.group_index, receiver.groups)?;
            let mailboxes = page.write_rows(rows, first, &receiver.mailbox_index)?;
            Ok(IntakeChange { rows: rows.len(), mailboxes, groups: page.new, ..flushed })
        })
    }

    /// Writes a part of what is gathered.
    fn flush(&self, connection: &Connection, all: bool) -> rusqlite::Result<IntakeChange> {
        Ok(IntakeChange {
            mailboxes_flushed: self.mailbox_index.flush(connection, all)?,
            groups_flushed: self.group_index.flush(connection, all)?,
            ..IntakeChange::default()
        })
    }

    /// Changes the open files, whole or not at all; memory follows.
    fn change(
        &mut self,
        change: impl FnOnce(&Connection, &Self) -> rusqlite::Result<IntakeChange>,
    ) -> Result<(), StoreError> {
        let Some(connection) = &self.connection else {
            return Err(StoreError::Unexpected("the file is not open"));
        };
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let changed = change(connection, self)
            .and_then(|done| connection.execute_batch("COMMIT").map(|()| done));
        match changed {
            Ok(done) => {
                self.batch.progress.rows += done.rows as u64;
                self.batch.progress.mailboxes += done.mailboxes.len() as u64;
                self.groups += number(done.groups.len() as u64);
                self.mailbox_index.mark_flushed(done.mailboxes_flushed);
                self.group_index.mark_flushed(done.groups_flushed);
                self.mailbox_index.buffer(done.mailboxes);
                self.group_index.buffer(done.groups);
                Ok(())
            }
            Err(error) => {
                if !connection.is_autocommit() {
                    let _ = connection.execute_batch("ROLLBACK");
                }
                self.connection = None;
                Err(error.into())
            }
        }
    }

    /// Makes the file durable as that of `batch`, and ready for the scheduler and for readers.
    pub(super) fn finish(
        &mut self,
        directory: &Directory,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let connection = self.open(directory)?;
        connection.execute(
            "UPDATE meta SET state = ?1, ended_at = ?2",
            params![batch.state.name(), batch.ended_at.map(super::time::floor)],
        )?;
        connection
            .execute_batch("CREATE INDEX IF NOT EXISTS largest ON groups (rows) WHERE rows > 9")?;
        connection.query_row("PRAGMA main.journal_mode = WAL", [], |_| Ok(()))?;
        self.connection = None;
        File::open(directory.batch(&batch.id))?.sync_all()?;
        directory.sync()?;
        Ok(())
    }
}

/// A number as SQLite has it.
fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
