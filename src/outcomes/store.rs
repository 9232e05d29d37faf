//! The store: outcomes in a database, found by keyed hashes of addresses.
//!
//! Several processes may use it at a time. The same event is kept once. The words of servers are
//! kept without local parts; the address itself only if the operator says so.

mod event_row;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex, OnceCell};

use super::accuracy::OutcomeTallies;
use super::address_key::AddressKey;
use super::blocking::blocking;
use super::config::Config;
use super::digest::Digest;
use super::event::{AddedEvent, OutcomeEvent};
use super::kind::OutcomeKind;
use super::outcome_table::OutcomeTable;
use super::sqlite::SqliteOutcomes;
use super::store_error::OutcomeStoreError;
use super::stored_outcome::{LatestOutcomes, NewOutcome, StoredOutcome, VerdictRecord};
use crate::address::{Address, Identity, irregular};
use crate::verifier::{DomainMail, GivenVerdict};

/// Time for which it is believed that nothing was ever kept.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The store of outcomes.
pub struct OutcomeStore {
    table: Arc<dyn OutcomeTable>,
    key: OnceCell<Arc<AddressKey>>,
    /// Time of the last look that found nothing kept, by the clock of look-ups.
    empty_at: Mutex<Option<SystemTime>>,
    /// The file of the key, if the configuration names it.
    key_file: Option<PathBuf>,
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
    pub async fn open(path: &Path, config: &Config) -> Result<Self, OutcomeStoreError> {
        let (path, key_file) = (path.to_owned(), config.key_file.clone());
        let table = blocking(move || SqliteOutcomes::open(&path, key_file.as_deref())).await??;
        let store = Self::new(Arc::new(table), config);
        store.key().await?;
        Ok(store)
    }

    /// Opens the outcomes in the database of `store`, and makes the tables if there are none.
    ///
    /// # Errors
    ///
    /// If the database cannot be used, or its key is another one; the message says what to do.
    #[cfg(feature = "postgres")]
    pub async fn connect(
        store: &crate::batch::StoreConfig,
        config: &Config,
    ) -> Result<Self, OutcomeStoreError> {
        let table = super::postgres::PostgresOutcomes::open(store, config.key_file.clone()).await?;
        let store = Self::new(Arc::new(table), config);
        if store.known_key().await?.is_none() {
            *store.empty_at.lock().await = Some(SystemTime::UNIX_EPOCH);
        }
        Ok(store)
    }

    /// The store of what is in this table.
    pub(super) fn new(table: Arc<dyn OutcomeTable>, config: &Config) -> Self {
        Self {
            table,
            key: OnceCell::new(),
            empty_at: Mutex::default(),
            key_file: config.key_file.clone(),
            keep_addresses: config.keep_addresses,
            suppress_gone: config.suppress_gone,
            keep_verdicts: config.keep_verdicts,
        }
    }

    /// The key, made if there is none.
    async fn key(&self) -> Result<Arc<AddressKey>, OutcomeStoreError> {
        let make = || async {
            let made = self.table.key(true).await?;
            made.map(Arc::new).ok_or(OutcomeStoreError::Stopped)
        };
        self.key.get_or_try_init(make).await.cloned()
    }

    /// The key, if anything was ever kept.
    async fn known_key(&self) -> Result<Option<Arc<AddressKey>>, OutcomeStoreError> {
        if let Some(key) = self.key.get() {
            return Ok(Some(Arc::clone(key)));
        }
        let Some(found) = self.table.key(false).await? else { return Ok(None) };
        let found = self.key.get_or_init(|| async { Arc::new(found) }).await;
        Ok(Some(Arc::clone(found)))
    }

    /// The key for a look-up at `now`, if anything was ever kept. That nothing was is believed for
    /// [`LOOK_AGAIN`], and for as long as a database that was empty is away: who keeps no outcomes
    /// needs none to be looked up.
    async fn key_at(&self, now: SystemTime) -> Result<Option<Arc<AddressKey>>, OutcomeStoreError> {
        if let Some(key) = self.key.get() {
            return Ok(Some(Arc::clone(key)));
        }
        // One looks, and the others wait for it.
        let mut empty_at = self.empty_at.lock().await;
        let is_fresh = |at: SystemTime| {
            let age = now.duration_since(at).or_else(|_| at.duration_since(now));
            age.is_ok_and(|age| age < LOOK_AGAIN)
        };
        if empty_at.is_some_and(is_fresh) && !self.key.initialized() {
            return Ok(None);
        }
        match self.known_key().await {
            Ok(None) => {
                *empty_at = Some(now);
                Ok(None)
            }
            Err(OutcomeStoreError::Database { .. }) if empty_at.is_some() => {
                *empty_at = Some(now);
                Ok(None)
            }
            found => found,
        }
    }

    /// `true` if it is known that something was kept.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.key.initialized()
    }

    /// Keeps these events, all or none, and tells the fate of each. `trusted`: bounces count
    /// without a proof.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is kept then.
    pub async fn add(
        &self,
        events: Vec<OutcomeEvent>,
        trusted: bool,
        now: SystemTime,
    ) -> Result<Vec<AddedEvent>, OutcomeStoreError> {
        let (key, keep_addresses) = (self.key().await?, self.keep_addresses);
        let rows = blocking(move || {
            let row = |event| event_row::row(&key, event, trusted, keep_addresses, now);
            let mut rows = events.iter().map(row).collect::<Vec<_>>();
            // A mail may tell two fates of one mailbox, and both stay.
            let told: HashSet<Digest> = rows.iter().flatten().map(|new| new.row.id).collect();
            for new in rows.iter_mut().flatten() {
                new.earlier.retain(|id| !told.contains(id));
            }
            rows
        })
        .await?;
        let mut added = vec![AddedEvent::NoAddress; rows.len()];
        let places: Vec<usize> =
            rows.iter().enumerate().filter(|(_, row)| row.is_some()).map(|(at, _)| at).collect();
        let fates = self.table.add(rows.into_iter().flatten().collect()).await?;
        for (place, fate) in places.into_iter().zip(fates) {
            if let Some(added) = added.get_mut(place) {
                *added = fate;
            }
        }
        Ok(added)
    }

    /// The latest outcomes of an address, as known at `now`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn latest(
        &self,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<LatestOutcomes, OutcomeStoreError> {
        let Some(key) = self.key_at(now).await? else { return Ok(LatestOutcomes::default()) };
        self.table.latest(key.digests(identity)).await
    }

    /// The outcome for which an address is not to be written to, or asked about, at `now`: a
    /// complaint or an unsubscription for good; a bounce as gone for the configured time, unless
    /// mail has arrived more than a day later.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn suppression(
        &self,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<Option<StoredOutcome>, OutcomeStoreError> {
        Ok(self.latest(identity, now).await?.suppression(self.suppressed_since(now)).cloned())
    }

    /// The time since which a bounce as gone suppresses.
    pub(super) fn suppressed_since(&self, now: SystemTime) -> SystemTime {
        now.checked_sub(self.suppress_gone).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Numbers of the domain's outcomes since that time.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn history(
        &self,
        domain: &str,
        since: SystemTime,
    ) -> Result<DomainMail, OutcomeStoreError> {
        let mut history = DomainMail::default();
        let mut listed = 0;
        for (kind, count) in self.table.count(domain, since).await? {
            match kind {
                OutcomeKind::Sent => listed = count,
                OutcomeKind::Delivered => history.sent += count,
                kind if kind.is_bounce() => {
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
    }

    /// Up to `limit` outcomes, the oldest first, behind `last`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn export(
        &self,
        last: Option<&StoredOutcome>,
        limit: usize,
    ) -> Result<Vec<StoredOutcome>, OutcomeStoreError> {
        self.table.page(last.map(|last| (last.at, last.id)), limit).await
    }

    /// The hash that tells the key from others; `None` if nothing was ever kept.
    ///
    /// # Errors
    ///
    /// If the database fails, or its key is another one.
    pub async fn fingerprint(&self) -> Result<Option<Digest>, OutcomeStoreError> {
        Ok(self.known_key().await?.map(|key| key.fingerprint()))
    }

    /// Checks that outcomes which were kept under the key of this fingerprint can be imported.
    ///
    /// # Errors
    ///
    /// If the key is another one, or the database fails.
    pub async fn check_fingerprint(&self, of: Digest) -> Result<(), OutcomeStoreError> {
        let found = match (self.fingerprint().await?, &self.key_file) {
            (Some(found), _) => Some(found),
            // The key that the first outcome will be kept under.
            (None, Some(file)) => {
                let key = AddressKey::open(file, false);
                let key = key.map_err(|error| OutcomeStoreError::of_io(file, error))?;
                Some(key.fingerprint())
            }
            (None, None) => None,
        };
        if found == Some(of) { Ok(()) } else { Err(OutcomeStoreError::ForeignKey) }
    }

    /// Keeps outcomes that a store with the same key exported; returns the number of new ones.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is kept then.
    pub async fn import(&self, outcomes: Vec<StoredOutcome>) -> Result<usize, OutcomeStoreError> {
        self.key().await?;
        let rows = outcomes.into_iter().map(|outcome| {
            let address = outcome.address.clone().filter(|_| self.keep_addresses);
            let row = StoredOutcome { address, ..outcome };
            NewOutcome { row, needs_proof: false, earlier: Vec::new() }
        });
        let added = self.table.add(rows.collect()).await?;
        Ok(added.into_iter().filter(|added| *added == AddedEvent::Taken).count())
    }

    /// Removes everything that is kept of a person's address; returns the number of outcomes
    /// and verdicts.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn erase(&self, address: &Address) -> Result<u64, OutcomeStoreError> {
        let Some(key) = self.known_key().await? else { return Ok(0) };
        self.table.erase(key.digests(&address.identity())).await
    }

    /// Removes the verdicts and the outcomes before that time, but for complaints and
    /// unsubscriptions, which hold for good; returns the number of outcomes.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn forget_before(&self, time: SystemTime) -> Result<u64, OutcomeStoreError> {
        self.table.forget_before(time).await
    }

    /// Keeps the verdicts of a send.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is kept then.
    pub async fn remember(
        &self,
        send: &str,
        verdicts: &[GivenVerdict],
        now: SystemTime,
    ) -> Result<(), OutcomeStoreError> {
        let key = self.key().await?;
        let row = |verdict: &GivenVerdict| {
            let (address, _) = irregular::parse(&verdict.address).ok()?;
            let digests = key.digests(&address.identity());
            Some(VerdictRecord {
                mailbox: digests.mailbox,
                person: digests.person,
                provider: verdict.provider.clone(),
                reason: verdict.reason,
                gathered_at: verdict.gathered_at.unwrap_or(now),
            })
        };
        self.table.remember(send, verdicts.iter().filter_map(row).collect(), now).await
    }

    /// Forgets the verdicts that were kept for long enough: all of them where none are to be kept.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn forget_old_verdicts(&self, now: SystemTime) -> Result<(), OutcomeStoreError> {
        let since = now.checked_sub(self.keep_verdicts).unwrap_or(SystemTime::UNIX_EPOCH);
        self.table.forget_verdicts(since).await
    }

    /// Counts of all verdicts that are kept, and of what came of them.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn tallies(&self) -> Result<OutcomeTallies, OutcomeStoreError> {
        self.table.tallies().await
    }

    /// The token that proves whose a bounce is: in the address that mail to `address` is sent from,
    /// as in `bounces+TOKEN@sender.example`.
    ///
    /// # Errors
    ///
    /// If there is no key and none can be made.
    pub async fn token(&self, address: &Address) -> Result<String, OutcomeStoreError> {
        Ok(self.key().await?.token(&address.identity()))
    }
}
