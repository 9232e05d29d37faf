//! The DNS cache: domains and hosts, remembered above any [`Lookup`].
//!
//! One lookup serves everybody who asks at the same time, and goes on if they leave. A failure is
//! remembered for seconds and is never a negative answer (RFC 9520); while DNS fails, answers that
//! say where mail goes serve after their end (RFC 8767); answers in use are refreshed ahead of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::config::{Config, SettingError};
use super::counters::Stats;
use super::store::{Cached, Load, Shared, Store};
use crate::address::DomainName;
use crate::clock::Clock;
use crate::dns::{DnsFailure, DomainFacts, HostFacts, Lookup};

/// What DNS says, remembered. Cheap to clone; all clones share one memory.
#[derive(Clone)]
pub struct DnsCache {
    shared: Arc<Shared>,
    domains: Arc<Store<Domains>>,
    hosts: Arc<Store<Hosts>>,
}

impl DnsCache {
    /// An empty cache above `lookup`.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn new(
        lookup: Arc<dyn Lookup>,
        config: Config,
        clock: Clock,
    ) -> Result<Self, SettingError> {
        config.check()?;
        let shared = Arc::new(Shared {
            clock,
            tasks: TaskTracker::new(),
            lookups: Arc::new(Semaphore::new(config.lookups_at_once.min(Semaphore::MAX_PERMITS))),
            refreshes: Arc::new(Semaphore::new(
                config.refreshes_at_once.min(Semaphore::MAX_PERMITS),
            )),
            config,
        });
        let hosts = Arc::new(Store::new(
            Hosts(Arc::clone(&lookup)),
            shared.config.hosts,
            Arc::clone(&shared),
        ));
        let domains = Arc::new(Store::new(
            Domains { lookup, hosts: Arc::clone(&hosts) },
            shared.config.domains,
            Arc::clone(&shared),
        ));
        Ok(Self { shared, domains, hosts })
    }

    /// How `domain` receives mail, on evidence no older than `max_age` (`None`: any that holds).
    /// Somebody else's lookup that is already under way is young enough for everybody.
    ///
    /// # Errors
    /// Nobody could tell, now or a few seconds ago.
    pub async fn domain(
        &self,
        domain: &DomainName,
        max_age: Option<Duration>,
    ) -> Result<Cached<DomainFacts>, DnsFailure> {
        self.domains.ask(domain, max_age).await
    }

    /// The addresses of `host`, on evidence no older than `max_age` (`None`: any that holds).
    ///
    /// # Errors
    /// Nobody could tell, now or a few seconds ago.
    pub async fn host(
        &self,
        host: &DomainName,
        max_age: Option<Duration>,
    ) -> Result<Cached<HostFacts>, DnsFailure> {
        self.hosts.ask(host, max_age).await
    }

    /// How the questions about domains went, and those about hosts.
    #[must_use]
    pub fn stats(&self) -> (Stats, Stats) {
        (self.domains.stats(), self.hosts.stats())
    }

    /// Starts no more lookups and waits for those under way, each of which has its own deadline.
    /// What is remembered can still be asked for.
    pub async fn drain(&self) {
        self.shared.lookups.close();
        self.shared.refreshes.close();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

struct Hosts(Arc<dyn Lookup>);

#[async_trait]
impl Load for Hosts {
    type Facts = HostFacts;

    async fn load(&self, name: &DomainName) -> Result<HostFacts, DnsFailure> {
        self.0.host(name).await
    }
}

struct Domains {
    lookup: Arc<dyn Lookup>,
    hosts: Arc<Store<Hosts>>,
}

#[async_trait]
impl Load for Domains {
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
