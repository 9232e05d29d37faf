//! Limits of one session that an exchanger was seen to have: recipients, and transactions.
//!
//! Some servers take so many recipients in one connection and answer `452` for the rest, whatever
//! the transaction (Exim `recipients_max` per connection, Exchange and gateways in front of it);
//! some take so many messages. Neither is announced, and each recipient named past the limit is an
//! error in the server's eyes. The lowest limit in use is the least that RFC 5321 section
//! 4.5.3.1.8 allows, 100.

/// The usual limit of this kind. A session of an exchanger of which none has passed it names a
/// single recipient more than that, and learns from the reply whether it may go on.
const USUAL: u32 = 100;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLimits {
    recipients: Option<u32>,
    transactions: Option<u32>,
    /// The most recipients that a session was seen to take.
    passed: u32,
}

impl SessionLimits {
    /// The limit of recipients that was learned, if one was.
    #[must_use]
    pub fn recipients(&self) -> Option<u32> {
        self.recipients
    }

    /// Recipients that a session may name at once after it has named this many.
    #[must_use]
    pub fn recipients_left(&self, named: u32) -> u32 {
        let learned = self.recipients.map_or(u32::MAX, |most| most.saturating_sub(named));
        let is_proven = self.passed > USUAL || named > USUAL;
        learned.min(if is_proven { u32::MAX } else { USUAL + 1 - named })
    }

    /// `true` if recipients up to this one would come to the usual limit and not tell whether it
    /// holds here.
    #[must_use]
    pub fn ends_at_usual(&self, named: u32) -> bool {
        named == USUAL && self.passed <= USUAL && self.recipients.is_none()
    }

    /// Transactions that a session may still begin after this many.
    #[must_use]
    pub fn transactions_left(&self, begun: u32) -> u32 {
        self.transactions.map_or(u32::MAX, |most| most.saturating_sub(begun))
    }

    /// A session took this many recipients.
    pub fn pass(&mut self, taken: u32) {
        self.passed = self.passed.max(taken);
    }

    /// A session took this many recipients, and no more.
    pub fn learn_recipients(&mut self, taken: u32) {
        self.recipients = Some(self.recipients.unwrap_or(u32::MAX).min(taken.max(1)));
    }

    /// A session took this many transactions, and no more.
    pub fn learn_transactions(&mut self, carried: u32) {
        self.transactions = Some(self.transactions.unwrap_or(u32::MAX).min(carried.max(1)));
    }

    /// Forgets what was learned: a new session was refused in the same way, so the limit is not one
    /// of a session.
    pub fn forget(&mut self) {
        (self.recipients, self.transactions) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_a_single_recipient_beyond_the_usual_limit() {
        let limits = SessionLimits::default();
        assert_eq!(limits.recipients_left(0), 101);
        assert_eq!(limits.recipients_left(10), 91);
        assert_eq!(limits.recipients_left(100), 1);
        assert_eq!(limits.recipients_left(101), u32::MAX);
        assert!(limits.ends_at_usual(100) && !limits.ends_at_usual(101));
    }

    #[test]
    fn a_limit_that_one_session_passed_stops_no_other() {
        let mut limits = SessionLimits::default();
        limits.pass(100);
        assert_eq!(limits.recipients_left(100), 1, "it was reached, not passed");
        limits.pass(101);
        assert_eq!(limits.recipients_left(0), u32::MAX);
        assert!(!limits.ends_at_usual(100));
    }

    #[test]
    fn the_lowest_limit_seen_counts_until_it_is_forgotten() {
        let mut limits = SessionLimits::default();
        limits.learn_recipients(40);
        limits.learn_recipients(60);
        limits.learn_transactions(5);
        assert_eq!((limits.recipients_left(0), limits.recipients_left(40)), (40, 0));
        assert_eq!((limits.transactions_left(3), limits.transactions_left(9)), (2, 0));
        limits.forget();
        assert_eq!((limits.recipients_left(0), limits.transactions_left(9)), (101, u32::MAX));
    }
}
