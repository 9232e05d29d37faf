//! Counts verdicts with what became of mail, in one walk over both.

use std::pin::pin;

use futures_util::TryStreamExt as _;
use tokio_postgres::{Error, Row, Transaction};

use super::super::accuracy::{FollowedVerdict, MailFate, OutcomeTallies, TallyBuilder};
use super::super::digest::Digest;
use super::super::kind::OutcomeKind;
use super::super::stored_outcome::{reason, time};
use super::rows::digest;

/// Verdicts, and the outcomes of their mailboxes, mailbox by mailbox, by their times.
const WALK: &str = "
    SELECT mailbox, at, reason, send, provider, gathered FROM mailvet.verdicts
    UNION ALL
    SELECT o.mailbox, o.at, o.kind, NULL, NULL, NULL FROM mailvet.outcomes o
    WHERE EXISTS (SELECT FROM mailvet.verdicts v WHERE v.mailbox = o.mailbox)
    ORDER BY 1, 2";

/// What is known of one mailbox.
#[derive(Default)]
struct MailboxFacts {
    verdicts: Vec<FollowedVerdict>,
    outcomes: Vec<(std::time::SystemTime, MailFate)>,
}

impl MailboxFacts {
    fn add(&mut self, row: &Row) {
        let (at, name) = (time(row.get(1)), row.get(2));
        match row.get::<_, Option<String>>(3) {
            Some(send) => self.verdicts.push(FollowedVerdict {
                at,
                gathered_at: time(row.get(5)),
                send,
                reason: reason(name),
                provider: row.get(4),
            }),
            None => {
                let kind = OutcomeKind::from_name(name).unwrap_or(OutcomeKind::NotABounce);
                self.outcomes.extend(MailFate::from_kind(kind).map(|fate| (at, fate)));
            }
        }
    }
}

/// Counts of all verdicts.
pub(super) async fn count(view: &Transaction<'_>) -> Result<OutcomeTallies, Error> {
    let nothing: [i64; 0] = [];
    let mut rows = pin!(view.query_raw(WALK, nothing).await?);
    let mut builder = TallyBuilder::default();
    let mut facts = MailboxFacts::default();
    let mut mailbox: Option<Digest> = None;
    while let Some(row) = rows.try_next().await? {
        let this = digest(&row, 0);
        if mailbox.replace(this).is_some_and(|last| last != this) {
            let MailboxFacts { verdicts, outcomes } = std::mem::take(&mut facts);
            builder.add_mailbox(verdicts, &outcomes);
        }
        facts.add(&row);
    }
    builder.add_mailbox(facts.verdicts, &facts.outcomes);
    Ok(builder.into_tallies())
}
