//! A running batch: what is out, and its file. Leases live in memory only, since they end with the
//! process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::outcome_dictionary::OutcomeWriter;
use super::schema::{self, Reasons};
use super::time::{floor, time};
use crate::batch::queue::LeaseId;
use crate::batch::stored_reasons;
use crate::campaign::progress::{Batch, State};
use crate::verdict::Reason;

/// KiB of pages that the writer keeps of each file.
const CACHE_KIB: u32 = 4096;

/// A running batch.
pub(super) struct RunningBatch {
    pub(super) batch: Batch,
    pub(super) leases: BTreeMap<LeaseId, ActiveLease>,
    /// The scheduler's pass in which it was last used.
    pub(super) used: u64,
    /// The last sequence number that was given.
    pub(super) sequence: i64,
    /// Chunks of a group that are `ready` in the file.
    pub(super) window: i64,
    /// The next due time as last read; `None` if something changed since.
    pub(super) known_due: Option<NextDue>,
    /// `true` once the catalog has heard that nothing but waiting rows is open.
    pub(super) is_told_to_wait: bool,
    /// `true` once the log says that the file cannot be read; `false` again when it can.
    pub(super) is_told_unreadable: bool,
    file: Option<OpenDatabase>,
}

/// An open file.
pub(super) struct OpenDatabase {
    pub(super) connection: Connection,
    pub(super) reasons: Reasons,
    pub(super) dictionary: OutcomeWriter,
}

/// A chunk that is out.
#[derive(Clone)]
pub(super) struct ActiveLease {
    pub(super) chunk: i64,
    pub(super) group: i64,
    /// `true` if its group may have chunks that are not `ready`.
    pub(super) in_large_group: bool,
    pub(super) until: SystemTime,
    pub(super) items: Vec<OpenItem>,
}

/// An item without a result.
#[derive(Clone)]
pub(super) struct OpenItem {
    pub(super) item: i64,
    pub(super) address: Arc<str>,
    /// The reason of its provisional result.
    pub(super) waiting: Option<Reason>,
}

/// Due times of the chunks that are not out, as read at `seen_at`.
#[derive(Clone, Copy)]
pub(super) struct NextDue {
    pub(super) seen_at: SystemTime,
    /// `true` if something was due at once.
    pub(super) is_due: bool,
    /// The time at which the next becomes due.
    pub(super) next: Option<SystemTime>,
}

impl RunningBatch {
    /// The running batch whose file is at `path`; its progress is read there. If the file has it
    /// as over, so has what is returned.
    pub(super) fn open(mut batch: Batch, path: &Path) -> Result<Self, StoreError> {
        let held = open_database(path)?;
        schema::add_column(&held.connection, "meta", "oldest")?;
        schema::add_column(&held.connection, "meta", "after_consent")?;
        schema::add_column(&held.connection, "meta", "unchecked_consents")?;
        schema::add_column(&held.connection, "rows", "consent")?;
        let (state, ended_at, sequence, window, finished, waiting, oldest, late, unchecked) =
            held.connection.query_row(
                "SELECT state, ended_at, sequence, window, finished, waiting, oldest,
                     after_consent, unchecked_consents FROM meta",
                [],
                |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, Option<i64>>(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get::<_, String>(4)?,
                        row.get::<_, String>(5)?,
                        row.get::<_, Option<i64>>(6)?,
                        row.get::<_, Option<i64>>(7)?,
                        row.get::<_, Option<i64>>(8)?,
                    ))
                },
            )?;
        batch.state =
            schema::state(&state).ok_or(StoreError::Unexpected("its state is not known"))?;
        batch.ended_at = ended_at.map(time);
        batch.progress.finished = stored_reasons::counts(&finished)?;
        batch.progress.waiting = stored_reasons::counts(&waiting)?;
        batch.progress.oldest_evidence = oldest.map(time);
        batch.progress.registered_after_consent = late.unwrap_or_default().unsigned_abs();
        batch.progress.unchecked_consents = unchecked.unwrap_or_default().unsigned_abs();
        let mut work = Self {
            batch,
            leases: BTreeMap::new(),
            used: 0,
            sequence,
            window,
            known_due: None,
            is_told_to_wait: false,
            is_told_unreadable: false,
            file: Some(held),
        };
        work.look_ahead(path);
        Ok(work)
    }

    /// `true` if its file is open.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Lets go of the file; it is opened again when it is needed.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// The file, and beside it what is in memory.
    pub(super) fn file(&mut self, path: &Path) -> Result<&mut OpenDatabase, StoreError> {
        if self.file.is_none() {
            self.file = Some(open_database(path)?);
        }
        self.file.as_mut().ok_or(StoreError::Unexpected("the file was not opened"))
    }

    /// Ends the leases whose time is over; whether there were any.
    pub(super) fn expire(&mut self, path: &Path, now: SystemTime) -> bool {
        let before = self.leases.len();
        self.leases.retain(|_, out| out.until > now);
        let ended = self.leases.len() != before;
        if ended {
            self.known_due = None;
            self.look_ahead(path);
        }
        ended
    }

    pub(super) fn is_out(&self, chunk: i64) -> bool {
        self.leases.values().any(|out| out.chunk == chunk)
    }

    /// Finds out when the first and the last waiting row are due. If the file cannot be read, the
    /// next caller that needs it gets the error, not the one that was just served.
    pub(super) fn look_ahead(&mut self, path: &Path) {
        let (mut next, mut last) = (None, None);
        if !self.batch.progress.waiting.is_empty() {
            let sql = "SELECT id, due FROM chunks INDEXED BY retries WHERE waiting > 0
                       ORDER BY due, id";
            next = self.first_in(path, sql, []).unwrap_or_default();
            let sql = "SELECT id, due FROM chunks INDEXED BY retries WHERE waiting > 0
                       ORDER BY due DESC, id DESC";
            last = self.first_in(path, sql, []).unwrap_or_default();
        }
        self.batch.progress.next_retry_at = next;
        self.batch.progress.last_retry_at = last;
    }

    /// The time at which the first chunk that is not out becomes due after `now`.
    pub(super) fn next_due(
        &mut self,
        path: &Path,
        now: SystemTime,
    ) -> Result<Option<SystemTime>, StoreError> {
        let sql = "SELECT id, due FROM chunks INDEXED BY released WHERE due > 0 AND due > ?
                   ORDER BY due, id";
        self.first_in(path, sql, [floor(now)])
    }

    /// The due time of the first chunk that `sql` finds, without those that are out.
    fn first_in(
        &mut self,
        path: &Path,
        sql: &str,
        given: impl rusqlite::Params,
    ) -> Result<Option<SystemTime>, StoreError> {
        self.file(path)?;
        let Some(held) = &self.file else { return Ok(None) };
        let mut statement = held.connection.prepare_cached(sql)?;
        let mut rows = statement.query(given)?;
        while let Some(row) = rows.next()? {
            if !self.is_out(row.get(0)?) {
                return Ok(Some(time(row.get(1)?)));
            }
        }
        Ok(None)
    }

    /// Stops it, durably.
    pub(super) fn cancel(&mut self, path: &Path, now: SystemTime) -> Result<(), StoreError> {
        let mut batch = self.batch.clone();
        batch.state = State::Cancelled;
        batch.ended_at = Some(super::time::kept(now));
        batch.progress.waiting.clear();
        batch.progress.next_retry_at = None;
        batch.progress.last_retry_at = None;
        let sequence = self.sequence;
        write_standing(&self.file(path)?.connection, &batch, sequence)?;
        self.batch = batch;
        self.leases.clear();
        Ok(())
    }
}

fn open_database(path: &Path) -> Result<OpenDatabase, StoreError> {
    let connection = schema::open(path)?;
    schema::lasting(&connection, CACHE_KIB)?;
    let reasons = Reasons::write(&connection)?;
    Ok(OpenDatabase { connection, reasons, dictionary: OutcomeWriter::default() })
}

/// Writes down how a batch stands.
pub(super) fn write_standing(
    connection: &Connection,
    batch: &Batch,
    sequence: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE meta SET state = ?, ended_at = ?, sequence = ?, finished = ?, waiting = ?,
                 oldest = ?, after_consent = ?, unchecked_consents = ?",
        )?
        .execute(params![
            batch.state.name(),
            batch.ended_at.map(floor),
            sequence,
            serde_json::to_string(&batch.progress.finished)?,
            serde_json::to_string(&batch.progress.waiting)?,
            batch.progress.oldest_evidence.map(floor),
            i64::try_from(batch.progress.registered_after_consent).unwrap_or(i64::MAX),
            i64::try_from(batch.progress.unchecked_consents).unwrap_or(i64::MAX),
        ])?;
    Ok(())
}
