//! One outcome, and the row that it is kept as.

use std::time::{Duration, SystemTime};

use rusqlite::{Row, Transaction, params};

use crate::outcomes::digest::Digest;
use crate::outcomes::kind::OutcomeKind;

/// One outcome, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutcome {
    /// The event's hash.
    pub id: Digest,
    /// The hash of the address's mailbox.
    pub mailbox: Digest,
    /// The hash of the address's person.
    pub person: Digest,
    /// The domain.
    pub domain: String,
    /// The kind of fate.
    pub kind: OutcomeKind,
    /// The time at which it happened.
    pub at: SystemTime,
    /// The kind of source.
    pub source: String,
    /// The server's words, without local parts.
    pub words: String,
    /// The address, where it is kept.
    pub address: Option<String>,
}

impl StoredOutcome {
    /// Keeps it, unless it is kept already; returns whether it is new.
    pub(super) fn insert(&self, work: &Transaction<'_>) -> rusqlite::Result<bool> {
        let mut insert = work.prepare_cached(
            "INSERT OR IGNORE INTO outcomes
                 (id, mailbox, person, domain, kind, at, source, words, address)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let changed = insert.execute(params![
            self.id,
            self.mailbox,
            self.person,
            self.domain,
            self.kind.name(),
            milliseconds(self.at),
            self.source,
            self.words,
            self.address,
        ])?;
        Ok(changed == 1)
    }

    /// Reads a row with all columns.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let kind: String = row.get("kind")?;
        Ok(Self {
            id: row.get("id")?,
            mailbox: row.get("mailbox")?,
            person: row.get("person")?,
            domain: row.get("domain")?,
            kind: OutcomeKind::from_name(&kind).unwrap_or(OutcomeKind::Unknown),
            at: time(row.get("at")?),
            source: row.get("source")?,
            words: row.get("words")?,
            address: row.get("address")?,
        })
    }
}

/// A time as the store has it.
pub(super) fn milliseconds(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time again.
pub(super) fn time(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(unsigned(milliseconds))
}

/// A number of the store, none of which is negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
