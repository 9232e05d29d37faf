//! The explanations of replies to `RCPT`, kept for the recipients that are told the same.
//!
//! Most servers have one thing to say to whom they accept and one to whom they do not know, but
//! many repeat the recipient in it. Whether that changes the meaning the interpreter can tell.

use std::sync::Arc;

use super::{Dialogue, Interpret};
use crate::smtp::wire::{Mailbox, Reply};
use crate::smtp::{ClientIdentity, Explanation, Stage};

/// Wordings that are kept of a session.
const KEPT: usize = 4;

/// The replies to `RCPT` that were explained last, the latest first; of those that are explained
/// alike, the first.
#[derive(Default)]
pub(super) struct ExplainedReplies(Vec<ExplainedReply>);

struct ExplainedReply {
    reply: Arc<Reply>,
    recipient: Mailbox,
    explanation: Explanation,
}

impl ExplainedReplies {
    /// The explanation of `reply` to `recipient`, if that of a kept one is the same; beside the
    /// reply, or the kept one if they are equal.
    fn find(
        &mut self,
        interpreter: &dyn Interpret,
        us: &ClientIdentity,
        reply: &Arc<Reply>,
        recipient: &Mailbox,
    ) -> Option<(Arc<Reply>, Explanation)> {
        let place = self.0.iter().position(|kept| {
            let known = (&*kept.reply, &kept.recipient);
            kept.reply == *reply || interpreter.explains_alike(us, known, (&**reply, recipient))
        })?;
        self.0[..=place].rotate_right(1);
        let kept = self.0.first()?;
        let reply = if kept.reply == *reply { &kept.reply } else { reply };
        Some((Arc::clone(reply), kept.explanation.clone()))
    }

    /// Keeps an explanation, in place of the one that was not needed for the longest time.
    fn keep(&mut self, explained: ExplainedReply) {
        self.0.truncate(KEPT - 1);
        self.0.insert(0, explained);
    }
}

impl Dialogue {
    /// The meaning of a reply to `RCPT`.
    pub(super) fn explain_recipient(
        &mut self,
        reply: Arc<Reply>,
        recipient: &Mailbox,
    ) -> (Arc<Reply>, Explanation) {
        let Self { explained, interpreter, identity, .. } = self;
        let found = explained.find(&**interpreter, identity, &reply, recipient);
        let (reply, explanation) = found.unwrap_or_else(|| {
            let explanation = self.explain(Stage::Rcpt, &reply);
            self.explained.keep(ExplainedReply {
                reply: Arc::clone(&reply),
                recipient: recipient.clone(),
                explanation: explanation.clone(),
            });
            (reply, explanation)
        });
        if reply.is_positive() {
            self.accepted = Some(Arc::clone(&reply));
        }
        (reply, explanation)
    }
}
