//! Answers that are told before their flight is over: a server that hangs at one recipient holds
//! back nothing that it said of the others.
//!
//! Only a flight that is over shows that replies and commands fit together (see [`super::trust`]).
//! So answers are told early where the server has answered somebody before in a flight that fitted
//! together: one that answers `MAIL` twice, or loses a command, does so in its first flight too.
//! What goes wrong now and then is a refusal of several lines that is sent as several replies: so
//! they are told as far as the first refusal, and behind it where the server has given a refusal of
//! that kind in such a flight: what it says of a missing mailbox is mostly one line, and what it
//! says of a policy is another text, with the address of a page. A server that takes a command for
//! another one may have lost some: from there on nothing is told early.

use super::exchange::Exchange;
use super::{Dialogue, RefusalKinds, SessionFacts};
use crate::smtp::{Meaning, RecipientAnswer};

/// An answer that is told before its flight is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlyAnswer {
    /// The number of its transaction among those of the flight.
    pub transaction: usize,
    /// The number of the recipient in its transaction.
    pub recipient: usize,
    /// The answer.
    pub answer: RecipientAnswer,
}

/// How far the answers of a flight are told before it is over. A place is the number of a
/// transaction in the flight, and that of a recipient in the transaction.
#[derive(Debug, Default)]
pub(super) struct EarlyAnswers {
    /// The place behind the last answer that may be told.
    end: (usize, usize),
    /// The place behind the last answer that was told.
    told: (usize, usize),
    /// A recipient was answered.
    answered: bool,
    /// The kinds of refusals among the answers.
    refused: RefusalKinds,
    /// No answer that comes from now on is told early.
    closed: bool,
}

impl EarlyAnswers {
    /// A flight begins.
    pub(super) fn begin(&mut self) {
        *self = Self::default();
    }

    /// The recipient at this place got a reply with this code and meaning; `known` is what the
    /// flights before showed.
    fn note(
        &mut self,
        (transaction, recipient): (usize, usize),
        code: u16,
        meaning: Meaning,
        known: &SessionFacts,
    ) {
        // Command not recognised, not implemented, or out of sequence.
        let is_lost = matches!(code, 500 | 502 | 503);
        self.answered |= !is_lost;
        if known.keeps_step && !self.closed && !is_lost {
            self.end = self.end.max((transaction, recipient + 1));
        }
        self.closed |= is_lost;
        if code >= 400 && !is_lost {
            let kind = RefusalKinds::from_reply(code, meaning);
            self.closed |= !known.refuses_in_one_reply.has_any_of(kind);
            self.refused.merge(kind);
        }
    }

    /// Nothing of the flight is believed that was not told.
    pub(super) fn distrust(&mut self) {
        *self = Self { end: self.told, told: self.told, closed: true, ..Self::default() };
    }
}

impl Dialogue {
    /// Returns whether the flight under way brought answers that can be told by now.
    #[must_use]
    pub fn has_early_answers(&self) -> bool {
        self.early.told < self.early.end
    }

    /// The answers that can be told by now, and were not yet. Each of them is in the report too,
    /// unless the rest of its flight shows that nothing of it is to be believed.
    pub fn take_early_answers(&mut self) -> Vec<EarlyAnswer> {
        let Self { early, finished, exchange, .. } = self;
        let finished = finished.iter().map(|report| report.answers.as_slice());
        let all = finished.chain(exchange.iter().map(Exchange::answers));
        let mut taken = Vec::new();
        for (transaction, answers) in all.enumerate().skip(early.told.0) {
            for (recipient, answer) in answers.iter().enumerate() {
                let is_due = (early.told..early.end).contains(&(transaction, recipient));
                if let Some(answer) = answer.as_ref().filter(|_| is_due) {
                    taken.push(EarlyAnswer { transaction, recipient, answer: answer.clone() });
                }
            }
        }
        early.told = early.end;
        taken
    }

    /// A recipient of the transaction in progress got a reply with this code and meaning.
    pub(super) fn note_early_answer(&mut self, recipient: usize, code: u16, meaning: Meaning) {
        let place = (self.finished.len(), recipient);
        self.early.note(place, code, meaning, &self.facts);
    }

    /// The flight fitted together. Commands that went one by one because they were lost in a flight
    /// show nothing of the next one.
    pub(super) fn learn_fit(&mut self) {
        if !self.hints.avoid_pipelining {
            self.facts.keeps_step |= self.early.answered;
            self.facts.refuses_in_one_reply.merge(self.early.refused);
        }
    }
}
