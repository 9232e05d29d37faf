//! The questions the layers above ask of DNS, so that a test can answer them.

use async_trait::async_trait;

use super::facts::{DnsFailure, DomainFacts, HostFacts};
use crate::address::DomainName;

/// What was learned about a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainLookup {
    /// The facts about the domain.
    pub facts: DomainFacts,
    /// The domain's own addresses, if they had to be asked for (it has no MX record): whoever
    /// dials an implicit MX need not ask again.
    pub host: Option<HostFacts>,
}

/// Asks DNS. Remembers nothing.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// How `domain` receives mail: one MX question, and A and AAAA if there is no MX record.
    ///
    /// # Errors
    /// Nobody could tell.
    async fn domain(&self, domain: &DomainName) -> Result<DomainLookup, DnsFailure>;

    /// The addresses of `host`: one A and one AAAA question, at the same time.
    ///
    /// # Errors
    /// Nobody could tell.
    async fn host(&self, host: &DomainName) -> Result<HostFacts, DnsFailure>;
}
