//! Outcomes in one SQLite file, which several processes may use at a time.
//!
//! Look-ups have a connection of their own, and wait for no writer.

mod rows;
mod schema;
mod tally;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params,
};
use tokio::sync::Semaphore;

use super::accuracy::OutcomeTallies;
use super::address_key::{AddressDigests, AddressKey};
use super::blocking::blocking;
use super::digest::Digest;
use super::event::AddedEvent;
use super::kind::OutcomeKind;
use super::outcome_table::OutcomeTable;
use super::store_error::OutcomeStoreError;
use super::stored_outcome::{
    LatestOutcomes, NewOutcome, StoredOutcome, VerdictRecord, milliseconds,
};

/// The file of outcomes. Cheap to clone.
#[derive(Clone)]
pub(super) struct SqliteOutcomes(Arc<OutcomeFile>);

struct OutcomeFile {
    path: PathBuf,
    key_file: PathBuf,
    /// The fingerprint of the key.
    fingerprint: Digest,
    reader: Mutex<Connection>,
    writer: Mutex<Connection>,
    /// Lets one domain at a time be counted: each count sorts in memory.
    counting: Arc<Semaphore>,
}

impl SqliteOutcomes {
    /// Opens the file at `path`, and makes it and its key if they are not there.
    ///
    /// # Errors
    ///
    /// If a file cannot be used.
    pub(super) fn open(path: &Path, key_file: Option<&Path>) -> Result<Self, OutcomeStoreError> {
        let beside = || path.with_file_name("outcomes.key");
        let key_file = key_file.map_or_else(beside, Path::to_path_buf);
        // In an empty file nothing was kept under a key.
        let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        if is_new {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .map_err(|error| OutcomeStoreError::of_io(folder, error))?;
            }
        } else {
            // Before anything is written to it, or said of its key.
            ensure_own(path)?;
            if !key_file.exists() {
                let store = path.display().to_string();
                return Err(OutcomeStoreError::NoKey { key: key_file, store });
            }
        }
        // Before anything else, so that no file is ever without its key.
        let key = AddressKey::open(&key_file, is_new)
            .map_err(|error| OutcomeStoreError::of_io(&key_file, error))?;
        if is_new {
            let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
            made.map_err(|error| OutcomeStoreError::of_io(path, error))?;
        }
        let open = || Connection::open(path);
        let opened = open().and_then(|mut writer| {
            let found = schema::prepare(&mut writer)?;
            let reader = open()?;
            schema::configure(&reader)?;
            Ok((found, reader, writer))
        });
        let (found, reader, mut writer) =
            opened.map_err(|error| OutcomeStoreError::of_database(&path.display(), &error))?;
        if found > schema::VERSION {
            let store = path.display().to_string();
            return Err(OutcomeStoreError::Newer { store, found, known: schema::VERSION });
        }
        let fingerprint = schema::fingerprint(&mut writer, key.fingerprint())
            .map_err(|error| OutcomeStoreError::of_database(&path.display(), &error))?;
        let (path, reader, writer) = (path.to_owned(), Mutex::new(reader), Mutex::new(writer));
        let counting = Arc::new(Semaphore::new(1));
        let file = OutcomeFile { path, key_file, fingerprint, reader, writer, counting };
        // Under another key no address is found, and who opted out is written to again.
        file.check(&key)?;
        Ok(Self(Arc::new(file)))
    }

    /// Looks something up, without a wait for writers.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, OutcomeStoreError> {
        work(&self.0.reader.lock()).map_err(|error| self.0.failed(&error))
    }

    /// Does work that is kept whole, or not at all.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutcomeStoreError> {
        let file = Arc::clone(&self.0);
        blocking(move || {
            let mut connection = file.writer.lock();
            let run = || {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let done = work(&transaction)?;
                transaction.commit()?;
                Ok(done)
            };
            run().map_err(|error| file.failed(&error))
        })
        .await?
    }
}

/// Refuses what is no database of outcomes at `path`.
fn ensure_own(path: &Path) -> Result<(), OutcomeStoreError> {
    let is_foreign = Connection::open(path).and_then(|it| schema::is_foreign(&it));
    let code = is_foreign.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
    match is_foreign {
        Ok(false) => Ok(()),
        Ok(true) => Err(OutcomeStoreError::Foreign(path.to_owned())),
        Err(_) if code == Some(ErrorCode::NotADatabase) => {
            Err(OutcomeStoreError::Foreign(path.to_owned()))
        }
        Err(error) => Err(OutcomeStoreError::of_database(&path.display(), &error)),
    }
}

impl OutcomeFile {
    /// Refuses another key than that of the file.
    fn check(&self, key: &AddressKey) -> Result<(), OutcomeStoreError> {
        if key.fingerprint() == self.fingerprint {
            return Ok(());
        }
        let store = self.path.display().to_string();
        Err(OutcomeStoreError::OtherKey { key: self.key_file.clone(), store })
    }

    fn failed(&self, error: &rusqlite::Error) -> OutcomeStoreError {
        OutcomeStoreError::of_database(&self.path.display(), error)
    }
}

#[async_trait]
impl OutcomeTable for SqliteOutcomes {
    async fn key(&self, _may_make: bool) -> Result<Option<AddressKey>, OutcomeStoreError> {
        let file = &self.0.key_file;
        let key =
            AddressKey::open(file, false).map_err(|error| OutcomeStoreError::of_io(file, error))?;
        self.0.check(&key)?;
        Ok(Some(key))
    }

    async fn add(&self, rows: Vec<NewOutcome>) -> Result<Vec<AddedEvent>, OutcomeStoreError> {
        self.write(move |work| {
            let mut added = vec![AddedEvent::NotCounted; rows.len()];
            let pairs = || rows.iter().zip(0..);
            let (proven, open): (Vec<_>, Vec<_>) = pairs().partition(|(row, _)| !row.needs_proof);
            for (NewOutcome { row, needs_proof, earlier }, at) in proven.into_iter().chain(open) {
                if *needs_proof && !is_known(work, row.mailbox)? {
                    continue;
                }
                rows::remove(earlier, work)?;
                let is_new = rows::insert(row, work)?;
                added[at] = if is_new { AddedEvent::Taken } else { AddedEvent::Repeated };
            }
            Ok(added)
        })
        .await
    }

    async fn latest(&self, digests: AddressDigests) -> Result<LatestOutcomes, OutcomeStoreError> {
        self.read(|connection| {
            let mut opted_out = connection.prepare_cached(
                "SELECT * FROM outcomes WHERE person = ? AND kind IN ('complaint', 'unsubscribed')
                 ORDER BY at DESC LIMIT 1",
            )?;
            let opted_out = opted_out.query_row([digests.person], rows::read).optional()?;
            let mut of_kind = connection.prepare_cached(
                "SELECT * FROM outcomes WHERE mailbox = ? AND kind = ? ORDER BY at DESC LIMIT 1",
            )?;
            let mut latest = |kind: OutcomeKind| {
                of_kind.query_row(params![digests.mailbox, kind.name()], rows::read).optional()
            };
            let gone = latest(OutcomeKind::Gone)?;
            Ok(LatestOutcomes { opted_out, gone, delivered: latest(OutcomeKind::Delivered)? })
        })
    }

    async fn count(
        &self,
        domain: &str,
        since: SystemTime,
    ) -> Result<Vec<(OutcomeKind, u64)>, OutcomeStoreError> {
        let (file, domain) = (Arc::clone(&self.0), domain.to_owned());
        let turn = Arc::clone(&file.counting).acquire_owned().await;
        let turn = turn.map_err(|_| OutcomeStoreError::Stopped)?;
        let count = move || {
            let counted = tally::count_domain(&file.path, &domain, since, tally::MOST_COUNTED);
            // Not before: a caller who hangs up does not end the count.
            drop(turn);
            counted.map_err(|error| file.failed(&error))
        };
        blocking(count).await?
    }

    async fn page(
        &self,
        after: Option<(SystemTime, Digest)>,
        limit: usize,
    ) -> Result<Vec<StoredOutcome>, OutcomeStoreError> {
        let table = self.clone();
        blocking(move || {
            table.read(|connection| {
                let (at, id) = after.map_or((-1, Vec::new()), |(at, id)| {
                    (milliseconds(at), id.as_bytes().to_vec())
                });
                let mut page = connection.prepare_cached(
                    "SELECT * FROM outcomes WHERE (at, id) > (?, ?) ORDER BY at, id LIMIT ?",
                )?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                page.query_map(params![at, id, limit], rows::read)?.collect()
            })
        })
        .await?
    }

    async fn erase(&self, digests: AddressDigests) -> Result<u64, OutcomeStoreError> {
        let AddressDigests { mailbox, person } = digests;
        self.write(move |work| {
            let of_theirs = |table: &str| {
                let sql = format!("DELETE FROM {table} WHERE mailbox = ? OR person = ?");
                work.execute(&sql, [mailbox, person])
            };
            Ok(count(of_theirs("outcomes")?) + count(of_theirs("verdicts")?))
        })
        .await
    }

    async fn forget_before(&self, time: SystemTime) -> Result<u64, OutcomeStoreError> {
        self.write(move |work| {
            work.execute("DELETE FROM verdicts WHERE at < ?", [milliseconds(time)])?;
            let removed = work.execute(
                "DELETE FROM outcomes WHERE at < ? AND kind NOT IN ('complaint', 'unsubscribed')",
                [milliseconds(time)],
            )?;
            Ok(count(removed))
        })
        .await
    }

    async fn remember(
        &self,
        send: &str,
        verdicts: Vec<VerdictRecord>,
        at: SystemTime,
    ) -> Result<(), OutcomeStoreError> {
        let send = send.to_owned();
        self.write(move |work| {
            let mut insert = work.prepare_cached(
                "INSERT OR REPLACE INTO verdicts
                     (mailbox, at, send, person, provider, reason, gathered)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?;
            for VerdictRecord { mailbox, person, provider, reason, gathered_at } in verdicts {
                insert.execute(params![
                    mailbox,
                    milliseconds(at),
                    send,
                    person,
                    provider,
                    reason.name(),
                    milliseconds(gathered_at),
                ])?;
            }
            Ok(())
        })
        .await
    }

    async fn forget_verdicts(&self, before: SystemTime) -> Result<(), OutcomeStoreError> {
        let before = milliseconds(before);
        self.write(move |work| work.execute("DELETE FROM verdicts WHERE at < ?", [before])).await?;
        Ok(())
    }

    async fn tallies(&self) -> Result<OutcomeTallies, OutcomeStoreError> {
        let file = Arc::clone(&self.0);
        blocking(move || tally::count(&file.path).map_err(|error| file.failed(&error))).await?
    }
}

/// `true` if the operator's own sources, or lists that were vetted, name the address.
fn is_known(work: &Transaction<'_>, mailbox: Digest) -> rusqlite::Result<bool> {
    let mut known = work.prepare_cached(
        "SELECT 1 FROM outcomes WHERE mailbox = ?1 AND source <> 'bounce'
         UNION ALL SELECT 1 FROM verdicts WHERE mailbox = ?1 LIMIT 1",
    )?;
    known.exists([mailbox])
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
