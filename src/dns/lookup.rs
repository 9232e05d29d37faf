//! The questions that the layers above ask of DNS, as a trait that tests can implement.

use async_trait::async_trait;

use super::facts::{DnsFailure, DomainFacts, HostFacts};
use crate::address::DomainName;

/// The result of looking up a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainLookup {
    /// The facts about the domain.
    pub facts: DomainFacts,
    /// The domain's own addresses, if they were asked for because it has no MX record. They save a
    /// second question when the implicit MX is dialled.
    pub host: Option<HostFacts>,
}

/// A DNS client without a cache.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// Finds the mail route of `domain`: one MX question, and A and AAAA if it has no MX record.
    ///
    /// # Errors
    /// No name server could tell.
    async fn domain(&self, domain: &DomainName) -> Result<DomainLookup, DnsFailure>;

    /// Finds the addresses of `host`: one A and one AAAA question at the same time.
    ///
    /// # Errors
    /// No name server could tell.
    async fn host(&self, host: &DomainName) -> Result<HostFacts, DnsFailure>;
}
