//! What earlier mail tells of an address, for the verifier: suppression before anything is asked.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::accuracy::{Accuracy, OutcomeTallies};
use super::accuracy_counter::{AccuracyCounter, LASTS};
use super::config::Config;
use super::event::{AddedEvent, OutcomeEvent};
use super::intake::OutcomeKeeper;
use super::kind::OutcomeKind;
use super::store::OutcomeStore;
use super::store_error::OutcomeStoreError;
use super::stored_outcome::StoredOutcome;
use crate::address::Identity;
#[cfg(feature = "postgres")]
use crate::batch::StoreConfig;
use crate::verdict::Reason;
use crate::verifier::{
    DeliveredMail, DomainMail, GivenVerdict, OWN_MAIL_DAYS, PriorLookupError, PriorMail,
    PriorOutcome, PriorOutcomes,
};

/// Domains whose mail is remembered; then they are asked for anew.
const MOST_DOMAINS: usize = 10_000;

/// The place where outcomes are kept.
#[derive(Clone, Debug)]
pub enum OutcomePlace {
    /// A file.
    File(PathBuf),
    /// The database that several services share.
    #[cfg(feature = "postgres")]
    Database(StoreConfig),
}

impl OutcomePlace {
    /// Opens the store, and makes what is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be used.
    pub async fn open(&self, config: &Config) -> Result<OutcomeStore, OutcomeStoreError> {
        match self {
            Self::File(file) => OutcomeStore::open(file, config).await,
            #[cfg(feature = "postgres")]
            Self::Database(store) => OutcomeStore::connect(store, config).await,
        }
    }

    /// `false` if it is a file that is not there yet.
    #[must_use]
    pub fn exists(&self) -> bool {
        match self {
            Self::File(file) => file.exists(),
            #[cfg(feature = "postgres")]
            Self::Database(_) => true,
        }
    }
}

/// What became of mail to a domain, and when that was counted; told again for [`LASTS`]. Who counts
/// holds it, so that the addresses of a large domain are counted once and not by each caller.
type DomainCount = tokio::sync::Mutex<Option<(SystemTime, Option<DomainMail>)>>;

/// The outcomes in a place; a file may come later, and nothing is known until it is there.
pub struct OutcomeHistory {
    place: OutcomePlace,
    config: Config,
    store: OnceCell<Arc<OutcomeStore>>,
    counter: AccuracyCounter,
    domains: Mutex<HashMap<String, Arc<DomainCount>>>,
    has_failed: AtomicBool,
    has_miscounted: AtomicBool,
}

impl OutcomeHistory {
    /// The outcomes in this place.
    #[must_use]
    pub fn new(place: OutcomePlace, config: Config) -> Self {
        Self {
            place,
            config,
            store: OnceCell::new(),
            counter: AccuracyCounter::default(),
            domains: Mutex::default(),
            has_failed: AtomicBool::new(false),
            has_miscounted: AtomicBool::new(false),
        }
    }

    /// Opens the store now, and makes what is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be used.
    pub async fn open(&self) -> Result<&Arc<OutcomeStore>, OutcomeStoreError> {
        let open = || async { self.place.open(&self.config).await.map(Arc::new) };
        self.store.get_or_try_init(open).await
    }

    /// `true` if the place is not there: a look at the disk, as long as it is not.
    fn is_absent(&self) -> bool {
        !self.store.initialized() && !self.place.exists()
    }

    /// The store to look up in, if it is there.
    async fn existing(&self) -> Result<Option<&Arc<OutcomeStore>>, OutcomeStoreError> {
        if self.is_absent() {
            return Ok(None);
        }
        self.open().await.map(Some)
    }

    async fn look_up(
        &self,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<PriorMail, OutcomeStoreError> {
        let Some(store) = self.existing().await? else { return Ok(PriorMail::default()) };
        let latest = store.latest(identity, now).await?;
        let suppression = latest.suppression(store.suppressed_since(now));
        let suppression = suppression.and_then(|found| {
            Some(PriorOutcome { reason: reason(found.kind)?, words: words(found) })
        });
        let delivered = latest.delivered.filter(|delivered| delivered.at > days_before(now));
        let delivered = delivered.map(|it| DeliveredMail { at: it.at, source: it.source });
        Ok(PriorMail { suppression, delivered })
    }

    /// Counts mail to a domain since that time, if there was any.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn count_domain_mail(
        &self,
        domain: &str,
        since: SystemTime,
    ) -> Result<Option<DomainMail>, OutcomeStoreError> {
        let Some(store) = self.existing().await? else { return Ok(None) };
        let mail = store.history(domain, since).await?;
        Ok(Some(mail).filter(|mail| mail.sent > 0))
    }

    async fn keep_verdicts(
        &self,
        list: &str,
        verdicts: &[GivenVerdict],
        now: SystemTime,
    ) -> Result<(), OutcomeStoreError> {
        self.open().await?.remember(list, verdicts, now).await
    }

    /// Forgets the verdicts that were kept for long enough before `now`.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn forget_old_verdicts(&self, now: SystemTime) -> Result<(), OutcomeStoreError> {
        match self.existing().await? {
            Some(store) => store.forget_old_verdicts(now).await,
            None => Ok(()),
        }
    }

    /// The count of a domain, which may be under way.
    fn domain_count(&self, domain: &str) -> Arc<DomainCount> {
        let mut domains = self.domains.lock();
        if domains.len() >= MOST_DOMAINS && !domains.contains_key(domain) {
            domains.clear();
        }
        Arc::clone(domains.entry(domain.to_owned()).or_default())
    }

    /// Warns of a failure once, and not for each address of a list.
    fn warn(&self, error: &OutcomeStoreError, consequence: &str) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, consequence, "outcomes cannot be used");
        }
    }
}

/// The accuracy where nothing was kept.
fn no_accuracy() -> Arc<Accuracy> {
    Arc::new(Accuracy::from_tallies(&OutcomeTallies::default()))
}

/// [`OWN_MAIL_DAYS`] before `now`.
fn days_before(now: SystemTime) -> SystemTime {
    let since = now.checked_sub(Duration::from_secs(24 * 60 * 60) * OWN_MAIL_DAYS);
    since.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[async_trait]
impl OutcomeKeeper for OutcomeHistory {
    async fn keep(
        &self,
        events: Vec<OutcomeEvent>,
        now: SystemTime,
    ) -> Result<Vec<AddedEvent>, OutcomeStoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.open().await?.add(events, false, now).await
    }

    async fn accuracy(&self, now: SystemTime) -> Result<Arc<Accuracy>, OutcomeStoreError> {
        match self.existing().await? {
            Some(store) => self.counter.find(store, now).await,
            None => Ok(no_accuracy()),
        }
    }

    async fn accuracy_at_hand(
        &self,
        now: SystemTime,
    ) -> Result<Option<Arc<Accuracy>>, OutcomeStoreError> {
        match self.existing().await? {
            Some(store) => self.counter.at_hand(store, now).await,
            None => Ok(Some(no_accuracy())),
        }
    }
}

#[async_trait]
impl PriorOutcomes for OutcomeHistory {
    async fn find(
        &self,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<PriorMail, PriorLookupError> {
        match self.look_up(identity, now).await {
            Ok(found) => {
                self.has_failed.store(false, Ordering::Relaxed);
                Ok(found)
            }
            Err(error) => {
                self.warn(&error, "nobody is asked about an address that may be suppressed");
                Err(PriorLookupError(error.to_string()))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.is_absent()
    }

    async fn find_domain_mail(&self, domain: &str, now: SystemTime) -> Option<DomainMail> {
        let is_fresh = |at: SystemTime| now.duration_since(at).unwrap_or_default() < LASTS;
        let count = self.domain_count(domain);
        let mut counted = count.lock().await;
        if let Some((at, mail)) = *counted
            && is_fresh(at)
        {
            return mail;
        }
        // What cannot be counted now is not asked for by each address of the domain.
        let mail = match self.count_domain_mail(domain, days_before(now)).await {
            Ok(mail) => {
                self.has_miscounted.store(false, Ordering::Relaxed);
                mail
            }
            Err(error) => {
                if !self.has_miscounted.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "own mail to domains is not counted, and not told");
                }
                None
            }
        };
        *counted = Some((now, mail));
        mail
    }

    fn remembers_verdicts(&self) -> bool {
        let is_in_use = match &self.place {
            OutcomePlace::File(file) => self.store.initialized() || file.exists(),
            #[cfg(feature = "postgres")]
            OutcomePlace::Database(_) => self.store.get().is_some_and(|store| store.is_in_use()),
        };
        is_in_use && !self.config.keep_verdicts.is_zero()
    }

    async fn remember_verdicts(&self, list: &str, verdicts: &[GivenVerdict], now: SystemTime) {
        if let Err(error) = self.keep_verdicts(list, verdicts, now).await {
            self.warn(&error, "verdicts are not remembered");
        }
    }
}

impl fmt::Debug for OutcomeHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeHistory").finish_non_exhaustive()
    }
}

/// The reason that a kind is, if it suppresses.
const fn reason(kind: OutcomeKind) -> Option<Reason> {
    match kind {
        OutcomeKind::Gone => Some(Reason::BouncedBefore),
        OutcomeKind::Complaint | OutcomeKind::Unsubscribed => Some(Reason::OptedOut),
        _ => None,
    }
}

/// `gone on 2026-11-28, source: bounce: 550 5.1.1 no such user`.
fn words(outcome: &StoredOutcome) -> String {
    let at = jiff::Timestamp::try_from(outcome.at).unwrap_or(jiff::Timestamp::MAX);
    let day = at.strftime("%Y-%m-%d");
    let told = format!("{} on {day}, source: {}", outcome.kind.name(), outcome.source);
    match outcome.words.as_str() {
        "" => told,
        words => format!("{told}: {words}"),
    }
}

#[cfg(test)]
mod tests;
