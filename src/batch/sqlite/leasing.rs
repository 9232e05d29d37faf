//! Which chunks go out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::HashSet;
use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;
use super::items;
use super::running::{ActiveLease, NextDue, OpenDatabase, OpenItem, RunningBatch};
use super::time::{floor, time};
use crate::batch::queue::{Lease, LeaseId, LeaseItem, LeaseRequest};

/// The widest window but the widest of all, which has every chunk in it.
const WIDE_WINDOW: i64 = 64;

/// An item, with the latest consent of its copies. They are found by the row's own number: a
/// statement whose plan looks at a parameter is planned again for each of its values.
const ITEM: &str = "SELECT address, consent,
        (SELECT max(copy.consent) FROM rows AS copy INDEXED BY copies WHERE copy.item = own.row)
    FROM rows AS own WHERE own.row = ?";

/// The same where no item has copies.
const ITEM_ALONE: &str = "SELECT address, consent, NULL FROM rows WHERE row = ?";

/// A chunk that may go out.
struct Candidate {
    chunk: i64,
    group: i64,
    waiting: i64,
    items: Vec<i64>,
}

impl RunningBatch {
    /// Leases up to `count` chunks, under names from `name`.
    pub(super) fn lease(
        &mut self,
        path: &Path,
        ask: &LeaseRequest,
        count: usize,
        now: SystemTime,
        mut name: impl FnMut() -> LeaseId,
    ) -> Result<Vec<Lease>, StoreError> {
        if self.is_idle(now) {
            return Ok(Vec::new());
        }
        self.widen(path, ask.chunks_per_group)?;
        let (candidates, passed) = self.candidates(path, ask, count, now)?;
        if candidates.is_empty() && !passed {
            let next = self.next_due(path, now)?;
            self.known_due = Some(NextDue { seen_at: now, is_due: false, next });
        }
        let window = self.window;
        let item = if self.batch.progress.has_copies() { ITEM } else { ITEM_ALONE };
        let held = self.file(path)?;
        // One view for all: a look at the file on its own has to lock it.
        let view = held.connection.unchecked_transaction()?;
        let read: Vec<_> = candidates
            .iter()
            .map(|chunk| read_chunk(held, item, chunk))
            .collect::<Result<_, _>>()?;
        drop(view);
        let deadline = self.batch.deadline();
        let mut leases = Vec::with_capacity(candidates.len());
        for (candidate, found) in candidates.into_iter().zip(read) {
            let id = name();
            let Candidate { chunk, group: number, .. } = candidate;
            let ChunkContents { group, chunks, items, open } = found;
            let out = ActiveLease {
                chunk,
                group: number,
                in_large_group: chunks > window,
                until: ask.until,
                items: open,
            };
            self.leases.insert(id, out);
            leases.push(Lease {
                id,
                batch: self.batch.id.clone(),
                owner: self.batch.spec.owner.clone(),
                options: self.batch.spec.options.clone(),
                deadline,
                group,
                items,
            });
        }
        if !leases.is_empty() {
            self.known_due = None;
            self.look_ahead(path);
        }
        Ok(leases)
    }

    /// `true` if it is known, without a look at the file, that nothing is due.
    fn is_idle(&self, now: SystemTime) -> bool {
        self.known_due.is_some_and(|known_due| {
            !known_due.is_due
                && known_due.seen_at <= now
                && known_due.next.is_none_or(|next| now < next)
        })
    }

    /// The next chunks to go out, and whether others were passed over for their groups' sake.
    fn candidates(
        &mut self,
        path: &Path,
        ask: &LeaseRequest,
        count: usize,
        now: SystemTime,
    ) -> Result<(Vec<Candidate>, bool), StoreError> {
        let out: HashSet<i64> = self.leases.values().map(|out| out.chunk).collect();
        let mut by_group: BTreeMap<i64, usize> = BTreeMap::new();
        for out in self.leases.values() {
            *by_group.entry(out.group).or_default() += 1;
        }
        let held = self.file(path)?;
        let mut chunks = held.connection.prepare_cached(
            "SELECT id, grp, waiting, items FROM chunks INDEXED BY ready
             WHERE ready = 1 AND due <= ? ORDER BY due, id",
        )?;
        let mut chunks = chunks.query([floor(now)])?;
        let (mut found, mut passed) = (Vec::new(), false);
        while found.len() < count
            && let Some(row) = chunks.next()?
        {
            let chunk = row.get(0)?;
            if out.contains(&chunk) {
                continue;
            }
            let group = row.get(1)?;
            let already = by_group.entry(group).or_default();
            if *already >= ask.chunks_per_group {
                passed = true;
                continue;
            }
            *already += 1;
            let packed = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let items = items::unpack(chunk, packed);
            found.push(Candidate { chunk, group, waiting: row.get(2)?, items });
        }
        Ok((found, passed))
    }

    /// Makes the window of every group at least `wanted` chunks wide. Seldom: it grows to what the
    /// caller is used to ask for, and stays.
    fn widen(&mut self, path: &Path, wanted: usize) -> Result<(), StoreError> {
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        if wanted <= self.window {
            return Ok(());
        }
        let window = if wanted > WIDE_WINDOW { i64::MAX } else { WIDE_WINDOW };
        let connection = &self.file(path)?.connection;
        let change = connection.unchecked_transaction()?;
        change.execute(
            "UPDATE chunks SET ready = 1 WHERE ready = 0 AND id IN (
                 SELECT id FROM (
                     SELECT id, row_number() OVER (PARTITION BY grp ORDER BY due, id) AS place
                     FROM chunks
                 ) WHERE place <= ?)",
            [window],
        )?;
        change.execute("UPDATE meta SET window = ?", [window])?;
        change.commit()?;
        self.window = window;
        Ok(())
    }
}

/// A chunk as the file has it.
struct ChunkContents {
    group: String,
    /// Number of chunks its group has had.
    chunks: i64,
    items: Vec<LeaseItem>,
    open: Vec<OpenItem>,
}

/// The group and the open items of a chunk; `item` finds one of those.
fn read_chunk(
    held: &OpenDatabase,
    item: &str,
    candidate: &Candidate,
) -> Result<ChunkContents, StoreError> {
    let connection = &held.connection;
    let (group, chunks) = connection
        .prepare_cached("SELECT name, chunks FROM groups WHERE id = ?")?
        .query_row([candidate.group], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut rows = connection.prepare_cached(item)?;
    let mut items = Vec::with_capacity(candidate.items.len());
    let mut open = Vec::with_capacity(candidate.items.len());
    for &item in &candidate.items {
        let (address, own, copies): (String, Option<i64>, Option<i64>) =
            rows.query_row([item], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let consented_at = own.max(copies).map(time);
        let (mut waiting, mut waiting_since, mut provisional) = (None, None, None);
        if candidate.waiting > 0
            && let Some((since, reason, outcome)) = read_provisional(connection, item)?
        {
            waiting = Some(held.reasons.reason(reason));
            waiting_since = Some(time(since));
            provisional = Some(serde_json::from_str(&outcome)?);
        }
        open.push(OpenItem { item, address: Arc::from(address.as_str()), waiting });
        let number = item.unsigned_abs();
        items.push(LeaseItem { number, address, consented_at, waiting_since, provisional });
    }
    Ok(ChunkContents { group, chunks, items, open })
}

fn read_provisional(
    connection: &Connection,
    item: i64,
) -> rusqlite::Result<Option<(i64, i64, String)>> {
    connection
        .prepare_cached("SELECT since, reason, outcome FROM waiting WHERE item = ?")?
        .query_row([item], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::batch::sqlite::schema;

    #[test]
    fn the_look_at_an_item_is_planned_once_for_all_items() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(schema::BATCH).unwrap();
        for (row, item, consent) in [(1, None, Some(5)), (2, Some(1), Some(9)), (3, None, None)] {
            connection
                .execute("INSERT INTO rows VALUES (?, 'x', NULL, ?, ?)", (row, item, consent))
                .unwrap();
        }
        for (row, expected) in [(1, Some(9)), (3, None), (1, Some(9))] {
            let mut look = connection.prepare_cached(ITEM).unwrap();
            let latest: Option<i64> = look.query_row([row], |found| found.get(2)).unwrap();
            assert_eq!(latest, expected);
            assert_eq!(look.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
