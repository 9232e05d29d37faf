//! Reads results from a cursor on, and counts by group and destination.

use std::collections::HashMap;

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::engine::{Engine, find, limit, query, signed, uuid};
use super::error::DatabaseFault;
use super::tables::at;
use crate::batch::cursor::CursorPosition;
use crate::batch::outcome::{Outcome, OutcomeTimes};
use crate::batch::queue::{QueueError, ResultsPage, ResultsRequest, RowResult};
use crate::campaign::id::BatchId;
use crate::campaign::progress::State;
use crate::campaign::tally::{DestinationTally, GroupTally};
use crate::verdict::Reason;

/// The most rows that are looked at for one page.
const MOST_ROWS: usize = 10_000;

/// Rows that are looked at for a page of some verdicts only.
const FILTERED: usize = 2000;

/// The columns of a result `r`.
const RESULT: &str = "r.reason, r.outcome, r.gathered_at, r.retry_at, r.elapsed";

/// A batch whose tables are to be read.
struct ReadableBatch {
    n: i64,
    place: String,
    is_cancelled: bool,
    sequence: i64,
    rows: i64,
}

/// A row of the list, and its result if it has one.
struct StoredLine {
    position: CursorPosition,
    row: i64,
    address: String,
    row_id: Option<String>,
    /// The address that was asked about, if it is that of another row.
    asked: Option<String>,
    result: Option<LineResult>,
}

/// A result, as far as it does not repeat others.
#[derive(Clone, Copy)]
struct LineResult {
    reason: i16,
    outcome: i64,
    times: OutcomeTimes,
}

impl LineResult {
    /// Reads it from the columns of [`RESULT`], which come first.
    fn read(row: &Row) -> Option<Self> {
        let time = |column: usize| row.get::<_, Option<i64>>(column).map(i64::unsigned_abs);
        Some(Self {
            reason: row.get::<_, Option<i16>>(0)?,
            outcome: row.get(1),
            times: OutcomeTimes {
                gathered_at: time(2),
                retry_at: time(3),
                elapsed: row.get::<_, i64>(4).unsigned_abs(),
            },
        })
    }
}

impl Engine {
    /// Results from a place on.
    pub(super) async fn results(
        &self,
        id: &BatchId,
        ask: &ResultsRequest,
    ) -> Result<ResultsPage, DatabaseFault> {
        let position =
            CursorPosition::read(&ask.after, id, ask.order).ok_or(QueueError::BadCursor)?;
        let client = self.client().await?;
        let nothing = ResultsPage { rows: Vec::new(), next: ask.after.clone(), at_end: true };
        let Some(batch) = readable(&client, id).await? else { return Ok(nothing) };
        let is_past_the_end = match position {
            CursorPosition::Completion { sequence, .. } => sequence > batch.sequence,
            CursorPosition::Row { row } => row >= batch.rows,
        };
        if is_past_the_end {
            return Err(QueueError::BadCursor.into());
        }
        let is_filtered = ask.verdicts != crate::batch::queue::VerdictSet::default();
        let look = if is_filtered { FILTERED } else { ask.limit.min(MOST_ROWS) };
        let lines = match position {
            CursorPosition::Completion { sequence, row } => {
                by_completion(&client, &batch, sequence, row, look).await?
            }
            CursorPosition::Row { row } => by_row(&client, &batch, row, look).await?,
        };
        self.page(&client, id, &batch, ask, position, lines, look).await
    }

    /// Makes a page of lines, of which there is one more than `look` if they are not all.
    #[expect(clippy::too_many_arguments, reason = "one step of one function")]
    async fn page(
        &self,
        client: &Object,
        id: &BatchId,
        batch: &ReadableBatch,
        ask: &ResultsRequest,
        mut position: CursorPosition,
        lines: Vec<StoredLine>,
        look: usize,
    ) -> Result<ResultsPage, DatabaseFault> {
        let outcomes = outcomes(client, batch, &lines).await?;
        let (mut rows, mut at_end) = (Vec::new(), true);
        for (seen, line) in lines.into_iter().enumerate() {
            let Some(result) = line.result else {
                // It will never have one: passed over. In a running batch it ends what can be read.
                if !batch.is_cancelled {
                    break;
                }
                if seen >= look {
                    at_end = false;
                    break;
                }
                position = line.position;
                continue;
            };
            if seen >= look || rows.len() >= ask.limit {
                at_end = false;
                break;
            }
            position = line.position;
            if ask.verdicts.admits(self.reasons.reason(result.reason).verdict()) {
                let common = outcomes
                    .get(&result.outcome)
                    .ok_or(DatabaseFault::Unexpected("an outcome is missing"))?;
                let asked = line.asked.as_deref().unwrap_or(&line.address);
                rows.push(RowResult {
                    row: line.row.unsigned_abs(),
                    row_id: line.row_id.unwrap_or_default(),
                    outcome: common.join(result.times, asked),
                    address: line.address,
                    cursor: position.cursor(id),
                });
            }
        }
        Ok(ResultsPage { rows, next: position.cursor(id), at_end })
    }

    /// The largest groups.
    pub(super) async fn groups(
        &self,
        id: &BatchId,
        most: usize,
    ) -> Result<Vec<GroupTally>, DatabaseFault> {
        let client = self.client().await?;
        let Some(batch) = readable(&client, id).await? else { return Ok(Vec::new()) };
        let sql = at(
            &batch.place,
            "SELECT id, name, rows FROM mailvet.groups_{p} WHERE batch = $1
             ORDER BY rows DESC, id LIMIT $2",
        );
        let groups = query(&client, &sql, &[&batch.n, &limit(most)]).await?;
        let ids: Vec<i64> = groups.iter().map(|row| row.get(0)).collect();
        let sql = at(
            &batch.place,
            "SELECT grp, reason, n FROM mailvet.group_tallies_{p}
             WHERE batch = $1 AND grp = ANY($2)",
        );
        let mut tallies: HashMap<i64, Vec<(Reason, u64)>> = HashMap::new();
        for row in query(&client, &sql, &[&batch.n, &ids]).await? {
            tallies.entry(row.get(0)).or_default().push(self.counted(&row));
        }
        let tally = |row: &Row| GroupTally {
            group: row.get(1),
            rows: row.get::<_, i64>(2).unsigned_abs(),
            finished: sorted(tallies.remove(&row.get::<_, i64>(0)).unwrap_or_default()),
        };
        Ok(groups.iter().map(tally).collect())
    }

    /// The destinations with the most rows.
    pub(super) async fn destinations(
        &self,
        id: &BatchId,
        most: usize,
    ) -> Result<Vec<DestinationTally>, DatabaseFault> {
        let client = self.client().await?;
        let Some(batch) = readable(&client, id).await? else { return Ok(Vec::new()) };
        let sql = at(
            &batch.place,
            "SELECT name FROM mailvet.destination_tallies_{p} WHERE batch = $1
             GROUP BY name ORDER BY sum(n) DESC, name LIMIT $2",
        );
        let rows = query(&client, &sql, &[&batch.n, &limit(most)]).await?;
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let sql = at(
            &batch.place,
            "SELECT name, reason, n FROM mailvet.destination_tallies_{p}
             WHERE batch = $1 AND name = ANY($2)",
        );
        let mut tallies: HashMap<String, Vec<(Reason, u64)>> = HashMap::new();
        for row in query(&client, &sql, &[&batch.n, &names]).await? {
            tallies.entry(row.get(0)).or_default().push(self.counted(&row));
        }
        let tally = |destination: String| DestinationTally {
            finished: sorted(tallies.remove(&destination).unwrap_or_default()),
            destination,
        };
        Ok(names.into_iter().map(tally).collect())
    }

    /// The reason and the count in the second and the third column.
    fn counted(&self, row: &Row) -> (Reason, u64) {
        (self.reasons.reason(row.get(1)), row.get::<_, i64>(2).unsigned_abs())
    }
}

fn sorted(mut finished: Vec<(Reason, u64)>) -> Vec<(Reason, u64)> {
    finished.sort_unstable();
    finished
}

/// A batch that has tables to be read; `None` if it has none, since it is receiving or had no rows.
async fn readable(client: &Object, id: &BatchId) -> Result<Option<ReadableBatch>, DatabaseFault> {
    let sql = "SELECT b.n, b.place, b.state, b.sequence, b.rows FROM mailvet.batches b
               LEFT JOIN mailvet.uploads u ON u.batch = b.n
               WHERE b.id = $1 AND b.state <> 'deleting'
                   AND (b.state <> 'receiving' OR u.batch IS NOT NULL)";
    let found = find(client, sql, &[&uuid(id)]).await?;
    let row = found.ok_or_else(|| QueueError::NoSuchBatch(id.clone()))?;
    let Some(place) = row.get::<_, Option<String>>(1) else { return Ok(None) };
    Ok(Some(ReadableBatch {
        n: row.get(0),
        place,
        is_cancelled: row.get::<_, &str>(2) == State::Cancelled.name(),
        sequence: row.get(3),
        rows: row.get(4),
    }))
}

/// The common parts of the results of lines.
async fn outcomes(
    client: &Object,
    batch: &ReadableBatch,
    lines: &[StoredLine],
) -> Result<HashMap<i64, Outcome>, DatabaseFault> {
    let mut ids: Vec<i64> =
        lines.iter().filter_map(|line| line.result.map(|result| result.outcome)).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = at(
        &batch.place,
        "SELECT id, outcome FROM mailvet.outcomes_{p} WHERE batch = $1 AND id = ANY($2)",
    );
    let rows = query(client, &sql, &[&batch.n, &ids]).await?;
    rows.iter().map(|row| Ok((row.get(0), serde_json::from_str(row.get(1))?))).collect()
}

/// Lines in the order of completion, from a result and a row of its item on: one more than `look`
/// if there are so many.
async fn by_completion(
    client: &Object,
    batch: &ReadableBatch,
    sequence: i64,
    after: i64,
    look: usize,
) -> Result<Vec<StoredLine>, DatabaseFault> {
    // The first may be behind us with all its rows.
    let wanted = look.saturating_add(2);
    let sql = at(
        &batch.place,
        &format!(
            "SELECT {RESULT}, r.sequence, r.item, r.rows, w.address, w.row_id
             FROM mailvet.results_{{p}} r
             JOIN mailvet.rows_{{p}} w ON w.batch = r.batch AND w.row = r.item
             WHERE r.batch = $1 AND r.sequence >= $2 AND r.sequence < $3 ORDER BY r.sequence"
        ),
    );
    // The numbers have no gap.
    let end = sequence.saturating_add(limit(wanted));
    let results = query(client, &sql, &[&batch.n, &sequence, &end]).await?;
    let repeated: Vec<i64> = results
        .iter()
        .filter(|row| row.get::<_, i64>(7) > 1)
        .scan(0_u64, |so_far, row| {
            let before = *so_far;
            let is_first = row.get::<_, i64>(5) == sequence;
            *so_far += if is_first { 0 } else { row.get::<_, i64>(7).unsigned_abs() };
            Some((before < wanted as u64).then(|| row.get(6)))
        })
        .flatten()
        .collect();
    let mut copies = copies(client, batch, &repeated, after, sequence, wanted).await?;
    let mut lines = Vec::new();
    for row in &results {
        let (at, item): (i64, i64) = (row.get(5), row.get(6));
        let asked: String = row.get(8);
        let mut take = |number: i64, address: String, row_id: Option<String>| {
            if at != sequence || number > after {
                lines.push(StoredLine {
                    position: CursorPosition::Completion { sequence: at, row: number },
                    row: number,
                    address,
                    row_id,
                    asked: Some(asked.clone()),
                    result: LineResult::read(row),
                });
            }
        };
        take(item, asked.clone(), row.get(9));
        for (number, address, row_id) in copies.remove(&item).unwrap_or_default() {
            take(number, address, row_id);
        }
        if lines.len() > look {
            break;
        }
    }
    lines.truncate(look.saturating_add(1));
    Ok(lines)
}

/// A row beside the first of an item: its number, its address, its id.
type RowCopy = (i64, String, Option<String>);

/// The rows beside the first of items, at most `most` of each; of the first item of `results` only
/// those after a row.
async fn copies(
    client: &Object,
    batch: &ReadableBatch,
    items: &[i64],
    after: i64,
    sequence: i64,
    most: usize,
) -> Result<HashMap<i64, Vec<RowCopy>>, DatabaseFault> {
    let mut found: HashMap<i64, Vec<RowCopy>> = HashMap::new();
    if items.is_empty() {
        return Ok(found);
    }
    let sql = at(
        &batch.place,
        "SELECT i.item, c.row, c.address, c.row_id FROM unnest($2::bigint[]) AS i (item)
         LEFT JOIN mailvet.results_{p} f
             ON f.batch = $1 AND f.sequence = $4 AND f.item = i.item
         CROSS JOIN LATERAL (
             SELECT row, address, row_id FROM mailvet.rows_{p}
             WHERE batch = $1 AND item = i.item
                 AND row > CASE WHEN f.item IS NULL THEN -1 ELSE $5::bigint END
             ORDER BY row LIMIT $3
         ) c",
    );
    let given: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&batch.n, &items, &limit(most), &sequence, &after];
    for row in query(client, &sql, &given).await? {
        found.entry(row.get(0)).or_default().push((row.get(1), row.get(2), row.get(3)));
    }
    for copies in found.values_mut() {
        copies.sort_unstable_by_key(|copy| copy.0);
    }
    Ok(found)
}

/// Lines in the order of the list, after a row: one more than `look` if there are so many.
async fn by_row(
    client: &Object,
    batch: &ReadableBatch,
    after: i64,
    look: usize,
) -> Result<Vec<StoredLine>, DatabaseFault> {
    let sql = at(
        &batch.place,
        &format!(
            "SELECT {RESULT}, w.row, w.address, w.row_id, f.address
             FROM mailvet.rows_{{p}} w
             LEFT JOIN mailvet.results_{{p}} r
                 ON r.batch = w.batch AND r.item = coalesce(w.item, w.row)
             LEFT JOIN mailvet.rows_{{p}} f ON f.batch = w.batch AND f.row = w.item
             WHERE w.batch = $1 AND w.row > $2 AND w.row <= $3 ORDER BY w.row"
        ),
    );
    let last = after.saturating_add(signed(look.saturating_add(1) as u64));
    let rows = query(client, &sql, &[&batch.n, &after, &last]).await?;
    let line = |row: &Row| StoredLine {
        position: CursorPosition::Row { row: row.get(5) },
        row: row.get(5),
        address: row.get(6),
        row_id: row.get(7),
        asked: row.get(8),
        result: LineResult::read(row),
    };
    Ok(rows.iter().map(line).collect())
}
