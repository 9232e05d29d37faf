//! Evidence that several services share in a PostgreSQL database: what mailboxes and domains have
//! shown one of them, none of the others asks again.
//!
//! No address stands there: an entry is found by a keyed hash of what it is about, and its content
//! is sealed under a key that only those can make who ask about the same. Look-ups that wait are
//! one question; none waits for longer than the configuration says, and while the database is away
//! nobody waits at all. What is to be kept waits in a bounded queue, and what finds no place in it
//! is lost.

mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use tokio::sync::mpsc;

use super::super::address_key::AddressKey;
use super::super::digest::Digest;
use super::super::store_error::OutcomeStoreError;
use super::super::stored_outcome::{milliseconds, time};
use super::evidence_days;
use super::evidence_seal::{open, seal};
use super::lookups::LookupGroup;
use super::rows::digest;
use crate::batch::StoreConfig;
use crate::batch::postgres::{DatabaseFault, DatabaseTarget};
use crate::cache::{Lifespan, SecondLevel, SharedAnswer, SharedKind};

pub use writer::EvidenceWriter;

/// Connections: one for look-ups, one for what is kept.
const CONNECTIONS: usize = 2;

/// Entries that wait to be kept.
const WAITING: usize = 8192;

/// The largest content that is kept: servers say more than is worth sharing.
const LARGEST: usize = 16 * 1024;

/// Look-ups in a row that took too long, after which the database is taken to be away: a connection
/// that takes longer than a look-up may would else never be made.
const LATE: u32 = 3;

/// An entry of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EvidenceRow {
    pub(super) key: Digest,
    pub(super) gathered: i64,
    pub(super) until: i64,
    pub(super) body: Vec<u8>,
}

/// Evidence in a database.
pub struct PostgresEvidence {
    pool: Pool,
    key: AddressKey,
    /// Longest time that a look-up may take.
    limit: Duration,
    lookups: LookupGroup<Digest, Option<EvidenceRow>>,
    waiting: mpsc::Sender<EvidenceRow>,
    /// Look-ups in a row that took too long.
    late: AtomicU32,
    /// The database was away at the last question, and has not been back since.
    is_away: AtomicBool,
}

impl PostgresEvidence {
    /// Opens the database, and makes the tables if there are none. A `key_file` that is there holds
    /// the secret; else the database has one. What is kept is written by what comes with it.
    ///
    /// # Errors
    ///
    /// If the database or the file cannot be used.
    pub async fn open(
        store: &StoreConfig,
        key_file: Option<&Path>,
    ) -> Result<(Arc<Self>, EvidenceWriter), OutcomeStoreError> {
        let target = DatabaseTarget::read(store)?;
        let (pool, place) = (target.pool(CONNECTIONS)?, target.place().to_owned());
        let failed = |fault: DatabaseFault| OutcomeStoreError::Database {
            store: place.clone(),
            reason: fault.to_string(),
        };
        let mut client = pool.get().await.map_err(|error| failed(error.into()))?;
        let secret = evidence_days::prepare(&mut client).await.map_err(failed)?;
        drop(client);
        let key = match key_file.filter(|file| file.exists()) {
            Some(file) => AddressKey::open(file, false)
                .map_err(|error| OutcomeStoreError::of_io(file, error))?,
            None => {
                let secret = secret.as_slice().try_into();
                AddressKey::new(secret.map_err(|_| OutcomeStoreError::Stopped)?)
            }
        };
        let (waiting, rows) = mpsc::channel(WAITING);
        let evidence = Arc::new(Self {
            pool,
            key,
            limit: store.recall_timeout,
            lookups: LookupGroup::default(),
            waiting,
            late: AtomicU32::new(0),
            is_away: AtomicBool::new(false),
        });
        let writer = EvidenceWriter::new(Arc::clone(&evidence), rows);
        Ok((evidence, writer))
    }

    pub(super) async fn client(&self) -> Result<Object, DatabaseFault> {
        Ok(self.pool.get().await?)
    }

    /// Asks nothing any more until the database has answered.
    pub(super) fn note(&self, is_away: bool) {
        if self.is_away.swap(is_away, Ordering::Relaxed) != is_away {
            let words = if is_away {
                "the database is away: what other services know is not looked up"
            } else {
                "what other services know is looked up again"
            };
            tracing::info!("{words}");
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    fn digest(&self, kind: SharedKind, name: &str) -> Digest {
        self.key.digest("evidence", &[kind.name(), name])
    }

    /// Answers several look-ups in their order, by one question.
    async fn ask(&self, asked: &[Digest]) -> Result<Vec<Option<EvidenceRow>>, DatabaseFault> {
        let keys: Vec<&[u8]> = asked.iter().map(Digest::as_bytes).collect();
        let client = self.client().await?;
        let sql = "SELECT key, gathered, until, body FROM mailvet.evidence
                   WHERE key = ANY($1) ORDER BY gathered";
        let statement = client.prepare_cached(sql).await?;
        let mut found = vec![None; asked.len()];
        for row in client.query(&statement, &[&keys]).await? {
            let key = digest(&row, 0);
            let row =
                EvidenceRow { key, gathered: row.get(1), until: row.get(2), body: row.get(3) };
            // The latest word counts.
            for (_, place) in asked.iter().zip(&mut found).filter(|(asked, _)| **asked == key) {
                *place = Some(row.clone());
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl SecondLevel for PostgresEvidence {
    async fn recall(&self, kind: SharedKind, name: &str) -> Option<SharedAnswer> {
        if self.is_away() {
            return None;
        }
        let ask = async |asked: Vec<Digest>| {
            self.ask(&asked).await.map_err(|fault| {
                self.note(true);
                fault.to_string()
            })
        };
        let found = self.lookups.look_up(self.digest(kind, name), ask);
        let Ok(found) = tokio::time::timeout(self.limit, found).await else {
            if self.late.fetch_add(1, Ordering::Relaxed) + 1 >= LATE {
                self.note(true);
            }
            return None;
        };
        self.late.store(0, Ordering::Relaxed);
        let row = found.ok()??;
        let body = open(&self.key.sealing_key(kind.name(), name), &row.body)?;
        let lifespan = Lifespan { gathered_at: time(row.gathered), valid_until: time(row.until) };
        Some(SharedAnswer { lifespan, body })
    }

    fn keep(&self, kind: SharedKind, name: &str, answer: SharedAnswer) {
        let Ok(place) = self.waiting.try_reserve() else { return };
        if answer.body.len() > LARGEST || self.is_away() {
            return;
        }
        let sealed = seal(&self.key.sealing_key(kind.name(), name), answer.body);
        let Lifespan { gathered_at, valid_until } = answer.lifespan;
        if let Some(body) = sealed {
            let key = self.digest(kind, name);
            place.send(EvidenceRow {
                key,
                gathered: milliseconds(gathered_at),
                until: milliseconds(valid_until),
                body,
            });
        }
    }
}

#[cfg(test)]
#[cfg(feature = "external-tests")]
mod tests;
