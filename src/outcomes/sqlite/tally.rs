//! Counts verdicts with what became of mail, in one walk over both.

use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags, Row, Rows};

use crate::outcomes::accuracy::{FollowedVerdict, MailFate, OutcomeTallies, TallyBuilder};
use crate::outcomes::digest::Digest;
use crate::outcomes::kind::OutcomeKind;
use crate::outcomes::stored_outcome::{reason, time};

/// Counts of all verdicts in the file at `path`. It reads the whole file, by a connection of its
/// own, so that look-ups go on.
pub(super) fn count(path: &Path) -> rusqlite::Result<OutcomeTallies> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(super::schema::BUSY_TIMEOUT)?;
    let view = connection.unchecked_transaction()?;
    tally(&view)
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
