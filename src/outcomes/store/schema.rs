//! The file: its version, its table, and how it is opened.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

/// The version of the file. A change that an older mailvet cannot read makes it one more.
pub(super) const VERSION: i64 = 1;

/// Longest wait for another process that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The table. `id`: the event's hash. `mailbox`, `person`: the address's. Times in milliseconds.
const TABLES: &str = "
    CREATE TABLE outcomes (
        id BLOB PRIMARY KEY,
        mailbox BLOB NOT NULL,
        person BLOB NOT NULL,
        domain TEXT NOT NULL,
        kind TEXT NOT NULL,
        at INTEGER NOT NULL,
        source TEXT NOT NULL,
        words TEXT NOT NULL,
        address TEXT
    ) WITHOUT ROWID;
    CREATE INDEX by_mailbox ON outcomes (mailbox, kind, at);
    CREATE INDEX by_person ON outcomes (person, kind, at);
    CREATE INDEX by_domain ON outcomes (domain, at, kind);
    CREATE INDEX by_time ON outcomes (at);
";

/// The verdicts, which are added to a file of before. `send`: the batch. `gathered`: the time of
/// the evidence. A mailbox is judged once a batch, and again when the batch is repeated.
const VERDICTS: &str = "
    CREATE TABLE IF NOT EXISTS verdicts (
        mailbox BLOB NOT NULL,
        at INTEGER NOT NULL,
        send TEXT NOT NULL,
        person BLOB NOT NULL,
        provider TEXT NOT NULL,
        reason TEXT NOT NULL,
        gathered INTEGER NOT NULL,
        PRIMARY KEY (mailbox, at, send)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS verdicts_by_time ON verdicts (at);
";

/// Prepares a connection, and makes the table if it is not there; returns the file's version.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;",
    )?;
    if version(connection)? == 0 {
        let making = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been first.
        if version(&making)? == 0 {
            making.execute_batch(&format!("{TABLES} PRAGMA user_version = {VERSION};"))?;
        }
        making.commit()?;
    }
    connection.execute_batch(VERDICTS)?;
    version(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
