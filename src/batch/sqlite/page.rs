//! A page of rows, written into the file of its batch: rows into items, items into chunks.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::items;
use super::met::{Hash, Met, Numbers, hash};
use crate::batch::queue::{CHUNK, NewRow};

/// How many chunks of a group are `ready` at first.
pub(super) const WINDOW: i64 = 8;

/// A page that is being written.
pub(super) struct Page<'a> {
    connection: &'a Connection,
    /// The groups that were there before.
    met: &'a Met,
    /// How many there are by now.
    groups: i64,
    /// Those that are new.
    pub(super) new: Numbers,
}

/// What a page brings to one group.
#[derive(Default)]
struct Share {
    rows: i64,
    items: Vec<i64>,
}

impl<'a> Page<'a> {
    /// A page of a batch that has these groups, so many of them.
    pub(super) fn new(connection: &'a Connection, met: &'a Met, groups: i64) -> Self {
        Self { connection, met, groups, new: Vec::new() }
    }

    /// Writes rows, numbered from `first`; which mailboxes are new.
    pub(super) fn take(
        &mut self,
        rows: &[NewRow],
        first: i64,
        met: &Met,
    ) -> rusqlite::Result<Numbers> {
        let (items, new) = meet(self.connection, rows, first, met)?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO rows (row, address, row_id, item) VALUES (?, ?, ?, ?)")?;
        let mut shares: Vec<(&str, Share)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for ((row, new), item) in (first..).zip(rows).zip(items) {
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
            }
        }
        for (name, share) in shares {
            self.add(name, &share)?;
        }
        Ok(new)
    }

    /// Adds a share to its group.
    fn add(&mut self, name: &str, share: &Share) -> rusqlite::Result<()> {
        let hash = hash(name);
        match self.met.find(self.connection, &hash)? {
            Some(group) => self.extend(group, share),
            None => self.begin(hash, name, share),
        }
    }

    /// Makes a group of a share.
    fn begin(&mut self, hash: Hash, name: &str, share: &Share) -> rusqlite::Result<()> {
        let group = self.groups;
        let (chunks, open) = self.chunk(group, 0, &share.items)?;
        self.connection
            .prepare_cached(
                "INSERT INTO groups (id, name, rows, chunks, chunk) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![group, name, share.rows, chunks, open])?;
        self.new.push((hash, group));
        self.groups += 1;
        Ok(())
    }

    /// Adds a share to a group that is there.
    fn extend(&self, group: i64, share: &Share) -> rusqlite::Result<()> {
        let (mut chunks, mut open): (i64, Option<i64>) = self
            .connection
            .prepare_cached("SELECT chunks, chunk FROM groups WHERE id = ?")?
            .query_row([group], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut rest = &share.items[..];
        if let Some(chunk) = open
            && !rest.is_empty()
        {
            let taken = self.fill(chunk, rest)?;
            rest = &rest[taken..];
        }
        if !rest.is_empty() {
            (chunks, open) = self.chunk(group, chunks, rest)?;
        }
        self.connection
            .prepare_cached(
                "UPDATE groups SET rows = rows + ?, chunks = ?, chunk = ? WHERE id = ?",
            )?
            .execute(params![share.rows, chunks, open, group])?;
        Ok(())
    }

    /// Puts items into a chunk that has some already; how many found room.
    fn fill(&self, chunk: i64, new: &[i64]) -> rusqlite::Result<usize> {
        let packed: Vec<u8> = self
            .connection
            .prepare_cached("SELECT items FROM chunks WHERE id = ?")?
            .query_row([chunk], |row| row.get(0))?;
        let mut held = items::unpack(chunk, &packed);
        let taken = new.len().min(CHUNK.saturating_sub(held.len()));
        if taken > 0 {
            held.extend_from_slice(&new[..taken]);
            self.connection
                .prepare_cached("UPDATE chunks SET items = ? WHERE id = ?")?
                .execute(params![items::pack(chunk, &held), chunk])?;
        }
        Ok(taken)
    }

    /// Puts items into new chunks of a group that has `chunks`; how many it has then, and the last.
    fn chunk(
        &self,
        group: i64,
        mut chunks: i64,
        new: &[i64],
    ) -> rusqlite::Result<(i64, Option<i64>)> {
        let mut insert = self.connection.prepare_cached(
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
}

/// For each row the item that was there before, if there was one; and the new items. The hashes are
/// gone through in their own order, so that neighbours in the file are looked for together.
fn meet(
    connection: &Connection,
    rows: &[NewRow],
    first: i64,
    met: &Met,
) -> rusqlite::Result<(Vec<Option<i64>>, Numbers)> {
    let mut hashes: Vec<(Hash, usize)> =
        rows.iter().enumerate().map(|(at, row)| (hash(&row.key), at)).collect();
    hashes.sort_unstable();
    let mut items = vec![None; rows.len()];
    let mut new = Numbers::with_capacity(rows.len());
    for (hash, at) in hashes {
        items[at] = match new.last() {
            Some((before, item)) if *before == hash => Some(*item),
            _ => met.find(connection, &hash)?,
        };
        if items[at].is_none() {
            new.push((hash, first + i64::try_from(at).unwrap_or(i64::MAX)));
        }
    }
    Ok((items, new))
}
