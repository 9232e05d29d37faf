//! Progress of a session, and the limits that it shows: learned where a reply says that a session,
//! or a transaction, takes no more.

use std::time::{Duration, SystemTime};

use super::Destination;
use super::reply_context::ReplyContext;
use crate::address::DomainName;
use crate::pacing::Delay;
use crate::prober::disposition::{Disposition, is_reply_to_rcpt, read};
use crate::prober::lane::SessionId;
use crate::smtp::{RecipientAnswer, ReplyLimit};

/// A reply held back by this is a punishment: those of Postfix and Sendmail last a second.
const HELD_BACK: Duration = Duration::from_millis(700);

/// The progress of a session before a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SessionProgress {
    taken: u32,
    carried: u32,
    unsure_of_limit: bool,
}

/// The disposition of an answer after `accepted` recipients of its transaction, in a session that
/// had come as far as `before`.
pub(super) fn disposition(
    answer: &RecipientAnswer,
    accepted: u32,
    before: SessionProgress,
) -> Disposition {
    let limit = match answer {
        RecipientAnswer::Replied { explanation, .. } => explanation.limit,
        RecipientAnswer::NoReply { .. } => None,
    };
    match read(answer) {
        Disposition::TransactionFull if accepted > 0 => Disposition::TransactionFull,
        // A new transaction does not cure it.
        Disposition::TransactionFull if before.taken > 0 => Disposition::SessionFull,
        // Not even the first of a session: too many for now.
        Disposition::TransactionFull => Disposition::RetryLater(Delay::RateLimited),
        Disposition::SessionOver | Disposition::RetryLater(_)
            if before.carried > 0 && limit == Some(ReplyLimit::Messages) =>
        {
            Disposition::SessionFull
        }
        disposition => disposition,
    }
}

/// `true` for a reply to `RCPT` that says something of the recipient: a server that takes no more
/// recipients has not taken this one.
pub(super) fn takes_a_place(answer: &RecipientAnswer) -> bool {
    is_reply_to_rcpt(answer) && read(answer) != Disposition::TransactionFull
}

impl<T> Destination<T> {
    /// A transaction takes `taken` recipients and no more. Returns whether that is news.
    pub(super) fn transaction_full(&mut self, taken: u32, context: &ReplyContext<'_>) -> bool {
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return false };
        let news = lane.transaction_limit.is_none_or(|limit| taken < limit);
        if news {
            if let Some(session) = context.session.and_then(|id| self.pool.get_mut(id)) {
                session.unsure_of_limit.get_or_insert(lane.transaction_limit);
            }
            lane.transaction_limit = Some(taken);
        }
        news
    }

    /// Counts an answer against the budget of its session. Servers count a refusal as an error,
    /// for good or for now.
    pub(super) fn count(&mut self, id: Option<SessionId>, answer: &RecipientAnswer) {
        if let Some(session) = id.and_then(|id| self.pool.get_mut(id)) {
            session.budget.answered(!answer.is_accepted());
            session.taken += u32::from(takes_a_place(answer));
        }
    }

    /// The (recipients, transactions) that a session has taken so far.
    pub(super) fn progress(&self, id: Option<SessionId>) -> SessionProgress {
        let session = id.and_then(|id| self.pool.get(id));
        session.map_or_else(SessionProgress::default, |session| SessionProgress {
            taken: session.taken,
            carried: session.carried,
            unsure_of_limit: session.unsure_of_limit.is_some(),
        })
    }

    /// A transaction is over: counts it if it took a recipient, which shows also that a limit met
    /// in the one before was a limit of the transaction.
    pub(super) fn transaction_carried(&mut self, id: Option<SessionId>, before: SessionProgress) {
        let Some(session) = id.and_then(|id| self.pool.get_mut(id)) else { return };
        if session.taken > before.taken {
            session.carried += 1;
            if before.unsure_of_limit {
                session.unsure_of_limit = None;
            }
        }
    }

    /// The session takes no more, in whatever transaction: learns its limit, so that the next ones
    /// end before it.
    pub(super) fn session_full(&mut self, answer: &RecipientAnswer, context: &ReplyContext<'_>) {
        let Some(session) = context.session.and_then(|id| self.pool.get_mut(id)) else {
            return;
        };
        session.budget.spend();
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        if is_reply_to_rcpt(answer) {
            let began = session.budget.opened_at();
            lane.limits.learn_recipients(session.taken, began, context.at);
            if let Some(limit) = session.unsure_of_limit.take() {
                lane.transaction_limit = limit;
            }
        } else {
            lane.limits.learn_transactions(session.carried, context.at);
        }
    }

    /// Returns whether a flight that named `recipients` was slower than the exchanger's habit, by a
    /// punishment or more.
    pub(super) fn is_held_back(&self, id: SessionId, recipients: u32, took: Duration) -> bool {
        let session = self.pool.get(id);
        let lane = session.and_then(|session| self.lanes.get(&session.exchanger));
        lane.is_some_and(|lane| lane.reply_time.beyond_habit(recipients, took) >= HELD_BACK)
    }

    /// Learns how many refusals a session bears from a flight that began after `before` of them.
    /// Returns whether the server has had enough of them, which was not known: it slowed the
    /// session down or ended it.
    pub(super) fn learn_refusals(
        &mut self,
        id: SessionId,
        before: u32,
        punished: bool,
        now: SystemTime,
    ) -> bool {
        let Some(session) = self.pool.get(id) else { return false };
        let Some(lane) = self.lanes.get_mut(&session.exchanger) else { return false };
        let after = session.budget.unknown_users();
        if !punished {
            lane.limits.bear(after);
            return false;
        }
        let usual = self.config.unknown_users_per_session.get();
        lane.limits.learn_refusals(before, after, usual, now)
    }

    /// A new session was refused as one that is full: what was learned is no limit of a session.
    pub(super) fn forget_session_limits(&mut self, exchanger: &DomainName) {
        if let Some(lane) = self.lanes.get_mut(exchanger) {
            lane.limits.forget();
        }
    }
}
