//! What earlier mail tells of an address, for the verifier: suppression before anything is asked.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::accuracy::{Accuracy, OutcomeTallies};
use super::config::Config;
use super::event::{AddedEvent, OutcomeEvent};
use super::intake::OutcomeKeeper;
use super::kind::OutcomeKind;
use super::store::{OutcomeStore, StoredOutcome};
use super::store_error::OutcomeStoreError;
use crate::address::Identity;
use crate::verdict::Reason;
use crate::verifier::{DomainMail, GivenVerdict, OWN_MAIL_DAYS, PriorOutcome, PriorOutcomes};

/// Domains whose mail is remembered; then they are asked for anew.
const MOST_DOMAINS: usize = 10_000;

/// Time for which an accuracy, or what became of mail to a domain, is told again before it is
/// counted anew.
const LASTS: Duration = Duration::from_secs(60);

/// The outcomes in a file that may come later: nothing is known until it is there.
///
/// A look-up is one search in an index and waits for no writer: what is written goes by a
/// connection of its own.
pub struct OutcomeHistory {
    file: PathBuf,
    config: Config,
    reader: Mutex<Option<Arc<OutcomeStore>>>,
    writer: Mutex<Option<Arc<OutcomeStore>>>,
    accuracy: Mutex<Option<(SystemTime, Arc<Accuracy>)>>,
    domains: Mutex<HashMap<String, (SystemTime, Option<DomainMail>)>>,
    has_failed: AtomicBool,
}

impl OutcomeHistory {
    /// The outcomes in `file`.
    #[must_use]
    pub fn new(file: PathBuf, config: Config) -> Self {
        Self {
            file,
            config,
            reader: Mutex::default(),
            writer: Mutex::default(),
            accuracy: Mutex::default(),
            domains: Mutex::default(),
            has_failed: AtomicBool::new(false),
        }
    }

    /// The store to look up in, if its file is there.
    fn reader(&self) -> Result<Option<Arc<OutcomeStore>>, OutcomeStoreError> {
        if self.reader.lock().is_none() && !self.file.exists() {
            return Ok(None);
        }
        self.open(&self.reader).map(Some)
    }

    /// The store in this place, opened once; made if it is not there.
    fn open(
        &self,
        place: &Mutex<Option<Arc<OutcomeStore>>>,
    ) -> Result<Arc<OutcomeStore>, OutcomeStoreError> {
        let mut opened = place.lock();
        if let Some(store) = &*opened {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(OutcomeStore::open(&self.file, &self.config)?);
        *opened = Some(Arc::clone(&store));
        Ok(store)
    }

    fn suppression(
        &self,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<Option<StoredOutcome>, OutcomeStoreError> {
        match self.reader()? {
            Some(store) => store.suppression(identity, now),
            None => Ok(None),
        }
    }

    /// Warns of a failure once, and not for each address of a list.
    fn warn(&self, error: &OutcomeStoreError, consequence: &str) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, consequence, "outcomes cannot be used");
        }
    }
}

impl OutcomeKeeper for OutcomeHistory {
    fn keep(
        &self,
        events: &[OutcomeEvent],
        now: SystemTime,
    ) -> Result<Vec<AddedEvent>, OutcomeStoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let added = self.open(&self.writer)?.add(events, false, now)?;
        *self.accuracy.lock() = None;
        Ok(added)
    }

    fn accuracy(&self, now: SystemTime) -> Result<Arc<Accuracy>, OutcomeStoreError> {
        // One counts, and the others wait for it.
        let mut known = self.accuracy.lock();
        if let Some((at, accuracy)) = &*known
            && now.duration_since(*at).is_ok_and(|age| age < LASTS)
        {
            return Ok(Arc::clone(accuracy));
        }
        let tallies = match self.reader()? {
            Some(store) => store.tallies()?,
            None => OutcomeTallies::default(),
        };
        let accuracy = Arc::new(Accuracy::from_tallies(&tallies));
        *known = Some((now, Arc::clone(&accuracy)));
        Ok(accuracy)
    }
}

impl PriorOutcomes for OutcomeHistory {
    fn find(&self, identity: &Identity, now: SystemTime) -> Option<PriorOutcome> {
        // A store that fails suppresses nobody.
        let found = self.suppression(identity, now).unwrap_or_else(|error| {
            self.warn(&error, "nothing is suppressed");
            None
        })?;
        Some(PriorOutcome { reason: reason(found.kind)?, words: words(&found) })
    }

    fn find_domain_mail(&self, domain: &str, now: SystemTime) -> Option<DomainMail> {
        let is_fresh = |at: &SystemTime| now.duration_since(*at).is_ok_and(|age| age < LASTS);
        let known = self.domains.lock().get(domain).copied();
        if let Some((at, mail)) = known
            && is_fresh(&at)
        {
            return mail;
        }
        let since = now.checked_sub(Duration::from_secs(24 * 60 * 60) * OWN_MAIL_DAYS);
        let since = since.unwrap_or(SystemTime::UNIX_EPOCH);
        let mail = self.reader().ok()??.history(domain, since).ok()?;
        let mail = Some(mail).filter(|mail| mail.sent > 0);
        let mut domains = self.domains.lock();
        if domains.len() >= MOST_DOMAINS {
            domains.clear();
        }
        domains.insert(domain.to_owned(), (now, mail));
        mail
    }

    fn remembers_verdicts(&self) -> bool {
        !self.config.keep_verdicts.is_zero() && matches!(self.reader(), Ok(Some(_)))
    }

    fn remember_verdicts(&self, list: &str, verdicts: &[GivenVerdict], now: SystemTime) {
        let store = self.open(&self.writer);
        if let Err(error) = store.and_then(|store| store.remember(list, verdicts, now)) {
            self.warn(&error, "verdicts are not remembered");
        }
    }
}

impl fmt::Debug for OutcomeHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeHistory").field("file", &self.file).finish_non_exhaustive()
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
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::outcomes::OutcomeEvent;

    #[test]
    fn a_file_that_comes_later_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("outcomes.db");
        let history = OutcomeHistory::new(file.clone(), Config::default());
        let identity = Address::parse("jane@acme.test").unwrap().identity();
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_867_200);
        assert_eq!(history.find(&identity, now), None);
        assert!(!file.exists(), "a look-up makes nothing");
        let store = OutcomeStore::open(&file, &Config::default()).unwrap();
        let event = OutcomeEvent::new("ses", "jane@acme.test", OutcomeKind::Gone)
            .saying("550 5.1.1 <jane@acme.test> unknown");
        store.add(&[event], false, now).unwrap();
        let found = history.find(&identity, now).unwrap();
        assert_eq!(found.reason, Reason::BouncedBefore);
        assert!(
            found.words.starts_with("gone on 2026-11-28, source: ses: 550 5.1.1"),
            "{}",
            found.words
        );
        assert!(!found.words.contains("jane@"), "{}", found.words);
    }
}
