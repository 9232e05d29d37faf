//! Counts over many rows: verdicts with what became of mail, in one walk over both, and a domain's
//! outcomes.

use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags, Row, Rows, params};

use crate::outcomes::accuracy::{FollowedVerdict, MailFate, OutcomeTallies, TallyBuilder};
use crate::outcomes::digest::Digest;
use crate::outcomes::kind::OutcomeKind;
use crate::outcomes::stored_outcome::{milliseconds, reason, time, unsigned};

/// Counts of all verdicts in the file at `path`.
pub(super) fn count(path: &Path) -> rusqlite::Result<OutcomeTallies> {
    let connection = open(path)?;
    let view = connection.unchecked_transaction()?;
    tally(&view)
}

/// A connection to read many rows by, so that look-ups go on. It sorts in memory: a container may
/// have no place for temporary files.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(super::schema::BUSY_TIMEOUT)?;
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;")?;
    Ok(connection)
}

/// The most outcomes of one domain that are counted: nothing else bounds what is sorted in memory,
/// and so many tell how mail to a domain fares.
pub(super) const MOST_COUNTED: u32 = 1_000_000;

/// Numbers of a domain's outcomes since that time, by kind, of the latest `most`. Several sources
/// tell of one mail: of each mailbox, kind and day the source counts that tells the most.
pub(super) fn count_domain(
    path: &Path,
    domain: &str,
    since: SystemTime,
    most: u32,
) -> rusqlite::Result<Vec<(OutcomeKind, u64)>> {
    let connection = open(path)?;
    let mut counts = connection.prepare(
        "SELECT kind, sum(most) FROM (
             SELECT kind, max(told) AS most FROM (
                 SELECT kind, mailbox, at / 86400000 AS day, count(*) AS told FROM (
                     SELECT kind, mailbox, at, source FROM outcomes
                     WHERE domain = ? AND at > ? ORDER BY at DESC LIMIT ?)
                 GROUP BY kind, mailbox, day, source)
             GROUP BY kind, mailbox, day)
         GROUP BY kind",
    )?;
    let counts = counts.query_map(params![domain, milliseconds(since), most], |row| {
        let (kind, count): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok((OutcomeKind::from_name(&kind).unwrap_or(OutcomeKind::Unknown), unsigned(count)))
    });
    counts?.collect()
}

/// A verdict, and the mailbox it is about.
struct StoredVerdict {
    mailbox: Digest,
    verdict: FollowedVerdict,
}

impl StoredVerdict {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let name: String = row.get("reason")?;
        let verdict = FollowedVerdict {
            at: time(row.get("at")?),
            gathered_at: time(row.get("gathered")?),
            send: row.get("send")?,
            reason: reason(&name),
            provider: row.get("provider")?,
        };
        Ok(Self { mailbox: row.get("mailbox")?, verdict })
    }
}

/// Outcomes in the order of their mailboxes, read once beside the verdicts.
struct OutcomeWalk<'stmt> {
    rows: Rows<'stmt>,
    next: Option<(Digest, SystemTime, OutcomeKind)>,
}

impl OutcomeWalk<'_> {
    fn advance(&mut self) -> rusqlite::Result<()> {
        self.next = match self.rows.next()? {
            None => None,
            Some(row) => {
                let kind: String = row.get(1)?;
                let kind = OutcomeKind::from_name(&kind).unwrap_or(OutcomeKind::NotABounce);
                Some((row.get(0)?, time(row.get(2)?), kind))
            }
        };
        Ok(())
    }

    /// The outcomes of a mailbox that comes after all those asked for before.
    fn of(&mut self, mailbox: Digest) -> rusqlite::Result<Vec<(SystemTime, MailFate)>> {
        let mut found = Vec::new();
        while let Some((of, at, kind)) = self.next
            && of <= mailbox
        {
            if of == mailbox
                && let Some(fate) = MailFate::from_kind(kind)
            {
                found.push((at, fate));
            }
            self.advance()?;
        }
        Ok(found)
    }
}

fn tally(view: &Connection) -> rusqlite::Result<OutcomeTallies> {
    let mut verdicts = view.prepare("SELECT * FROM verdicts ORDER BY mailbox, at")?;
    let mut outcomes = view
        .prepare("SELECT mailbox, kind, at FROM outcomes INDEXED BY by_mailbox ORDER BY mailbox")?;
    let mut outcomes = OutcomeWalk { rows: outcomes.query([])?, next: None };
    outcomes.advance()?;
    let mut builder = TallyBuilder::default();
    let (mut of_one, mut mailbox) = (Vec::new(), None);
    let mut verdicts = verdicts.query([])?;
    while let Some(row) = verdicts.next()? {
        let row = StoredVerdict::read(row)?;
        if let Some(last) = mailbox.replace(row.mailbox)
            && last != row.mailbox
        {
            builder.add_mailbox(std::mem::take(&mut of_one), &outcomes.of(last)?);
        }
        of_one.push(row.verdict);
    }
    if let Some(last) = mailbox {
        builder.add_mailbox(of_one, &outcomes.of(last)?);
    }
    Ok(builder.into_tallies())
}
