//! From the banner to readiness: `EHLO` or `HELO`, and TLS (RFC 5321 section 3.1 and 3.2, RFC
//! 3207).

use std::sync::Arc;
use std::time::SystemTime;

use super::facts::TlsFacts;
use super::{Dialogue, DialogueState};
use crate::smtp::config::StartTlsMode;
use crate::smtp::wire::{Capabilities, Command, Reply};
use crate::smtp::{NoReply, RecipientAnswer, Stage};

impl Dialogue {
    pub(super) fn banner_came(&mut self, reply: Arc<Reply>, now: SystemTime) {
        self.facts.banner = Some(Reply::clone(&reply));
        match reply.code {
            220 => self.greet(now),
            400..=599 => self.end_with_reply(reply, now),
            code => self.give_up(NoReply::Protocol(format!("a banner with code {code}")), now),
        }
    }

    fn greet(&mut self, now: SystemTime) {
        if self.hints.says_helo {
            return self.say_helo(now);
        }
        let identity = self.identity.clone();
        self.send(Command::Ehlo(&identity.helo), now);
        self.state = DialogueState::Ehlo;
    }

    fn say_helo(&mut self, now: SystemTime) {
        let identity = self.identity.clone();
        self.said_helo = true;
        self.send(Command::Helo(&identity.helo), now);
        self.state = DialogueState::Helo;
    }

    /// Returns whether the server hung up on `EHLO`: some that know only RFC 821 do. `HELO` needs
    /// another connection. One that answered `EHLO` before, or wants TLS, is no such server: it
    /// restarts, or has enough of us.
    #[must_use]
    pub fn may_say_helo(&self) -> bool {
        let hung_up = matches!(
            &self.ended,
            Some(RecipientAnswer::NoReply { stage: Stage::Ehlo, reason: NoReply::Closed })
        );
        let wants_tls = self.facts.tls.is_some() || self.facts.needs_starttls;
        hung_up && !self.said_helo && !self.hints.knows_ehlo && !wants_tls
    }

    /// Returns whether the session was opened with `EHLO`, not with `HELO`.
    #[must_use]
    pub fn said_ehlo(&self) -> bool {
        !self.said_helo
    }

    pub(super) fn ehlo_answered(&mut self, reply: Arc<Reply>, now: SystemTime) {
        match reply.code {
            250 => {
                self.facts.capabilities = Capabilities::from_reply(&reply);
                self.facts.capabilities.pipelining &= !self.hints.avoid_pipelining;
                self.hello_done(now);
            }
            // "What is that?": RFC 5321 section 3.2 has the client fall back. A refusal of *us*
            // (550, 554, 4yz) would be the same to HELO.
            500..=504 | 555 => self.say_helo(now),
            400..=599 => self.end_with_reply(reply, now),
            code => self.give_up(NoReply::Protocol(format!("EHLO answered with {code}")), now),
        }
    }

    pub(super) fn helo_answered(&mut self, reply: Arc<Reply>, now: SystemTime) {
        match reply.code {
            250 => {
                self.facts.capabilities = Capabilities::default();
                self.hello_done(now);
            }
            400..=599 => self.end_with_reply(reply, now),
            code => self.give_up(NoReply::Protocol(format!("HELO answered with {code}")), now),
        }
    }

    fn hello_done(&mut self, now: SystemTime) {
        let mode = self.config.starttls;
        let wanted = match mode {
            StartTlsMode::Always => true,
            StartTlsMode::Opportunistic => !self.hints.avoid_starttls || self.facts.needs_starttls,
            StartTlsMode::OnDemand => self.facts.needs_starttls,
        };
        if wanted && self.can_start_tls() {
            self.start_tls(now);
        } else if mode == StartTlsMode::Always && self.facts.tls.is_none() {
            self.state = DialogueState::StartTls;
            self.give_up(NoReply::TlsFailed("the server does not offer STARTTLS".to_owned()), now);
        } else {
            self.opened(now);
        }
    }

    /// Returns whether TLS is offered, not begun and not refused.
    pub(super) fn can_start_tls(&self) -> bool {
        self.facts.tls.is_none() && self.facts.capabilities.starttls && !self.facts.refuses_starttls
    }

    /// Returns whether the session ended over TLS that neither the configuration nor the server
    /// insists on.
    /// The connection cannot go on in the clear (RFC 3207 section 4.2), but another one can.
    #[must_use]
    pub fn may_go_without_tls(&self) -> bool {
        let over_tls =
            matches!(&self.ended, Some(RecipientAnswer::NoReply { stage: Stage::StartTls, .. }));
        over_tls
            && self.config.starttls == StartTlsMode::Opportunistic
            && !self.facts.needs_starttls
    }

    pub(super) fn start_tls(&mut self, now: SystemTime) {
        self.send(Command::StartTls, now);
        self.state = DialogueState::StartTls;
    }

    pub(super) fn starttls_answered(&mut self, reply: Arc<Reply>, now: SystemTime) {
        match reply.code {
            220 => self.state = DialogueState::Handshake,
            421 => self.end_with_reply(reply, now),
            400..=599 if self.config.starttls == StartTlsMode::Always => {
                self.end_with_reply(reply, now);
            }
            400..=599 => {
                self.facts.refuses_starttls = true;
                self.state = DialogueState::Ready;
                if let Some(exchange) = &mut self.exchange {
                    exchange.settle();
                }
            }
            code => self.lose_step(format!("STARTTLS answered with {code}"), now),
        }
    }

    /// Everything the server said before is forgotten (RFC 3207 section 4.2).
    pub(super) fn tls_began(&mut self, tls: TlsFacts, now: SystemTime) {
        self.transcript.event(now, || tls.to_string());
        self.facts.tls = Some(tls);
        self.facts.capabilities = Capabilities::default();
        self.mail_is_open = false;
        if let Some(exchange) = &mut self.exchange {
            exchange.forget_deferred();
        }
        self.greet(now);
    }

    /// Ready, or back in the transaction that asked for TLS.
    fn opened(&mut self, now: SystemTime) {
        self.state = DialogueState::Ready;
        self.resume_transaction(now);
    }
}
