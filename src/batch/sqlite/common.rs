//! What results have in common, in a file: each such part is written once, as JSON in the table
//! `outcomes`, as long as it is among those that were met last. One that was forgotten is written
//! again: that costs room, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::error::Fault;
use crate::batch::outcome::Outcome;

/// How many parts are remembered.
const REMEMBERED: usize = 512;

/// The common parts that the writer of a file remembers.
#[derive(Default)]
pub(super) struct Written(HashMap<Outcome, Part>);

/// A common part in the file.
#[derive(Clone)]
pub(super) struct Part {
    /// Its number.
    pub(super) id: i64,
    /// [`Outcome::destination`].
    pub(super) destination: Option<Arc<str>>,
}

impl Written {
    /// The part as the file has it; written if it is not remembered.
    pub(super) fn part(&mut self, file: &Connection, common: Outcome) -> Result<Part, Fault> {
        if let Some(part) = self.0.get(&common) {
            return Ok(part.clone());
        }
        file.prepare_cached("INSERT INTO outcomes (outcome) VALUES (?)")?
            .execute(params![serde_json::to_string(&common)?])?;
        let destination = common.destination().map(|name| Arc::from(name.as_str()));
        let part = Part { id: file.last_insert_rowid(), destination };
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(common, part.clone());
        Ok(part)
    }
}

/// The common parts that a reader of a file remembers.
#[derive(Default)]
pub(super) struct Read(HashMap<i64, Outcome>);

impl Read {
    /// The part with this number.
    pub(super) fn part(&mut self, file: &Connection, id: i64) -> Result<&Outcome, Fault> {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&id) {
            self.0.clear();
        }
        Ok(match self.0.entry(id) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let text: String = file
                    .prepare_cached("SELECT outcome FROM outcomes WHERE id = ?")?
                    .query_row([id], |row| row.get(0))?;
                place.insert(serde_json::from_str(&text)?)
            }
        })
    }
}
