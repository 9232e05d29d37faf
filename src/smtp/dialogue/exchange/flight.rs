//! Several transactions in one flight: RFC 2920 section 3.1 lets `MAIL`, `RCPT` and `RSET` stand
//! anywhere in a group of commands, so what ends one transaction and what begins the next need not
//! wait for each other.

use std::time::SystemTime;

use super::{Exchange, MailAnswer};
use crate::smtp::NoReply;
use crate::smtp::dialogue::{Dialogue, DialogueState, Transaction, TransactionReport};
use crate::smtp::wire::Sender;

impl Dialogue {
    /// Begins the first of these transactions, and sends as many of the others behind it in the
    /// same flight as may be: all of them, where the server pipelines and will not want `MAIL`
    /// said again, none otherwise. Returns how many were begun; [`Self::reports`] has as many.
    pub fn begin_all(
        &mut self,
        transactions: &[Transaction],
        deadline: SystemTime,
        record: bool,
        now: SystemTime,
    ) -> usize {
        if !matches!(self.state, DialogueState::Ready | DialogueState::Ended) {
            self.give_up(NoReply::Timeout, now);
        }
        let Some((first, rest)) = transactions.split_first() else { return 0 };
        self.exchange = Some(Exchange::new(first));
        self.begun += 1;
        self.following.clear();
        self.finished.clear();
        self.early.begin();
        self.transcript.begin_transaction(record);
        self.deadline = deadline;
        self.waiting_since = now;
        self.resume_transaction(now);
        let alone = std::mem::take(&mut self.next_goes_alone);
        let proven = self.facts.capabilities.pipelining && !self.may_want_mail_again();
        if self.state != DialogueState::Transacting || !proven || alone || first.needs_smtputf8() {
            return 1;
        }
        for transaction in rest.iter().take_while(|transaction| !transaction.needs_smtputf8()) {
            let mut exchange = Exchange::new(transaction);
            self.plan_round(&mut exchange);
            self.pump(&mut exchange, now);
            self.following.push_back(exchange);
            self.begun += 1;
        }
        1 + self.following.len()
    }

    /// Returns whether a refusal of our first `MAIL` would make us say it again: under TLS, or
    /// with another
    /// sender. What was sent behind it would then have been sent in vain.
    #[must_use]
    pub fn may_want_mail_again(&self) -> bool {
        let other_sender = self.identity.sender == Sender::Null
            && self.identity.fallback.is_some()
            && !self.facts.refuses_null_sender;
        !self.mail_is_proven && (self.can_start_tls() || other_sender)
    }

    /// Ends the transactions and says what each of them brought, in order.
    pub fn reports(&mut self) -> impl Iterator<Item = TransactionReport> {
        let Self { finished, exchange, following, ended, .. } = self;
        let ended = &*ended;
        let unfinished = exchange.take().into_iter().chain(following.drain(..));
        finished.drain(..).chain(unfinished.map(move |exchange| exchange.report(ended.clone())))
    }

    /// One of several transactions in a flight is over. There is no other round for it: who would
    /// need one goes unanswered, and the next flight carries one transaction only.
    pub(super) fn round_in_flight_over(&mut self, now: SystemTime) {
        let Some(mut exchange) = self.exchange.take() else { return };
        if let MailAnswer::Refused(reply, explanation) = &exchange.mail
            && (self.asks_for_tls(reply, explanation) || reply.is_permanent())
        {
            self.next_goes_alone = true;
            exchange.mail = MailAnswer::None;
        }
        if !exchange.deferred.is_empty() {
            self.next_goes_alone = true;
            exchange.deferred.clear();
        }
        if !exchange.without_rrvs.is_empty() {
            self.next_goes_alone = true;
            exchange.without_rrvs.clear();
        }
        let Some(next) = self.following.pop_front() else {
            return self.flight_over(exchange, now);
        };
        self.finished.push(exchange.report(None));
        let over = !next.is_awaiting();
        self.exchange = Some(next);
        if over {
            self.round_in_flight_over(now);
        }
    }
}
