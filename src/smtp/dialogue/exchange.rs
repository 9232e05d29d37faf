//! Transactions: `MAIL`, `RCPT` for each recipient, `RSET` (RFC 5321 section 3.3), in one flight
//! where the server pipelines (RFC 2920), one command at a time where it does not.
//!
//! A transaction may take several rounds: again under TLS when the server asks for it, again with
//! the configured sender when `<>` is refused, again without `SMTPUTF8` when that is refused. Each
//! can happen once a session, so the rounds are bounded. Replies are matched to commands in order,
//! and to nothing else.

mod flight;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Dialogue, State, Transaction, TransactionReport};
use crate::smtp::wire::{Command, Mailbox, Reply, Sender};
use crate::smtp::{Explanation, Meaning, NoReply, RecipientAnswer, ReplyLimit, Stage};

/// A command of a transaction; a recipient by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Reset,
    Mail,
    Rcpt(usize),
}

/// What the server said to `MAIL` in this round.
#[derive(Debug, Default)]
enum MailAnswer {
    #[default]
    None,
    Accepted,
    Refused(Arc<Reply>, Explanation),
}

/// A transaction in progress.
#[derive(Debug)]
pub(super) struct Exchange {
    recipients: Arc<[Mailbox]>,
    answers: Vec<Option<RecipientAnswer>>,
    /// Who is asked in this round.
    round: Vec<usize>,
    to_send: VecDeque<Pending>,
    awaited: VecDeque<Pending>,
    mail: MailAnswer,
    smtputf8: bool,
    /// Answers that ask for TLS, kept in case there is none to be had.
    deferred: Vec<(usize, RecipientAnswer)>,
    reset_refused: Option<u16>,
    /// The server said that it takes no more recipients.
    full: bool,
}

impl Exchange {
    fn new(transaction: &Transaction) -> Self {
        let count = transaction.recipients.len();
        Self {
            recipients: transaction.recipients.clone(),
            answers: vec![None; count],
            round: (0..count).collect(),
            to_send: VecDeque::with_capacity(count + 2),
            awaited: VecDeque::with_capacity(count + 2),
            mail: MailAnswer::None,
            smtputf8: false,
            deferred: Vec::new(),
            reset_refused: None,
            full: false,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match (self.awaited.front(), &self.mail) {
            (Some(Pending::Mail), _) | (_, MailAnswer::None) => Stage::Mail,
            _ => Stage::Rcpt,
        }
    }

    /// There is no next round: what was kept back becomes the answer.
    pub(super) fn settle(&mut self) {
        for (index, answer) in self.deferred.drain(..) {
            self.answers[index].get_or_insert(answer);
        }
        if let MailAnswer::Refused(reply, explanation) = &self.mail {
            for index in self.round.drain(..) {
                self.answers[index].get_or_insert_with(|| RecipientAnswer::Replied {
                    stage: Stage::Mail,
                    reply: reply.clone(),
                    explanation: explanation.clone(),
                });
            }
        }
    }

    /// TLS began: what asked for it is out of date.
    pub(super) fn forget_deferred(&mut self) {
        self.deferred.clear();
        self.mail = MailAnswer::None;
    }

    fn report(mut self, ended: Option<RecipientAnswer>) -> TransactionReport {
        self.settle();
        TransactionReport { answers: self.answers, full: self.full, ended }
    }
}

impl Dialogue {
    /// Begins a transaction, to be answered before `deadline`; `record` keeps a transcript of it.
    ///
    /// On a session that is not ready nobody will be answered; one that was left in the middle of
    /// something (its caller went away) is over.
    pub fn begin(
        &mut self,
        transaction: &Transaction,
        deadline: SystemTime,
        record: bool,
        now: SystemTime,
    ) {
        self.begin_all(std::slice::from_ref(transaction), deadline, record, now);
    }

    /// Ends the transaction and says what it brought.
    pub fn report(&mut self) -> TransactionReport {
        self.reports().pop().unwrap_or_default()
    }

    /// Begins a round of the transaction in progress, if there is one.
    pub(super) fn resume_transaction(&mut self, now: SystemTime) {
        if self.state != State::Ready {
            return;
        }
        let Some(mut exchange) = self.exchange.take() else { return };
        self.plan_round(&mut exchange);
        if !exchange.to_send.is_empty() {
            self.state = State::Transacting;
            self.pump(&mut exchange, now);
        }
        self.exchange = Some(exchange);
    }

    /// Decides who is asked, and in what order the commands go.
    fn plan_round(&self, exchange: &mut Exchange) {
        let offered = &self.facts.capabilities;
        let Exchange { recipients, answers, round, to_send, .. } = exchange;
        round.retain(|index| {
            let sendable = offered.smtputf8 || !recipients[*index].needs_smtputf8();
            if !sendable {
                answers[*index] = Some(RecipientAnswer::NoReply {
                    stage: Stage::Mail,
                    reason: NoReply::Smtputf8Unsupported,
                });
            }
            sendable
        });
        if let Some(max) = offered.recipients_max {
            round.truncate(usize::try_from(max).unwrap_or(usize::MAX));
        }
        exchange.mail = MailAnswer::None;
        exchange.smtputf8 = round.iter().any(|index| recipients[*index].needs_smtputf8());
        to_send.clear();
        if round.is_empty() {
            return;
        }
        if self.mail_is_open {
            to_send.push_back(Pending::Reset);
        }
        to_send.push_back(Pending::Mail);
        to_send.extend(round.iter().map(|index| Pending::Rcpt(*index)));
        if offered.pipelining {
            // Free here. Without pipelining it would cost a round trip that may never be needed.
            to_send.push_back(Pending::Reset);
        }
    }

    /// Sends what may be sent now: everything, or one command.
    fn pump(&mut self, exchange: &mut Exchange, now: SystemTime) {
        let identity = self.identity.clone();
        while let Some(next) = exchange.to_send.pop_front() {
            match next {
                Pending::Reset => self.send(Command::Rset, now),
                Pending::Mail => {
                    let fallback = self.fallback_sender();
                    let sender = fallback.as_ref().unwrap_or(&identity.sender);
                    self.facts.counters.mail += 1;
                    self.send(Command::Mail { sender, smtputf8: exchange.smtputf8 }, now);
                }
                Pending::Rcpt(index) => {
                    self.facts.counters.rcpt += 1;
                    self.send(Command::Rcpt(&exchange.recipients[index]), now);
                }
            }
            exchange.awaited.push_back(next);
            if !self.facts.capabilities.pipelining {
                return;
            }
        }
    }

    /// The configured mailbox, where the null sender is known to be refused.
    fn fallback_sender(&self) -> Option<Sender> {
        let used = self.facts.refuses_null_sender && self.identity.sender == Sender::Null;
        self.identity.fallback.clone().filter(|_| used).map(Sender::Mailbox)
    }

    pub(super) fn transaction_answered(&mut self, reply: Reply, now: SystemTime) {
        if reply.code == 421 {
            return self.end_with_reply(reply, now);
        }
        let awaited = self.exchange.as_ref().and_then(|exchange| exchange.awaited.front().copied());
        // A transaction that was open before this one must end before `MAIL` makes sense.
        let stuck =
            awaited == Some(Pending::Reset) && self.stage() == Stage::Mail && !reply.is_positive();
        if stuck || (300..400).contains(&reply.code) {
            let name = if stuck { "RSET" } else { "a command" };
            let text = format!("{name} was answered with {}", reply.code);
            return self.give_up(NoReply::Protocol(text), now);
        }
        let Some(mut exchange) = self.exchange.take() else { return };
        exchange.awaited.pop_front();
        match awaited {
            Some(Pending::Reset) => self.reset_answered(&mut exchange, &reply),
            Some(Pending::Mail) => self.mail_answered(&mut exchange, reply),
            Some(Pending::Rcpt(index)) => self.rcpt_answered(&mut exchange, index, reply),
            None => {}
        }
        if exchange.awaited.is_empty() {
            self.pump(&mut exchange, now);
        }
        let over = exchange.awaited.is_empty();
        self.exchange = Some(exchange);
        if over {
            self.round_over(now);
        }
    }

    fn reset_answered(&mut self, exchange: &mut Exchange, reply: &Reply) {
        if reply.is_positive() {
            self.mail_is_open = false;
        } else {
            exchange.reset_refused = Some(reply.code);
        }
    }

    fn mail_answered(&mut self, exchange: &mut Exchange, reply: Reply) {
        if reply.is_positive() {
            self.mail_is_open = true;
            self.mail_is_proven = true;
            exchange.mail = MailAnswer::Accepted;
            return;
        }
        self.facts.counters.errors += 1;
        let explanation = self.explain(Stage::Mail, &reply);
        exchange.mail = MailAnswer::Refused(Arc::new(reply), explanation);
        // What was not sent yet need not be.
        exchange.to_send.clear();
    }

    fn rcpt_answered(&mut self, exchange: &mut Exchange, index: usize, reply: Reply) {
        // Without a transaction a reply to RCPT says nothing about the recipient, whatever it is.
        if !matches!(exchange.mail, MailAnswer::Accepted) {
            return;
        }
        if !reply.is_positive() {
            self.facts.counters.errors += 1;
        }
        let (reply, explanation) = self.explain_recipient(reply);
        let position = exchange.round.iter().position(|other| *other == index).unwrap_or(0);
        if position > 0 && explanation.limit == Some(ReplyLimit::Recipients) {
            let known = self.facts.recipients_per_transaction.unwrap_or(u32::MAX);
            let seen = u32::try_from(position).unwrap_or(u32::MAX);
            self.facts.recipients_per_transaction = Some(known.min(seen));
            exchange.full = true;
            return;
        }
        let asks_for_tls = self.asks_for_tls(&reply, &explanation);
        if reply.is_positive() {
            self.facts.counters.accepted += 1;
        } else if explanation.meaning == Meaning::MailboxNotFound {
            self.facts.counters.unknown_users += 1;
        }
        let answer = RecipientAnswer::Replied { stage: Stage::Rcpt, reply, explanation };
        if asks_for_tls {
            exchange.deferred.push((index, answer));
        } else {
            exchange.answers[index] = Some(answer);
        }
    }

    /// Whether the server wants TLS and can have it.
    fn asks_for_tls(&self, reply: &Reply, explanation: &Explanation) -> bool {
        !reply.is_positive()
            && self.can_start_tls()
            && (reply.code == 530 || explanation.meaning == Meaning::AuthOrTlsRequired)
    }

    /// Every command of the round was answered: another round, or done.
    fn round_over(&mut self, now: SystemTime) {
        if !self.following.is_empty() || !self.finished.is_empty() {
            return self.round_in_flight_over(now);
        }
        let Some(mut exchange) = self.exchange.take() else { return };
        self.state = State::Ready;
        let again = match &exchange.mail {
            MailAnswer::Refused(reply, explanation) => {
                if self.asks_for_tls(reply, explanation) {
                    self.facts.needs_starttls = true;
                    self.exchange = Some(exchange);
                    return self.start_tls(now);
                }
                self.mail_can_be_retried(reply.code, exchange.smtputf8)
            }
            _ if !exchange.deferred.is_empty() => {
                self.facts.needs_starttls = true;
                exchange.round = exchange.deferred.iter().map(|(index, _)| *index).collect();
                exchange.reset_refused = None;
                self.exchange = Some(exchange);
                return self.start_tls(now);
            }
            _ => false,
        };
        if again {
            self.exchange = Some(exchange);
            return self.resume_transaction(now);
        }
        exchange.settle();
        let refused = exchange.reset_refused.filter(|_| self.mail_is_open);
        self.exchange = Some(exchange);
        if let Some(code) = refused {
            self.give_up(NoReply::Protocol(format!("RSET answered with {code}")), now);
        }
    }

    /// Whether `MAIL` can be said differently, and from now on will be.
    fn mail_can_be_retried(&mut self, code: u16, smtputf8: bool) -> bool {
        // Parameter not recognised, or not implemented (RFC 5321 section 4.1.1.11).
        if smtputf8 && matches!(code, 500 | 501 | 504 | 555) {
            self.facts.capabilities.smtputf8 = false;
            return true;
        }
        let null_was_refused = self.identity.sender == Sender::Null
            && self.identity.fallback.is_some()
            && !self.facts.refuses_null_sender
            && (500..600).contains(&code);
        if null_was_refused {
            self.facts.refuses_null_sender = true;
        }
        null_was_refused
    }
}
