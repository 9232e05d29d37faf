//! Catch-all knowledge that other processes share: a control recipient is asked for once, whichever
//! of them needs it.

use std::sync::Arc;

use super::Prober;
use crate::address::DomainName;
use crate::cache::{Lifespan, SecondLevel, SharedAnswer, SharedKind};

/// The bodies of the two answers.
const YES: &[u8] = b"yes";
const NO: &[u8] = b"no";

impl Prober {
    /// Shares from now on what domains show with other processes.
    pub fn share_evidence(&self, store: Arc<dyn SecondLevel>) {
        self.context.share_evidence(store);
    }

    /// Takes over what another process knows of a domain, if this one knows nothing. `domain` is
    /// the name under which it is remembered.
    pub(super) async fn recall_catch_all(&self, store: &dyn SecondLevel, domain: &DomainName) {
        let context = &self.context;
        if context.memory().catch_all(domain, context.clock.now()).is_some() {
            return;
        }
        let Some(known) = store.recall(SharedKind::CatchAll, domain.as_str()).await else { return };
        let now = context.clock.now();
        let accepts = match known.body.as_slice() {
            YES => true,
            NO => false,
            _ => return,
        };
        let mut memory = context.memory();
        if known.lifespan.serves(None, now) && memory.catch_all(domain, now).is_none() {
            memory.learn_elsewhere(domain, accepts, known.lifespan.valid_until, now);
        }
    }

    /// Tells the other processes what a domain has shown, if it is news.
    pub(super) fn keep_catch_all(&self, store: &dyn SecondLevel, domain: &DomainName) {
        let now = self.context.clock.now();
        let Some((accepts, until)) = self.context.memory().take_unshared(domain, now) else {
            return;
        };
        let body = if accepts { YES } else { NO }.to_vec();
        let lifespan = Lifespan { gathered_at: now, valid_until: until };
        store.keep(SharedKind::CatchAll, domain.as_str(), SharedAnswer { lifespan, body });
    }
}
