//! The DNS cache: facts about domains and hosts, in front of any [`Lookup`].
//!
//! Concurrent questions about one name share one lookup, which completes even if its callers give
//! up. A failure is cached for seconds and is never a negative answer (RFC 9520). While DNS fails,
//! expired answers that name exchangers still serve (RFC 8767); answers in use are refreshed before
//! they expire.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::config::{Config, SettingError};
use super::counters::Stats;
use super::store::{Cached, FactsStore, Load, StoreContext};
use crate::address::DomainName;
use crate::clock::Clock;
use crate::dns::{DnsFailure, DomainFacts, HostFacts, Lookup};

/// A cache of DNS facts. Cheap to clone; all clones share one cache.
#[derive(Clone)]
pub struct DnsCache {
    context: Arc<StoreContext>,
    domains: Arc<FactsStore<DomainLoader>>,
    hosts: Arc<FactsStore<HostLoader>>,
}

impl DnsCache {
    /// Creates an empty cache in front of `lookup`.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn new(
        lookup: Arc<dyn Lookup>,
        config: Config,
        clock: Clock,
    ) -> Result<Self, SettingError> {
        config.check()?;
        let lookups = config.lookups_at_once.min(Semaphore::MAX_PERMITS);
        let context = Arc::new(StoreContext {
            clock,
            tasks: TaskTracker::new(),
            lookups: Arc::new(Semaphore::new(lookups)),
            // No more: resolvers have room for a thousand questions under way, and drop any beyond.
            slow_lookups: Semaphore::new(lookups),
            refreshes: Arc::new(Semaphore::new(
                config.refreshes_at_once.min(Semaphore::MAX_PERMITS),
            )),
            config,
        });
        let hosts = Arc::new(FactsStore::new(
            HostLoader(Arc::clone(&lookup)),
            context.config.hosts,
            Arc::clone(&context),
        ));
        let domains = Arc::new(FactsStore::new(
            DomainLoader { lookup, hosts: Arc::clone(&hosts) },
            context.config.domains,
            Arc::clone(&context),
        ));
        Ok(Self { context, domains, hosts })
    }

    /// Returns the mail route of `domain`, from facts no older than `max_age` (`None`: any that
    /// are valid). A lookup already in flight satisfies any `max_age`.
    ///
    /// # Errors
    /// DNS failed, now or within the last seconds.
    pub async fn domain(
        &self,
        domain: &DomainName,
        max_age: Option<Duration>,
    ) -> Result<Cached<DomainFacts>, DnsFailure> {
        self.domains.ask(domain, max_age).await
    }

    /// Returns the addresses of `host`, from facts no older than `max_age` (`None`: any that are
    /// valid).
    ///
    /// # Errors
    /// DNS failed, now or within the last seconds.
    pub async fn host(
        &self,
        host: &DomainName,
        max_age: Option<Duration>,
    ) -> Result<Cached<HostFacts>, DnsFailure> {
        self.hosts.ask(host, max_age).await
    }

    /// Statistics of the domain cache and of the host cache.
    #[must_use]
    pub fn stats(&self) -> (Stats, Stats) {
        (self.domains.stats(), self.hosts.stats())
    }

    /// Starts no more lookups and waits for those in flight, each of which has its own deadline.
    /// Cached facts can still be read.
    pub async fn drain(&self) {
        self.context.lookups.close();
        self.context.refreshes.close();
        self.context.tasks.close();
        self.context.tasks.wait().await;
    }
}

struct HostLoader(Arc<dyn Lookup>);

impl Load for HostLoader {
    type Facts = HostFacts;

    async fn load(&self, name: &DomainName) -> Result<HostFacts, DnsFailure> {
        self.0.host(name).await
    }
}

struct DomainLoader {
    lookup: Arc<dyn Lookup>,
    hosts: Arc<FactsStore<HostLoader>>,
}

impl Load for DomainLoader {
    type Facts = DomainFacts;

    async fn load(&self, name: &DomainName) -> Result<DomainFacts, DnsFailure> {
        let found = self.lookup.domain(name).await?;
        if let Some(host) = found.host {
            self.hosts.remember(host.host.clone(), Arc::new(host)).await;
        }
        Ok(found.facts)
    }
}

#[cfg(test)]
mod tests;
