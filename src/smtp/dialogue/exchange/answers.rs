//! The reading of one reply to a command of a transaction.

use std::sync::Arc;

use super::{Exchange, MailAnswer, Misfit};
use crate::smtp::dialogue::Dialogue;
use crate::smtp::wire::Reply;
use crate::smtp::{Meaning, RecipientAnswer, ReplyLimit, Stage};

impl Dialogue {
    /// A server that has no `RSET` (500, 502), or takes no further one, answered everything before
    /// it. Any other refusal may be that of a recipient, one command late; 503 is either.
    pub(super) fn reset_answered(
        &mut self,
        exchange: &mut Exchange,
        reply: &Arc<Reply>,
    ) -> Result<(), Misfit> {
        if reply.is_positive() {
            self.mail_is_open = false;
            let mail = match &exchange.mail {
                MailAnswer::Accepted(mail) => Some(&**mail),
                _ => None,
            };
            exchange.ends_unmistakably = self.is_told_apart(reply, mail);
            return Ok(());
        }
        if reply.code == 530 && self.can_start_tls() {
            // To every command but a few, that is (RFC 3207 section 4).
            if matches!(exchange.mail, MailAnswer::Accepted(_)) {
                let explanation = self.explain(Stage::Rcpt, reply);
                let (stage, reply) = (Stage::Rcpt, Arc::clone(reply));
                exchange.defer_all(&RecipientAnswer::Replied { stage, reply, explanation });
            }
            return Ok(());
        }
        let what = format!("RSET was answered with {}", reply.code);
        let unknown = matches!(reply.code, 500 | 502);
        self.facts.one_transaction |= unknown || reply.code == 503;
        let was_last = reply.is_permanent() && self.learn_reset_limit(reply);
        Err(if unknown || was_last { Misfit::NoNext(what) } else { Misfit::Shift(what) })
    }

    /// Learns how many transactions a session takes from a refusal of `RSET` that says there were
    /// too many commands. Returns whether it says so. Exim takes eleven `RSET` where no `DATA`
    /// comes between, then answers `554 Too many nonmail commands` (`smtp_accept_max_nonmail`) and
    /// hangs up. No reply about a recipient speaks of commands.
    pub(super) fn learn_reset_limit(&mut self, reply: &Reply) -> bool {
        let text = reply.text().to_ascii_lowercase();
        if !text.contains("too many") || !text.contains("command") {
            return false;
        }
        let following = u32::try_from(self.following.len()).unwrap_or(u32::MAX);
        match self.begun.saturating_sub(1).saturating_sub(following) {
            // What a 421 says may be of today.
            0 if reply.is_permanent() => self.facts.one_transaction = true,
            over => self.facts.transactions_per_session = Some(over.max(1)),
        }
        true
    }

    /// 503 is about what came before, never about us: the server wants another transaction ended
    /// first, or cannot end one.
    pub(super) fn mail_answered(
        &mut self,
        exchange: &mut Exchange,
        reply: Arc<Reply>,
    ) -> Result<(), Misfit> {
        if reply.is_positive() {
            self.mail_is_open = true;
            self.mail_is_proven = true;
            exchange.mail = MailAnswer::Accepted(reply);
            return Ok(());
        }
        self.facts.counters.errors += 1;
        let explanation = self.explain(Stage::Mail, &reply);
        if reply.code == 503 && explanation.meaning != Meaning::AuthOrTlsRequired {
            self.facts.one_transaction |= self.mail_is_proven;
            return Err(Misfit::NoNext("MAIL was answered with 503".to_owned()));
        }
        if reply.code == 530 && self.hints.says_helo && !self.facts.needs_starttls {
            // Who asks for TLS knows `EHLO`, and offers TLS there: the next session says that.
            self.facts.needs_starttls = true;
            return Err(Misfit::NoNext("MAIL was answered with 530 after HELO".to_owned()));
        }
        exchange.mail = MailAnswer::Refused(reply, explanation);
        // What was not sent yet need not be.
        exchange.commands.drop_unsent();
        Ok(())
    }

    pub(super) fn rcpt_answered(
        &mut self,
        exchange: &mut Exchange,
        index: usize,
        reply: Arc<Reply>,
    ) {
        // Without a transaction a reply to RCPT says nothing about the recipient, whatever it is.
        if !matches!(exchange.mail, MailAnswer::Accepted(_)) {
            return;
        }
        let (reply, explanation) = self.explain_recipient(reply, &exchange.recipients[index]);
        self.note_early_answer(index, reply.code, explanation.meaning);
        if !reply.is_positive() {
            self.facts.counters.errors += 1;
        }
        // Parameter not recognised, or not implemented (RFC 5321 section 4.1.1.11).
        if matches!(reply.code, 501 | 504 | 555)
            && exchange.rrvs
            && exchange.recipients[index].has_valid_since()
        {
            self.facts.capabilities.rrvs = false;
            exchange.without_rrvs.push(index);
            return;
        }
        let is_full = explanation.limit == Some(ReplyLimit::Recipients);
        let position = || exchange.round.iter().position(|other| *other == index);
        if let Some(position @ 1..) = is_full.then(position).flatten() {
            let known = self.facts.recipients_per_transaction.unwrap_or(u32::MAX);
            let seen = u32::try_from(position).unwrap_or(u32::MAX);
            self.facts.recipients_per_transaction = Some(known.min(seen));
            exchange.full = true;
            return;
        }
        let asks_for_tls = self.asks_for_tls(&reply, &explanation);
        if reply.accepts_recipient() {
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
}
