//! Outcomes in the PostgreSQL database that several services share: all of them suppress alike.
//!
//! Connections are their own, so that a look-up waits for no batch. The key is in the database too,
//! unless the configuration names a file for it: then the database holds its fingerprint, and a
//! process with another key is refused.

mod evidence;
mod evidence_days;
mod evidence_seal;
mod key;
mod lookups;
mod rows;
mod schema;
mod tally;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use tokio_postgres::{IsolationLevel, Row};

use super::accuracy::OutcomeTallies;
use super::address_key::{AddressDigests, AddressKey};
use super::digest::Digest;
use super::event::AddedEvent;
use super::kind::OutcomeKind;
use super::outcome_table::OutcomeTable;
use super::store_error::OutcomeStoreError;
use super::stored_outcome::{
    LatestOutcomes, NewOutcome, StoredOutcome, VerdictRecord, milliseconds, unsigned,
};
use crate::batch::StoreConfig;
use crate::batch::postgres::{DatabaseFault, DatabaseTarget, WHOLE_TABLES};
use lookups::LookupGroup;

pub use evidence::{EvidenceWriter, PostgresEvidence};

/// Connections at most: one for look-ups, the others for what is kept and counted.
const CONNECTIONS: usize = 3;

/// Time that a look-up on the way of a verdict may take, with all attempts.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Rows that one statement removes: no statement may take longer than the session allows.
const STEP: i64 = 10_000;

/// Attempts at what failed for the moment, and the pause before each further one.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);

/// The outcomes in a database.
pub(super) struct PostgresOutcomes {
    pool: Pool,
    /// The database, as errors name it.
    place: String,
    key_file: Option<PathBuf>,
    lookups: LookupGroup<AddressDigests, LatestOutcomes>,
}

impl PostgresOutcomes {
    /// Opens the database, and makes the tables if there are none.
    ///
    /// # Errors
    ///
    /// If it cannot be used.
    pub(super) async fn open(
        store: &StoreConfig,
        key_file: Option<PathBuf>,
    ) -> Result<Self, OutcomeStoreError> {
        let target = DatabaseTarget::read(store)?;
        let (pool, place) = (target.pool(CONNECTIONS)?, target.place().to_owned());
        let opened = Self { pool, place, key_file, lookups: LookupGroup::default() };
        let readable_from = opened
            .retried(|| async { Ok(schema::prepare(&mut *opened.client().await?).await?) })
            .await?;
        if readable_from > schema::VERSION {
            let (found, known) = (readable_from.into(), schema::VERSION.into());
            return Err(OutcomeStoreError::Newer { store: opened.place, found, known });
        }
        Ok(opened)
    }

    async fn client(&self) -> Result<Object, DatabaseFault> {
        Ok(self.pool.get().await?)
    }

    /// Tries again what failed for the moment: a lost connection, a server that hands over.
    async fn retried<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, OutcomeStoreError>
    where
        F: Future<Output = Result<T, DatabaseFault>>,
    {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match attempt().await {
                Err(fault) if fault.is_transient() && left > 0 => {
                    if fault.is_of_a_standby() {
                        // New connections find the one that takes writes.
                        self.pool.retain(|_, _| false);
                    }
                    tokio::time::sleep(PAUSE * (ATTEMPTS - left)).await;
                }
                other => return other.map_err(|fault| self.failed(&fault.to_string())),
            }
        }
    }

    fn failed(&self, reason: &str) -> OutcomeStoreError {
        OutcomeStoreError::Database { store: self.place.clone(), reason: reason.to_owned() }
    }

    /// Answers several look-ups in their order, by one question.
    async fn ask(&self, asked: &[AddressDigests]) -> Result<Vec<LatestOutcomes>, DatabaseFault> {
        let sql = format!(
            "SELECT {columns}, asked.n FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (mailbox, n)
             CROSS JOIN (VALUES ('gone'), ('delivered')) AS wanted (kind)
             CROSS JOIN LATERAL (SELECT * FROM mailvet.outcomes l
                 WHERE l.mailbox = asked.mailbox AND l.kind = wanted.kind
                 ORDER BY l.at DESC LIMIT 1) AS o
             UNION ALL
             SELECT {columns}, asked.n FROM unnest($2::bytea[]) WITH ORDINALITY AS asked (person, n)
             CROSS JOIN LATERAL (SELECT * FROM mailvet.outcomes l
                 WHERE l.person = asked.person AND l.kind IN ('complaint', 'unsubscribed')
                 ORDER BY l.at DESC LIMIT 1) AS o",
            columns = rows::COLUMNS,
        );
        let mailboxes: Vec<&[u8]> = asked.iter().map(|it| it.mailbox.as_bytes()).collect();
        let persons: Vec<&[u8]> = asked.iter().map(|it| it.person.as_bytes()).collect();
        let client = self.client().await?;
        let statement = client.prepare_cached(&sql).await?;
        let mut found = vec![LatestOutcomes::default(); asked.len()];
        for row in client.query(&statement, &[&mailboxes, &persons]).await? {
            let place = usize::try_from(row.get::<_, i64>(9) - 1).unwrap_or(usize::MAX);
            let Some(latest) = found.get_mut(place) else { continue };
            let outcome = rows::read(&row);
            match outcome.kind {
                OutcomeKind::Gone => latest.gone = Some(outcome),
                OutcomeKind::Delivered => latest.delivered = Some(outcome),
                _ => latest.opted_out = Some(outcome),
            }
        }
        Ok(found)
    }

    async fn keep(&self, rows: &[NewOutcome]) -> Result<Vec<AddedEvent>, DatabaseFault> {
        let mut client = self.client().await?;
        let work = client.transaction().await?;
        let (proven, open): (Vec<&NewOutcome>, _) = rows.iter().partition(|row| !row.needs_proof);
        rows::remove_earlier(&work, &proven).await?;
        let mut new = rows::insert(&work, &proven).await?;
        let known = rows::known(&work, &open).await?;
        let believed: Vec<&NewOutcome> =
            open.into_iter().filter(|it| known.contains(&it.row.mailbox)).collect();
        rows::remove_earlier(&work, &believed).await?;
        new.extend(rows::insert(&work, &believed).await?);
        work.commit().await?;
        let added = rows.iter().map(|NewOutcome { row, needs_proof, .. }| match *needs_proof {
            true if !known.contains(&row.mailbox) => AddedEvent::NotCounted,
            // The first of several with one hash is the one that was kept.
            _ if new.remove(&row.id) => AddedEvent::Taken,
            _ => AddedEvent::Repeated,
        });
        Ok(added.collect())
    }

    async fn execute(
        &self,
        sql: &str,
        given: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<u64, DatabaseFault> {
        Ok(self.client().await?.execute(sql, given).await?)
    }
}

#[async_trait]
impl OutcomeTable for PostgresOutcomes {
    async fn key(&self, may_make: bool) -> Result<Option<AddressKey>, OutcomeStoreError> {
        let row = self.retried(|| async { key::read(&self.client().await?).await });
        let row = tokio::time::timeout(LOOK_UP, row).await.map_err(|_| self.failed(LATE))??;
        if let Some(row) = row {
            return row.open(self.key_file.as_deref(), &self.place).map(Some);
        }
        if !may_make {
            return Ok(None);
        }
        let made = key::KeyRow::make(self.key_file.as_deref())?;
        let keep = || async { key::insert(&self.client().await?, &made).await };
        // Another process may have been first: its key counts.
        let kept = self.retried(keep).await?;
        kept.open(self.key_file.as_deref(), &self.place).map(Some)
    }

    async fn add(&self, rows: Vec<NewOutcome>) -> Result<Vec<AddedEvent>, OutcomeStoreError> {
        self.retried(|| self.keep(&rows)).await
    }

    async fn latest(&self, digests: AddressDigests) -> Result<LatestOutcomes, OutcomeStoreError> {
        let ask = async |asked: Vec<AddressDigests>| {
            let asking = self.retried(|| self.ask(&asked));
            let answer = tokio::time::timeout(LOOK_UP, asking).await;
            answer.unwrap_or_else(|_| Err(self.failed(LATE))).map_err(|error| error.to_string())
        };
        let found = self.lookups.look_up(digests, ask).await;
        // The reason names the database already.
        found.map_err(OutcomeStoreError::LookUp)
    }

    async fn count(
        &self,
        domain: &str,
        since: SystemTime,
    ) -> Result<Vec<(OutcomeKind, u64)>, OutcomeStoreError> {
        // As in the file: several sources tell of one mail.
        let sql = "SELECT kind, sum(most)::bigint FROM (
                       SELECT kind, max(told) AS most FROM (
                           SELECT kind, mailbox, at / 86400000 AS day, count(*) AS told
                           FROM mailvet.outcomes WHERE domain = $1 AND at > $2
                           GROUP BY kind, mailbox, day, source) AS sources
                       GROUP BY kind, mailbox, day) AS mails
                   GROUP BY kind";
        let since = milliseconds(since);
        let asking = self.retried(|| async {
            let client = self.client().await?;
            let statement = client.prepare_cached(sql).await?;
            Ok(client.query(&statement, &[&domain, &since]).await?)
        });
        let rows = tokio::time::timeout(LOOK_UP, asking).await.map_err(|_| self.failed(LATE))??;
        let read = |row: &Row| {
            let kind = OutcomeKind::from_name(row.get(0)).unwrap_or(OutcomeKind::Unknown);
            (kind, unsigned(row.get(1)))
        };
        Ok(rows.iter().map(read).collect())
    }

    async fn page(
        &self,
        after: Option<(SystemTime, Digest)>,
        limit: usize,
    ) -> Result<Vec<StoredOutcome>, OutcomeStoreError> {
        let sql = format!(
            "SELECT {} FROM mailvet.outcomes o WHERE (o.at, o.id) > ($1, $2)
             ORDER BY o.at, o.id LIMIT $3",
            rows::COLUMNS
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (at, id) =
            after.map_or((-1, Vec::new()), |(at, id)| (milliseconds(at), id.as_bytes().to_vec()));
        let page = || async { Ok(self.client().await?.query(&sql, &[&at, &id, &limit]).await?) };
        Ok(self.retried(page).await?.iter().map(rows::read).collect())
    }

    async fn erase(&self, digests: AddressDigests) -> Result<u64, OutcomeStoreError> {
        let sql =
            |table: &str| format!("DELETE FROM mailvet.{table} WHERE mailbox = $1 OR person = $2");
        let (mailbox, person) = (digests.mailbox.as_bytes(), digests.person.as_bytes());
        self.retried(|| async {
            let mut client = self.client().await?;
            let work = client.transaction().await?;
            // No index finds all of a person, who is rarely asked for: it reads everything.
            work.batch_execute(&patient()).await?;
            let mut removed = 0;
            for table in ["outcomes", "verdicts"] {
                removed += work.execute(sql(table).as_str(), &[&mailbox, &person]).await?;
            }
            work.commit().await?;
            Ok(removed)
        })
        .await
    }

    async fn forget_before(&self, time: SystemTime) -> Result<u64, OutcomeStoreError> {
        self.forget_verdicts(time).await?;
        let sql = "DELETE FROM mailvet.outcomes WHERE ctid = ANY (ARRAY (
                       SELECT ctid FROM mailvet.outcomes
                       WHERE at >= $1 AND at < $2 AND kind NOT IN ('complaint', 'unsubscribed')
                       ORDER BY at LIMIT $3)) RETURNING at";
        let (time, step) = (milliseconds(time), STEP);
        let (mut from, mut removed) = (i64::MIN, 0);
        loop {
            let remove =
                || async { Ok(self.client().await?.query(sql, &[&from, &time, &step]).await?) };
            let rows = self.retried(remove).await?;
            removed += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            // What stays is not walked over again.
            let Some(last) = rows.iter().map(|row| row.get::<_, i64>(0)).max() else {
                return Ok(removed);
            };
            from = last;
        }
    }

    async fn remember(
        &self,
        send: &str,
        verdicts: Vec<VerdictRecord>,
        at: SystemTime,
    ) -> Result<(), OutcomeStoreError> {
        let at = milliseconds(at);
        self.retried(|| async {
            let mut client = self.client().await?;
            let work = client.transaction().await?;
            rows::remember(&work, send, &verdicts, at).await?;
            Ok(work.commit().await?)
        })
        .await
    }

    async fn forget_verdicts(&self, before: SystemTime) -> Result<(), OutcomeStoreError> {
        let (before, step) = (milliseconds(before), STEP);
        let sql = "DELETE FROM mailvet.verdicts WHERE ctid = ANY (ARRAY (
                       SELECT ctid FROM mailvet.verdicts WHERE at < $1 LIMIT $2))";
        let remove = || async { self.execute(sql, &[&before, &step]).await };
        while self.retried(remove).await? > 0 {}
        Ok(())
    }

    async fn tallies(&self) -> Result<OutcomeTallies, OutcomeStoreError> {
        self.retried(|| async {
            let mut client = self.client().await?;
            let view = client
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true)
                .start()
                .await?;
            // It reads everything, and nobody waits for it.
            view.batch_execute(&patient()).await?;
            Ok(tally::count(&view).await?)
        })
        .await
    }
}

/// The settings of a transaction that reads whole tables and takes its time.
fn patient() -> String {
    format!("{WHOLE_TABLES} SET LOCAL statement_timeout = '15min'")
}

/// The words for a look-up that took too long.
const LATE: &str = "it does not answer in time";
