//! Limits of one session that an exchanger was seen to have: recipients, transactions, refusals.
//!
//! Some servers take so many recipients in one connection and answer `452` for the rest, whatever
//! the transaction (Exim `recipients_max` per connection, Exchange and gateways in front of it);
//! some take so many messages. Neither is announced, and each recipient named past the limit is an
//! error in the server's eyes. The lowest limit in use is the least that RFC 5321 section
//! 4.5.3.1.8 allows, 100.
//!
//! Refused recipients are errors as well. Many servers bear any number; those that count punish
//! usually the tenth with delays and the twentieth with the end of the session (Postfix,
//! `smtpd_soft_error_limit` and `smtpd_hard_error_limit`). So a session goes a single refusal
//! beyond each of the two numbers and no further, unless one before it did and was answered as
//! before. The tenth may come with those before it: a delay tells as much about them all. The
//! twentieth comes alone: what it ends would leave more than itself unanswered.
//!
//! A rate limit may come in the words of a limit of sessions, and a session may end by accident. So
//! what only one session showed is believed where a server named it and nothing speaks against it;
//! else a later session has to show it too. Nothing is believed for ever.

use std::time::{Duration, SystemTime};

/// The usual limit of this kind. A session of an exchanger of which none has passed it names a
/// single recipient more than that, and learns from the reply whether it may go on.
const USUAL: u32 = 100;

/// A session that ended after fewer recipients than this says nothing about a limit of recipients.
const FEWEST: u32 = 10;

/// Time for which a limit is believed: a wrong one costs no more than that, and a right one is
/// learned again with a refusal or two.
const BELIEVED: Duration = Duration::from_secs(60 * 60);

/// A limit, and when it was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LearnedLimit {
    most: u32,
    at: SystemTime,
}

impl LearnedLimit {
    /// The lower one of two: `before`, and `most`, which was learned now.
    fn lower(before: Option<Self>, most: u32, now: SystemTime) -> Self {
        before.filter(|before| before.most <= most).unwrap_or(Self { most, at: now })
    }

    /// `true` if a session that took `taken` recipients shows the same.
    fn is_about(self, taken: u32) -> bool {
        self.most.abs_diff(taken) <= taken / 10
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLimits {
    recipients: Option<LearnedLimit>,
    /// A limit of recipients that one session showed, and that may be none.
    suspected: Option<LearnedLimit>,
    transactions: Option<LearnedLimit>,
    /// The most recipients that a session was seen to take.
    passed: u32,
    refusals: Option<LearnedLimit>,
    /// The most refusals that a session was seen to bear.
    borne: u32,
}

impl SessionLimits {
    /// The limit of recipients that was learned, if one was.
    #[must_use]
    pub fn recipients(&self) -> Option<u32> {
        self.recipients.map(|learned| learned.most)
    }

    /// Recipients that a session may name at once after it has named this many.
    #[must_use]
    pub fn recipients_left(&self, named: u32) -> u32 {
        let learned = self.recipients().map_or(u32::MAX, |most| most.saturating_sub(named));
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
        self.transactions.map_or(u32::MAX, |learned| learned.most.saturating_sub(begun))
    }

    /// Refusals that a session may bring about at once after this many. `usual` is the number that
    /// every server bears, `most` the number that is never passed.
    #[must_use]
    pub fn refusals_left(&self, refused: u32, usual: u32, most: u32) -> u32 {
        let stops = [usual, usual.saturating_mul(2).saturating_add(1)];
        let stop = stops.into_iter().find(|stop| self.borne <= *stop).unwrap_or(most);
        let step = if refused < stop { stop - refused } else { 1 };
        step.min(self.most_refusals(most).saturating_sub(refused))
    }

    /// The same for control recipients, which are refused almost surely and come last in their
    /// flight: the first refusal beyond the usual number may be one of them.
    #[must_use]
    pub fn controls_left(&self, refused: u32, usual: u32, most: u32) -> u32 {
        let beyond = u32::from(self.borne <= usual && refused < usual);
        let step = self.refusals_left(refused, usual, most) + beyond;
        step.min(self.most_refusals(most).saturating_sub(refused))
    }

    fn most_refusals(&self, most: u32) -> u32 {
        self.refusals.map_or(most, |learned| learned.most.min(most))
    }

    /// A session bore this many refusals.
    pub fn bear(&mut self, refused: u32) {
        self.borne = self.borne.max(refused);
    }

    /// A session was slowed down or ended between its refusals `before` and `after`, at least the
    /// `usual` number of them: it should have stopped sooner. Returns whether that is news.
    pub fn learn_refusals(&mut self, before: u32, after: u32, usual: u32, now: SystemTime) -> bool {
        let sooner = match self.refusals {
            // Recipients that are no refusals came after the last one that was allowed.
            Some(learned) if after >= learned.most => learned.most.saturating_sub(1),
            _ => before,
        };
        let most = sooner.max(usual);
        let is_news = after >= usual && self.refusals.is_none_or(|learned| most < learned.most);
        if is_news {
            self.refusals = Some(LearnedLimit { most, at: now });
        }
        is_news
    }

    /// A session took this many recipients.
    pub fn pass(&mut self, taken: u32) {
        self.passed = self.passed.max(taken);
    }

    /// The server named a limit when a session that began at `began` had taken this many
    /// recipients. One that is too low, or that a session passed before, has to show twice.
    pub fn learn_recipients(&mut self, taken: u32, began: SystemTime, now: SystemTime) {
        if taken >= FEWEST.max(self.passed) {
            self.recipients = Some(LearnedLimit::lower(self.recipients, taken, now));
        } else {
            self.show_recipients(taken, began, now);
        }
    }

    /// A session that began at `began` ended after this many recipients, and nothing says why: it
    /// is a limit if a later session ends after about as many.
    pub fn suspect_recipients(&mut self, taken: u32, began: SystemTime, now: SystemTime) {
        if taken >= FEWEST {
            self.show_recipients(taken, began, now);
        }
    }

    /// A session took no more than this. Several at the same time show no more than one.
    fn show_recipients(&mut self, taken: u32, began: SystemTime, now: SystemTime) {
        match self.suspected.filter(|suspected| suspected.is_about(taken)) {
            Some(suspected) if suspected.at <= began => {
                self.recipients = Some(LearnedLimit::lower(self.recipients, taken, now));
            }
            Some(_) => {}
            None => self.suspected = Some(LearnedLimit { most: taken, at: now }),
        }
    }

    /// A session took this many transactions, and no more.
    pub fn learn_transactions(&mut self, carried: u32, now: SystemTime) {
        self.transactions = Some(LearnedLimit::lower(self.transactions, carried.max(1), now));
    }

    /// Forgets what was learned: a new session was refused in the same way, so the limit is not one
    /// of a session.
    pub fn forget(&mut self) {
        (self.recipients, self.suspected, self.transactions) = (None, None, None);
    }

    /// Forgets what was learned too long ago.
    pub fn expire(&mut self, now: SystemTime) {
        let all =
            [&mut self.recipients, &mut self.suspected, &mut self.transactions, &mut self.refusals];
        for limit in all {
            *limit = limit.filter(|learned| now < learned.at + BELIEVED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

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
    fn a_session_goes_a_single_refusal_beyond_each_number_that_servers_punish() {
        let mut limits = SessionLimits::default();
        let left = |limits: SessionLimits, refused| limits.refusals_left(refused, 9, 50);
        assert_eq!((left(limits, 0), left(limits, 8), left(limits, 9)), (9, 1, 1));
        limits.bear(9);
        assert_eq!(left(limits, 9), 1, "it was reached, not passed");
        limits.bear(10);
        assert_eq!((left(limits, 0), left(limits, 10), left(limits, 19)), (19, 9, 1));
        limits.bear(20);
        assert_eq!((left(limits, 0), left(limits, 20), left(limits, 50)), (50, 30, 0));
    }

    #[test]
    fn the_tenth_refusal_may_be_a_control_recipient_behind_the_others_and_the_twentieth_not() {
        let mut limits = SessionLimits::default();
        let left = |limits: SessionLimits, refused| limits.controls_left(refused, 9, 50);
        assert_eq!((left(limits, 0), left(limits, 8), left(limits, 9)), (10, 2, 1));
        limits.bear(10);
        assert_eq!((left(limits, 0), left(limits, 10), left(limits, 19)), (19, 9, 1));
        assert!(limits.learn_refusals(0, 10, 9, at(0)));
        assert_eq!(left(limits, 0), 9);
        assert_eq!(SessionLimits::default().controls_left(0, 9, 9), 9);
    }

    #[test]
    fn a_server_that_punished_a_refusal_is_not_brought_that_many_again() {
        let mut limits = SessionLimits::default();
        limits.bear(10);
        assert!(limits.learn_refusals(19, 20, 9, at(0)));
        assert_eq!(limits.refusals_left(0, 9, 50), 19);
        assert_eq!(limits.refusals_left(19, 9, 50), 0);
        assert!(limits.learn_refusals(4, 19, 9, at(0)), "punished at the limit: it is lower");
        assert_eq!(limits.refusals_left(0, 9, 50), 18);
        assert!(limits.learn_refusals(2, 9, 9, at(0)));
        limits.bear(30);
        assert_eq!(limits.refusals_left(0, 9, 50), 9);
        assert!(!limits.learn_refusals(0, 9, 9, at(0)), "it was brought no more than is usual");
    }

    #[test]
    fn what_ends_a_session_of_few_refusals_is_something_else() {
        let mut limits = SessionLimits::default();
        assert!(!limits.learn_refusals(0, 8, 9, at(0)));
        assert_eq!(limits.refusals_left(0, 9, 9), 9);
    }

    #[test]
    fn no_number_of_refusals_is_beyond_the_most() {
        let mut limits = SessionLimits::default();
        assert_eq!(limits.refusals_left(9, 9, 9), 0);
        limits.bear(40);
        assert_eq!(limits.refusals_left(4, 9, 9), 5);
    }

    #[test]
    fn the_lowest_limit_seen_counts_until_it_is_forgotten() {
        let mut limits = SessionLimits::default();
        limits.learn_recipients(40, at(0), at(1));
        limits.learn_recipients(60, at(0), at(1));
        limits.learn_transactions(5, at(1));
        assert_eq!((limits.recipients_left(0), limits.recipients_left(40)), (40, 0));
        assert_eq!((limits.transactions_left(3), limits.transactions_left(9)), (2, 0));
        limits.forget();
        assert_eq!((limits.recipients_left(0), limits.transactions_left(9)), (101, u32::MAX));
    }

    #[test]
    fn an_end_that_nothing_explains_is_a_limit_once_a_later_session_ends_there_too() {
        let mut limits = SessionLimits::default();
        limits.suspect_recipients(40, at(0), at(10));
        assert_eq!(limits.recipients(), None, "it may be an accident");
        limits.suspect_recipients(41, at(9), at(11));
        assert_eq!(limits.recipients(), None, "both may be the same accident");
        limits.suspect_recipients(80, at(12), at(13));
        assert_eq!(limits.recipients(), None, "it is no limit of 40");
        limits.suspect_recipients(76, at(14), at(15));
        assert_eq!(limits.recipients(), Some(76));
    }

    #[test]
    fn an_end_after_few_recipients_is_no_limit_however_often_it_comes() {
        let mut limits = SessionLimits::default();
        for n in 0..10 {
            limits.suspect_recipients(9, at(n), at(n));
        }
        assert_eq!(limits.recipients(), None);
    }

    #[test]
    fn a_limit_that_is_named_and_that_something_speaks_against_has_to_be_named_twice() {
        let mut low = SessionLimits::default();
        low.learn_recipients(1, at(0), at(1));
        assert_eq!(low.recipients(), None);
        low.learn_recipients(1, at(2), at(3));
        assert_eq!(low.recipients(), Some(1));
        let mut passed = SessionLimits::default();
        passed.pass(41);
        passed.learn_recipients(40, at(0), at(1));
        assert_eq!(passed.recipients(), None);
        passed.learn_recipients(40, at(2), at(3));
        assert_eq!(passed.recipients(), Some(40));
    }

    #[test]
    fn nothing_is_believed_for_longer_than_an_hour() {
        let mut limits = SessionLimits::default();
        limits.learn_recipients(40, at(0), at(0));
        limits.learn_transactions(5, at(0));
        assert!(limits.learn_refusals(9, 10, 9, at(0)));
        let known = limits;
        limits.expire(at(3599));
        assert_eq!(limits, known);
        limits.expire(at(3600));
        assert_eq!(limits, SessionLimits::default());
        limits.suspect_recipients(40, at(0), at(0));
        limits.expire(at(3600));
        limits.suspect_recipients(40, at(3600), at(3601));
        assert_eq!(limits.recipients(), None);
    }
}
