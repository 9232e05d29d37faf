//! Clears away what the dead left behind, and what was deleted, in its own time: a sign of life
//! waits for none of it.

use std::sync::Arc;
use std::time::Duration;

use super::engine::{Engine, batch_id, query};
use super::error::DatabaseFault;
use super::floors::LEASE_BITS;
use super::limits;
use super::members::{BEAT, LIVES};
use super::vacancies;

/// Interval of the looks at what is left to be removed.
const SWEEP: Duration = Duration::from_secs(60);

/// The condition that a member `m` of this number is not there any more.
const ORPHANED: &str = "NOT EXISTS (SELECT FROM mailvet.members m WHERE m.id = l.member)";

/// Clears away again and again.
pub(super) async fn run(engine: Arc<Engine>) {
    tokio::join!(reap_all(&engine), sweep_all(&engine));
}

async fn reap_all(engine: &Engine) {
    let mut ticks = ticks(BEAT);
    loop {
        ticks.tick().await;
        if let Err(fault) = reap(engine).await {
            tracing::debug!(%fault, "what the dead left behind is still there");
        }
    }
}

async fn sweep_all(engine: &Engine) {
    let mut ticks = ticks(SWEEP);
    // The first one is at once.
    ticks.tick().await;
    loop {
        ticks.tick().await;
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

fn ticks(interval: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// A query that finds an upload whose last page a living member took.
pub(super) fn received_by_the_living() -> String {
    format!(
        "SELECT FROM mailvet.uploads u JOIN mailvet.members m ON m.id = u.member AND {LIVES}
         WHERE u.batch = $1"
    )
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
    // One that somebody holds does not keep the others.
    let mut trouble = None;
    for row in &batches {
        trouble = engine.end_leases(row.get(0), ORPHANED).await.err().or(trouble);
    }
    for row in &uploads {
        let id = batch_id(row.get(0))?;
        match engine.discard(&id, &received_by_the_living()).await {
            Ok(true) => tracing::info!(batch = %id, "its receiver is gone: removed"),
            Ok(false) => {}
            Err(fault) => trouble = Some(fault),
        }
    }
    if !batches.is_empty() {
        engine.news.hear();
    }
    trouble.map_or(Ok(()), Err)
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
