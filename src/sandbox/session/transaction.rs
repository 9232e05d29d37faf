//! `MAIL` and `RCPT`: one transaction (RFC 5321 section 3.3), which never comes to a message. Pure.

use std::time::{Duration, SystemTime};

use super::super::exchanger::{ExchangerSpec, StartTls};
use super::super::ledger::Ledger;
use super::super::mailboxes;
use super::super::reply::{RecipientReply, ReplyTemplate};
use super::{ServerSession, SessionStep, code};

/// State of a transaction.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    pub(super) sender: String,
    utf8: bool,
    accepted: u32,
    domain: Option<String>,
}

impl ServerSession {
    pub(super) fn mail(
        &mut self,
        exchanger: &ExchangerSpec,
        sender: &str,
        parameters: &[String],
    ) -> SessionStep {
        let words = &exchanger.words;
        if !self.greeted || self.transaction.is_some() {
            return self.say(&words.bad_sequence);
        }
        if exchanger.starttls == StartTls::Required && !self.tls {
            return self.say(&words.tls_required);
        }
        let mut utf8 = false;
        for parameter in parameters {
            let name = parameter.split('=').next().unwrap_or("");
            match name {
                "SMTPUTF8" if exchanger.smtputf8 => utf8 = true,
                "SIZE" | "BODY" if exchanger.capabilities.iter().any(|c| offers(c, name)) => {}
                _ => return self.say(&words.unknown_parameter),
            }
        }
        if !sender.is_ascii() && !utf8 && !exchanger.takes_raw_utf8 {
            return self.say(&words.not_ascii);
        }
        self.transaction =
            Some(ServerTransaction { sender: sender.to_owned(), utf8, accepted: 0, domain: None });
        let refusal = mailboxes::best(&exchanger.senders, sender);
        let step = self.say(refusal.unwrap_or(&words.mail_ok));
        if code(&step.text) >= 400 {
            self.transaction = None;
        }
        step
    }

    pub(super) fn rcpt(
        &mut self,
        exchanger: &ExchangerSpec,
        recipient: &str,
        parameters: &[String],
        in_window: u64,
        ledger: &mut Ledger,
        now: SystemTime,
    ) -> SessionStep {
        let words = &exchanger.words;
        let Some(utf8) = self.transaction.as_ref().map(|t| t.utf8) else {
            return self.say_to(recipient, &words.bad_sequence, 0);
        };
        let since = match parameters {
            [one] if !exchanger.owners_since.is_empty() => one.strip_prefix("RRVS="),
            _ => None,
        };
        if !parameters.is_empty() && since.is_none() {
            return self.say_to(recipient, &words.unknown_parameter, 0);
        }
        if !recipient.is_ascii() && !utf8 && !exchanger.takes_raw_utf8 {
            return self.say_to(recipient, &words.not_ascii, 0);
        }
        let (local, domain) = mailboxes::split(recipient);
        if let Some(step) = self.over_a_limit(exchanger, recipient, &domain, in_window) {
            return step;
        }
        if !self.served.serves(&domain) {
            return self.refuse(exchanger, recipient, &words.relay_denied);
        }
        // Both are of one form, in which the earlier is the smaller text.
        let owned_since = mailboxes::best(&exchanger.owners_since, &local);
        if owned_since.zip(since).is_some_and(|(owned, since)| since < owned.as_str()) {
            return self.refuse(exchanger, recipient, &words.owner_changed);
        }
        self.mailbox(exchanger, recipient, (local, domain), ledger, now)
    }

    /// The answer to a recipient of a domain served here.
    fn mailbox(
        &mut self,
        exchanger: &ExchangerSpec,
        recipient: &str,
        (local, domain): (String, String),
        ledger: &mut Ledger,
        now: SystemTime,
    ) -> SessionStep {
        let words = &exchanger.words;
        let found = mailboxes::answer(exchanger, &local, &domain);
        if let Some(greylist) = &exchanger.greylist
            && (greylist.unknown_too || matches!(found, Some(RecipientReply::Accept)))
        {
            let sender = self.transaction.as_ref().map(|t| t.sender.clone()).unwrap_or_default();
            let triplet = (self.client, sender, format!("{local}@{domain}"));
            let wait = ledger.greylisted(triplet, greylist.delay, now);
            if !wait.is_zero() {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                return self.say_to(recipient, &words.greylisted, seconds);
            }
        }
        match found {
            Some(RecipientReply::Reply(reply)) if reply.code() >= 300 => {
                self.refuse(exchanger, recipient, reply)
            }
            Some(answer) => {
                let reply = match answer {
                    RecipientReply::Accept => &words.recipient_ok,
                    RecipientReply::Reply(reply) => reply,
                };
                if let Some(transaction) = &mut self.transaction {
                    transaction.accepted += 1;
                    transaction.domain.get_or_insert(domain);
                }
                ledger.counts.accepted += 1;
                SessionStep { delay: exchanger.accept_delay, ..self.say_to(recipient, reply, 0) }
            }
            None => self.refuse(exchanger, recipient, &words.unknown_user),
        }
    }

    /// The refusal of a recipient past one of the limits, if it is.
    fn over_a_limit(
        &mut self,
        exchanger: &ExchangerSpec,
        recipient: &str,
        domain: &str,
        in_window: u64,
    ) -> Option<SessionStep> {
        let (limits, words) = (&exchanger.limits, &exchanger.words);
        let transaction = self.transaction.as_ref()?;
        self.recipients += 1;
        if limits.recipients_per_session.is_some_and(|most| self.recipients > most) {
            return Some(self.closing(&words.session_full));
        }
        let reply = if limits.recipients_per_transaction.is_some_and(|n| transaction.accepted >= n)
        {
            &words.too_many_recipients
        } else if limits.one_domain && transaction.domain.as_ref().is_some_and(|d| d != domain) {
            &words.one_domain
        } else if limits.recipients.is_some_and(|most| in_window > most.into()) {
            &words.recipient_rate
        } else {
            return None;
        };
        Some(self.say_to(recipient, reply, 0))
    }

    fn refuse(
        &self,
        exchanger: &ExchangerSpec,
        recipient: &str,
        reply: &ReplyTemplate,
    ) -> SessionStep {
        let tarpit = self.errors >= exchanger.refusal_delay_after;
        let delay = if tarpit { exchanger.refusal_delay } else { Duration::ZERO };
        SessionStep { delay, ..self.say_to(recipient, reply, 0) }
    }
}

/// Returns whether this line of the answer to `EHLO` offers the parameter.
fn offers(capability: &str, parameter: &str) -> bool {
    let keyword = capability.split(' ').next().unwrap_or("");
    keyword.eq_ignore_ascii_case(if parameter == "BODY" { "8BITMIME" } else { parameter })
}
