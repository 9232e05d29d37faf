//! Transactions: `MAIL`, `RCPT` for each recipient, `RSET` (RFC 5321 section 3.3), in one flight
//! where the server pipelines (RFC 2920), one command at a time where it does not.
//!
//! A transaction may take several rounds: again under TLS when the server asks for it, again with
//! the configured sender when `<>` is refused, again without `SMTPUTF8` or `RRVS` when that is
//! refused. Each can happen once a session, so the rounds are bounded. Replies are matched to
//! commands in order, and to nothing else.

mod answers;
mod flight;
mod pending;

use std::sync::Arc;
use std::time::SystemTime;

use self::pending::{Pending, PendingCommands};
use super::{Dialogue, DialogueState, Transaction, TransactionReport};
use crate::smtp::wire::{Command, Mailbox, Reply, Sender};
use crate::smtp::{Explanation, Meaning, NoReply, RecipientAnswer, Stage};

/// A reply with which the session cannot go on.
enum Misfit {
    /// It is not that of the command: see [`super::trust`].
    Shift(String),
    /// It is, and no further transaction can be begun.
    NoNext(String),
}

/// The server's answer to `MAIL` in this round.
#[derive(Debug, Default)]
enum MailAnswer {
    #[default]
    None,
    Accepted(Arc<Reply>),
    Refused(Arc<Reply>, Explanation),
}

/// A transaction in progress.
#[derive(Debug)]
pub(super) struct Exchange {
    recipients: Arc<[Mailbox]>,
    answers: Vec<Option<RecipientAnswer>>,
    /// Recipients of this round.
    round: Vec<usize>,
    commands: PendingCommands,
    mail: MailAnswer,
    smtputf8: bool,
    /// Answers that ask for TLS, kept in case there is none to be had.
    deferred: Vec<(usize, RecipientAnswer)>,
    /// Recipients of this round go with `RRVS`, where they have a time for it.
    rrvs: bool,
    /// Recipients whose `RRVS` was refused: they are asked again without.
    without_rrvs: Vec<usize>,
    /// The transaction was ended by a reply that can only be that to `RSET`.
    ends_unmistakably: bool,
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
            // Each recipient, `MAIL`, and `RSET` before and after.
            commands: PendingCommands::with_capacity(count + 3),
            mail: MailAnswer::None,
            smtputf8: false,
            deferred: Vec::new(),
            rrvs: false,
            without_rrvs: Vec::new(),
            ends_unmistakably: false,
            full: false,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match (self.commands.awaited(), &self.mail) {
            (Some(Pending::Mail), _) | (_, MailAnswer::None) => Stage::Mail,
            _ => Stage::Rcpt,
        }
    }

    pub(super) fn is_awaiting(&self) -> bool {
        self.commands.is_awaiting()
    }

    /// The answers so far, one for each recipient.
    pub(super) fn answers(&self) -> &[Option<RecipientAnswer>] {
        &self.answers
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

    /// Forgets what the server seemed to say.
    pub(super) fn distrust(&mut self) {
        for answer in &mut self.answers {
            answer.take_if(|answer| matches!(answer, RecipientAnswer::Replied { .. }));
        }
        self.forget_deferred();
        self.without_rrvs.clear();
        self.full = false;
    }

    /// No recipient was answered: the server wants TLS before anything, as this answer says.
    fn defer_all(&mut self, answer: &RecipientAnswer) {
        self.distrust();
        self.deferred = self.round.iter().map(|index| (*index, answer.clone())).collect();
    }

    /// Returns whether no recipient was answered by the server.
    pub(super) fn is_empty_handed(&self) -> bool {
        !self
            .answers
            .iter()
            .flatten()
            .any(|answer| matches!(answer, RecipientAnswer::Replied { stage: Stage::Rcpt, .. }))
    }

    pub(super) fn ends_unmistakably(&self) -> bool {
        self.ends_unmistakably
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
    /// On a session that is not ready no recipient is answered; one that was left in the middle of
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
        self.reports().last().unwrap_or_default()
    }

    /// Begins a round of the transaction in progress, if there is one.
    pub(super) fn resume_transaction(&mut self, now: SystemTime) {
        if self.state != DialogueState::Ready {
            return;
        }
        let Some(mut exchange) = self.exchange.take() else { return };
        self.plan_round(&mut exchange);
        if exchange.commands.has_unsent() {
            self.state = DialogueState::Transacting;
            self.pump(&mut exchange, now);
        }
        self.exchange = Some(exchange);
    }

    /// Decides who is asked, and in what order the commands go.
    fn plan_round(&self, exchange: &mut Exchange) {
        let offered = &self.facts.capabilities;
        let Exchange { recipients, answers, round, commands, .. } = exchange;
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
        exchange.ends_unmistakably = false;
        exchange.smtputf8 = round.iter().any(|index| recipients[*index].needs_smtputf8());
        exchange.rrvs = offered.rrvs;
        exchange.without_rrvs.clear();
        commands.drop_unsent();
        if round.is_empty() {
            return;
        }
        if self.mail_is_open {
            commands.push(Pending::Reset);
        }
        commands.push(Pending::Mail);
        commands.extend(round.iter().map(|index| Pending::Rcpt(*index)));
        if !self.facts.one_transaction {
            // Its reply shows that every one before it was the right one.
            commands.push(Pending::Reset);
        }
    }

    /// Sends what may be sent now: everything, or one command.
    fn pump(&mut self, exchange: &mut Exchange, now: SystemTime) {
        let identity = self.identity.clone();
        while let Some(next) = exchange.commands.send_next() {
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
                    let recipient = &exchange.recipients[index];
                    self.send(Command::Rcpt { recipient, rrvs: exchange.rrvs }, now);
                }
            }
            if !self.facts.capabilities.pipelining {
                return;
            }
        }
    }

    /// The configured mailbox, where the null sender is known to be refused.
    fn fallback_sender(&self) -> Option<Sender> {
        if !self.facts.refuses_null_sender || self.identity.sender != Sender::Null {
            return None;
        }
        self.identity.fallback.clone().map(Sender::Mailbox)
    }

    pub(super) fn transaction_answered(&mut self, reply: Arc<Reply>, now: SystemTime) {
        if reply.code == 421 {
            let awaited = self.exchange.as_ref().and_then(|exchange| exchange.commands.awaited());
            if awaited == Some(Pending::Reset) {
                self.learn_reset_limit(&reply);
            }
            return self.end_with_reply(reply, now);
        }
        let Some(mut exchange) = self.exchange.take() else { return };
        let fits = match exchange.commands.take_answered() {
            Some(awaited) if !awaited.admits(reply.code) => {
                Err(Misfit::Shift(format!("{awaited} was answered with {}", reply.code)))
            }
            Some(Pending::Reset) => self.reset_answered(&mut exchange, &reply),
            Some(Pending::Mail) => self.mail_answered(&mut exchange, reply),
            Some(Pending::Rcpt(index)) => {
                self.rcpt_answered(&mut exchange, index, reply);
                Ok(())
            }
            None => Ok(()),
        };
        if let Err(misfit) = fits {
            self.exchange = Some(exchange);
            return match misfit {
                Misfit::Shift(what) => self.lose_step(what, now),
                Misfit::NoNext(what) => self.give_up(NoReply::Protocol(what), now),
            };
        }
        if !exchange.is_awaiting() {
            self.pump(&mut exchange, now);
        }
        let over = !exchange.is_awaiting();
        self.exchange = Some(exchange);
        if over {
            self.round_over(now);
        }
    }

    /// Returns whether the server wants TLS and can have it.
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
        self.state = DialogueState::Ready;
        let again = match &exchange.mail {
            MailAnswer::Refused(reply, explanation) => {
                if self.asks_for_tls(reply, explanation) {
                    self.facts.needs_starttls = true;
                    self.exchange = Some(exchange);
                    return self.start_tls(now);
                }
                self.mail_can_be_retried(reply, exchange.smtputf8)
            }
            _ if !exchange.deferred.is_empty() => {
                self.facts.needs_starttls = true;
                exchange.round = exchange.deferred.iter().map(|(index, _)| *index).collect();
                exchange.round.append(&mut exchange.without_rrvs);
                self.exchange = Some(exchange);
                return self.start_tls(now);
            }
            _ if !exchange.without_rrvs.is_empty() => {
                exchange.round = std::mem::take(&mut exchange.without_rrvs);
                true
            }
            _ => false,
        };
        if again {
            self.exchange = Some(exchange);
            return self.resume_transaction(now);
        }
        exchange.settle();
        self.flight_over(exchange, now);
    }

    /// Returns whether `MAIL` can be said differently, and from now on will be.
    fn mail_can_be_retried(&mut self, reply: &Reply, smtputf8: bool) -> bool {
        let code = reply.code;
        // Parameter not recognised, or not implemented (RFC 5321 section 4.1.1.11); or 550 and 553
        // with the status for internationalised addresses (RFC 6531 section 3.5).
        let is_about_smtputf8 =
            matches!(code, 500 | 501 | 504 | 555) || reply.refuses_internationalized();
        if smtputf8 && is_about_smtputf8 {
            self.facts.capabilities.smtputf8 = false;
            return true;
        }
        let null_was_refused = self.identity.sender == Sender::Null
            && self.identity.fallback.is_some()
            && !self.facts.refuses_null_sender
            && (500..600).contains(&code)
            // It wants TLS or a password first, whoever the sender is.
            && code != 530;
        if null_was_refused {
            self.facts.refuses_null_sender = true;
        }
        null_was_refused
    }
}
