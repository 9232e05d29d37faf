//! The outbox in the catalog: the end of a batch and its notification are one transaction there.

use std::time::SystemTime;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use super::time::{ceiling, floor, time};
use super::{SqliteQueue, schema};
use crate::batch::queue::{
    NextTry, Notification, NotificationId, NotificationState, Outbox, OutboxStats, QueueError,
    TryReport, notification,
};
use crate::campaign::callback::BatchEvent;
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;

/// The table; older programs pass over it. `held`: when one that was taken out was due.
pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS outbox (
        id TEXT PRIMARY KEY,
        batch TEXT NOT NULL,
        owner TEXT NOT NULL,
        url TEXT NOT NULL,
        event TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        state TEXT NOT NULL,
        tries INTEGER NOT NULL,
        due_at INTEGER,
        held INTEGER,
        result TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due_at) WHERE due_at IS NOT NULL;
    CREATE INDEX IF NOT EXISTS outbox_owners ON outbox (owner, id);
    CREATE INDEX IF NOT EXISTS outbox_batches ON outbox (batch);
    UPDATE outbox SET due_at = held, held = NULL WHERE held IS NOT NULL;
";

const COLUMNS: &str = "id, batch, owner, url, event, created_at, state, tries, due_at, result";

/// Puts the notification about `batch` as it stands since `now` in, if there is to be one; one that
/// is there stays.
pub(super) fn insert(
    connection: &Connection,
    batch: &Batch,
    now: SystemTime,
) -> Result<(), StoreError> {
    let Some(new) = notification(batch, now) else { return Ok(()) };
    let newest: Option<String> = connection
        .prepare_cached(
            "SELECT state FROM outbox WHERE owner = ?1 AND url = ?2 ORDER BY id DESC LIMIT 1",
        )?
        .query_row([&new.owner, &new.url], |row| row.get(0))
        .optional()?;
    let off = NotificationState::SwitchedOff.name();
    let is_off = newest.as_deref() == Some(off);
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO outbox
                 (id, batch, owner, url, event, created_at, state, tries, due_at, result)
             VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, '')",
        )?
        .execute(params![
            new.id.as_str(),
            new.batch.as_str(),
            new.owner,
            new.url,
            new.event.name(),
            floor(new.created_at),
            if is_off { off } else { new.state.name() },
            new.due_at.filter(|_| !is_off).map(floor),
        ])?;
    Ok(())
}

/// Takes the notifications about a batch out.
pub(super) fn remove(connection: &Connection, batch: &BatchId) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM outbox WHERE batch = ?", [batch.as_str()]).map(drop)
}

fn claim(
    connection: &Connection,
    limit: usize,
    until: SystemTime,
    now: SystemTime,
) -> Result<Vec<Notification>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE due_at IS NOT NULL AND due_at <= ?1
         ORDER BY due_at, id LIMIT ?2"
    );
    let claimed = many(connection, &sql, params![floor(now), schema::limit(limit)])?;
    let change = connection.unchecked_transaction()?;
    for notification in &claimed {
        change
            .prepare_cached("UPDATE outbox SET held = due_at, due_at = ?2 WHERE id = ?1")?
            .execute(params![notification.id.as_str(), ceiling(until)])?;
    }
    change.commit()?;
    Ok(claimed)
}

fn report(
    connection: &Connection,
    id: &NotificationId,
    report: &TryReport,
) -> Result<(), StoreError> {
    let (state, due_at) = report.next.standing();
    let change = connection.unchecked_transaction()?;
    change
        .prepare_cached(
            "UPDATE outbox SET state = ?2, due_at = ?3, held = NULL, result = ?4, tries = tries + 1
             WHERE id = ?1",
        )?
        .execute(params![id.as_str(), state.name(), due_at.map(ceiling), report.result])?;
    if report.next == NextTry::SwitchedOff {
        change.execute(
            "UPDATE outbox SET state = 'switched_off', due_at = NULL, held = NULL
             WHERE due_at IS NOT NULL
                 AND (owner, url) = (SELECT owner, url FROM outbox WHERE id = ?1)",
            [id.as_str()],
        )?;
    }
    change.commit()?;
    Ok(())
}

fn resend(
    connection: &Connection,
    owner: &str,
    id: &NotificationId,
    now: SystemTime,
) -> Result<Option<Notification>, StoreError> {
    let change = connection.unchecked_transaction()?;
    change.execute(
        "UPDATE outbox SET state = 'given_up'
         WHERE state = 'switched_off'
             AND (owner, url) = (SELECT owner, url FROM outbox WHERE owner = ?1 AND id = ?2)",
        [owner, id.as_str()],
    )?;
    change.execute(
        "UPDATE outbox SET state = 'pending', due_at = ?3, held = NULL, tries = 0
         WHERE owner = ?1 AND id = ?2",
        params![owner, id.as_str(), floor(now)],
    )?;
    change.commit()?;
    let sql = format!("SELECT {COLUMNS} FROM outbox WHERE owner = ?1 AND id = ?2");
    Ok(many(connection, &sql, [owner, id.as_str()])?.pop())
}

fn many(
    connection: &Connection,
    sql: &str,
    given: impl rusqlite::Params,
) -> Result<Vec<Notification>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(given, |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<Notification, StoreError> {
    const UNKNOWN: StoreError = StoreError::Unexpected("the outbox holds what is no notification");
    let text = |column: usize| row.get::<_, String>(column);
    Ok(Notification {
        id: NotificationId::from_text(&text(0)?),
        batch: BatchId::parse(&text(1)?).ok_or(UNKNOWN)?,
        owner: text(2)?,
        url: text(3)?,
        event: BatchEvent::parse(&text(4)?).ok_or(UNKNOWN)?,
        created_at: time(row.get(5)?),
        state: NotificationState::parse(&text(6)?).ok_or(UNKNOWN)?,
        tries: row.get(7)?,
        due_at: row.get::<_, Option<i64>>(8)?.map(time),
        result: text(9)?,
    })
}

#[async_trait]
impl Outbox for SqliteQueue {
    async fn claim_notifications(
        &self,
        limit: usize,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Notification>, QueueError> {
        self.read(move |shared| claim(shared.catalog().connection(), limit, until, now)).await
    }

    async fn report_try(&self, id: &NotificationId, reported: TryReport) -> Result<(), QueueError> {
        let id = id.clone();
        self.read(move |shared| report(shared.catalog().connection(), &id, &reported)).await
    }

    async fn next_notification(&self) -> Result<Option<SystemTime>, QueueError> {
        self.read(|shared| {
            let sql = "SELECT min(due_at) FROM outbox WHERE due_at IS NOT NULL";
            let catalog = shared.catalog();
            let due: Option<i64> = catalog.connection().query_row(sql, [], |row| row.get(0))?;
            Ok(due.map(time))
        })
        .await
    }

    async fn notifications(
        &self,
        owner: &str,
        before: Option<&NotificationId>,
        limit: usize,
    ) -> Result<Vec<Notification>, QueueError> {
        let (owner, before) = (owner.to_owned(), before.cloned());
        self.read(move |shared| {
            let sql = format!(
                "SELECT {COLUMNS} FROM outbox WHERE owner = ?1 AND id < ?2
                 ORDER BY id DESC LIMIT ?3"
            );
            let before = before.as_ref().map_or("~", NotificationId::as_str);
            many(shared.catalog().connection(), &sql, params![owner, before, schema::limit(limit)])
        })
        .await
    }

    async fn resend_notification(
        &self,
        owner: &str,
        id: &NotificationId,
        now: SystemTime,
    ) -> Result<Option<Notification>, QueueError> {
        let (owner, id) = (owner.to_owned(), id.clone());
        self.read(move |shared| resend(shared.catalog().connection(), &owner, &id, now)).await
    }

    async fn outbox_stats(&self) -> Result<OutboxStats, QueueError> {
        self.read(|shared| {
            let sql = "SELECT count(*), min(created_at) FROM outbox WHERE due_at IS NOT NULL";
            let catalog = shared.catalog();
            let (pending, oldest): (i64, Option<i64>) =
                catalog.connection().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(OutboxStats { pending: pending.unsigned_abs(), oldest: oldest.map(time) })
        })
        .await
    }
}
