//! The interface to what answers a worker: the verifier, or in tests a script.

use std::time::SystemTime;

use async_trait::async_trait;

use crate::address::DomainName;
use crate::registration::Registration;
use crate::verifier::{Depth, GivenVerdict, Options, Subject, Verification, Verifier};

/// Answers about addresses.
#[async_trait]
pub trait AddressVerifier: Send + Sync + 'static {
    /// Verifies one address that [`cached`](Self::cached) gave back.
    async fn verify(&self, subject: Subject, options: &Options) -> Verification;

    /// `false` if [`cached`](Self::cached) knows no address at this depth.
    fn may_know(&self, _depth: Depth) -> bool {
        true
    }

    /// The verification of one address, if it is known without asking DNS or a server;
    /// else the subject again.
    async fn cached(&self, subject: Subject, options: &Options) -> Result<Verification, Subject>;

    /// Looks up what the domain's mail is counted against: the registrable domain of its first
    /// exchanger;
    /// `None` if it has none, or nobody could tell by `deadline`.
    async fn destination(&self, domain: &str, deadline: SystemTime) -> Option<DomainName>;

    /// The number of the egress identity that usually asks about the domain's mail: each has a pace
    /// of its own.
    fn identity(&self, _domain: &str) -> usize {
        0
    }

    /// The registration of a domain as it is known now, asked for if it is not; `None`: there are
    /// none here.
    async fn registration(&self, _domain: &DomainName) -> Option<Registration> {
        None
    }

    /// `true` if verdicts are to be remembered.
    fn remembers_verdicts(&self) -> bool {
        false
    }

    /// Remembers the verdicts on rows of the list with this name, to be held against what becomes
    /// of mail.
    async fn remember_verdicts(&self, _list: String, _verdicts: Vec<GivenVerdict>) {}
}

#[async_trait]
impl AddressVerifier for Verifier {
    async fn verify(&self, subject: Subject, options: &Options) -> Verification {
        self.verify_uncached(subject, options).await
    }

    fn may_know(&self, depth: Depth) -> bool {
        self.may_know(depth)
    }

    async fn cached(&self, subject: Subject, options: &Options) -> Result<Verification, Subject> {
        self.cached(subject, options).await
    }

    async fn destination(&self, domain: &str, deadline: SystemTime) -> Option<DomainName> {
        self.destination(domain, deadline).await
    }

    fn identity(&self, domain: &str) -> usize {
        self.usual_identity(domain)
    }

    async fn registration(&self, domain: &DomainName) -> Option<Registration> {
        Some(self.known_registration(domain).await)
    }

    fn remembers_verdicts(&self) -> bool {
        self.remembers_verdicts()
    }

    async fn remember_verdicts(&self, list: String, verdicts: Vec<GivenVerdict>) {
        self.remember_verdicts(list, verdicts).await;
    }
}
