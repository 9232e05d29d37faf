//! Evidence that several processes share, behind what this one remembers: a mailbox is asked about
//! once, whichever of them is asked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::evidence::{CachedProbe, ProbeEvidence};
use super::{Options, Verifier};
use crate::cache::{Lifespan, SecondLevel, SharedAnswer, SharedKind};
use crate::dns::DomainFacts;
use crate::prober::StoredProbe;

/// Evidence about a mailbox in the form in which it is kept. Each process has DNS facts of its own.
#[derive(Serialize, Deserialize)]
struct StoredEvidence {
    outcome: StoredProbe,
    tested_catch_all: bool,
    is_settled: bool,
    suggested_domain: Option<String>,
}

impl Verifier {
    /// Shares evidence in `store` with other processes from now on.
    pub fn share_evidence(&self, store: Arc<dyn SecondLevel>) {
        // Set once, at the start of the service.
        let _ = self.second_level.set(store);
    }

    /// Evidence of another process that answers the caller's question; it is remembered here for
    /// the rest of its time.
    pub(super) async fn recall(
        &self,
        store: &dyn SecondLevel,
        mailbox: &str,
        facts: Option<Arc<DomainFacts>>,
        options: &Options,
    ) -> Option<Arc<ProbeEvidence>> {
        // It is kept without the dialogue.
        if options.transcript {
            return None;
        }
        let answer = store.recall(SharedKind::Mailbox, mailbox).await?;
        let (now, lifespan) = (self.clock.now(), answer.lifespan);
        if !lifespan.serves(options.max_age, now) {
            return None;
        }
        let stored: StoredEvidence = serde_json::from_slice(&answer.body).ok()?;
        let evidence = Arc::new(ProbeEvidence {
            facts,
            // The process that asked had facts of its own, and keeps nothing that rests on expired
            // ones.
            is_domain_stale: false,
            outcome: stored.outcome.into_outcome().ok()?,
            transcript: false,
            tested_catch_all: stored.tested_catch_all,
        });
        let cached = CachedProbe {
            evidence: Arc::clone(&evidence),
            is_settled: stored.is_settled,
            suggested_domain: stored.suggested_domain.map(Into::into),
        };
        if !cached.is_sufficient(options, now) {
            return None;
        }
        let Lifespan { gathered_at, valid_until } = lifespan;
        self.remembered.insert(mailbox.to_owned(), cached, gathered_at, valid_until, now).await;
        Some(evidence)
    }

    /// Keeps evidence for other processes.
    pub(super) fn keep_shared(&self, mailbox: &str, cached: &CachedProbe, lifespan: Lifespan) {
        let Some(store) = self.second_level.get() else { return };
        let stored = StoredEvidence {
            outcome: StoredProbe::from(&cached.evidence.outcome),
            tested_catch_all: cached.evidence.tested_catch_all,
            is_settled: cached.is_settled,
            suggested_domain: cached.suggested_domain.as_deref().map(str::to_owned),
        };
        if let Ok(body) = serde_json::to_vec(&stored) {
            store.keep(SharedKind::Mailbox, mailbox, SharedAnswer { lifespan, body });
        }
    }
}
