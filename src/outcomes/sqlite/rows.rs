//! Outcomes as rows of the file.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, Transaction, params};

use crate::outcomes::digest::Digest;
use crate::outcomes::kind::OutcomeKind;
use crate::outcomes::stored_outcome::{StoredOutcome, milliseconds, time};

/// Keeps an outcome, unless it is kept already; returns whether it is new.
pub(super) fn insert(outcome: &StoredOutcome, work: &Transaction<'_>) -> rusqlite::Result<bool> {
    let mut insert = work.prepare_cached(
        "INSERT OR IGNORE INTO outcomes
             (id, mailbox, person, domain, kind, at, source, words, address)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let changed = insert.execute(params![
        outcome.id,
        outcome.mailbox,
        outcome.person,
        outcome.domain,
        outcome.kind.name(),
        milliseconds(outcome.at),
        outcome.source,
        outcome.words,
        outcome.address,
    ])?;
    Ok(changed == 1)
}

/// Removes the outcomes of these hashes, if there are any.
pub(super) fn remove(ids: &[Digest], work: &Transaction<'_>) -> rusqlite::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut remove = work.prepare_cached("DELETE FROM outcomes WHERE id = ?")?;
    for id in ids {
        remove.execute([id])?;
    }
    Ok(())
}

/// Reads a row with all columns.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<StoredOutcome> {
    let kind: String = row.get("kind")?;
    Ok(StoredOutcome {
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

impl ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_bytes().into())
    }
}

impl FromSql for Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 16]>::column_result(value).map(Self::from_bytes)
    }
}
