//! DNS that answers nothing, for tests whose servers are named by their addresses.

use async_trait::async_trait;

use super::facts::{DnsFailure, HostFacts};
use super::lookup::{DomainLookup, Lookup};
use crate::address::DomainName;

pub(crate) struct NoDns;

#[async_trait]
impl Lookup for NoDns {
    async fn domain(&self, _: &DomainName) -> Result<DomainLookup, DnsFailure> {
        Err(DnsFailure::Timeout)
    }

    async fn host(&self, _: &DomainName) -> Result<HostFacts, DnsFailure> {
        Err(DnsFailure::Timeout)
    }
}
