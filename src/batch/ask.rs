//! Whom a worker asks: the verifier, or in tests a script.

use std::time::SystemTime;

use async_trait::async_trait;

use crate::address::DomainName;
use crate::verifier::{Options, Verification, Verifier};

/// Answers about addresses.
#[async_trait]
pub trait Ask: Send + Sync + 'static {
    /// Everything about one address.
    async fn verify(&self, address: &str, options: &Options) -> Verification;

    /// Everything about one address, if that is known without asking anybody.
    async fn cached(&self, address: &str, options: &Options) -> Option<Verification>;

    /// What the domain's mail is counted against: the registrable domain of its first exchanger;
    /// `None` if it has none, or nobody could tell by `deadline`.
    async fn destination(&self, domain: &str, deadline: SystemTime) -> Option<DomainName>;
}

#[async_trait]
impl Ask for Verifier {
    async fn verify(&self, address: &str, options: &Options) -> Verification {
        self.verify(address, options).await
    }

    async fn cached(&self, address: &str, options: &Options) -> Option<Verification> {
        self.cached(address, options).await
    }

    async fn destination(&self, domain: &str, deadline: SystemTime) -> Option<DomainName> {
        self.destination(domain, deadline).await
    }
}
