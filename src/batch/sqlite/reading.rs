//! What is read of a batch's file: results from a place on, and who fared how.

use std::ops::ControlFlow;

use rusqlite::{Connection, params};

use super::cursor::Place;
use super::error::Fault;
use super::pool::Reader;
use super::schema::{self, Reasons};
use crate::batch::progress::State;
use crate::batch::queue::{
    Cursor, DestinationTally, GroupTally, QueueError, Results, ResultsRequest, RowResult,
};
use crate::verdict::Reason;

/// The most rows that are given, or passed over, at once.
const MOST: usize = 10_000;

/// Results, and nothing yet: of a batch without a file to read.
pub(super) fn nothing(after: Cursor) -> Results {
    Results { rows: Vec::new(), next: after, at_end: true }
}

/// Results from a place on.
pub(super) fn results(reader: &Reader, ask: &ResultsRequest) -> Result<Results, Fault> {
    let place = Place::read(&ask.after, &reader.id, ask.order).ok_or(QueueError::BadCursor)?;
    let mut page = Page { reader, ask, place, rows: Vec::new(), seen: 0 };
    // One view of the file for all that is asked.
    let view = reader.connection.unchecked_transaction()?;
    let end = match place {
        Place::Completion { sequence, row } => page.by_completion(&view, sequence, row)?,
        Place::Row { row } => page.by_row(&view, row)?,
    };
    Ok(Results { next: page.place.cursor(&reader.id), rows: page.rows, at_end: end.is_continue() })
}

/// What has been gathered so far.
struct Page<'a> {
    reader: &'a Reader,
    ask: &'a ResultsRequest,
    place: Place,
    rows: Vec<RowResult>,
    seen: usize,
}

/// A row of the list.
struct Line {
    row: i64,
    address: String,
    row_id: Option<String>,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.rows.len() >= self.ask.limit.min(MOST) || self.seen >= MOST
    }

    /// Takes a row in, unless its verdict is not asked for; stops when there is no room.
    fn take(
        &mut self,
        place: Place,
        line: Line,
        reason: i64,
        outcome: &str,
    ) -> Result<ControlFlow<()>, Fault> {
        if self.is_full() {
            return Ok(ControlFlow::Break(()));
        }
        self.seen += 1;
        self.place = place;
        let verdict = self.reader.reasons.reason(reason).verdict();
        if self.ask.verdicts.is_empty() || self.ask.verdicts.contains(&verdict) {
            self.rows.push(RowResult {
                row: line.row.unsigned_abs(),
                row_id: line.row_id.unwrap_or_default(),
                address: line.address,
                outcome: serde_json::from_str(outcome)?,
                cursor: place.cursor(&self.reader.id),
            });
        }
        Ok(ControlFlow::Continue(()))
    }

    fn by_completion(
        &mut self,
        view: &Connection,
        sequence: i64,
        after: i64,
    ) -> Result<ControlFlow<()>, Fault> {
        let copied = view
            .prepare_cached("SELECT 1 FROM rows INDEXED BY copies WHERE item IS NOT NULL LIMIT 1")?
            .exists([])?;
        let mut results = view.prepare_cached(
            "SELECT sequence, item, reason, outcome FROM results WHERE sequence >= ?
             ORDER BY sequence",
        )?;
        let mut firsts =
            view.prepare_cached("SELECT row, address, row_id FROM rows WHERE row = ?")?;
        let mut copies = view.prepare_cached(
            "SELECT row, address, row_id FROM rows INDEXED BY copies WHERE item = ? ORDER BY row",
        )?;
        let mut results = results.query([sequence])?;
        while let Some(result) = results.next()? {
            let (at, item, reason): (i64, i64, i64) =
                (result.get(0)?, result.get(1)?, result.get(2)?);
            let outcome = result.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
            for lines in [Some(&mut firsts), copied.then_some(&mut copies)].into_iter().flatten() {
                let mut lines = lines.query([item])?;
                while let Some(line) = lines.next()? {
                    let line =
                        Line { row: line.get(0)?, address: line.get(1)?, row_id: line.get(2)? };
                    if at == sequence && line.row <= after {
                        continue;
                    }
                    let place = Place::Completion { sequence: at, row: line.row };
                    if self.take(place, line, reason, outcome)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn by_row(&mut self, view: &Connection, after: i64) -> Result<ControlFlow<()>, Fault> {
        let state: String =
            view.prepare_cached("SELECT state FROM meta")?.query_row([], |row| row.get(0))?;
        let mut rows = view.prepare_cached(
            "SELECT w.row, w.address, w.row_id, r.reason, r.outcome FROM rows w
             LEFT JOIN results r ON r.item = coalesce(w.item, w.row)
             WHERE w.row > ? ORDER BY w.row",
        )?;
        let mut rows = rows.query([after])?;
        while let Some(row) = rows.next()? {
            let line = Line { row: row.get(0)?, address: row.get(1)?, row_id: row.get(2)? };
            let place = Place::Row { row: line.row };
            match row.get::<_, Option<i64>>(3)? {
                Some(reason) => {
                    let outcome = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
                    if self.take(place, line, reason, outcome)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                // It will never have one: passed over.
                None if state == State::Cancelled.name() => {
                    if self.is_full() {
                        return Ok(ControlFlow::Break(()));
                    }
                    self.seen += 1;
                    self.place = place;
                }
                None => break,
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The largest groups. Those of ten rows and more have an index; most lists ask for no others.
pub(super) fn groups(reader: &Reader, limit: usize) -> Result<Vec<GroupTally>, Fault> {
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
) -> Result<Vec<(i64, String, i64)>, Fault> {
    let sql = format!("SELECT id, name, rows FROM groups {which} ORDER BY rows DESC, id LIMIT ?");
    let mut statement = view.prepare_cached(&sql)?;
    let rows = statement
        .query_map([schema::limit(limit)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The destinations with the most rows.
pub(super) fn destinations(reader: &Reader, limit: usize) -> Result<Vec<DestinationTally>, Fault> {
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
) -> Result<Vec<(Reason, u64)>, Fault> {
    let rows = statement.query_map(of, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut finished: Vec<(Reason, u64)> = rows
        .map(|row| row.map(|(reason, n): (i64, i64)| (reasons.reason(reason), n.unsigned_abs())))
        .collect::<Result<_, _>>()?;
    finished.sort_unstable();
    Ok(finished)
}
