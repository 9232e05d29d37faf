//! Which processes are alive. Each is a member under a number of its own, drawn anew at each start,
//! and says every three seconds that it lives, over a connection of its own: on a busy pool its
//! sign of life would wait. One that was silent for fifteen is gone, by the database's clock: its
//! leases are over, and its uploads are removed. Nobody else's are touched when a process starts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio_postgres::Client;

use super::engine::{Engine, batch_id, find, query};
use super::error::{DatabaseFault, described};
use super::floors::LEASE_BITS;
use super::limits;
use super::news::RECONNECT;
use super::vacancies;
use crate::batch::queue::QueueError;
use crate::batch::time::time;
use crate::clock::Clock;
use crate::cluster::Tenure;

/// Interval of the signs of life.
const BEAT: Duration = Duration::from_secs(3);

/// Signs of life between two looks at what is left to be removed.
const SWEEP_EVERY: u32 = 20;

/// Difference of the clocks that is told.
const DRIFT: Duration = Duration::from_secs(2);

/// The condition that a member `m` is alive. The time for which the database was away is held
/// against nobody: once it is back, members have as long as ever to be seen again.
pub(super) const LIVES: &str = "(m.seen > now() - interval '15 seconds'
    OR (m.seen > pg_postmaster_start_time() - interval '1 hour'
        AND pg_postmaster_start_time() > now() - interval '15 seconds'))";

/// The condition that a member `m` of this number is not there any more.
const ORPHANED: &str = "NOT EXISTS (SELECT FROM mailvet.members m WHERE m.id = l.member)";

/// Begins a membership, under a number that no member ever had.
pub(super) async fn join(
    engine: &Engine,
    client: &Client,
    asked_at: SystemTime,
) -> Result<(), tokio_postgres::Error> {
    // In a transaction of its own, so that it is durable before it is used.
    let row = client.query_one("SELECT nextval('mailvet.epochs')", &[]).await?;
    let member: i64 = row.get(0);
    let address = engine.address.lock().clone();
    let sql = "INSERT INTO mailvet.members (id, seen, address) VALUES ($1, now(), $2)";
    client.execute(sql, &[&member, &address]).await?;
    engine.join(member);
    let tenure = Tenure { member, connection: 0, renewed_at: asked_at, members: 1 };
    engine.tenure.send_replace(Some(tenure));
    Ok(())
}

/// Says again and again that this process lives, and clears away what the dead left behind.
pub(super) async fn run(engine: Arc<Engine>, clock: Clock) {
    let mut beats = 0;
    let mut connections = 0;
    loop {
        match engine.target.config.connect(engine.target.tls.clone()).await {
            Ok((client, connection)) => {
                connections += 1;
                let beating = beat(&engine, &client, clock, connections, &mut beats);
                tokio::select! {
                    _ = connection => {}
                    ended = beating => {
                        if let Err(error) = ended {
                            let reason = described(&error);
                            tracing::warn!(reason, "no sign of life can be given");
                        }
                    }
                }
            }
            Err(error) => {
                tracing::warn!(reason = described(&error), "no sign of life can be given");
            }
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn beat(
    engine: &Engine,
    client: &Client,
    clock: Clock,
    connection: u64,
    beats: &mut u32,
) -> Result<(), tokio_postgres::Error> {
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_told = false;
    loop {
        ticks.tick().await;
        let sql = format!(
            "UPDATE mailvet.members m SET seen = now() WHERE m.id = $1 AND {LIVES}
             RETURNING (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
                 (SELECT count(*) FROM mailvet.members s WHERE s.address IS NOT NULL)"
        );
        let (asked_at, member) = (clock.now(), engine.member());
        match client.query_opt(&sql, &[&member]).await? {
            Some(row) => {
                note_drift(engine, clock, time(row.get(0)), &mut was_told);
                let members = usize::try_from(row.get::<_, i64>(1)).unwrap_or_default();
                let tenure = Tenure { member, connection, renewed_at: asked_at, members };
                engine.tenure.send_replace(Some(tenure));
            }
            None => {
                join(engine, client, asked_at).await?;
                tracing::warn!("the database took this process for gone: its leases are over");
            }
        }
        // Leases that were given by a clock far behind ours are found as well.
        engine.expired_to.store(i64::MIN, Ordering::Relaxed);
        if let Err(fault) = reap(engine).await {
            tracing::debug!(%fault, "what the dead left behind is still there");
        }
        *beats += 1;
        if beats.is_multiple_of(SWEEP_EVERY) {
            if let Err(fault) = engine.sweep().await {
                tracing::debug!(%fault, "what was deleted is not all removed yet");
            }
            if let Err(fault) = vacancies::forget(engine).await {
                tracing::debug!(%fault, "old destinations are not all removed yet");
            }
            if let Err(fault) = limits::forget(engine).await {
                tracing::debug!(%fault, "what callers used long ago is not all removed yet");
            }
        }
    }
}

/// Notes how far our clock and the database's are apart, and says once that they differ.
fn note_drift(engine: &Engine, clock: Clock, theirs: SystemTime, was_told: &mut bool) {
    let ours = clock.now();
    let drift =
        ours.duration_since(theirs).or_else(|_| theirs.duration_since(ours)).unwrap_or_default();
    engine.drift.send_replace(drift);
    if drift > DRIFT && !*was_told {
        let milliseconds = drift.as_millis();
        tracing::warn!(milliseconds, "the clocks of this machine and of the database differ");
        *was_told = true;
    }
}

/// Ends the leases of members that are gone, and removes their uploads.
pub(super) async fn reap(engine: &Engine) -> Result<(), DatabaseFault> {
    let client = engine.client().await?;
    let sql = format!("DELETE FROM mailvet.members m WHERE NOT ({LIVES})");
    client.execute(&sql, &[]).await?;
    vacancies::vacate(&client).await?;
    let batches = query(&client, &orphaned_batches(), &[]).await?;
    let sql = "SELECT b.id FROM mailvet.batches b
               LEFT JOIN mailvet.uploads u ON u.batch = b.n
               LEFT JOIN mailvet.members m ON m.id = u.member
               WHERE b.state = 'receiving' AND m.id IS NULL";
    let uploads = query(&client, sql, &[]).await?;
    drop(client);
    for row in &batches {
        engine.end_leases(row.get(0), ORPHANED).await?;
    }
    for row in &uploads {
        let id = batch_id(row.get(0))?;
        match engine.delete(&id).await {
            Ok(()) => tracing::info!(batch = %id, "its receiver is gone: removed"),
            Err(DatabaseFault::Caller(QueueError::NoSuchBatch(_))) => {}
            Err(fault) => return Err(fault),
        }
    }
    if !batches.is_empty() {
        engine.news.hear();
    }
    Ok(())
}

/// A statement that finds the batches with leases of members that are gone, between the names of
/// the leases of those that are there: most of what has ended was theirs.
fn orphaned_batches() -> String {
    let no_member = i64::MAX >> LEASE_BITS;
    format!(
        "WITH ends AS (SELECT id FROM mailvet.members UNION ALL SELECT {no_member}),
             gaps AS (
                 SELECT coalesce(lag(id) OVER (ORDER BY id) + 1, 0) AS first, id AS after_last
                 FROM ends)
         SELECT DISTINCT l.batch FROM gaps g CROSS JOIN LATERAL (
             SELECT batch, member FROM mailvet.leases
             WHERE id >= g.first << {LEASE_BITS} AND id < g.after_last << {LEASE_BITS} OFFSET 0
         ) l
         WHERE {ORPHANED}"
    )
}

/// `true` if no living member is older than this one.
pub(super) async fn is_oldest(engine: &Engine) -> Result<bool, DatabaseFault> {
    let sql = format!("SELECT FROM mailvet.members m WHERE m.id < $1 AND {LIVES} LIMIT 1");
    let client = engine.client().await?;
    Ok(find(&client, &sql, &[&engine.member()]).await?.is_none())
}

/// Ends this membership, or leaves it to the others to notice.
pub(super) async fn leave_or_be_missed(engine: &Engine) {
    if let Err(fault) = leave(engine).await {
        tracing::debug!(%fault, "the others will notice in a few seconds");
    }
}

/// Ends this membership: others take over what it had at once.
async fn leave(engine: &Engine) -> Result<(), DatabaseFault> {
    let client = engine.client().await?;
    client.execute("DELETE FROM mailvet.members WHERE id = $1", &[&engine.member()]).await?;
    drop(client);
    reap(engine).await?;
    engine.news.tell();
    Ok(())
}
