//! Checks that replies and commands fit together. Matching them by order is sound only while the
//! server gives one reply to each command (RFC 2920 section 3.2).
//!
//! A reply too many or too few shifts every answer behind it: the reply to `MAIL` becomes that of
//! the first recipient. Three things show it: a code that the command cannot have, a `RSET` that is
//! refused in the words of a recipient, a reply that is left over or missing at the end. What such
//! a flight seemed to say is then forgotten as a whole, because it does not tell where the shift
//! began. Answers of earlier flights stand: each of those ended with nothing left over. Those that
//! were told while the flight was under way stand too: [`super::early`] says which.

use std::time::{Duration, SystemTime};

use super::exchange::Exchange;
use super::{Dialogue, DialogueState, RefusalKinds};
use crate::smtp::wire::Reply;
use crate::smtp::{NoReply, RecipientAnswer, Stage};

/// Time spent listening for a reply too many, where the last reply may not be that of the last
/// command. It would be right behind: the server has had all commands by then.
pub(super) const LISTEN: Duration = Duration::from_millis(100);

/// Silence in the middle of a flight from which on commands may have been thrown away. Longer than
/// servers take on purpose for one refusal (5 to 8 s).
const STALL: Duration = Duration::from_secs(10);

impl Dialogue {
    /// Ends the listening: nothing more came, so the flight's answers stand.
    pub fn handle_silence(&mut self, now: SystemTime) {
        if self.state == DialogueState::Listening {
            self.state = DialogueState::Ready;
            self.waiting_since = now;
            self.learn_fit();
        }
    }

    /// Ends the session over bytes that no command asked for.
    pub fn handle_stray_bytes(&mut self, now: SystemTime) {
        self.lose_step("bytes that no command asked for".to_owned(), now);
    }

    /// Ends the session: replies and commands do not fit together, so nothing of this flight is
    /// believed. An exchanger that was asked in one flight is asked plainly next time.
    pub(super) fn lose_step(&mut self, what: String, now: SystemTime) {
        if self.state == DialogueState::Ended {
            return;
        }
        let reason = NoReply::Protocol(what);
        self.transcript.event(now, || reason.to_string());
        let stage = self.stage();
        self.distrust_flight();
        self.end(RecipientAnswer::NoReply { stage, reason });
    }

    /// Forgets what the flight seemed to say.
    pub(super) fn distrust_flight(&mut self) {
        let Some(exchange) = &mut self.exchange else { return };
        self.facts.breaks_pipelining |= self.facts.capabilities.pipelining;
        exchange.distrust();
        self.facts.keeps_step = false;
        self.facts.refuses_in_one_reply = RefusalKinds::default();
        self.early.distrust();
        for report in &mut self.finished {
            report.answers.fill(None);
            report.full = false;
        }
    }

    /// Returns whether a pipelined flight was answered in part, then not for long. The server may
    /// have
    /// thrown commands away, any of them, so what it did answer may not be what it seems.
    pub(super) fn has_stalled(&self, now: SystemTime) -> bool {
        let began = self.stage() == Stage::Rcpt || !self.finished.is_empty();
        self.state == DialogueState::Transacting
            && self.facts.capabilities.pipelining
            && began
            && now.duration_since(self.waiting_since).is_ok_and(|waited| waited >= STALL)
    }

    /// Ends a flight of which every command was answered.
    pub(super) fn flight_over(&mut self, exchange: Exchange, now: SystemTime) {
        let nothing_said = self.finished.is_empty() && exchange.is_empty_handed();
        let sure = nothing_said || exchange.ends_unmistakably();
        self.state = if sure { DialogueState::Ready } else { DialogueState::Listening };
        if sure {
            self.learn_fit();
        }
        self.waiting_since = now;
        self.exchange = Some(exchange);
    }

    /// Returns whether the reply to `RSET` can only be that: it says so, or carries a status that
    /// replies
    /// about addresses do not carry here (RFC 3463: X.1.Y is about addresses, X.0.Y is not).
    pub(super) fn is_told_apart(&self, reset: &Reply, mail: Option<&Reply>) -> bool {
        let subject = |reply: &Reply| reply.enhanced.map(|status| status.subject);
        let like_recipient = || self.accepted.as_deref() == Some(reset);
        let by_status = subject(reset) == Some(0) && mail.and_then(subject) == Some(1);
        // Most servers give a status, and the words need a search.
        (by_status && !like_recipient()) || names_reset(reset)
    }
}

/// Returns whether a reply speaks of `RSET`.
fn names_reset(reply: &Reply) -> bool {
    let stands = |line: &str, word: &str| {
        let mut places = line.as_bytes().windows(word.len());
        places.any(|place| place.eq_ignore_ascii_case(word.as_bytes()))
    };
    ["reset", "flush", "rset"].iter().any(|word| reply.lines.iter().any(|line| stands(line, word)))
}
