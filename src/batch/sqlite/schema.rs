//! The tables of a batch's file, and how files are opened.
//!
//! An item and a chunk have the number of their first row, so that the order of numbers is the
//! order of the list.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use crate::campaign::progress::State;
use crate::verdict::Reason;

/// The version of the store. A change that an older mailvet cannot read makes it one more.
pub(super) const VERSION: i64 = 1;

/// Longest wait for another connection of this process that holds a file for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages of the log that make it worth while to write them into the file: a page that changed often
/// meanwhile is written once.
const LOG: u32 = 4000;

/// KiB of pages that a connection keeps.
pub(super) const CACHE: u32 = 2048;

/// The tables of a batch.
///
/// - `meta`, one row: the standing of the batch. `window`: how many chunks of a group are `ready`.
///   `oldest`: the time of the oldest evidence. `after_consent`: how many rows are flagged so.
///   `unchecked_consents`: of how many the consent was held against no registry's answer.
/// - `rows`: `item` is null where the row is the first of its item. `consent`: its time.
/// - `groups`: `chunk` is the one that still takes items while rows come in.
/// - `chunks`: those with open items. `items`: the open ones, packed. `due`: 0 is since the batch
///   was sealed. `ready`: among the first `window` of its group, by when they are due; only these
///   are looked at for a lease, so that a large group does not stand in the way of the others.
///   `waiting`: how many of its items have a provisional result.
/// - `outcomes`: what results have in common, as JSON; see
///   [`outcome_dictionary`](super::outcome_dictionary).
/// - `results`: in the order in which they came. `rows`: how many rows the item has. `outcome`: its
///   common part; the times are its own, in milliseconds.
pub(super) const BATCH: &str = "
    CREATE TABLE meta (
        state TEXT NOT NULL,
        ended_at INTEGER,
        sequence INTEGER NOT NULL,
        window INTEGER NOT NULL,
        finished TEXT NOT NULL,
        waiting TEXT NOT NULL,
        oldest INTEGER,
        after_consent INTEGER,
        unchecked_consents INTEGER
    );
    CREATE TABLE reasons (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE rows (
        row INTEGER PRIMARY KEY, address TEXT NOT NULL, row_id TEXT, item INTEGER, consent INTEGER
    );
    CREATE INDEX copies ON rows (item) WHERE item IS NOT NULL;
    CREATE TABLE groups (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        rows INTEGER NOT NULL,
        chunks INTEGER NOT NULL,
        chunk INTEGER
    );
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY,
        grp INTEGER NOT NULL,
        due INTEGER NOT NULL,
        ready INTEGER NOT NULL,
        waiting INTEGER NOT NULL,
        items BLOB NOT NULL
    );
    CREATE INDEX ready ON chunks (due) WHERE ready = 1;
    CREATE INDEX behind ON chunks (grp, due) WHERE ready = 0;
    CREATE INDEX released ON chunks (due) WHERE due > 0;
    CREATE INDEX retries ON chunks (due) WHERE waiting > 0;
    CREATE TABLE outcomes (id INTEGER PRIMARY KEY, outcome TEXT NOT NULL);
    CREATE TABLE results (
        sequence INTEGER PRIMARY KEY,
        item INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        outcome INTEGER NOT NULL,
        gathered_at INTEGER,
        retry_at INTEGER,
        elapsed INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX answered ON results (item);
    CREATE TABLE waiting (
        item INTEGER PRIMARY KEY,
        since INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        outcome TEXT NOT NULL
    );
    CREATE TABLE group_tallies (
        grp INTEGER, reason INTEGER, n INTEGER NOT NULL, PRIMARY KEY (grp, reason)
    ) WITHOUT ROWID;
    CREATE TABLE destination_tallies (
        name TEXT, reason INTEGER, n INTEGER NOT NULL, PRIMARY KEY (name, reason)
    ) WITHOUT ROWID;
";

/// Opens the file at `path`, which is there.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch("PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}

/// Makes commits durable. `cache`: KiB of pages to keep.
pub(super) fn lasting(connection: &Connection, cache: u32) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -{cache};
         PRAGMA wal_autocheckpoint = {LOG}; PRAGMA journal_size_limit = 33554432;"
    ))
}

/// Adds a column that a store of this version may lack: one that older programs pass over.
pub(super) fn add_column(
    connection: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<()> {
    let sql = "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?";
    let there: i64 = connection.query_row(sql, [table, column], |row| row.get(0))?;
    if there == 0 {
        connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} INTEGER"))?;
    }
    Ok(())
}

/// Makes the tables of an empty file; refuses one of a later version.
pub(super) fn check(connection: &Connection, path: &Path, tables: &str) -> Result<(), OpenError> {
    let wrong = |error| OpenError::of(path, &error);
    let found = version(connection).map_err(wrong)?;
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    if found == 0 {
        // The tables and the version are of one commit.
        if has_tables(connection).map_err(wrong)? {
            let reason = "it is the database of another program".to_owned();
            return Err(OpenError::damaged(path.to_owned(), reason));
        }
        create(connection, tables).map_err(wrong)?;
    }
    Ok(())
}

fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_master)", [], |row| row.get(0))
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Makes the tables of an empty file.
pub(super) fn create(connection: &Connection, tables: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {tables} PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}

/// The state of this name.
pub(super) fn state(name: &str) -> Option<State> {
    [State::Receiving, State::Running, State::Finished, State::Cancelled]
        .into_iter()
        .find(|state| state.name() == name)
}

/// A `LIMIT`.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The numbers that a file has for the reasons: they stay when the table of reasons changes.
#[derive(Debug, Default)]
pub(super) struct Reasons(Vec<(i64, Reason)>);

impl Reasons {
    /// Reads the file's numbers, and gives one to every reason that is new to it.
    pub(super) fn write(connection: &Connection) -> rusqlite::Result<Self> {
        let known = Self::read(connection)?;
        if known.0.len() >= Reason::ALL.len() {
            return Ok(known);
        }
        for reason in Reason::ALL {
            connection
                .execute("INSERT OR IGNORE INTO reasons (name) VALUES (?)", [reason.name()])?;
        }
        Self::read(connection)
    }

    /// Reads the file's numbers.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT id, name FROM reasons")?;
        let mut rows = statement.query([])?;
        let mut reasons = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            if let Some(reason) = Reason::ALL.iter().find(|reason| reason.name() == name) {
                reasons.push((row.get(0)?, *reason));
            }
        }
        Ok(Self(reasons))
    }

    /// The number of a reason.
    pub(super) fn number(&self, reason: Reason) -> i64 {
        self.0.iter().find(|(_, known)| *known == reason).map_or(0, |(number, _)| *number)
    }

    /// The reason with this number; what a later version wrote was not understood.
    pub(super) fn reason(&self, number: i64) -> Reason {
        let found = self.0.iter().find(|(known, _)| *known == number);
        found.map_or(Reason::ProtocolError, |(_, reason)| *reason)
    }
}
