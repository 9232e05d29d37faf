//! What earlier mail tells of an address, for the verifier: suppression before anything is asked.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

use super::config::Config;
use super::event::{AddedEvent, OutcomeEvent};
use super::intake::OutcomeKeeper;
use super::kind::OutcomeKind;
use super::store::{OutcomeStore, StoredOutcome};
use super::store_error::OutcomeStoreError;
use crate::address::Identity;
use crate::verdict::Reason;
use crate::verifier::{PriorOutcome, PriorOutcomes};

/// The outcomes in a file that may come later: nothing is known until it is there.
///
/// A look-up is one search in an index and waits for no writer.
pub struct OutcomeHistory {
    file: PathBuf,
    config: Config,
    store: Mutex<Option<Arc<OutcomeStore>>>,
    has_failed: AtomicBool,
}

impl OutcomeHistory {
    /// The outcomes in `file`.
    #[must_use]
    pub fn new(file: PathBuf, config: Config) -> Self {
        Self { file, config, store: Mutex::default(), has_failed: AtomicBool::new(false) }
    }

    /// The store, if its file is there.
    fn store(&self) -> Result<Option<Arc<OutcomeStore>>, OutcomeStoreError> {
        if self.store.lock().is_none() && !self.file.exists() {
            return Ok(None);
        }
        self.opened().map(Some)
    }

    /// The store, which is made if it is not there.
    fn opened(&self) -> Result<Arc<OutcomeStore>, OutcomeStoreError> {
        let mut opened = self.store.lock();
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
        match self.store()? {
            Some(store) => store.suppression(identity, now),
            None => Ok(None),
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
        self.opened()?.add(events, false, now)
    }
}

impl PriorOutcomes for OutcomeHistory {
    fn find(&self, identity: &Identity, now: SystemTime) -> Option<PriorOutcome> {
        // A store that fails suppresses nobody.
        let found = self.suppression(identity, now).unwrap_or_else(|error| {
            // Once, and not for each address of a list.
            if !self.has_failed.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, "outcomes cannot be read: nothing is suppressed");
            }
            None
        })?;
        Some(PriorOutcome { reason: reason(found.kind)?, words: words(&found) })
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
