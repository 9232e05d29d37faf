//! The report about a domain by itself: its route and the addresses of its exchangers.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use futures_util::future::{self, OptionFuture};

use super::profile::listed;
use super::{Verifier, has_disposable_exchanger};
use crate::address::{DomainName, SyntaxError};
use crate::cache::Cached;
use crate::dns::{DnsFailure, DomainFacts, Exchanger, Route};
use crate::registration::RegistrationReport;
use crate::verdict::Traits;

/// The answer of DNS about a domain's mail.
#[derive(Clone, Debug)]
pub struct DomainReport {
    /// Its mail routing.
    pub facts: Cached<DomainFacts>,
    /// Its exchangers, best first, with their addresses.
    pub exchangers: Vec<ExchangerReport>,
    /// The traits that the lists give the domain.
    pub traits: Traits,
    /// Its registration, if it was wanted.
    pub registration: Option<RegistrationReport>,
}

/// One exchanger and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangerReport {
    /// The exchanger.
    pub exchanger: Exchanger,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The cause, if there are none.
    pub failure: Option<ExchangerFailure>,
}

/// The cause of an exchanger without addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangerFailure {
    /// The host does not exist in DNS.
    #[error("does not exist")]
    HostNotFound,
    /// The host exists and has no address.
    #[error("has no address")]
    NoAddress,
    /// DNS could not tell for now.
    #[error("{0}")]
    Dns(#[from] DnsFailure),
}

/// The cause of a missing report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// It is not a domain name.
    #[error("{0}")]
    Invalid(#[from] SyntaxError),
    /// DNS could not tell.
    #[error("the domain could not be looked up: {0}")]
    Dns(#[from] DnsFailure),
}

impl Verifier {
    /// The mail routing of `name`, with the addresses of every exchanger; with `registration`, its
    /// registration too, which is waited for.
    ///
    /// # Errors
    ///
    /// If `name` is not a domain name, or DNS could not tell by `deadline`.
    pub async fn domain(
        &self,
        name: &str,
        max_age: Option<Duration>,
        registration: bool,
        deadline: SystemTime,
    ) -> Result<DomainReport, DomainError> {
        let name = DomainName::parse(name)?;
        let finding: OptionFuture<_> =
            registration.then(|| self.find_registration(&name, deadline)).into();
        let (facts, registration) = tokio::join!(self.facts(&name, max_age, deadline), finding);
        let facts = facts?;
        let hosts = facts.value.route.exchangers();
        let exchangers =
            future::join_all(hosts.iter().map(|host| self.exchanger(host, max_age, deadline)))
                .await;
        let lists = self.lists.current();
        let mut traits = listed(&name, &lists);
        traits.disposable |= has_disposable_exchanger(&facts.value, &lists);
        let is_in_dns = facts.value.route != Route::NoSuchDomain;
        let registration = registration.map(|registration| {
            RegistrationReport::new(registration, &name, is_in_dns, self.clock.now())
        });
        Ok(DomainReport { facts, exchangers, traits, registration })
    }

    /// The destination of the mail of `name` (A-labels): the registrable domain of its first
    /// exchanger. `None` if it has none, or DNS could not tell by `deadline`.
    pub async fn destination(&self, name: &str, deadline: SystemTime) -> Option<DomainName> {
        let facts = self.facts(&DomainName::parse(name).ok()?, None, deadline).await.ok()?;
        facts.value.route.exchangers().first().map(|exchanger| exchanger.host.registrable())
    }

    async fn exchanger(
        &self,
        exchanger: &Exchanger,
        max_age: Option<Duration>,
        deadline: SystemTime,
    ) -> ExchangerReport {
        let asked = self.within(deadline, self.domains.host(&exchanger.host, max_age)).await;
        let (addresses, failure) = match asked {
            Ok(host) if !host.value.exists => (Vec::new(), Some(ExchangerFailure::HostNotFound)),
            Ok(host) if host.value.addresses.is_empty() => {
                (Vec::new(), Some(ExchangerFailure::NoAddress))
            }
            Ok(host) => (host.value.addresses.clone(), None),
            Err(failure) => (Vec::new(), Some(failure.into())),
        };
        ExchangerReport { exchanger: exchanger.clone(), addresses, failure }
    }
}
