//! Budget of one session: what it may still ask before it should end.

use std::time::SystemTime;

use super::{Config, SessionLimits};

/// Share of unknown users that a list commonly holds: the first guess for an exchanger.
const USUAL_UNKNOWN_SHARE: f64 = 0.08;
/// The weight of one answer in the share of unknown users.
const WEIGHT: f64 = 1.0 / 32.0;

/// Part of its budget that a session has used.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionBudget {
    opened_at: SystemTime,
    recipients: u32,
    transactions: u32,
    unknown_users: u32,
    unknown_share: f64,
    spent: bool,
}

impl SessionBudget {
    /// A session opened at `now`.
    #[must_use]
    pub fn new(now: SystemTime) -> Self {
        Self {
            opened_at: now,
            recipients: 0,
            transactions: 0,
            unknown_users: 0,
            unknown_share: USUAL_UNKNOWN_SHARE,
            spent: false,
        }
    }

    /// `true` if the session should end rather than ask more.
    #[must_use]
    pub fn is_spent(&self, config: &Config, limits: &SessionLimits, now: SystemTime) -> bool {
        self.spent
            || self.recipients >= config.recipients_per_session.get()
            || self.transactions >= config.transactions_per_session.get()
            || self.unknown_users_left(config, limits) == 0
            || now >= self.too_old_at(config)
    }

    /// Time at which the session is too old to ask more.
    #[must_use]
    pub fn too_old_at(&self, config: &Config) -> SystemTime {
        self.opened_at + config.session_age
    }

    /// Recipients that it may still name at once. Unknown users show only afterwards, so as few
    /// are named as should, at the share seen so far, stay within their budget.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and the smaller of the two counts"
    )]
    pub fn recipients(&self, config: &Config, limits: &SessionLimits) -> u32 {
        let unknown = f64::from(self.unknown_users_left(config, limits));
        let likely = unknown / self.unknown_share.max(1.0 / 1024.0);
        let left = config.recipients_per_session.get().saturating_sub(self.recipients);
        (likely as u32).max(1).min(left)
    }

    /// Transactions that it may still begin.
    #[must_use]
    pub fn transactions(&self, config: &Config) -> u32 {
        config.transactions_per_session.get().saturating_sub(self.transactions)
    }

    /// Counts a transaction that is about to be sent, with this many recipients.
    pub fn charge(&mut self, recipients: u32) {
        self.transactions += 1;
        self.recipients += recipients;
    }

    /// Unknown users that it may still name at once.
    #[must_use]
    pub fn unknown_users_left(&self, config: &Config, limits: &SessionLimits) -> u32 {
        let usual = config.unknown_users_per_session.get();
        let most = config.unknown_users_per_proven_session.get().max(usual);
        limits.refusals_left(self.unknown_users, usual, most)
    }

    /// Control recipients that it may still name at once: unknown users, most likely.
    #[must_use]
    pub fn controls_left(&self, config: &Config, limits: &SessionLimits) -> u32 {
        let usual = config.unknown_users_per_session.get();
        let most = config.unknown_users_per_proven_session.get().max(usual);
        limits.controls_left(self.unknown_users, usual, most)
    }

    /// Unknown users named so far.
    #[must_use]
    pub fn unknown_users(&self) -> u32 {
        self.unknown_users
    }

    /// Counts a control recipient's answer, which says nothing about the list.
    pub fn control_answered(&mut self, unknown_user: bool) {
        self.unknown_users += u32::from(unknown_user);
    }

    /// Counts an answer: whether it was "no such user".
    pub fn answered(&mut self, unknown_user: bool) {
        self.unknown_users += u32::from(unknown_user);
        let seen = if unknown_user { 1.0 } else { 0.0 };
        self.unknown_share += (seen - self.unknown_share) * WEIGHT;
    }

    /// The session is to end after this: it is being tarpitted, or the server said so.
    pub fn spend(&mut self) {
        self.spent = true;
    }

    /// Time at which the session was opened.
    #[must_use]
    pub fn opened_at(&self) -> SystemTime {
        self.opened_at
    }

    /// Transactions begun so far.
    #[must_use]
    pub fn transactions_begun(&self) -> u32 {
        self.transactions
    }

    /// Recipients named so far.
    #[must_use]
    pub fn recipients_named(&self) -> u32 {
        self.recipients
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn session() -> (SessionBudget, Config) {
        (SessionBudget::new(at(0)), Config::default())
    }

    #[test]
    fn a_session_ends_at_its_recipients() {
        let (mut budget, config) = session();
        budget.charge(999);
        assert!(!budget.is_spent(&config, &SessionLimits::default(), at(1)));
        assert_eq!(budget.recipients(&config, &SessionLimits::default()), 1);
        budget.charge(1);
        assert!(budget.is_spent(&config, &SessionLimits::default(), at(1)));
    }

    #[test]
    fn a_session_ends_at_its_transactions() {
        let (mut budget, config) = session();
        (0..89).for_each(|_| budget.charge(1));
        assert!(!budget.is_spent(&config, &SessionLimits::default(), at(1)));
        assert_eq!(budget.transactions(&config), 1);
        budget.charge(1);
        assert!(budget.is_spent(&config, &SessionLimits::default(), at(1)));
    }

    #[test]
    fn a_session_ends_before_a_server_punishes_unknown_users() {
        let (mut budget, config) = session();
        let mut limits = SessionLimits::default();
        limits.learn_refusals(9, 10, 9, at(0));
        (0..8).for_each(|_| budget.answered(true));
        assert!(!budget.is_spent(&config, &limits, at(1)));
        budget.answered(true);
        assert!(budget.is_spent(&config, &limits, at(1)));
    }

    #[test]
    fn a_session_ends_at_its_age_and_when_told() {
        let (mut budget, config) = session();
        assert!(!budget.is_spent(&config, &SessionLimits::default(), at(299)));
        assert!(budget.is_spent(&config, &SessionLimits::default(), at(300)));
        assert!(!budget.is_spent(&config, &SessionLimits::default(), at(0)));
        budget.spend();
        assert!(budget.is_spent(&config, &SessionLimits::default(), at(0)));
    }

    #[test]
    fn the_more_users_are_unknown_the_fewer_are_named_at_once() {
        let (mut budget, config) = session();
        let clean = budget.recipients(&config, &SessionLimits::default());
        assert!((100..=120).contains(&clean), "{clean}");
        (0..6).for_each(|_| budget.answered(true));
        let dirty = budget.recipients(&config, &SessionLimits::default());
        assert!((3..=15).contains(&dirty), "{dirty}");
        (0..200).for_each(|_| budget.answered(false));
        assert!(budget.recipients(&config, &SessionLimits::default()) > 100);
    }
}
