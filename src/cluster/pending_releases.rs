//! Destinations that were given up here, but not as the database has it, as far as is known.

use std::time::{Duration, SystemTime};

use foldhash::HashMap;

use super::holder_store::ReleasedDestination;
use crate::prober::DestinationKey;

/// Words for the next holder, and the time at which they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HandoverNote {
    state: String,
    written_at: SystemTime,
}

/// See the module. Nothing in it is held.
#[derive(Debug, Default)]
pub(super) struct PendingReleases(HashMap<DestinationKey, HandoverNote>);

impl PendingReleases {
    /// Adds a destination that is given up at `now`.
    pub(super) fn insert(&mut self, key: DestinationKey, state: String, now: SystemTime) {
        self.0.insert(key, HandoverNote { state, written_at: now });
    }

    /// A destination is held here again: what was written down of it, and how long ago.
    pub(super) fn remove(
        &mut self,
        key: &DestinationKey,
        now: SystemTime,
    ) -> Option<(String, Duration)> {
        let note = self.0.remove(key)?;
        Some((note.state, now.duration_since(note.written_at).unwrap_or_default()))
    }

    /// A destination had another holder meanwhile, or was given up after all.
    pub(super) fn forget(&mut self, key: &DestinationKey) {
        self.0.remove(key);
    }

    /// All of them, as the database is told.
    pub(super) fn to_released(&self) -> Vec<ReleasedDestination> {
        let released = |(key, note): (&DestinationKey, &HandoverNote)| ReleasedDestination {
            key: key.clone(),
            state: note.state.clone(),
        };
        self.0.iter().map(released).collect()
    }
}
