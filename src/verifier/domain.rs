//! A domain by itself: how it receives mail, and through which addresses.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use futures_util::future;

use super::profile::listed;
use super::{Verifier, has_disposable_exchanger};
use crate::address::{DomainName, SyntaxError};
use crate::cache::Cached;
use crate::dns::{DnsFailure, DomainFacts, Exchanger};
use crate::verdict::Traits;

/// What DNS says about a domain's mail.
#[derive(Clone, Debug)]
pub struct DomainReport {
    /// How the domain receives mail.
    pub facts: Cached<DomainFacts>,
    /// Its exchangers, best first, with their addresses.
    pub exchangers: Vec<ExchangerReport>,
    /// What the lists say about the domain.
    pub traits: Traits,
}

/// One exchanger and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangerReport {
    /// The exchanger.
    pub exchanger: Exchanger,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Why there are none.
    pub failure: Option<String>,
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// It is not a domain name.
    #[error("{0}")]
    Invalid(#[from] SyntaxError),
    /// Nobody could tell.
    #[error("the domain could not be looked up: {0}")]
    Dns(#[from] DnsFailure),
}

impl Verifier {
    /// How `name` receives mail, with the addresses of every exchanger.
    ///
    /// # Errors
    ///
    /// If `name` is not a domain name, or DNS could not tell by `deadline`.
    pub async fn domain(
        &self,
        name: &str,
        max_age: Option<Duration>,
        deadline: SystemTime,
    ) -> Result<DomainReport, DomainError> {
        let name = DomainName::parse(name)?;
        let facts = self.facts(&name, max_age, deadline).await?;
        let hosts = facts.value.route.exchangers();
        let exchangers =
            future::join_all(hosts.iter().map(|host| self.exchanger(host, max_age, deadline)))
                .await;
        let lists = self.lists.current();
        let mut traits = listed(&name, &lists);
        traits.disposable |= has_disposable_exchanger(&facts.value, &lists);
        Ok(DomainReport { facts, exchangers, traits })
    }

    /// What the mail of `name` (A-labels) is counted against: the registrable domain of its first
    /// exchanger. `None` if it has none, or nobody could tell by `deadline`.
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
            Ok(host) if !host.value.exists => (Vec::new(), Some("does not exist".to_owned())),
            Ok(host) if host.value.addresses.is_empty() => {
                (Vec::new(), Some("has no address".to_owned()))
            }
            Ok(host) => (host.value.addresses.clone(), None),
            Err(failure) => (Vec::new(), Some(failure.to_string())),
        };
        ExchangerReport { exchanger: exchanger.clone(), addresses, failure }
    }
}
