//! Writes a [`Draft`] into the database, in the transaction that holds the lock of its batch. While
//! it is held nobody else gets on with the batch: statements that do not need one another are sent
//! together, and none is sent for each chunk.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use tokio::try_join;

use super::draft::{Draft, EndedChunk, NewResult};
use super::due_chunks::ChunkPlace;
use super::engine::{change, signed};
use super::error::DatabaseFault;
use super::leasing::pull_front;
use super::tables::at;
use crate::batch::time::floor;
use crate::campaign::progress::Batch;

/// Writes what a draft holds, into the tables at `place`, after the result number `sequence`. Of
/// the chunks that are `held_back` some come up; by group, the last of those that were never out.
pub(super) async fn write(
    work: &Transaction<'_>,
    place: &str,
    sequence: i64,
    held_back: HashMap<i64, BTreeSet<ChunkPlace>>,
    draft: &Draft<'_>,
) -> Result<HashMap<i64, i64>, DatabaseFault> {
    let coming = come_up(&draft.ended, held_back);
    try_join!(
        write_outcomes(work, place, draft),
        write_results(work, place, sequence, draft),
        write_waiting(work, place, draft),
        write_groups(work, place, draft),
        write_destinations(work, place, draft),
        write_chunks(work, draft),
        move_fronts(work, draft.n, &coming),
        write_batch(work, draft),
    )?;
    Ok(coming.last)
}

async fn write_batch(work: &Transaction<'_>, draft: &Draft<'_>) -> Result<(), DatabaseFault> {
    let Batch { state, ended_at, progress, .. } = &draft.batch;
    let sql = "UPDATE mailvet.batches SET state = $2, ended_at = $3, sequence = sequence + $4,
                   outcomes = $5, finished = $6, waiting = $7, oldest = $8, after_consent = $9,
                   unchecked_consents = $10
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
            &signed(progress.unchecked_consents),
        ],
    )
    .await?;
    Ok(())
}

async fn write_outcomes(
    work: &Transaction<'_>,
    place: &str,
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
    if draft.new_outcomes.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = draft.new_outcomes.values().map(|entry| entry.id).collect();
    let texts: Vec<String> =
        draft.new_outcomes.keys().map(serde_json::to_string).collect::<Result<_, _>>()?;
    let sql = at(
        place,
        "INSERT INTO mailvet.outcomes_{p} (batch, id, outcome)
         SELECT $1, o.* FROM unnest($2::bigint[], $3::text[]) o",
    );
    change(work, &sql, &[&draft.n, &ids, &texts]).await?;
    Ok(())
}

async fn write_results(
    work: &Transaction<'_>,
    place: &str,
    sequence: i64,
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
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

/// Adds to the counts by group.
async fn write_groups(
    work: &Transaction<'_>,
    place: &str,
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
    if draft.groups.is_empty() {
        return Ok(());
    }
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
    Ok(())
}

/// Adds to the counts by destination.
async fn write_destinations(
    work: &Transaction<'_>,
    place: &str,
    draft: &Draft<'_>,
) -> Result<(), DatabaseFault> {
    if draft.destinations.is_empty() {
        return Ok(());
    }
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
    Ok(())
}

/// Removes the chunks that are done, gives back those that are released, and ends their leases.
async fn write_chunks(work: &Transaction<'_>, draft: &Draft<'_>) -> Result<(), DatabaseFault> {
    let kept = draft.kept.iter().map(async |chunk| {
        let sql = "UPDATE mailvet.chunks SET items = $3, waiting = $4
                   WHERE batch = $1 AND id = $2";
        change(work, sql, &[&draft.n, &chunk.id, &chunk.items, &chunk.waiting]).await
    });
    let leases = async {
        if draft.batch.state.is_over() {
            return change(work, "DELETE FROM mailvet.leases WHERE batch = $1", &[&draft.n]).await;
        }
        let ended: Vec<i64> = draft.ended.iter().map(|chunk| chunk.lease).collect();
        change(work, "DELETE FROM mailvet.leases WHERE id = ANY($1)", &[&ended]).await
    };
    try_join!(try_join_all(kept), leases, remove_done(work, draft), release(work, draft))?;
    Ok(())
}

async fn remove_done(work: &Transaction<'_>, draft: &Draft<'_>) -> Result<(), DatabaseFault> {
    let done = draft.ended.iter().filter(|chunk| chunk.due.is_none());
    let done: Vec<i64> = done.map(|chunk| chunk.id).collect();
    if !done.is_empty() {
        let sql = "DELETE FROM mailvet.chunks WHERE batch = $1 AND id = ANY($2)";
        change(work, sql, &[&draft.n, &done]).await?;
    }
    Ok(())
}

async fn release(work: &Transaction<'_>, draft: &Draft<'_>) -> Result<(), DatabaseFault> {
    let released = || draft.ended.iter().filter_map(|chunk| Some((chunk, chunk.due?)));
    let ids: Vec<i64> = released().map(|(chunk, _)| chunk.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let dues: Vec<i64> = released().map(|(_, due)| due).collect();
    let waiting: Vec<i32> = released().map(|(chunk, _)| chunk.waiting).collect();
    let sql = "UPDATE mailvet.chunks c SET due = r.due, waiting = r.waiting
               FROM unnest($2::bigint[], $3::bigint[], $4::int[]) r (id, due, waiting)
               WHERE c.batch = $1 AND c.id = r.id";
    change(work, sql, &[&draft.n, &ids, &dues, &waiting]).await?;
    Ok(())
}

/// Lets the next chunks of groups come up, and notes where a search has to begin.
async fn move_fronts(work: &Transaction<'_>, n: i64, coming: &Coming) -> Result<(), DatabaseFault> {
    let ready = async {
        if coming.ready.is_empty() {
            return Ok(0);
        }
        let (ids, ready): (Vec<i64>, Vec<bool>) = coming.ready.iter().unzip();
        let sql = "UPDATE mailvet.chunks c SET ready = r.ready
                   FROM unnest($2::bigint[], $3::bool[]) r (id, ready)
                   WHERE c.batch = $1 AND c.id = r.id";
        change(work, sql, &[&n, &ids, &ready]).await
    };
    let front = async {
        match coming.first {
            Some(place) => pull_front(work, n, place).await,
            None => Ok(()),
        }
    };
    try_join!(ready, front)?;
    Ok(())
}

/// Which chunks come up when others end.
#[derive(Debug, Default, PartialEq)]
struct Coming {
    /// The chunks that may go out from now on, and those that may not.
    ready: BTreeMap<i64, bool>,
    /// The first place at which one may go out.
    first: Option<ChunkPlace>,
    /// By group, the last one of those that were never out.
    last: HashMap<i64, i64>,
}

/// Which of the chunks that are `held_back` come up.
fn come_up(ended: &[EndedChunk], mut held_back: HashMap<i64, BTreeSet<ChunkPlace>>) -> Coming {
    let mut coming = Coming::default();
    for chunk in ended {
        let behind = held_back.entry(chunk.group).or_default();
        let released = chunk.due.map(|due| (due, chunk.id));
        let place = match behind.first().copied() {
            Some(next) if released.is_none_or(|released| next < released) => {
                behind.pop_first();
                coming.ready.insert(next.1, true);
                if next.0 == 0 {
                    coming.last.insert(chunk.group, next.1);
                }
                // The chunk has fallen behind others of its group.
                if let Some(released) = released {
                    behind.insert(released);
                    coming.ready.insert(chunk.id, false);
                }
                Some(next)
            }
            _ => released,
        };
        coming.first = [coming.first, place].into_iter().flatten().min();
    }
    coming
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(id: i64, group: i64, due: Option<i64>) -> EndedChunk {
        EndedChunk { id, lease: id, group, due, items: Vec::new(), waiting: 0 }
    }

    fn held_back<const N: usize>(
        chunks: [(i64, ChunkPlace); N],
    ) -> HashMap<i64, BTreeSet<ChunkPlace>> {
        let mut found: HashMap<i64, BTreeSet<ChunkPlace>> = HashMap::new();
        for (group, place) in chunks {
            found.entry(group).or_default().insert(place);
        }
        found
    }

    #[test]
    fn for_each_chunk_that_is_done_the_next_of_its_group_comes_up() {
        let done = [ended(1, 7, None), ended(2, 7, None), ended(3, 8, None)];
        let coming = come_up(&done, held_back([(7, (0, 10)), (7, (0, 11))]));
        assert_eq!(coming.ready, BTreeMap::from([(10, true), (11, true)]));
        assert_eq!(coming.first, Some((0, 10)));
        assert_eq!(coming.last, HashMap::from([(7, 11)]));
    }

    #[test]
    fn a_released_chunk_goes_behind_those_that_are_due_before_it_and_may_come_up_again() {
        let released = [ended(1, 7, Some(50)), ended(2, 7, Some(90))];
        let coming = come_up(&released, held_back([(7, (20, 10))]));
        // The first falls behind number 10, and then comes before the second.
        assert_eq!(coming.ready, BTreeMap::from([(10, true), (1, true), (2, false)]));
        assert_eq!(coming.first, Some((20, 10)));
        assert_eq!(coming.last, HashMap::new(), "all of them were out before");
    }

    #[test]
    fn a_released_chunk_stays_ready_where_nothing_is_due_before_it() {
        let coming = come_up(&[ended(1, 7, Some(5))], held_back([(7, (20, 10))]));
        assert_eq!(coming, Coming { first: Some((5, 1)), ..Coming::default() });
    }

    #[test]
    fn none_that_was_never_out_is_held_back_before_the_last_that_came_up() {
        // Given back until a time before the batch was sealed: due at once.
        let released = [ended(30, 7, Some(0)), ended(5, 7, Some(0))];
        let coming = come_up(&released, held_back([(7, (0, 10)), (7, (0, 20))]));
        let last = coming.last[&7];
        let held_back: Vec<i64> =
            coming.ready.iter().filter(|(_, ready)| !**ready).map(|(id, _)| *id).collect();
        assert_eq!((last, held_back), (10, vec![30]));
    }
}
