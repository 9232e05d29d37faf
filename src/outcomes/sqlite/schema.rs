//! The file: its version, its tables, and how it is opened.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::outcomes::digest::Digest;

/// The version of the file. A change that an older mailvet cannot read makes it one more.
pub(super) const VERSION: i64 = 2;

/// Longest wait for another process that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The outcomes. `id`: the event's hash. `mailbox`, `person`: the address's. Times in milliseconds.
/// Rows stand in the order in which they came: hashes have none, and a tree of whole rows by hash
/// would be written all over for each of them.
const OUTCOMES: &str = "
    CREATE TABLE outcomes (
        id BLOB NOT NULL UNIQUE,
        mailbox BLOB NOT NULL,
        person BLOB NOT NULL,
        domain TEXT NOT NULL,
        kind TEXT NOT NULL,
        at INTEGER NOT NULL,
        source TEXT NOT NULL,
        words TEXT NOT NULL,
        address TEXT
    );
";

/// What outcomes are found by. Of a person only those that hold for all addresses are looked for.
const INDEXES: &str = "
    CREATE INDEX by_mailbox ON outcomes (mailbox, kind, at);
    CREATE INDEX by_person ON outcomes (person, at)
        WHERE kind IN ('complaint', 'unsubscribed');
    CREATE INDEX by_domain ON outcomes (domain, at, kind);
    CREATE INDEX by_time ON outcomes (at, id);
";

/// Brings a file of version 1, whose rows stood in the order of their hashes, to this one.
const FROM_1: &str = "
    ALTER TABLE outcomes RENAME TO outcomes_1;
    DROP INDEX by_mailbox; DROP INDEX by_person; DROP INDEX by_domain; DROP INDEX by_time;
";
const FROM_1_COPIED: &str = "
    INSERT INTO outcomes (id, mailbox, person, domain, kind, at, source, words, address)
        SELECT id, mailbox, person, domain, kind, at, source, words, address
        FROM outcomes_1 ORDER BY at;
    DROP TABLE outcomes_1;
";

/// The verdicts. `send`: the batch. `gathered`: the time of the evidence. A mailbox is judged once
/// a batch, and again when the batch is repeated.
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

/// The fingerprint of the key. An older mailvet passes it over.
const KEY: &str = "
    CREATE TABLE IF NOT EXISTS outcome_key (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        fingerprint BLOB NOT NULL
    );
";

/// The fingerprint of the key that the file is kept under. One of an earlier version has none, and
/// takes that of the `present` key.
pub(super) fn fingerprint(
    connection: &mut Connection,
    present: Digest,
) -> rusqlite::Result<Digest> {
    let tables = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'outcome_key')";
    if connection.query_row(tables, [], |row| row.get::<_, bool>(0))?
        && let Some(kept) = kept_fingerprint(connection)?
    {
        return Ok(kept);
    }
    let making = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    making.execute_batch(KEY)?;
    // Another process may have been first: its key counts.
    making.execute("INSERT OR IGNORE INTO outcome_key VALUES (1, ?)", [present])?;
    let kept = kept_fingerprint(&making)?;
    making.commit()?;
    Ok(kept.unwrap_or(present))
}

fn kept_fingerprint(connection: &Connection) -> rusqlite::Result<Option<Digest>> {
    let sql = "SELECT fingerprint FROM outcome_key";
    connection.query_row(sql, [], |row| row.get(0)).optional()
}

/// Prepares a connection, and makes the tables if they are not there; returns the file's version.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    configure(connection)?;
    if version(connection)? < VERSION {
        let making = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been first.
        match version(&making)? {
            0 => making.execute_batch(&[OUTCOMES, INDEXES, VERDICTS].concat())?,
            1 => {
                let steps = [FROM_1, OUTCOMES, FROM_1_COPIED, INDEXES, VERDICTS];
                making.execute_batch(&steps.concat())?;
            }
            _ => {}
        }
        if version(&making)? < VERSION {
            making.pragma_update(None, "user_version", VERSION)?;
        }
        making.commit()?;
    }
    version(connection)
}

/// Prepares a connection to a file that is ready. Its cache is large, for hashes fall anywhere in
/// the indexes; what is removed is not to be found in the file either.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -65536; PRAGMA secure_delete = ON;",
    )
}

/// `true` if the file holds something, and not outcomes: it is another program's. Every version of
/// the file has their table from its first commit on.
pub(super) fn is_foreign(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master)
                   AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'outcomes')";
    connection.query_row(sql, [], |row| row.get(0))
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
