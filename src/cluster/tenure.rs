//! The time for which a process may hold destinations. Pure.
//!
//! A member renews its sign of life every few seconds; by the database's clock it is gone when it
//! was silent for 15 seconds. It counts by its own monotonic clock, from *before* it sent the
//! renewal, and stops 3 seconds earlier: no two processes ever ask one destination at a time.

use std::time::{Duration, SystemTime};

/// Time from the sending of a renewal for which sessions may be opened.
pub const MAY_ASK_FOR: Duration = Duration::from_secs(12);

/// A membership as of its last renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The member's number: a process that was gone has another one.
    pub member: i64,
    /// Number of the connection over which it is renewed: over a new one the database may be
    /// another, which does not know of the last claims.
    pub connection: u64,
    /// Time just before the renewal was sent.
    pub renewed_at: SystemTime,
    /// Members that share destinations, this one included.
    pub members: usize,
}

impl Tenure {
    /// Time from which on nothing may be asked.
    #[must_use]
    pub fn ends_at(&self) -> SystemTime {
        self.renewed_at + MAY_ASK_FOR
    }

    /// `true` while destinations may be asked.
    #[must_use]
    pub fn may_ask(&self, now: SystemTime) -> bool {
        now < self.ends_at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_stops_before_the_database_gives_what_it_holds_away() {
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let tenure = Tenure { member: 1, connection: 0, renewed_at: sent, members: 3 };
        assert!(tenure.may_ask(sent + Duration::from_millis(11_999)));
        assert!(!tenure.may_ask(sent + Duration::from_secs(12)));
        // The database saw the renewal after it was sent, and waits for 15 seconds from then.
        assert!(tenure.ends_at() + Duration::from_secs(3) <= sent + Duration::from_secs(15));
    }
}
