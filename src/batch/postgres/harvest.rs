//! Signs of harvesting as rows: each replica writes what it counted, and reads what the others did.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;

use super::engine::{change, find, query, signed};
use super::error::DatabaseFault;
use crate::access::{HarvestReport, SharedAnswers, SharedParts};
use crate::batch::time::{floor, time};

/// Microseconds for which what others write may still become visible after a look.
const SLACK: i64 = 15_000_000;

/// Microseconds of an hour: what is older counts for nothing.
const HOUR: i64 = 3_600_000_000;

/// The time, in microseconds by the database's clock, up to which everything was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HarvestCursor(Option<i64>);

/// Writes what this replica counted.
pub(super) async fn write<C: GenericClient>(
    client: &C,
    replica: i64,
    news: &HarvestReport,
) -> Result<(), DatabaseFault> {
    let mut parts: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for told in &news.parts {
        let since = floor(told.since);
        let hashes = told.parts.iter().map(|part| (told.domain.cast_signed(), part.cast_signed()));
        parts.extend(hashes.map(|key| (key, since)));
    }
    if !parts.is_empty() {
        let domains: Vec<i64> = parts.keys().map(|(domain, _)| *domain).collect();
        let hashes: Vec<i64> = parts.keys().map(|(_, part)| *part).collect();
        let since: Vec<i64> = parts.values().copied().collect();
        let sql = "INSERT INTO mailvet.harvest_parts AS h (domain, part, since, replica)
                   SELECT domain, part, since, $4
                   FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) n (domain, part, since)
                   ON CONFLICT (domain, part) DO UPDATE SET since = excluded.since,
                       replica = excluded.replica, changed = now()
                   WHERE h.since <= excluded.since - 3600000";
        change(client, sql, &[&domains, &hashes, &since, &replica]).await?;
    }
    let counts: BTreeMap<(&str, u64), (u64, u64)> = news
        .answers
        .iter()
        .map(|it| ((&*it.caller, it.minute), (it.mailboxes, it.unknown)))
        .collect();
    if !counts.is_empty() {
        let callers: Vec<&str> = counts.keys().map(|(caller, _)| *caller).collect();
        let minutes: Vec<i64> = counts.keys().map(|(_, minute)| signed(*minute)).collect();
        let mailboxes: Vec<i64> = counts.values().map(|(all, _)| signed(*all)).collect();
        let unknown: Vec<i64> = counts.values().map(|(_, unknown)| signed(*unknown)).collect();
        let sql = "INSERT INTO mailvet.harvest_answers AS h
                       (caller, replica, minute, mailboxes, unknown)
                   SELECT caller, $5, minute, mailboxes, unknown
                   FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
                       n (caller, minute, mailboxes, unknown)
                   ON CONFLICT (caller, minute, replica) DO UPDATE
                   SET mailboxes = greatest(h.mailboxes, excluded.mailboxes),
                       unknown = greatest(h.unknown, excluded.unknown), changed = now()";
        change(client, sql, &[&callers, &minutes, &mailboxes, &unknown, &replica]).await?;
    }
    Ok(())
}

/// Reads what the others counted since `from`, and how far that goes.
pub(super) async fn read<C: GenericClient>(
    client: &C,
    replica: i64,
    from: HarvestCursor,
) -> Result<(HarvestReport, HarvestCursor), DatabaseFault> {
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let now: i64 = find(client, sql, &[]).await?.map(|row| row.get(0)).unwrap_or_default();
    let since = from.0.map_or(now - HOUR, |read| read - SLACK);
    let changed = "changed > to_timestamp($2::bigint / 1000000.0)";
    let sql = format!(
        "SELECT domain, min(since), array_agg(part) FROM mailvet.harvest_parts
         WHERE replica <> $1 AND {changed} GROUP BY domain"
    );
    let parts = query(client, &sql, &[&replica, &since]).await?.into_iter().map(|row| {
        let parts: Vec<i64> = row.get(2);
        SharedParts {
            domain: row.get::<_, i64>(0).cast_unsigned(),
            since: time(row.get(1)),
            parts: parts.into_iter().map(i64::cast_unsigned).collect(),
        }
    });
    let sql = format!(
        "SELECT caller, replica, minute, mailboxes, unknown FROM mailvet.harvest_answers
         WHERE replica <> $1 AND {changed}"
    );
    let answers = query(client, &sql, &[&replica, &since]).await?.into_iter().map(|row| {
        let number = |column: usize| row.get::<_, i64>(column).unsigned_abs();
        SharedAnswers {
            caller: row.get::<_, &str>(0).into(),
            replica: row.get(1),
            minute: number(2),
            mailboxes: number(3),
            unknown: number(4),
        }
    });
    let told = HarvestReport { parts: parts.collect(), answers: answers.collect() };
    Ok((told, HarvestCursor(Some(now))))
}
