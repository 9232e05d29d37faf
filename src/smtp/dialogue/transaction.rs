//! A transaction and its outcome: plain data.

use std::sync::Arc;

use crate::smtp::RecipientAnswer;
use crate::smtp::wire::Mailbox;

/// Recipients to ask about in one `MAIL` transaction. All of one domain: several large providers
/// refuse more. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The recipients, in the order they are asked.
    pub recipients: Arc<[Mailbox]>,
}

impl Transaction {
    /// A transaction for these recipients.
    #[must_use]
    pub fn new(recipients: impl IntoIterator<Item = Mailbox>) -> Self {
        Self { recipients: recipients.into_iter().collect() }
    }

    /// `true` if any of them can be sent only under SMTPUTF8.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        self.recipients.iter().any(Mailbox::needs_smtputf8)
    }
}

/// The outcome of one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionReport {
    /// One entry for each recipient, in order. A refusal of `MAIL` is the answer to each of them.
    /// `None`: the session ended first, or the server takes no more recipients in one transaction.
    /// When `ended` came at [`crate::smtp::Stage::Rcpt`], the first `None` is the one that was
    /// being answered.
    pub answers: Vec<Option<RecipientAnswer>>,
    /// The server said that it takes no more recipients in this transaction.
    pub full: bool,
    /// The reason why the session is over, if it is: the answer for recipients not asked again.
    pub ended: Option<RecipientAnswer>,
}

#[cfg(test)]
impl TransactionReport {
    /// The number of recipients with an answer.
    pub(crate) fn answered(&self) -> usize {
        self.answers.iter().flatten().count()
    }

    /// The recipients without an answer, by index.
    pub(crate) fn unanswered(&self) -> Vec<usize> {
        (0..self.answers.len()).filter(|index| self.answers[*index].is_none()).collect()
    }
}
