//! Lists that were uploaded and not started: nothing was asked about them.
//!
//! One that was started stays known for the rest of its hour, so that whoever presses Start again
//! gets to the same batch.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::sessions::{SessionKey, random};
use super::survey::Survey;
use crate::clock::Clock;
use crate::http::ArrivedList;

/// Most lists that wait in one session; the oldest makes room, one that was started first.
const MOST_OF_SESSION: usize = 4;

/// Most lists that wait in all.
const MOST: usize = 64;

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Time between two looks for lists that have waited for too long.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// A list, and what was found in it.
#[derive(Clone, Debug)]
pub(super) struct ListDraft {
    pub(super) list: Arc<ArrivedList>,
    /// The suppression files whose addresses are left out of it.
    pub(super) exclusions: Vec<Arc<ArrivedList>>,
    pub(super) survey: Arc<Survey>,
    /// The numbers, from 1, of the columns of addresses that may be read together, as they were
    /// found before a person chose.
    pub(super) alike: Vec<usize>,
}

/// The state of a list that was uploaded.
#[derive(Clone, Debug)]
pub(super) enum DraftState {
    /// It waits to be started.
    Waiting(ListDraft),
    /// It was started, and is the batch with this id.
    Started(String),
}

/// The turns of those who start or discard one list: one at a time.
pub(super) type DraftTurns = Arc<AsyncMutex<()>>;

/// The lists of all sessions. A list that goes from here goes from the disk.
#[derive(Debug, Default)]
pub(super) struct Drafts(Mutex<HashMap<String, DraftEntry>>);

#[derive(Debug)]
struct DraftEntry {
    state: DraftState,
    session: SessionKey,
    begun: SystemTime,
    turns: DraftTurns,
}

impl Drafts {
    /// Adds a list to a session, and returns its id.
    pub(super) fn add(
        &self,
        draft: ListDraft,
        session: SessionKey,
        now: SystemTime,
    ) -> Option<String> {
        let id = random()?;
        let mut drafts = self.0.lock();
        drafts.retain(|_, entry| !entry.is_over(now));
        let of_session = |entry: &DraftEntry| entry.session == session;
        while drafts.values().filter(|entry| of_session(entry)).count() >= MOST_OF_SESSION {
            remove_oldest(&mut drafts, of_session);
        }
        while drafts.len() >= MOST {
            remove_oldest(&mut drafts, |_| true);
        }
        let (state, turns) = (DraftState::Waiting(draft), DraftTurns::default());
        drafts.insert(id.clone(), DraftEntry { state, session, begun: now, turns });
        Some(id)
    }

    /// A list of this session.
    pub(super) fn find(
        &self,
        id: &str,
        session: &SessionKey,
        now: SystemTime,
    ) -> Option<DraftState> {
        self.entry(id, session, now, |entry| entry.state.clone())
    }

    /// The lists of this session that wait to be started, with their ids; the oldest first.
    pub(super) fn waiting(
        &self,
        session: &SessionKey,
        now: SystemTime,
    ) -> Vec<(String, ListDraft)> {
        let mut drafts = self.0.lock();
        drafts.retain(|_, entry| !entry.is_over(now));
        let of_session = drafts.iter().filter(|(_, entry)| entry.session == *session);
        let mut waiting: Vec<_> = of_session
            .filter_map(|(id, entry)| match &entry.state {
                DraftState::Waiting(draft) => Some((entry.begun, id.clone(), draft.clone())),
                DraftState::Started(_) => None,
            })
            .collect();
        waiting.sort_by_key(|(begun, ..)| *begun);
        waiting.into_iter().map(|(_, id, draft)| (id, draft)).collect()
    }

    /// The turns of a list of this session.
    pub(super) fn turns(
        &self,
        id: &str,
        session: &SessionKey,
        now: SystemTime,
    ) -> Option<DraftTurns> {
        self.entry(id, session, now, |entry| Arc::clone(&entry.turns))
    }

    fn entry<T>(
        &self,
        id: &str,
        session: &SessionKey,
        now: SystemTime,
        part: impl FnOnce(&DraftEntry) -> T,
    ) -> Option<T> {
        let mut drafts = self.0.lock();
        drafts.retain(|_, entry| !entry.is_over(now));
        drafts.get(id).filter(|entry| entry.session == *session).map(part)
    }

    /// Puts another reading of a list in its place.
    pub(super) fn replace(&self, id: &str, draft: ListDraft) {
        if let Some(entry) = self.0.lock().get_mut(id)
            && matches!(entry.state, DraftState::Waiting(_))
        {
            entry.state = DraftState::Waiting(draft);
        }
    }

    /// Remembers the batch that a list has become.
    pub(super) fn set_started(&self, id: &str, batch_id: String) {
        if let Some(entry) = self.0.lock().get_mut(id) {
            entry.state = DraftState::Started(batch_id);
        }
    }

    pub(super) fn remove(&self, id: &str) {
        self.0.lock().remove(id);
    }

    /// Removes the lists that have waited for too long.
    pub(super) fn forget(&self, now: SystemTime) {
        self.0.lock().retain(|_, entry| !entry.is_over(now));
    }

    /// Removes the lists of a session that is over.
    pub(super) fn end(&self, session: &SessionKey) {
        self.0.lock().retain(|_, entry| entry.session != *session);
    }
}

impl DraftEntry {
    fn is_over(&self, now: SystemTime) -> bool {
        now.duration_since(self.begun).unwrap_or_default() > LONGEST
    }
}

fn remove_oldest(drafts: &mut HashMap<String, DraftEntry>, is_so: impl Fn(&DraftEntry) -> bool) {
    let among = drafts.iter().filter(|(_, entry)| is_so(entry));
    let age = |entry: &DraftEntry| (matches!(entry.state, DraftState::Waiting(_)), entry.begun);
    if let Some(id) = among.min_by_key(|(_, entry)| age(entry)).map(|(id, _)| id.clone()) {
        drafts.remove(&id);
    }
}

/// Removes the lists that have waited for too long, also while nobody opens a page, for as long as
/// there are `drafts`.
pub(super) async fn forget_for_ever(drafts: Weak<Drafts>, clock: Clock) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(drafts) = drafts.upgrade() else { return };
        drafts.forget(clock.now());
    }
}
