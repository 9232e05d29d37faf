//! Interns the shared parts of results in a file: each is written once, as JSON in the table
//! `outcomes`, as long as it is among those that were met last. One that was forgotten is written
//! again: that costs room, and nothing else.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::HashMap;
use rusqlite::{Connection, params};

use super::error::StoreError;
use crate::batch::outcome::Outcome;

/// Number of entries held in memory.
const REMEMBERED: usize = 512;

/// The common parts that the writer of a file remembers.
#[derive(Default)]
pub(super) struct OutcomeWriter(HashMap<Outcome, DictionaryEntry>);

/// A common part in the file.
#[derive(Clone)]
pub(super) struct DictionaryEntry {
    /// Its number.
    pub(super) id: i64,
    /// [`Outcome::destination`].
    pub(super) destination: Option<Arc<str>>,
}

impl OutcomeWriter {
    /// The part as the file has it; written if it is not remembered.
    pub(super) fn intern(
        &mut self,
        file: &Connection,
        common: Outcome,
    ) -> Result<DictionaryEntry, StoreError> {
        if let Some(entry) = self.0.get(&common) {
            return Ok(entry.clone());
        }
        file.prepare_cached("INSERT INTO outcomes (outcome) VALUES (?)")?
            .execute(params![serde_json::to_string(&common)?])?;
        let destination = common.destination().map(|name| Arc::from(name.as_str()));
        let entry = DictionaryEntry { id: file.last_insert_rowid(), destination };
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(common, entry.clone());
        Ok(entry)
    }
}

/// The common parts that a reader of a file remembers.
#[derive(Default)]
pub(super) struct OutcomeReader(HashMap<i64, Outcome>);

impl OutcomeReader {
    /// The part with this number.
    pub(super) fn outcome(&mut self, file: &Connection, id: i64) -> Result<&Outcome, StoreError> {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&id) {
            self.0.clear();
        }
        Ok(match self.0.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let text: String = file
                    .prepare_cached("SELECT outcome FROM outcomes WHERE id = ?")?
                    .query_row([id], |row| row.get(0))?;
                place.insert(serde_json::from_str(&text)?)
            }
        })
    }
}
