//! The report about a domain by itself: its route and the addresses of its exchangers.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::future::OptionFuture;
use futures_util::stream;

use super::profile::listed;
use super::{Verifier, has_disposable_exchanger};
use crate::address::{DomainName, SyntaxError, SyntaxErrorKind};
use crate::cache::Cached;
use crate::dns::{DnsFailure, DomainFacts, Exchanger, Route};
use crate::posture::{ParkingService, PostureGap, PostureReport, PostureState};
use crate::prober::first_exchanger;
use crate::registration::RegistrationReport;
use crate::verdict::Traits;

/// The exchangers whose addresses a report looks up, best first: as many as a verification looks
/// at. A domain may name thousands, and each costs questions to name servers of strangers.
const LOOKED_UP: usize = 20;

/// The exchangers that are looked up at a time.
const AT_A_TIME: usize = 4;

/// The answer of DNS about a domain's mail.
#[derive(Clone, Debug)]
pub struct DomainReport {
    /// Its mail routing.
    pub facts: Cached<DomainFacts>,
    /// Its exchangers, best first; the best twenty of them with their addresses.
    pub exchangers: Vec<ExchangerReport>,
    /// The traits that the lists give the domain.
    pub traits: Traits,
    /// Its registration, if it was wanted.
    pub registration: Option<RegistrationReport>,
    /// Its posture, if it was wanted.
    pub posture: Option<PostureReport>,
    /// The service that parks it, if its name servers are those of one.
    pub parking: Option<&'static ParkingService>,
}

/// Parts of a report that are asked for apart: each asks hosts that are not DNS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DomainOptions {
    /// The oldest remembered answer to accept; `None`: any that is valid.
    pub max_age: Option<Duration>,
    /// Its registration, which is waited for.
    pub registration: bool,
    /// Its posture: MTA-STS, DANE, and the TLS of its exchangers.
    pub posture: bool,
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
    /// It was not looked up: the domain has many that are better.
    #[error("not looked up: only the best {LOOKED_UP} are")]
    NotLookedUp,
}

/// The cause of a missing report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// It is not a domain name.
    #[error("{}", sentence(.0))]
    Invalid(SyntaxError),
    /// DNS could not tell.
    #[error("the domain could not be looked up: {0}")]
    Dns(#[from] DnsFailure),
}

impl From<SyntaxError> for DomainError {
    // Not its source: that one's words are about an address.
    fn from(error: SyntaxError) -> Self {
        Self::Invalid(error)
    }
}

/// The fault of a name that stands by itself, and in no address.
fn sentence(error: &SyntaxError) -> String {
    match error.kind {
        SyntaxErrorKind::MultipleAt => {
            "a domain is wanted, without a mailbox: what stands behind the @".to_owned()
        }
        SyntaxErrorKind::DomainEmpty => "the domain is empty".to_owned(),
        SyntaxErrorKind::Whitespace => "there is a space in the domain or around it".to_owned(),
        _ => error.to_string(),
    }
}

impl Verifier {
    /// The mail routing of `name`, with the addresses of its best exchangers, and what else
    /// `options` ask for.
    ///
    /// # Errors
    ///
    /// If `name` is not a domain name, or DNS could not tell by `deadline`.
    pub async fn domain(
        &self,
        name: &str,
        options: DomainOptions,
        deadline: SystemTime,
    ) -> Result<DomainReport, DomainError> {
        let name = DomainName::parse(name)?;
        let max_age = options.max_age;
        let finding: OptionFuture<_> =
            options.registration.then(|| self.find_registration(&name, deadline)).into();
        let looking = async {
            let facts = self.facts(&name, max_age, deadline).await?;
            let route = &facts.value.route;
            let hosts = self.exchangers(route.exchangers(), max_age, deadline);
            let posture: OptionFuture<_> =
                options.posture.then(|| self.find_posture(&name, route, max_age, deadline)).into();
            let (exchangers, posture) = tokio::join!(hosts, posture);
            Ok::<_, DomainError>((facts, exchangers, posture))
        };
        // Side by side: a slow registry leaves no less time for the exchangers.
        let (looked, registration, parking) =
            tokio::join!(looking, finding, self.find_parking(&name, deadline));
        let (facts, exchangers, posture) = looked?;
        let lists = self.lists.current();
        let mut traits = listed(&name, &lists);
        traits.disposable |= has_disposable_exchanger(&facts.value, &lists);
        let is_in_dns = Some(facts.value.route != Route::NoSuchDomain);
        let registration = registration.map(|registration| {
            RegistrationReport::new(registration, &name, is_in_dns, self.clock.now())
        });
        Ok(DomainReport { facts, exchangers, traits, registration, posture, parking })
    }

    async fn find_posture(
        &self,
        name: &DomainName,
        route: &Route,
        max_age: Option<Duration>,
        deadline: SystemTime,
    ) -> PostureReport {
        match &self.postures {
            Some(postures) => postures.find(name, route, max_age, deadline).await,
            None => {
                let state = PostureState::Unknown(PostureGap::Disabled);
                PostureReport { domain: name.clone(), state }
            }
        }
    }

    async fn find_parking(
        &self,
        name: &DomainName,
        deadline: SystemTime,
    ) -> Option<&'static ParkingService> {
        self.postures.as_ref()?.find_parking(name, deadline).await
    }

    /// The destination of the mail of `name` (A-labels): the registrable domain of the exchanger
    /// that is asked first about its recipients. `None` if it has none, or DNS could not tell by
    /// `deadline`.
    pub async fn destination(&self, name: &str, deadline: SystemTime) -> Option<DomainName> {
        let name = DomainName::parse(name).ok()?;
        let facts = self.facts(&name, None, deadline).await.ok()?;
        let first = first_exchanger(facts.value.route.exchangers(), &name)?;
        Some(first.host.registrable())
    }

    /// The number of the egress identity that asks about the mail of `name` (A-labels), unless an
    /// exchanger refuses it.
    #[must_use]
    pub fn usual_identity(&self, name: &str) -> usize {
        self.prober.usual_identity(name)
    }

    /// The exchangers, which are given best first; only the first are looked up, a few at a time.
    async fn exchangers(
        &self,
        exchangers: &[Exchanger],
        max_age: Option<Duration>,
        deadline: SystemTime,
    ) -> Vec<ExchangerReport> {
        let (best, rest) = exchangers.split_at(exchangers.len().min(LOOKED_UP));
        let lookups: Vec<_> =
            best.iter().map(|exchanger| self.exchanger(exchanger, max_age, deadline)).collect();
        let mut reports: Vec<_> = stream::iter(lookups).buffered(AT_A_TIME).collect().await;
        reports.extend(rest.iter().map(|exchanger| ExchangerReport {
            exchanger: exchanger.clone(),
            addresses: Vec::new(),
            failure: Some(ExchangerFailure::NotLookedUp),
        }));
        reports
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
