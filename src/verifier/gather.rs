//! Gathers the evidence for one verification: DNS first, then the exchangers.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;

use super::evidence::{AddressEvidence, DomainEvidence, ProbeEvidence};
use super::subject::ParsedAddress;
use super::{Options, Verifier};
use crate::address::{Address, Domain, DomainName};
use crate::cache::Cached;
use crate::dns::{DnsFailure, DomainFacts};
use crate::prober::{ProbeRequest, ProbeTarget};
use crate::verdict::Depth;

impl Verifier {
    /// Asks DNS, then the exchangers, down to `depth` and as far as it makes sense.
    pub(super) async fn gather_evidence(
        &self,
        parsed: &ParsedAddress,
        depth: Depth,
        options: &Options,
    ) -> AddressEvidence {
        let address = &parsed.address;
        if depth == Depth::Syntax {
            return AddressEvidence::Unprobed(DomainEvidence::NotAsked);
        }
        let mut domain = match address.domain() {
            Domain::Literal(literal) => DomainEvidence::Literal(literal.ip()),
            Domain::Name(name) => match self.facts(name, options.max_age, options.deadline).await {
                Err(failure) => return AddressEvidence::Unprobed(DomainEvidence::Failed(failure)),
                Ok(facts) => DomainEvidence::Facts(facts),
            },
        };
        let target = domain.target().filter(|_| depth > Depth::Domain);
        let Some(target) = target else { return AddressEvidence::Unprobed(domain) };
        if let Some(store) = self.second_level.get() {
            let facts = domain.facts().cloned();
            // Boxed: one process alone has nobody to ask.
            let recalled = self.recall(&**store, &parsed.identity.mailbox, facts, options);
            if let Some(evidence) = Box::pin(recalled).await {
                return AddressEvidence::Remembered(evidence);
            }
        }
        let began = self.clock.now();
        let outcome = self.prober.probe(request(address, target, options)).await;
        self.counters.probe.observe(self.since(began));
        if domain.is_stale() {
            // Boxed: it is rare.
            domain = Box::pin(self.confirm(domain)).await;
        }
        AddressEvidence::Probed(Arc::new(ProbeEvidence {
            outcome,
            facts: domain.facts().cloned(),
            is_domain_stale: domain.is_stale(),
            transcript: options.transcript,
            tested_catch_all: options.test_catch_all,
        }))
    }

    /// Expired facts, or the same from a look-up that was too slow at first and has ended since.
    /// It is not waited for: where DNS fails that would be in vain.
    async fn confirm(&self, expired: DomainEvidence) -> DomainEvidence {
        let Some(facts) = expired.facts().cloned() else { return expired };
        let look_up = self.domains.domain(&facts.domain, None);
        match self.within(self.clock.now(), look_up).await {
            Ok(found) if !found.stale && found.value.route == facts.route => {
                DomainEvidence::Facts(found)
            }
            _ => expired,
        }
    }

    /// Looks up how a domain receives mail, no older than the caller wants and within its deadline.
    pub(super) async fn facts(
        &self,
        name: &DomainName,
        max_age: Option<Duration>,
        deadline: SystemTime,
    ) -> Result<Cached<DomainFacts>, DnsFailure> {
        let began = self.clock.now();
        let facts = self.within(deadline, self.domains.domain(name, max_age)).await;
        self.counters.dns.observe(self.since(began));
        facts
    }

    /// A look-up, given up as a timeout at `deadline`.
    ///
    /// No `async fn`: that would hold the look-up twice, and every address under way has one.
    pub(super) fn within<T>(
        &self,
        deadline: SystemTime,
        look_up: impl Future<Output = Result<T, DnsFailure>>,
    ) -> impl Future<Output = Result<T, DnsFailure>> {
        tokio::time::timeout_at(self.clock.instant(deadline), look_up)
            .map(|in_time| in_time.unwrap_or(Err(DnsFailure::Timeout)))
    }
}

/// The question for the exchangers.
fn request(address: &Address, target: ProbeTarget, options: &Options) -> ProbeRequest {
    ProbeRequest {
        address: address.clone(),
        target,
        max_age: options.max_age,
        test_catch_all: options.test_catch_all,
        deadline: options.deadline,
        retry_until: options.retry_until,
        transcript: options.transcript,
        consented_at: options.consented_at,
    }
}
