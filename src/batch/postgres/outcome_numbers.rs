//! Interns the shared parts of results: each is written once for its batch, as JSON in the table
//! `outcomes`, as long as this process remembers it. One that was forgotten, or that another
//! process wrote, is written again: that costs room, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::outcome::Outcome;

/// Common parts of one batch that are remembered.
const REMEMBERED: usize = 512;

/// Batches whose common parts are remembered.
const BATCHES: usize = 64;

/// A common part in the database.
#[derive(Clone)]
pub(super) struct OutcomeNumber {
    pub(super) id: i64,
    /// [`Outcome::destination`].
    pub(super) destination: Option<Arc<str>>,
}

/// The common parts that this process wrote, by batch.
#[derive(Default)]
pub(super) struct OutcomeNumbers(HashMap<i64, HashMap<Outcome, OutcomeNumber>>);

impl OutcomeNumbers {
    /// The number of a part, if it is remembered.
    pub(super) fn find(&self, batch: i64, outcome: &Outcome) -> Option<OutcomeNumber> {
        self.0.get(&batch)?.get(outcome).cloned()
    }

    /// Remembers parts that are in the database now.
    pub(super) fn remember(&mut self, batch: i64, new: HashMap<Outcome, OutcomeNumber>) {
        if new.is_empty() {
            return;
        }
        if self.0.len() >= BATCHES && !self.0.contains_key(&batch) {
            self.0.clear();
        }
        let known = self.0.entry(batch).or_default();
        if known.len() + new.len() > REMEMBERED {
            known.clear();
        }
        known.extend(new.into_iter().take(REMEMBERED));
    }

    /// Forgets a batch.
    pub(super) fn forget(&mut self, batch: i64) {
        self.0.remove(&batch);
    }
}
