//! The tables of shared evidence: one for each day on which what it holds ends, dropped whole when
//! that is over.

use std::collections::BTreeSet;

use deadpool_postgres::Object;
use tokio_postgres::Client;

use crate::batch::postgres::DatabaseFault;

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// Days ahead for which there are tables: what holds for longer ends with the last of them.
const DAYS_AHEAD: i64 = 31;

/// The lock under which tables are made and dropped; an arbitrary number that is ours.
const LOCK: i64 = 0x6d61_696c_7665_7403;

/// `key`: a keyed hash. `body`: sealed. The tables of days are unlogged: what they hold can be
/// asked again, and after a crash it is.
const TABLES: &str = "
    CREATE SCHEMA IF NOT EXISTS mailvet;
    CREATE TABLE mailvet.evidence_key (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        secret bytea NOT NULL
    );
    INSERT INTO mailvet.evidence_key (secret) VALUES
        (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));
    CREATE TABLE mailvet.evidence (
        key bytea NOT NULL,
        day int NOT NULL,
        gathered bigint NOT NULL,
        until bigint NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (key, day)
    ) PARTITION BY RANGE (day);
";

/// The day on which something ends that holds `until`, as far as there are tables at `now`.
pub(super) fn day_of(until: i64, now: i64) -> i32 {
    let day = (until / DAY).min(now / DAY + DAYS_AHEAD);
    i32::try_from(day).unwrap_or(i32::MAX - 1)
}

/// Makes the tables that days have in common, if there are none; the secret of the database.
pub(super) async fn prepare(client: &mut Client) -> Result<Vec<u8>, DatabaseFault> {
    let change = client.transaction().await?;
    change.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let is_there = "SELECT to_regclass('mailvet.evidence') IS NOT NULL";
    if !change.query_one(is_there, &[]).await?.get::<_, bool>(0) {
        change.batch_execute(TABLES).await?;
    }
    let secret = change.query_one("SELECT secret FROM mailvet.evidence_key", &[]).await?.get(0);
    change.commit().await?;
    Ok(secret)
}

/// Makes the tables of these days, if there are none. Nobody waits for look-ups that take long.
pub(super) async fn make(client: &mut Object, days: &BTreeSet<i32>) -> Result<(), DatabaseFault> {
    let change = client.transaction().await?;
    change.batch_execute("SET LOCAL lock_timeout = '1s'").await?;
    change.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    for day in days {
        let sql = format!(
            "CREATE UNLOGGED TABLE IF NOT EXISTS mailvet.evidence_{day}
                 PARTITION OF mailvet.evidence FOR VALUES FROM ({day}) TO ({})",
            day + 1
        );
        change.batch_execute(&sql).await?;
    }
    Ok(change.commit().await?)
}

/// Drops the tables of days that are over for everybody, whatever their clocks say.
pub(super) async fn drop_old(client: &mut Object, now: i64) -> Result<(), DatabaseFault> {
    let change = client.transaction().await?;
    change.batch_execute("SET LOCAL lock_timeout = '1s'").await?;
    let sql = "SELECT pg_try_advisory_xact_lock($1)";
    if !change.query_one(sql, &[&LOCK]).await?.get::<_, bool>(0) {
        // Another process is at it.
        return Ok(());
    }
    let sql = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'mailvet.evidence'::regclass";
    for row in change.query(sql, &[]).await? {
        let name: &str = row.get(0);
        let day = name.strip_prefix("evidence_").and_then(|day| day.parse::<i64>().ok());
        if day.is_some_and(|day| (day + 1) * DAY < now - DAY / 24) {
            change.batch_execute(&format!("DROP TABLE mailvet.{name}")).await?;
        }
    }
    Ok(change.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_far_ahead_goes_with_the_last_day_there_is_a_table_for() {
        let now = 20_000 * DAY + 5;
        assert_eq!(day_of(now + DAY, now), 20_001);
        assert_eq!(day_of(now - DAY, now), 19_999);
        assert_eq!(day_of(i64::MAX, now), 20_031);
    }
}
