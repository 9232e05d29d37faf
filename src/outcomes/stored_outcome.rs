//! Rows of a database of outcomes. Pure.

use std::time::{Duration, SystemTime};

use super::digest::Digest;
use super::kind::OutcomeKind;
use crate::verdict::Reason;

/// Time by which mail must have arrived after a bounce to lift it. The log that says that a server
/// took a mail, and the bounce that this server sends for the same mail, have their times of
/// different clocks, and a log that states no offset from UTC may be 14 hours off.
const LIFTS_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

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

/// An outcome on its way into the database.
#[derive(Clone, Debug)]
pub(super) struct NewOutcome {
    /// The row.
    pub(super) row: StoredOutcome,
    /// `true` if it counts only about an address that the operator's own sources or lists know.
    pub(super) needs_proof: bool,
    /// The hashes of the same event as other rules may have read it: those rows give way.
    pub(super) earlier: Vec<Digest>,
}

/// A verdict on its way into the database.
#[derive(Clone, Debug)]
pub(super) struct VerdictRecord {
    pub(super) mailbox: Digest,
    pub(super) person: Digest,
    pub(super) provider: String,
    pub(super) reason: Reason,
    pub(super) gathered_at: SystemTime,
}

/// The latest outcomes of one address, of the kinds that say something of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatestOutcomes {
    /// A complaint or an unsubscription of its person.
    pub opted_out: Option<StoredOutcome>,
    /// A bounce as gone.
    pub gone: Option<StoredOutcome>,
    /// Mail that arrived.
    pub delivered: Option<StoredOutcome>,
}

impl LatestOutcomes {
    /// The outcome for which the address is not to be written to, or asked about: a complaint or an
    /// unsubscription for good; a bounce as gone after `since`, unless mail has arrived more than a
    /// day later.
    #[must_use]
    pub fn suppression(&self, since: SystemTime) -> Option<&StoredOutcome> {
        let has_arrived_later = |gone: &StoredOutcome| {
            let later = self.delivered.as_ref().map(|it| it.at.duration_since(gone.at));
            later.is_some_and(|later| later.is_ok_and(|later| later > LIFTS_AFTER))
        };
        let gone = self.gone.as_ref();
        let gone = gone.filter(|gone| gone.at > since && !has_arrived_later(gone));
        self.opted_out.as_ref().or(gone)
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

/// The reason of this name; one of a later version decides nothing here.
pub(super) fn reason(name: &str) -> Reason {
    let known = Reason::ALL.iter().find(|known| known.name() == name);
    known.copied().unwrap_or(Reason::NotProbed)
}
