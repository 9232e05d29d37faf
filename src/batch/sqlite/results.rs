//! Reads a batch's file: results from a cursor on, and counts by group and destination.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row, params};

use super::cursor::CursorPosition;
use super::error::StoreError;
use super::pool::BatchReader;
use super::schema::{self, Reasons};
use crate::batch::outcome::OutcomeTimes;
use crate::batch::queue::{Cursor, QueueError, ResultsPage, ResultsRequest, RowResult};
use crate::campaign::progress::State;
use crate::campaign::tally::{DestinationTally, GroupTally};
use crate::verdict::Reason;

/// The most rows that are given, or passed over, at once.
const MOST_ROWS: usize = 10_000;

/// An empty page: of a batch without a file to read.
pub(super) fn nothing(after: Cursor) -> ResultsPage {
    ResultsPage { rows: Vec::new(), next: after, at_end: true }
}

/// Results from a position on.
pub(super) fn results(
    reader: &BatchReader,
    ask: &ResultsRequest,
) -> Result<ResultsPage, StoreError> {
    let position =
        CursorPosition::read(&ask.after, &reader.id, ask.order).ok_or(QueueError::BadCursor)?;
    let mut page = ResultsBuilder { reader, ask, position, rows: Vec::new(), seen: 0 };
    // One view of the file for all that is asked.
    let view = reader.connection.unchecked_transaction()?;
    if is_past_the_end(&view, position)? {
        return Err(QueueError::BadCursor.into());
    }
    let end = match position {
        CursorPosition::Completion { sequence, row } => page.by_completion(&view, sequence, row)?,
        CursorPosition::Row { row } => page.by_row(&view, row)?,
    };
    Ok(ResultsPage {
        next: page.position.cursor(&reader.id),
        rows: page.rows,
        at_end: end.is_continue(),
    })
}

/// `true` for a position that no result of the file can have given out.
fn is_past_the_end(view: &Connection, position: CursorPosition) -> rusqlite::Result<bool> {
    let (sql, at) = match position {
        CursorPosition::Completion { sequence, .. } => {
            ("SELECT coalesce(max(sequence), 0) FROM results", sequence)
        }
        CursorPosition::Row { row } => ("SELECT coalesce(max(row), -1) FROM rows", row),
    };
    let last: i64 = view.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(at > last)
}

/// A page of results while it is read.
struct ResultsBuilder<'a> {
    reader: &'a BatchReader,
    ask: &'a ResultsRequest,
    position: CursorPosition,
    rows: Vec<RowResult>,
    seen: usize,
}

/// A result, as far as it does not repeat others.
#[derive(Clone, Copy)]
struct StoredResult {
    reason: i64,
    outcome: i64,
    own: OutcomeTimes,
}

impl StoredResult {
    /// Reads it from the columns of [`RESULT`], which come first.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let time = |at: Option<i64>| at.map(i64::unsigned_abs);
        Ok(Self {
            reason: row.get(0)?,
            outcome: row.get(1)?,
            own: OutcomeTimes {
                gathered_at: time(row.get(2)?),
                retry_at: time(row.get(3)?),
                elapsed: row.get::<_, i64>(4)?.unsigned_abs(),
            },
        })
    }
}

/// The columns of a result.
const RESULT: &str = "r.reason, r.outcome, r.gathered_at, r.retry_at, r.elapsed";

/// The rows beside the first of an item that come after a row. A page begins there: an item may
/// have as many rows as a list, and would be gone through once for each of its pages.
const COPIES: &str = "
    SELECT row, address, row_id FROM rows INDEXED BY copies
    WHERE item = ? AND row > ? ORDER BY row";

/// A row of the list.
struct StoredRow {
    row: i64,
    address: String,
    row_id: Option<String>,
}

impl StoredRow {
    /// Reads its three columns, the first of which has this number.
    fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(Self { row: row.get(at)?, address: row.get(at + 1)?, row_id: row.get(at + 2)? })
    }
}

impl ResultsBuilder<'_> {
    fn is_full(&self) -> bool {
        self.rows.len() >= self.ask.limit.min(MOST_ROWS) || self.seen >= MOST_ROWS
    }

    /// Takes a row in, unless its verdict is not asked for; stops when there is no room. `asked`:
    /// the address that was asked about, if it is that of another row.
    fn take(
        &mut self,
        position: CursorPosition,
        line: StoredRow,
        found: StoredResult,
        asked: Option<&str>,
    ) -> Result<ControlFlow<()>, StoreError> {
        if self.is_full() {
            return Ok(ControlFlow::Break(()));
        }
        self.seen += 1;
        self.position = position;
        let verdict = self.reader.reasons.reason(found.reason).verdict();
        if self.ask.verdicts.admits(verdict) {
            let mut dictionary = self.reader.dictionary.borrow_mut();
            let common = dictionary.outcome(&self.reader.connection, found.outcome)?;
            let outcome = common.join(found.own, asked.unwrap_or(&line.address));
            self.rows.push(RowResult {
                row: line.row.unsigned_abs(),
                row_id: line.row_id.unwrap_or_default(),
                address: line.address,
                outcome,
                cursor: position.cursor(&self.reader.id),
            });
        }
        Ok(ControlFlow::Continue(()))
    }

    fn by_completion(
        &mut self,
        view: &Connection,
        sequence: i64,
        after: i64,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut results = view.prepare_cached(&format!(
            "SELECT {RESULT}, r.sequence, r.item, r.rows, w.address, w.row_id
             FROM results r CROSS JOIN rows w ON w.row = r.item
             WHERE r.sequence >= ? ORDER BY r.sequence"
        ))?;
        let mut copies = view.prepare_cached(COPIES)?;
        let mut results = results.query([sequence])?;
        while let Some(result) = results.next()? {
            let found = StoredResult::read(result)?;
            let (at, item, count) = (result.get(5)?, result.get(6)?, result.get::<_, i64>(7)?);
            let asked: String = result.get(8)?;
            let mut take = |line: StoredRow| {
                if at == sequence && line.row <= after {
                    return Ok(ControlFlow::Continue(()));
                }
                let position = CursorPosition::Completion { sequence: at, row: line.row };
                self.take(position, line, found, Some(&asked))
            };
            let first = StoredRow { row: item, address: asked.clone(), row_id: result.get(9)? };
            if take(first)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if count > 1 {
                let behind = if at == sequence { after } else { -1 };
                let mut copies = copies.query([item, behind])?;
                while let Some(copy) = copies.next()? {
                    if take(StoredRow::read(copy, 0)?)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn by_row(&mut self, view: &Connection, after: i64) -> Result<ControlFlow<()>, StoreError> {
        let state: String =
            view.prepare_cached("SELECT state FROM meta")?.query_row([], |row| row.get(0))?;
        let mut rows = view.prepare_cached(&format!(
            "SELECT {RESULT}, w.row, w.address, w.row_id, w.item FROM rows w
             LEFT JOIN results r ON r.item = coalesce(w.item, w.row)
             WHERE w.row > ? ORDER BY w.row"
        ))?;
        let mut first = view.prepare_cached("SELECT address FROM rows WHERE row = ?")?;
        let mut rows = rows.query([after])?;
        while let Some(row) = rows.next()? {
            let line = StoredRow::read(row, 5)?;
            let position = CursorPosition::Row { row: line.row };
            match row.get::<_, Option<i64>>(0)? {
                Some(_) => {
                    let asked: Option<String> = match row.get::<_, Option<i64>>(8)? {
                        Some(item) => Some(first.query_row([item], |row| row.get(0))?),
                        None => None,
                    };
                    let found = StoredResult::read(row)?;
                    if self.take(position, line, found, asked.as_deref())?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                // It will never have one: passed over.
                None if state == State::Cancelled.name() => {
                    if self.is_full() {
                        return Ok(ControlFlow::Break(()));
                    }
                    self.seen += 1;
                    self.position = position;
                }
                None => break,
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The largest groups. Those of ten rows and more have an index; most lists ask for no others.
pub(super) fn groups(reader: &BatchReader, limit: usize) -> Result<Vec<GroupTally>, StoreError> {
    let view = reader.connection.unchecked_transaction()?;
    let mut found = named_groups(&view, "INDEXED BY largest WHERE rows > 9", limit)?;
    if found.len() < limit {
        found = named_groups(&view, "", limit)?;
    }
    let mut tallies = view.prepare_cached("SELECT reason, n FROM group_tallies WHERE grp = ?")?;
    found
        .into_iter()
        .map(|(id, group, rows)| {
            let finished = tally(&mut tallies, params![id], &reader.reasons)?;
            Ok(GroupTally { group, rows: rows.unsigned_abs(), finished })
        })
        .collect()
}

fn named_groups(
    view: &Connection,
    which: &str,
    limit: usize,
) -> Result<Vec<(i64, String, i64)>, StoreError> {
    let sql = format!("SELECT id, name, rows FROM groups {which} ORDER BY rows DESC, id LIMIT ?");
    let mut statement = view.prepare_cached(&sql)?;
    let rows = statement
        .query_map([schema::limit(limit)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The destinations with the most rows.
pub(super) fn destinations(
    reader: &BatchReader,
    limit: usize,
) -> Result<Vec<DestinationTally>, StoreError> {
    let view = reader.connection.unchecked_transaction()?;
    let mut names = view.prepare_cached(
        "SELECT name FROM destination_tallies GROUP BY name ORDER BY sum(n) DESC, name LIMIT ?",
    )?;
    let names: Vec<String> =
        names.query_map([schema::limit(limit)], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut tallies =
        view.prepare_cached("SELECT reason, n FROM destination_tallies WHERE name = ?")?;
    names
        .into_iter()
        .map(|destination| {
            let finished = tally(&mut tallies, params![destination], &reader.reasons)?;
            Ok(DestinationTally { destination, finished })
        })
        .collect()
}

fn tally(
    statement: &mut rusqlite::CachedStatement<'_>,
    of: impl rusqlite::Params,
    reasons: &Reasons,
) -> Result<Vec<(Reason, u64)>, StoreError> {
    let rows = statement.query_map(of, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut finished: Vec<(Reason, u64)> = rows
        .map(|row| row.map(|(reason, n): (i64, i64)| (reasons.reason(reason), n.unsigned_abs())))
        .collect::<Result<_, _>>()?;
    finished.sort_unstable();
    Ok(finished)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::batch::queue::{Order, Queue as _, VerdictSet};
    use crate::batch::sqlite::SqliteQueue;
    use crate::queue_tests::{all, at, lease_one, list, row};

    #[tokio::test]
    async fn a_page_costs_no_more_however_many_rows_of_its_item_were_read_before() {
        let scratch = tempfile::tempdir().unwrap();
        let queue = SqliteQueue::open(scratch.path()).unwrap();
        let id = list(&queue, vec![row("info@a.example"); 3_000]).await;
        let chunk = lease_one(&queue, at(0)).await;
        queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
        let shared = &queue.shared;
        let reader = shared.readers.take(&id, &shared.directory.batch(&id)).unwrap();
        let mut ask = ResultsRequest {
            order: Order::Completion,
            after: Cursor::default(),
            verdicts: VerdictSet::default(),
            limit: 1_000,
        };
        let mut costs = Vec::new();
        for _ in 0..3 {
            let page = results(&reader, &ask).unwrap();
            assert_eq!(page.rows.len(), 1_000);
            ask.after = page.next;
            let copies = reader.connection.prepare_cached(COPIES).unwrap();
            costs.push(copies.reset_status(StatementStatus::VmStep));
        }
        let first = costs[0];
        assert!(first > 0 && costs.iter().all(|cost| *cost < first * 3 / 2), "{costs:?}");
    }
}
