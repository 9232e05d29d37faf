//! Lists that were uploaded and not started: nothing was asked about them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::sessions::{SessionKey, random};
use super::survey::Survey;
use crate::http::ArrivedList;

/// Most lists that wait in one session; the oldest makes room.
const MOST_OF_SESSION: usize = 4;

/// Most lists that wait in all.
const MOST: usize = 64;

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A list, and what was found in it.
#[derive(Clone, Debug)]
pub(super) struct ListDraft {
    pub(super) list: Arc<ArrivedList>,
    pub(super) survey: Arc<Survey>,
}

/// The lists of all sessions. A list that goes from here goes from the disk.
#[derive(Debug, Default)]
pub(super) struct Drafts(Mutex<HashMap<String, DraftEntry>>);

#[derive(Debug)]
struct DraftEntry {
    draft: ListDraft,
    session: SessionKey,
    begun: SystemTime,
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
        drafts.insert(id.clone(), DraftEntry { draft, session, begun: now });
        Some(id)
    }

    /// A list of this session.
    pub(super) fn find(
        &self,
        id: &str,
        session: &SessionKey,
        now: SystemTime,
    ) -> Option<ListDraft> {
        let mut drafts = self.0.lock();
        drafts.retain(|_, entry| !entry.is_over(now));
        let entry = drafts.get(id).filter(|entry| entry.session == *session)?;
        Some(entry.draft.clone())
    }

    /// Puts another reading of a list in its place.
    pub(super) fn replace(&self, id: &str, draft: ListDraft) {
        if let Some(entry) = self.0.lock().get_mut(id) {
            entry.draft = draft;
        }
    }

    pub(super) fn remove(&self, id: &str) {
        self.0.lock().remove(id);
    }
}

impl DraftEntry {
    fn is_over(&self, now: SystemTime) -> bool {
        now.duration_since(self.begun).unwrap_or_default() > LONGEST
    }
}

fn remove_oldest(drafts: &mut HashMap<String, DraftEntry>, is_so: impl Fn(&DraftEntry) -> bool) {
    let among = drafts.iter().filter(|(_, entry)| is_so(entry));
    if let Some(id) = among.min_by_key(|(_, entry)| entry.begun).map(|(id, _)| id.clone()) {
        drafts.remove(&id);
    }
}
