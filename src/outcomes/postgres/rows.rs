//! Outcomes and verdicts as rows of the database.

use std::collections::HashSet;

use tokio_postgres::{Error, Row, Transaction};

use super::super::digest::Digest;
use super::super::kind::OutcomeKind;
use super::super::stored_outcome::{NewOutcome, StoredOutcome, VerdictRecord, milliseconds, time};

/// Keeps outcomes of which the database knows none by that hash; the hashes of the new ones. They
/// go in by their order, so that two processes with the same ones do not wait for each other.
pub(super) async fn insert(
    work: &Transaction<'_>,
    rows: &[&NewOutcome],
) -> Result<HashSet<Digest>, Error> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let all = || rows.iter().map(|new| &new.row);
    let ids: Vec<&[u8]> = all().map(|row| row.id.as_bytes()).collect();
    let mailboxes: Vec<&[u8]> = all().map(|row| row.mailbox.as_bytes()).collect();
    let persons: Vec<&[u8]> = all().map(|row| row.person.as_bytes()).collect();
    let domains: Vec<&str> = all().map(|row| row.domain.as_str()).collect();
    let kinds: Vec<&str> = all().map(|row| row.kind.name()).collect();
    let times: Vec<i64> = all().map(|row| milliseconds(row.at)).collect();
    let sources: Vec<&str> = all().map(|row| row.source.as_str()).collect();
    let words: Vec<&str> = all().map(|row| row.words.as_str()).collect();
    let addresses: Vec<Option<&str>> = all().map(|row| row.address.as_deref()).collect();
    let insert = work
        .prepare(
            "INSERT INTO mailvet.outcomes
                 (id, mailbox, person, domain, kind, at, source, words, address)
             SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::text[],
                 $6::bigint[], $7::text[], $8::text[], $9::text[])
                 AS new (id, mailbox, person, domain, kind, at, source, words, address)
             ORDER BY id
             ON CONFLICT (id) DO NOTHING RETURNING id",
        )
        .await?;
    let new = work
        .query(
            &insert,
            &[&ids, &mailboxes, &persons, &domains, &kinds, &times, &sources, &words, &addresses],
        )
        .await?;
    Ok(new.iter().map(|row| digest(row, 0)).collect())
}

/// Removes the same events as other rules read them.
pub(super) async fn remove_earlier(
    work: &Transaction<'_>,
    rows: &[&NewOutcome],
) -> Result<(), Error> {
    let earlier = rows.iter().flat_map(|new| &new.earlier);
    let ids: Vec<&[u8]> = earlier.map(Digest::as_bytes).collect();
    if !ids.is_empty() {
        work.execute("DELETE FROM mailvet.outcomes WHERE id = ANY ($1)", &[&ids]).await?;
    }
    Ok(())
}

/// Those of the mailboxes that the operator's own sources, or lists that were vetted, name.
pub(super) async fn known(
    work: &Transaction<'_>,
    rows: &[&NewOutcome],
) -> Result<HashSet<Digest>, Error> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let mailboxes: Vec<&[u8]> = rows.iter().map(|new| new.row.mailbox.as_bytes()).collect();
    let sql = "
        SELECT DISTINCT asked.mailbox FROM unnest($1::bytea[]) AS asked (mailbox)
        WHERE EXISTS (SELECT FROM mailvet.outcomes o
                WHERE o.mailbox = asked.mailbox AND o.source <> 'bounce')
            OR EXISTS (SELECT FROM mailvet.verdicts v WHERE v.mailbox = asked.mailbox)";
    Ok(work.query(sql, &[&mailboxes]).await?.iter().map(|row| digest(row, 0)).collect())
}

/// Keeps the verdicts of a send.
pub(super) async fn remember(
    work: &Transaction<'_>,
    send: &str,
    verdicts: &[VerdictRecord],
    at: i64,
) -> Result<(), Error> {
    let mailboxes: Vec<&[u8]> = verdicts.iter().map(|row| row.mailbox.as_bytes()).collect();
    let persons: Vec<&[u8]> = verdicts.iter().map(|row| row.person.as_bytes()).collect();
    let providers: Vec<&str> = verdicts.iter().map(|row| row.provider.as_str()).collect();
    let reasons: Vec<&str> = verdicts.iter().map(|row| row.reason.name()).collect();
    let gathered: Vec<i64> = verdicts.iter().map(|row| milliseconds(row.gathered_at)).collect();
    // A mailbox that stands twice in a page is judged once.
    let sql = "
        INSERT INTO mailvet.verdicts (mailbox, at, send, person, provider, reason, gathered)
        SELECT DISTINCT ON (mailbox) mailbox, $6::bigint, $7::text, person, provider, reason, gathered
        FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::bigint[])
            AS new (mailbox, person, provider, reason, gathered)
        ORDER BY mailbox
        ON CONFLICT (mailbox, at, send) DO UPDATE SET person = excluded.person,
            provider = excluded.provider, reason = excluded.reason, gathered = excluded.gathered";
    work.execute(sql, &[&mailboxes, &persons, &providers, &reasons, &gathered, &at, &send]).await?;
    Ok(())
}

/// Reads a row with the columns of [`COLUMNS`].
pub(super) fn read(row: &Row) -> StoredOutcome {
    StoredOutcome {
        id: digest(row, 0),
        mailbox: digest(row, 1),
        person: digest(row, 2),
        domain: row.get(3),
        kind: OutcomeKind::from_name(row.get(4)).unwrap_or(OutcomeKind::Unknown),
        at: time(row.get(5)),
        source: row.get(6),
        words: row.get(7),
        address: row.get(8),
    }
}

/// The columns of an outcome `o`.
pub(super) const COLUMNS: &str =
    "o.id, o.mailbox, o.person, o.domain, o.kind, o.at, o.source, o.words, o.address";

/// The hash in a column; one of another length is nobody's.
pub(super) fn digest(row: &Row, column: usize) -> Digest {
    Digest::from_bytes(row.get::<_, &[u8]>(column).try_into().unwrap_or_default())
}
