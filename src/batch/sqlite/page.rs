//! A page of rows, written into the file of its batch: rows into items, items into chunks.

use foldhash::HashMap;
use rusqlite::{CachedStatement, Connection, params};

use super::dedup::{DedupIndex, Hash, Numbers};
use super::items;
use super::time::floor;
use crate::batch::queue::{CHUNK, NewRow};

/// Chunks of a group that are `ready` at first.
pub(super) const WINDOW: i64 = 8;

/// A page that is being written.
pub(super) struct PageWriter<'a> {
    connection: &'a Connection,
    /// The groups that were there before.
    index: &'a DedupIndex,
    statements: PageStatements<'a>,
    /// Number of groups by now.
    groups: i64,
    /// Those that are new.
    pub(super) new: Numbers,
}

/// The statements of a page. There are several for each row of a list of many domains, so they are
/// looked up once and not each time.
struct PageStatements<'a> {
    add_row: CachedStatement<'a>,
    add_group: CachedStatement<'a>,
    group: CachedStatement<'a>,
    change_group: CachedStatement<'a>,
    add_chunk: CachedStatement<'a>,
    chunk_items: CachedStatement<'a>,
    change_chunk: CachedStatement<'a>,
}

impl<'a> PageStatements<'a> {
    fn prepare(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            add_row: connection.prepare_cached(
                "INSERT INTO rows (row, address, row_id, item, consent) VALUES (?, ?, ?, ?, ?)",
            )?,
            add_group: connection.prepare_cached(
                "INSERT INTO groups (id, name, rows, chunks, chunk) VALUES (?, ?, ?, ?, ?)",
            )?,
            group: connection.prepare_cached("SELECT chunks, chunk FROM groups WHERE id = ?")?,
            change_group: connection.prepare_cached(
                "UPDATE groups SET rows = rows + ?, chunks = ?, chunk = ? WHERE id = ?",
            )?,
            add_chunk: connection.prepare_cached(
                "INSERT INTO chunks (id, grp, due, ready, waiting, items)
                 VALUES (?, ?, 0, ?, 0, ?)",
            )?,
            chunk_items: connection.prepare_cached("SELECT items FROM chunks WHERE id = ?")?,
            change_chunk: connection.prepare_cached("UPDATE chunks SET items = ? WHERE id = ?")?,
        })
    }
}

/// The rows of a page that belong to one group.
#[derive(Default)]
struct GroupRows {
    rows: i64,
    items: Vec<i64>,
}

impl<'a> PageWriter<'a> {
    /// A page of a batch that has these groups, so many of them.
    pub(super) fn new(
        connection: &'a Connection,
        index: &'a DedupIndex,
        groups: i64,
    ) -> rusqlite::Result<Self> {
        let statements = PageStatements::prepare(connection)?;
        Ok(Self { connection, index, statements, groups, new: Vec::new() })
    }

    /// Writes rows, numbered from `first`; which mailboxes are new.
    pub(super) fn write_rows(
        &mut self,
        rows: &[NewRow],
        first: i64,
        index: &DedupIndex,
    ) -> rusqlite::Result<Numbers> {
        let (items, new) = deduplicate(self.connection, rows, first, index)?;
        let mut by_group: Vec<(&str, GroupRows)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::default();
        for ((row, new), item) in (first..).zip(rows).zip(items) {
            let row_id = (!new.row_id.is_empty()).then_some(&new.row_id);
            let consent = new.consented_at.map(floor);
            let values = params![row, new.address, row_id, item, consent];
            self.statements.add_row.execute(values)?;
            let place = *places.entry(&new.group).or_insert_with(|| {
                by_group.push((&new.group, GroupRows::default()));
                by_group.len() - 1
            });
            let group_rows = &mut by_group[place].1;
            group_rows.rows += 1;
            if item.is_none() {
                group_rows.items.push(row);
            }
        }
        let hashes: Vec<Hash> = by_group.iter().map(|(name, _)| self.index.hash(name)).collect();
        let may_hold = self.index.may_hold(hashes.iter());
        for (((name, group_rows), hash), may_hold) in by_group.iter().zip(hashes).zip(may_hold) {
            let known = if may_hold { self.index.find(self.connection, &hash)? } else { None };
            match known {
                Some(group) => self.extend(group, group_rows)?,
                None => self.begin(hash, name, group_rows)?,
            }
        }
        Ok(new)
    }

    /// Makes a group of rows.
    fn begin(&mut self, hash: Hash, name: &str, group_rows: &GroupRows) -> rusqlite::Result<()> {
        let group = self.groups;
        let (chunks, open) = self.chunk(group, 0, &group_rows.items)?;
        let values = params![group, name, group_rows.rows, chunks, open];
        self.statements.add_group.execute(values)?;
        self.new.push((hash, group));
        self.groups += 1;
        Ok(())
    }

    /// Adds rows to a group that is there.
    fn extend(&mut self, group: i64, group_rows: &GroupRows) -> rusqlite::Result<()> {
        let found = &mut self.statements.group;
        let (mut chunks, mut open): (i64, Option<i64>) =
            found.query_row([group], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut rest = &group_rows.items[..];
        if let Some(chunk) = open
            && !rest.is_empty()
        {
            let taken = self.fill(chunk, rest)?;
            rest = &rest[taken..];
        }
        if !rest.is_empty() {
            (chunks, open) = self.chunk(group, chunks, rest)?;
        }
        let values = params![group_rows.rows, chunks, open, group];
        self.statements.change_group.execute(values)?;
        Ok(())
    }

    /// Puts items into a chunk that has some already; how many found room.
    fn fill(&mut self, chunk: i64, new: &[i64]) -> rusqlite::Result<usize> {
        let packed: Vec<u8> = self.statements.chunk_items.query_row([chunk], |row| row.get(0))?;
        let mut held = items::unpack(chunk, &packed);
        let taken = new.len().min(CHUNK.saturating_sub(held.len()));
        if taken > 0 {
            held.extend_from_slice(&new[..taken]);
            let values = params![items::pack(chunk, &held), chunk];
            self.statements.change_chunk.execute(values)?;
        }
        Ok(taken)
    }

    /// Puts items into new chunks of a group that has `chunks`; how many it has then, and the last.
    fn chunk(
        &mut self,
        group: i64,
        mut chunks: i64,
        new: &[i64],
    ) -> rusqlite::Result<(i64, Option<i64>)> {
        let mut last = None;
        for held in new.chunks(CHUNK) {
            let id = held[0];
            let values = params![id, group, chunks < WINDOW, items::pack(id, held)];
            self.statements.add_chunk.execute(values)?;
            chunks += 1;
            last = Some(id);
        }
        Ok((chunks, last))
    }
}

/// For each row the item that was there before, if there was one; and the new items. The hashes are
/// gone through in their own order, so that neighbours in the file are looked for together.
fn deduplicate(
    connection: &Connection,
    rows: &[NewRow],
    first: i64,
    index: &DedupIndex,
) -> rusqlite::Result<(Vec<Option<i64>>, Numbers)> {
    let mut hashes: Vec<(Hash, usize)> =
        rows.iter().enumerate().map(|(at, row)| (index.hash(&row.key), at)).collect();
    hashes.sort_unstable();
    let may_hold = index.may_hold(hashes.iter().map(|(hash, _)| hash));
    let mut items = vec![None; rows.len()];
    let mut new = Numbers::with_capacity(rows.len());
    for ((hash, at), may_hold) in hashes.into_iter().zip(may_hold) {
        items[at] = match new.last() {
            Some((before, item)) if *before == hash => Some(*item),
            _ if may_hold => index.find(connection, &hash)?,
            _ => None,
        };
        if items[at].is_none() {
            new.push((hash, first + i64::try_from(at).unwrap_or(i64::MAX)));
        }
    }
    Ok((items, new))
}
