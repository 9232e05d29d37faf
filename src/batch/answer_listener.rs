//! The interface to who is told of each answer that a batch got.

use std::sync::{Arc, OnceLock};

use crate::verifier::Verification;

/// Is told of answers, once each: however often, and whichever of them, the owner then reads.
pub trait AnswerListener: Send + Sync + 'static {
    /// A batch of `owner` got this answer.
    fn answered(&self, owner: &str, answer: &Verification);
}

/// The listener, once there is one.
#[derive(Clone, Default)]
pub(super) struct AnswerListenerSlot(Arc<OnceLock<Arc<dyn AnswerListener>>>);

impl AnswerListenerSlot {
    /// Has the listener told from now on. Only the first is.
    pub(super) fn set(&self, listener: Arc<dyn AnswerListener>) {
        let _ = self.0.set(listener);
    }

    pub(super) fn tell(&self, owner: &str, answer: &Verification) {
        if let Some(listener) = self.0.get() {
            listener.answered(owner, answer);
        }
    }
}
