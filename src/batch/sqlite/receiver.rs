//! A batch that is receiving: rows into items, items into chunks.
//!
//! Which mailboxes and groups were met before is kept in a file of its own beside the batch's,
//! which is removed when the batch is sealed. Neither has a log, and neither waits for the disk.

use std::collections::HashMap;
use std::fs::File;

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::directory::{self, Directory};
use super::error::Fault;
use super::{items, schema};
use crate::batch::progress::Batch;
use crate::batch::queue::{CHUNK, NewRow};

/// How many chunks of a group are `ready` at first.
const WINDOW: i64 = 8;

const INTAKE: &str = "
    CREATE TABLE intake.keys (hash BLOB PRIMARY KEY, item INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE intake.names (hash BLOB PRIMARY KEY, grp INTEGER NOT NULL) WITHOUT ROWID;
";

/// A batch that is receiving.
pub(super) struct Receiver {
    batch: Batch,
    groups: i64,
    /// `None` while it is idle.
    connection: Option<Connection>,
}

/// What one page brings to one group.
#[derive(Default)]
struct Share {
    rows: i64,
    items: Vec<i64>,
}

impl Receiver {
    /// Makes the files of `batch`.
    pub(super) fn create(directory: &Directory, batch: Batch) -> Result<Self, Fault> {
        let made = Self::make(directory, batch.clone());
        if made.is_err() {
            let _ = directory.remove(&batch.id);
        }
        made
    }

    fn make(directory: &Directory, batch: Batch) -> Result<Self, Fault> {
        directory::create(&directory.batch(&batch.id))?;
        directory::create(&directory.intake(&batch.id))?;
        let mut receiver = Self { batch, groups: 0, connection: None };
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

    /// How it stands.
    pub(super) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Lets go of the files; they are opened again when they are needed.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    fn open(&mut self, directory: &Directory) -> Result<&Connection, Fault> {
        if self.connection.is_none() {
            let connection = schema::open(&directory.batch(&self.batch.id))?;
            let intake = directory.intake(&self.batch.id);
            let Some(intake) = intake.to_str() else {
                return Err(Fault::Odd("the path of the data directory is not UTF-8"));
            };
            connection.execute("ATTACH ? AS intake", [intake])?;
            connection.execute_batch(
                "PRAGMA main.journal_mode = MEMORY; PRAGMA intake.journal_mode = MEMORY;
                 PRAGMA main.synchronous = OFF; PRAGMA intake.synchronous = OFF;
                 PRAGMA main.cache_size = -4096; PRAGMA intake.cache_size = -16384;
                 PRAGMA secure_delete = OFF;",
            )?;
            self.connection = Some(connection);
        }
        self.connection.as_ref().ok_or(Fault::Odd("the file was not opened"))
    }

    /// Takes a page of rows, whole or not at all.
    pub(super) fn append(&mut self, directory: &Directory, rows: &[NewRow]) -> Result<(), Fault> {
        let first = number(self.batch.progress.rows);
        let groups = self.groups;
        let connection = self.open(directory)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let taken = take(connection, rows, first, groups)
            .and_then(|taken| connection.execute_batch("COMMIT").map(|()| taken));
        match taken {
            Ok((mailboxes, groups)) => {
                self.batch.progress.rows += rows.len() as u64;
                self.batch.progress.mailboxes += mailboxes;
                self.groups = groups;
                Ok(())
            }
            Err(error) => {
                if !connection.is_autocommit() {
                    let _ = connection.execute_batch("ROLLBACK");
                }
                self.close();
                Err(error.into())
            }
        }
    }

    /// Makes the file durable as that of `batch`, and ready for the desk and for readers.
    pub(super) fn finish(&mut self, directory: &Directory, batch: &Batch) -> Result<(), Fault> {
        let connection = self.open(directory)?;
        connection.execute(
            "UPDATE meta SET state = ?1, ended_at = ?2",
            params![batch.state.name(), batch.ended_at.map(super::time::floor)],
        )?;
        connection
            .execute_batch("CREATE INDEX IF NOT EXISTS largest ON groups (rows) WHERE rows > 9")?;
        connection.query_row("PRAGMA main.journal_mode = WAL", [], |_| Ok(()))?;
        self.close();
        File::open(directory.batch(&batch.id))?.sync_all()?;
        directory.sync()?;
        Ok(())
    }
}

/// A number as SQLite has it.
fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn hash(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    short
}

/// Writes a page of rows, numbered from `first`; there were `groups` groups. How many mailboxes
/// were new, and how many groups there are now.
fn take(
    connection: &Connection,
    rows: &[NewRow],
    first: i64,
    mut groups: i64,
) -> rusqlite::Result<(u64, i64)> {
    let firsts = meet(connection, rows, first)?;
    let mut insert = connection
        .prepare_cached("INSERT INTO rows (row, address, row_id, item) VALUES (?, ?, ?, ?)")?;
    let mut shares: Vec<(&str, Share)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut mailboxes = 0;
    for ((row, new), item) in (first..).zip(rows).zip(firsts) {
        let row_id = (!new.row_id.is_empty()).then_some(&new.row_id);
        insert.execute(params![row, new.address, row_id, item])?;
        let place = *places.entry(&new.group).or_insert_with(|| {
            shares.push((&new.group, Share::default()));
            shares.len() - 1
        });
        let share = &mut shares[place].1;
        share.rows += 1;
        if item.is_none() {
            share.items.push(row);
            mailboxes += 1;
        }
    }
    for (name, share) in shares {
        groups += i64::from(add(connection, name, &share, groups)?);
    }
    Ok((mailboxes, groups))
}

/// For each row the item that was there before, if there was one. The hashes are gone through in
/// their own order, so that neighbours in the index are met together.
fn meet(
    connection: &Connection,
    rows: &[NewRow],
    first: i64,
) -> rusqlite::Result<Vec<Option<i64>>> {
    let mut hashes: Vec<([u8; 16], usize)> =
        rows.iter().enumerate().map(|(at, row)| (hash(&row.key), at)).collect();
    hashes.sort_unstable();
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO intake.keys (hash, item) VALUES (?, ?)")?;
    let mut find = connection.prepare_cached("SELECT item FROM intake.keys WHERE hash = ?")?;
    let mut firsts = vec![None; rows.len()];
    for (hash, at) in hashes {
        let row = first + i64::try_from(at).unwrap_or(i64::MAX);
        if insert.execute(params![hash, row])? == 0 {
            firsts[at] = Some(find.query_row([hash], |found| found.get(0))?);
        }
    }
    Ok(firsts)
}

/// Adds a share to its group; whether the group is new.
fn add(connection: &Connection, name: &str, share: &Share, groups: i64) -> rusqlite::Result<bool> {
    let hash = hash(name);
    let known: Option<i64> = connection
        .prepare_cached("SELECT grp FROM intake.names WHERE hash = ?")?
        .query_row([hash], |row| row.get(0))
        .optional()?;
    let Some(group) = known else {
        let (chunks, open) = chunk(connection, groups, 0, &share.items)?;
        connection
            .prepare_cached("INSERT INTO intake.names (hash, grp) VALUES (?, ?)")?
            .execute(params![hash, groups])?;
        connection
            .prepare_cached(
                "INSERT INTO groups (id, name, rows, chunks, chunk) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![groups, name, share.rows, chunks, open])?;
        return Ok(true);
    };
    let (mut chunks, mut open): (i64, Option<i64>) = connection
        .prepare_cached("SELECT chunks, chunk FROM groups WHERE id = ?")?
        .query_row([group], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut rest = &share.items[..];
    if let Some(chunk) = open
        && !rest.is_empty()
    {
        let taken = fill(connection, chunk, rest)?;
        rest = &rest[taken..];
    }
    if !rest.is_empty() {
        (chunks, open) = chunk(connection, group, chunks, rest)?;
    }
    connection
        .prepare_cached("UPDATE groups SET rows = rows + ?, chunks = ?, chunk = ? WHERE id = ?")?
        .execute(params![share.rows, chunks, open, group])?;
    Ok(false)
}

/// Puts items into a chunk that has some already; how many found room.
fn fill(connection: &Connection, chunk: i64, new: &[i64]) -> rusqlite::Result<usize> {
    let packed: Vec<u8> = connection
        .prepare_cached("SELECT items FROM chunks WHERE id = ?")?
        .query_row([chunk], |row| row.get(0))?;
    let mut held = items::unpack(chunk, &packed);
    let taken = new.len().min(CHUNK.saturating_sub(held.len()));
    if taken > 0 {
        held.extend_from_slice(&new[..taken]);
        connection
            .prepare_cached("UPDATE chunks SET items = ? WHERE id = ?")?
            .execute(params![items::pack(chunk, &held), chunk])?;
    }
    Ok(taken)
}

/// Puts items into new chunks of a group that has `chunks`; how many it has then, and the last.
fn chunk(
    connection: &Connection,
    group: i64,
    mut chunks: i64,
    new: &[i64],
) -> rusqlite::Result<(i64, Option<i64>)> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO chunks (id, grp, due, ready, waiting, items) VALUES (?, ?, 0, ?, 0, ?)",
    )?;
    let mut last = None;
    for held in new.chunks(CHUNK) {
        let id = held[0];
        insert.execute(params![id, group, chunks < WINDOW, items::pack(id, held)])?;
        chunks += 1;
        last = Some(id);
    }
    Ok((chunks, last))
}
