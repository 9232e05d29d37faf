//! Where exchangers' addresses come from.

use std::sync::Arc;

use async_trait::async_trait;

use crate::address::DomainName;
use crate::cache::DnsCache;
use crate::dns::{DnsFailure, HostFacts};

/// Knows the addresses of exchangers. Asked when a session is opened, not before.
#[async_trait]
pub trait Hosts: Send + Sync + 'static {
    /// The addresses of `host`.
    ///
    /// # Errors
    /// Nobody could tell.
    async fn addresses(&self, host: &DomainName) -> Result<Arc<HostFacts>, DnsFailure>;
}

#[async_trait]
impl Hosts for DnsCache {
    async fn addresses(&self, host: &DomainName) -> Result<Arc<HostFacts>, DnsFailure> {
        Ok(self.host(host, None).await?.value)
    }
}
