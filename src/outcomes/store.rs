//! The store: outcomes in one SQLite file, found by keyed hashes of addresses.
//!
//! Several processes may use the file at a time. The same event is kept once. The words of servers
//! are kept without local parts; the address itself only if the operator says so.

mod record;
mod schema;
mod verdicts;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::address_key::{AddressDigests, AddressKey};
use super::config::Config;
use super::event::{AddedEvent, EventProof, OutcomeEvent};
use super::kind::OutcomeKind;
use super::store_error::OutcomeStoreError;
use crate::address::{Address, Identity, irregular, redact};
use crate::verifier::DomainMail;
pub use record::StoredOutcome;
use record::{milliseconds, unsigned};

/// The store of outcomes. Its calls wait for a disk.
pub struct OutcomeStore {
    connection: Mutex<Connection>,
    key: AddressKey,
    path: PathBuf,
    keep_addresses: bool,
    suppress_gone: Duration,
    keep_verdicts: Duration,
}

impl OutcomeStore {
    /// Opens the file at `path`, and makes it and its key if they are not there.
    ///
    /// # Errors
    ///
    /// If a file cannot be used; the message says what to do.
    pub fn open(path: &Path, config: &Config) -> Result<Self, OutcomeStoreError> {
        let key_file = path.with_file_name("outcomes.key");
        let is_new = !path.exists();
        if is_new {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .map_err(|error| OutcomeStoreError::of_io(folder, error))?;
            }
            let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
            made.map_err(|error| OutcomeStoreError::of_io(path, error))?;
        } else if !key_file.exists() {
            return Err(OutcomeStoreError::NoKey { key: key_file, store: path.to_owned() });
        }
        let key = AddressKey::open(&key_file, is_new)
            .map_err(|error| OutcomeStoreError::of_io(&key_file, error))?;
        let store = Self {
            connection: Mutex::new(Connection::open(path).map_err(|e| database(path, &e))?),
            key,
            path: path.to_owned(),
            keep_addresses: config.keep_addresses,
            suppress_gone: config.suppress_gone,
            keep_verdicts: config.keep_verdicts,
        };
        store.prepare()?;
        Ok(store)
    }

    fn prepare(&self) -> Result<(), OutcomeStoreError> {
        let found = self.run(schema::prepare)?;
        if found > schema::VERSION {
            let path = self.path.clone();
            return Err(OutcomeStoreError::Newer { path, found, known: schema::VERSION });
        }
        Ok(())
    }

    fn run<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, OutcomeStoreError> {
        work(&mut self.connection.lock()).map_err(|error| database(&self.path, &error))
    }

    /// Does work that is kept whole, or not at all.
    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, OutcomeStoreError> {
        self.run(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    /// Keeps these events, all or none, and tells the fate of each. `trusted`: bounces count
    /// without a proof.
    ///
    /// # Errors
    ///
    /// If the disk fails; nothing is kept then.
    pub fn add(
        &self,
        events: &[OutcomeEvent],
        trusted: bool,
        now: SystemTime,
    ) -> Result<Vec<AddedEvent>, OutcomeStoreError> {
        self.write(|work| {
            events.iter().map(|event| self.add_one(work, event, trusted, now)).collect()
        })
    }

    fn add_one(
        &self,
        work: &Transaction<'_>,
        event: &OutcomeEvent,
        trusted: bool,
        now: SystemTime,
    ) -> rusqlite::Result<AddedEvent> {
        let Ok((address, _)) = irregular::parse(&event.address) else {
            return Ok(AddedEvent::NoAddress);
        };
        let identity = address.identity();
        let digests = self.key.digests(&identity);
        if !trusted && !self.is_proven(work, event, &identity, &digests)? {
            return Ok(AddedEvent::NotCounted);
        }
        let at = event.at.unwrap_or(now).min(now);
        let words = redact::text(&event.words);
        let mailbox = &identity.mailbox;
        // As the source says it, so that a time ahead of ours is the same one tomorrow.
        let stamp = event.at.map(|at| milliseconds(at).to_string()).unwrap_or_default();
        let id = match &event.event_id {
            Some(id) => self.key.digest("event", &[event.source, id, mailbox, event.kind.name()]),
            // Without a name, events of the same time and words are one.
            None => {
                let parts = [event.source, "", mailbox, event.kind.name(), &stamp, &words];
                self.key.digest("event", &parts)
            }
        };
        let outcome = StoredOutcome {
            id,
            mailbox: digests.mailbox,
            person: digests.person,
            domain: domain(&address),
            kind: event.kind,
            at,
            source: event.source.to_owned(),
            words,
            address: self.keep_addresses.then(|| address.wire_utf8()),
        };
        let is_new = outcome.insert(work)?;
        Ok(if is_new { AddedEvent::Taken } else { AddedEvent::Repeated })
    }

    /// `true` for the operator's own sources, and for mails with a token of ours, or about an
    /// address that those sources or the operator's lists know.
    fn is_proven(
        &self,
        work: &Transaction<'_>,
        event: &OutcomeEvent,
        identity: &Identity,
        digests: &AddressDigests,
    ) -> rusqlite::Result<bool> {
        let EventProof::Mail(sent_to) = &event.proof else { return Ok(true) };
        let token = self.key.token(identity);
        if sent_to.iter().any(|it| it.to_ascii_lowercase().contains(&token)) {
            return Ok(true);
        }
        let mut known = work.prepare_cached(
            "SELECT 1 FROM outcomes WHERE mailbox = ?1 AND source <> 'bounce'
             UNION ALL SELECT 1 FROM verdicts WHERE mailbox = ?1 LIMIT 1",
        )?;
        known.exists([digests.mailbox])
    }

    /// The outcome for which an address is not to be written to, or asked about, at `now`: a
    /// complaint or an unsubscription for good; a bounce as gone for the configured time, unless
    /// mail has arrived since.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn suppression(
        &self,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<Option<StoredOutcome>, OutcomeStoreError> {
        let digests = self.key.digests(identity);
        let since = now.checked_sub(self.suppress_gone).unwrap_or(SystemTime::UNIX_EPOCH);
        self.run(|connection| {
            let mut opted_out = connection.prepare_cached(
                "SELECT * FROM outcomes WHERE person = ? AND kind IN ('complaint', 'unsubscribed')
                 ORDER BY at DESC LIMIT 1",
            )?;
            if let Some(found) =
                opted_out.query_row([digests.person], StoredOutcome::read).optional()?
            {
                return Ok(Some(found));
            }
            let mut gone = connection.prepare_cached(
                "SELECT * FROM outcomes WHERE mailbox = ?1 AND kind = 'gone' AND at > ?2
                 AND NOT EXISTS (SELECT 1 FROM outcomes AS later WHERE later.mailbox = ?1
                     AND later.kind = 'delivered' AND later.at > outcomes.at)
                 ORDER BY at DESC LIMIT 1",
            )?;
            gone.query_row(params![digests.mailbox, milliseconds(since)], StoredOutcome::read)
                .optional()
        })
    }

    /// Numbers of the domain's outcomes since that time.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn history(
        &self,
        domain: &str,
        since: SystemTime,
    ) -> Result<DomainMail, OutcomeStoreError> {
        self.run(|connection| {
            let mut counts = connection.prepare_cached(
                "SELECT kind, count(*) FROM outcomes WHERE domain = ? AND at > ? GROUP BY kind",
            )?;
            let mut rows = counts.query(params![domain, milliseconds(since)])?;
            let mut history = DomainMail::default();
            let mut listed = 0;
            while let Some(row) = rows.next()? {
                let (kind, count): (String, u64) = (row.get(0)?, unsigned(row.get(1)?));
                match OutcomeKind::from_name(&kind) {
                    Some(OutcomeKind::Sent) => listed = count,
                    Some(OutcomeKind::Delivered) => history.sent += count,
                    Some(kind) if kind.is_bounce() => {
                        history.sent += count;
                        history.bounced += count;
                        history.gone += if kind == OutcomeKind::Gone { count } else { 0 };
                    }
                    _ => {}
                }
            }
            // A list of whom was written to, without word of what arrived.
            history.sent = history.sent.max(listed);
            Ok(history)
        })
    }

    /// Gives each outcome, the oldest first, to `each`, until that fails.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn export<E>(
        &self,
        mut each: impl FnMut(StoredOutcome) -> Result<(), E>,
    ) -> Result<Result<(), E>, OutcomeStoreError> {
        self.run(|connection| {
            let mut all = connection.prepare("SELECT * FROM outcomes ORDER BY at, id")?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                if let Err(error) = each(StoredOutcome::read(row)?) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        })
    }

    /// Keeps outcomes that a store with the same key exported; returns the number of new ones.
    ///
    /// # Errors
    ///
    /// If the disk fails; nothing is kept then.
    pub fn import(&self, outcomes: &[StoredOutcome]) -> Result<usize, OutcomeStoreError> {
        self.write(|work| {
            let mut taken = 0;
            for outcome in outcomes {
                let address = outcome.address.clone().filter(|_| self.keep_addresses);
                let outcome = StoredOutcome { address, ..outcome.clone() };
                taken += usize::from(outcome.insert(work)?);
            }
            Ok(taken)
        })
    }

    /// Removes everything that is kept of a person's address; returns the number of outcomes
    /// and verdicts.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn erase(&self, address: &Address) -> Result<usize, OutcomeStoreError> {
        let AddressDigests { mailbox, person } = self.key.digests(&address.identity());
        self.run(|connection| {
            connection.execute_batch("PRAGMA secure_delete = ON")?;
            let of_theirs = |table: &str| {
                let sql = format!("DELETE FROM {table} WHERE mailbox = ? OR person = ?");
                connection.execute(&sql, [mailbox, person])
            };
            Ok(of_theirs("outcomes")? + of_theirs("verdicts")?)
        })
    }

    /// Removes the verdicts and the outcomes before that time, but for complaints and
    /// unsubscriptions, which hold for good; returns the number of outcomes.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn forget_before(&self, time: SystemTime) -> Result<usize, OutcomeStoreError> {
        self.run(|connection| {
            connection.execute_batch("PRAGMA secure_delete = ON")?;
            connection.execute("DELETE FROM verdicts WHERE at < ?", [milliseconds(time)])?;
            connection.execute(
                "DELETE FROM outcomes WHERE at < ? AND kind NOT IN ('complaint', 'unsubscribed')",
                [milliseconds(time)],
            )
        })
    }

    /// The token that proves whose a bounce is: in the address that mail to `address` is sent from,
    /// as in `bounces+TOKEN@sender.example`.
    #[must_use]
    pub fn token(&self, address: &Address) -> String {
        self.key.token(&address.identity())
    }
}

fn database(path: &Path, error: &rusqlite::Error) -> OutcomeStoreError {
    OutcomeStoreError::Database { path: path.to_owned(), reason: error.to_string() }
}

/// The domain that outcomes are counted by.
fn domain(address: &Address) -> String {
    address.domain_name().map_or_else(|| "[]".to_owned(), |name| name.as_str().to_owned())
}

#[cfg(test)]
mod tests;
