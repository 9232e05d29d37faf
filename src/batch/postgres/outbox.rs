//! The outbox: what a batch comes to and its notification are one transaction. Several processes
//! may take notifications out at once; each goes to one of them.

use std::time::SystemTime;

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::PostgresQueue;
use super::engine::{Engine, batch_id, change, find, limit, query, uuid};
use super::error::DatabaseFault;
use crate::batch::queue::{
    NextTry, Notification, NotificationId, NotificationState, Outbox, OutboxStats, QueueError,
    TryReport, notification,
};
use crate::batch::time::{ceiling, floor, time};
use crate::campaign::callback::BatchEvent;
use crate::campaign::progress::Batch;

const COLUMNS: &str = "o.id, o.batch, o.owner, o.url, o.event, o.created_at, o.state, o.tries,
     o.due_at, o.result";

/// Puts the notification about `batch` as it stands since `now` in, if there is to be one; one that
/// is there stays.
pub(super) async fn insert<C: GenericClient>(
    client: &C,
    batch: &Batch,
    now: SystemTime,
) -> Result<(), DatabaseFault> {
    let Some(new) = notification(batch, now) else { return Ok(()) };
    let sql = "SELECT state FROM mailvet.outbox WHERE owner = $1 AND url = $2
               ORDER BY id DESC LIMIT 1";
    let newest = find(client, sql, &[&new.owner, &new.url]).await?;
    let off = NotificationState::SwitchedOff.name();
    let is_off = newest.is_some_and(|row| row.get::<_, &str>(0) == off);
    let sql = "INSERT INTO mailvet.outbox
                   (id, batch, owner, url, event, created_at, state, tries, due_at, result)
               VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, '') ON CONFLICT (id) DO NOTHING";
    let state = if is_off { off } else { new.state.name() };
    change(
        client,
        sql,
        &[
            &new.id.as_str(),
            &uuid(&new.batch),
            &new.owner,
            &new.url,
            &new.event.name(),
            &floor(new.created_at),
            &state,
            &new.due_at.filter(|_| !is_off).map(floor),
        ],
    )
    .await?;
    Ok(())
}

impl Engine {
    async fn claim(
        &self,
        most: usize,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Notification>, DatabaseFault> {
        let sql = format!(
            "WITH due AS (
                 SELECT * FROM mailvet.outbox WHERE due_at <= $1
                 ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
             ), taken AS (
                 UPDATE mailvet.outbox t SET due_at = $3 FROM due WHERE t.id = due.id
             )
             SELECT {COLUMNS} FROM due o ORDER BY o.due_at, o.id"
        );
        let client = self.client().await?;
        let rows = query(&client, &sql, &[&floor(now), &limit(most), &ceiling(until)]).await?;
        rows.iter().map(read).collect()
    }

    async fn report_try(
        &self,
        id: &NotificationId,
        report: &TryReport,
    ) -> Result<(), DatabaseFault> {
        let (state, due_at) = report.next.standing();
        let due_at = due_at.map(ceiling);
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        let sql = "UPDATE mailvet.outbox SET state = $2, due_at = $3, result = $4,
                       tries = tries + 1 WHERE id = $1";
        change(&work, sql, &[&id.as_str(), &state.name(), &due_at, &report.result]).await?;
        if report.next == NextTry::SwitchedOff {
            let sql = "UPDATE mailvet.outbox SET state = 'switched_off', due_at = NULL
                       WHERE due_at IS NOT NULL AND (owner, url) =
                           (SELECT owner, url FROM mailvet.outbox WHERE id = $1)";
            change(&work, sql, &[&id.as_str()]).await?;
        }
        Ok(work.commit().await?)
    }

    async fn resend(
        &self,
        owner: &str,
        id: &NotificationId,
        now: SystemTime,
    ) -> Result<Option<Notification>, DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        let sql = "UPDATE mailvet.outbox SET state = 'given_up'
                   WHERE state = 'switched_off' AND (owner, url) =
                       (SELECT owner, url FROM mailvet.outbox WHERE owner = $1 AND id = $2)";
        change(&work, sql, &[&owner, &id.as_str()]).await?;
        let sql = format!(
            "UPDATE mailvet.outbox o SET state = 'pending', due_at = $3, tries = 0
             WHERE o.owner = $1 AND o.id = $2 RETURNING {COLUMNS}"
        );
        let sent = find(&work, &sql, &[&owner, &id.as_str(), &floor(now)]).await?;
        work.commit().await?;
        self.news.tell();
        sent.as_ref().map(read).transpose()
    }

    async fn notifications(
        &self,
        owner: &str,
        before: Option<&NotificationId>,
        most: usize,
    ) -> Result<Vec<Notification>, DatabaseFault> {
        let before = before.map_or("~", NotificationId::as_str);
        let sql = format!(
            "SELECT {COLUMNS} FROM mailvet.outbox o WHERE o.owner = $1 AND o.id < $2
             ORDER BY o.id DESC LIMIT $3"
        );
        let rows = query(&self.client().await?, &sql, &[&owner, &before, &limit(most)]).await?;
        rows.iter().map(read).collect()
    }

    /// Number of the notifications that wait, the time of the oldest of their events, and the time
    /// at which the first is due.
    async fn outbox(&self) -> Result<(OutboxStats, Option<SystemTime>), DatabaseFault> {
        let sql = "SELECT count(*), min(created_at), min(due_at) FROM mailvet.outbox
                   WHERE due_at IS NOT NULL";
        let Some(row) = find(&self.client().await?, sql, &[]).await? else {
            return Ok((OutboxStats::default(), None));
        };
        let at = |column: usize| row.get::<_, Option<i64>>(column).map(time);
        let pending = row.get::<_, i64>(0).unsigned_abs();
        Ok((OutboxStats { pending, oldest: at(1) }, at(2)))
    }
}

fn read(row: &Row) -> Result<Notification, DatabaseFault> {
    const UNKNOWN: DatabaseFault =
        DatabaseFault::Unexpected("the outbox holds what is no notification");
    Ok(Notification {
        id: NotificationId::from_text(row.get(0)),
        batch: batch_id(row.get(1))?,
        owner: row.get(2),
        url: row.get(3),
        event: BatchEvent::parse(row.get(4)).ok_or(UNKNOWN)?,
        created_at: time(row.get(5)),
        state: NotificationState::parse(row.get(6)).ok_or(UNKNOWN)?,
        tries: row.get::<_, i32>(7).unsigned_abs(),
        due_at: row.get::<_, Option<i64>>(8).map(time),
        result: row.get(9),
    })
}

#[async_trait]
impl Outbox for PostgresQueue {
    async fn claim_notifications(
        &self,
        limit: usize,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Notification>, QueueError> {
        self.engine.retried(|| self.engine.claim(limit, until, now)).await
    }

    async fn report_try(&self, id: &NotificationId, report: TryReport) -> Result<(), QueueError> {
        self.engine.retried(|| self.engine.report_try(id, &report)).await
    }

    async fn next_notification(&self) -> Result<Option<SystemTime>, QueueError> {
        Ok(self.engine.retried(|| self.engine.outbox()).await?.1)
    }

    async fn notifications(
        &self,
        owner: &str,
        before: Option<&NotificationId>,
        limit: usize,
    ) -> Result<Vec<Notification>, QueueError> {
        self.engine.retried(|| self.engine.notifications(owner, before, limit)).await
    }

    async fn resend_notification(
        &self,
        owner: &str,
        id: &NotificationId,
        now: SystemTime,
    ) -> Result<Option<Notification>, QueueError> {
        self.engine.retried(|| self.engine.resend(owner, id, now)).await
    }

    async fn outbox_stats(&self) -> Result<OutboxStats, QueueError> {
        Ok(self.engine.retried(|| self.engine.outbox()).await?.0)
    }
}
