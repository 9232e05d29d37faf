//! Which processes are alive. Each is a member under a number of its own, drawn anew at each start,
//! and says every three seconds that it lives, over a connection of its own: on a busy pool its
//! sign of life would wait. One that was silent for fifteen is gone, by the database's clock: its
//! leases are over, and its uploads are removed. Nobody else's are touched when a process starts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio_postgres::Client;

use super::absence::Absence;
use super::engine::{Engine, find};
use super::error::{DatabaseFault, described};
use super::news::RECONNECT;
use crate::batch::time::time;
use crate::clock::Clock;
use crate::cluster::Tenure;

/// Interval of the signs of life.
pub(super) const BEAT: Duration = Duration::from_secs(3);

/// Difference of the clocks that is told.
const DRIFT: Duration = Duration::from_secs(2);

/// The condition that a member `m` is alive. The time for which the database was away is held
/// against nobody: once it is back, members have as long as ever to be seen again.
pub(super) const LIVES: &str = "(m.seen > now() - interval '15 seconds'
    OR (m.seen > pg_postmaster_start_time() - interval '1 hour'
        AND pg_postmaster_start_time() > now() - interval '15 seconds'))";

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

/// Says again and again that this process lives. Nothing else is done in between: whatever waits
/// for a lock or a connection would cost the membership.
pub(super) async fn run(engine: Arc<Engine>, clock: Clock) {
    let mut connections = 0;
    let mut absence = Absence::default();
    loop {
        let ended = match engine.target.config.connect(engine.target.tls.clone()).await {
            Ok((client, connection)) => {
                connections += 1;
                let beating = beat(&engine, &client, clock, connections, &mut absence);
                tokio::select! {
                    _ = connection => Ok(()),
                    ended = beating => ended,
                }
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ended
            && absence.begins()
        {
            tracing::warn!(reason = described(&error), "no sign of life can be given");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn beat(
    engine: &Engine,
    client: &Client,
    clock: Clock,
    connection: u64,
    absence: &mut Absence,
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
        if absence.ends() {
            tracing::info!("signs of life are given again");
        }
        // Leases that were given by a clock far behind ours are found as well.
        engine.expired_to.store(i64::MIN, Ordering::Relaxed);
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

/// `true` if no living member is older than this one.
pub(super) async fn is_oldest(engine: &Engine) -> Result<bool, DatabaseFault> {
    let sql = format!("SELECT FROM mailvet.members m WHERE m.id < $1 AND {LIVES} LIMIT 1");
    let client = engine.client().await?;
    Ok(find(&client, &sql, &[&engine.member()]).await?.is_none())
}
