//! Writes a [`Draft`] into the database, in the transaction that holds the lock of its batch.

use deadpool_postgres::Transaction;

use super::draft::{Draft, EndedChunk, NewResult};
use super::engine::{change, find, signed};
use super::error::DatabaseFault;
use super::leasing::{ChunkPlace, pull_front};
use super::tables::at;
use crate::batch::time::floor;
use crate::campaign::progress::Batch;

/// Writes what a draft holds, into the tables at `place`. `sequence`: the number of the last
/// result. `has_more_chunks`: some group has chunks that are not `ready`.
pub(super) async fn write(
    work: &Transaction<'_>,
    place: &str,
    (sequence, has_more_chunks): (i64, bool),
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
    write_results(work, place, sequence, draft).await?;
    write_waiting(work, place, draft).await?;
    write_tallies(work, place, draft).await?;
    write_chunks(work, draft).await?;
    move_fronts(work, has_more_chunks, draft).await?;
    let Batch { state, ended_at, progress, .. } = &draft.batch;
    let sql = "UPDATE mailvet.batches SET state = $2, ended_at = $3, sequence = sequence + $4,
                   outcomes = $5, finished = $6, waiting = $7, oldest = $8, after_consent = $9
               WHERE n = $1";
    change(
        work,
        sql,
        &[
            &draft.n,
            &state.name(),
            &ended_at.map(floor),
            &signed(draft.results.len() as u64),
            &draft.last_outcome,
            &serde_json::to_string(&progress.finished)?,
            &serde_json::to_string(&progress.waiting)?,
            &progress.oldest_evidence.map(floor),
            &signed(progress.registered_after_consent),
        ],
    )
    .await?;
    Ok(())
}

async fn write_results(
    work: &Transaction<'_>,
    place: &str,
    sequence: i64,
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
    if !draft.new_outcomes.is_empty() {
        let ids: Vec<i64> = draft.new_outcomes.values().map(|entry| entry.id).collect();
        let texts: Vec<String> =
            draft.new_outcomes.keys().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let sql = at(
            place,
            "INSERT INTO mailvet.outcomes_{p} (batch, id, outcome)
             SELECT $1, o.* FROM unnest($2::bigint[], $3::text[]) o",
        );
        change(work, &sql, &[&draft.n, &ids, &texts]).await?;
    }
    let results = &draft.results;
    if results.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&NewResult) -> i64| results.iter().map(value).collect::<Vec<i64>>();
    let time = |value: fn(&NewResult) -> Option<u64>| {
        results.iter().map(|result| value(result).map(signed)).collect::<Vec<Option<i64>>>()
    };
    let sequences: Vec<i64> = (sequence + 1..).take(results.len()).collect();
    let reasons: Vec<i16> = results.iter().map(|result| result.reason).collect();
    let sql = at(
        place,
        "INSERT INTO mailvet.results_{p}
             (batch, sequence, item, rows, reason, outcome, gathered_at, retry_at, elapsed)
         SELECT $1, r.* FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[],
             $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) r",
    );
    change(
        work,
        &sql,
        &[
            &draft.n,
            &sequences,
            &column(|result| result.item),
            &column(|result| result.rows),
            &reasons,
            &column(|result| result.outcome),
            &time(|result| result.times.gathered_at),
            &time(|result| result.times.retry_at),
            &column(|result| signed(result.times.elapsed)),
        ],
    )
    .await?;
    Ok(())
}

async fn write_waiting(
    work: &Transaction<'_>,
    place: &str,
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
    if !draft.no_longer_waiting.is_empty() {
        let sql = at(place, "DELETE FROM mailvet.waiting_{p} WHERE batch = $1 AND item = ANY($2)");
        change(work, &sql, &[&draft.n, &draft.no_longer_waiting]).await?;
    }
    if draft.waiting.is_empty() {
        return Ok(());
    }
    let waiting = || draft.waiting.values();
    let items: Vec<i64> = waiting().map(|new| new.item).collect();
    let since: Vec<i64> = waiting().map(|new| new.since).collect();
    let reasons: Vec<i16> = waiting().map(|new| new.reason).collect();
    let outcomes: Vec<&str> = waiting().map(|new| new.outcome.as_str()).collect();
    let sql = at(
        place,
        "INSERT INTO mailvet.waiting_{p} (batch, item, since, reason, outcome)
         SELECT $1, w.* FROM unnest($2::bigint[], $3::bigint[], $4::smallint[], $5::text[]) w
         ON CONFLICT (batch, item) DO UPDATE
             SET reason = excluded.reason, outcome = excluded.outcome",
    );
    change(work, &sql, &[&draft.n, &items, &since, &reasons, &outcomes]).await?;
    Ok(())
}

/// Adds to the counts by group and by destination.
async fn write_tallies(
    work: &Transaction<'_>,
    place: &str,
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
    if !draft.groups.is_empty() {
        let groups: Vec<i64> = draft.groups.keys().map(|(group, _)| *group).collect();
        let reasons: Vec<i16> = draft.groups.keys().map(|(_, reason)| *reason).collect();
        let counts: Vec<i64> = draft.groups.values().map(|count| signed(*count)).collect();
        let sql = at(
            place,
            "INSERT INTO mailvet.group_tallies_{p} AS t (batch, grp, reason, n)
             SELECT $1, g.* FROM unnest($2::bigint[], $3::smallint[], $4::bigint[]) g
             ON CONFLICT (batch, grp, reason) DO UPDATE SET n = t.n + excluded.n",
        );
        change(work, &sql, &[&draft.n, &groups, &reasons, &counts]).await?;
    }
    if !draft.destinations.is_empty() {
        let names: Vec<&str> = draft.destinations.keys().map(|(name, _)| &**name).collect();
        let reasons: Vec<i16> = draft.destinations.keys().map(|(_, reason)| *reason).collect();
        let counts: Vec<i64> = draft.destinations.values().map(|count| signed(*count)).collect();
        let sql = at(
            place,
            "INSERT INTO mailvet.destination_tallies_{p} AS t (batch, name, reason, n)
             SELECT $1, d.* FROM unnest($2::text[], $3::smallint[], $4::bigint[]) d
             ON CONFLICT (batch, name, reason) DO UPDATE SET n = t.n + excluded.n",
        );
        change(work, &sql, &[&draft.n, &names, &reasons, &counts]).await?;
    }
    Ok(())
}

/// Removes the chunks that are done, gives back those that are released, and ends their leases.
async fn write_chunks(work: &Transaction<'_>, draft: &Draft<'_>) -> Result<(), DatabaseFault> {
    for chunk in &draft.kept {
        let sql = "UPDATE mailvet.chunks SET items = $3, waiting = $4
                   WHERE batch = $1 AND id = $2";
        change(work, sql, &[&draft.n, &chunk.id, &chunk.items, &chunk.waiting]).await?;
    }
    let ended: Vec<i64> = draft.ended.iter().map(|chunk| chunk.id).collect();
    let sql = "DELETE FROM mailvet.leases WHERE batch = $1 AND ($3 OR chunk = ANY($2))";
    change(work, sql, &[&draft.n, &ended, &draft.batch.state.is_over()]).await?;
    let done: Vec<i64> =
        draft.ended.iter().filter(|chunk| chunk.due.is_none()).map(|chunk| chunk.id).collect();
    if !done.is_empty() {
        let sql = "DELETE FROM mailvet.chunks WHERE batch = $1 AND id = ANY($2)";
        change(work, sql, &[&draft.n, &done]).await?;
    }
    for chunk in &draft.ended {
        if let Some(due) = chunk.due {
            let sql = "UPDATE mailvet.chunks SET due = $3, waiting = $4
                       WHERE batch = $1 AND id = $2";
            change(work, sql, &[&draft.n, &chunk.id, &due, &chunk.waiting]).await?;
        }
    }
    Ok(())
}

/// Lets the next chunks of groups come up, and notes where a search has to begin.
async fn move_fronts(
    work: &Transaction<'_>,
    has_more_chunks: bool,
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
    let mut first: Option<ChunkPlace> = None;
    let mut note = |place| first = Some(first.map_or(place, |first: ChunkPlace| first.min(place)));
    for chunk in &draft.ended {
        let next = match has_more_chunks {
            true => next_not_ready(work, draft.n, chunk).await?,
            false => None,
        };
        let released = chunk.due.map(|due| (due, chunk.id));
        match (next, released) {
            (Some(next), None) => {
                set_ready(work, draft.n, next.1, true).await?;
                note(next);
            }
            // The chunk has fallen behind others of its group.
            (Some(next), Some(released)) if next < released => {
                set_ready(work, draft.n, next.1, true).await?;
                set_ready(work, draft.n, chunk.id, false).await?;
                note(next);
            }
            (_, Some(released)) => note(released),
            (None, None) => {}
        }
    }
    match first {
        Some(place) => pull_front(work, draft.n, place).await,
        None => Ok(()),
    }
}

/// The first chunk of the group of one that is out no more that is not `ready`.
async fn next_not_ready(
    work: &Transaction<'_>,
    n: i64,
    chunk: &EndedChunk,
) -> Result<Option<ChunkPlace>, DatabaseFault> {
    let sql = "SELECT due, id FROM mailvet.chunks WHERE batch = $1 AND grp = $2 AND NOT ready
               ORDER BY due, id LIMIT 1";
    Ok(find(work, sql, &[&n, &chunk.group]).await?.map(|row| (row.get(0), row.get(1))))
}

async fn set_ready(
    work: &Transaction<'_>,
    n: i64,
    id: i64,
    ready: bool,
) -> Result<(), DatabaseFault> {
    let sql = "UPDATE mailvet.chunks SET ready = $3 WHERE batch = $1 AND id = $2";
    change(work, sql, &[&n, &id, &ready]).await?;
    Ok(())
}
