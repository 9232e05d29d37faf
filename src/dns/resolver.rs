//! The [`Lookup`] that asks real name servers. It has no cache.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf;
use tracing::Instrument as _;

use super::answer::{Answer, AuthenticAnswer, MxRecord};
use super::config::{Config, SetupError};
use super::counters::{self, QuestionCounters, Stats};
use super::facts::{DnsFailure, DomainFacts, HostFacts};
use super::failover::{Failover, ServerError};
use super::hosts::{self, AddressAnswer};
use super::lookup::{DomainLookup, Lookup};
use super::route;
use super::upstream::{self, Upstream};
use crate::address::DomainName;
use crate::clock::Clock;

/// A client of the configured name servers, or of the system's.
pub struct Resolver {
    clock: Clock,
    config: Config,
    servers: Vec<SocketAddr>,
    upstreams: Vec<Upstream>,
    failover: Failover,
    counters: QuestionCounters,
}

impl Resolver {
    /// Creates a resolver; reads the system's if no name server is configured.
    ///
    /// # Errors
    /// A setting out of range, or no name server to be found.
    pub fn new(config: Config, clock: Clock) -> Result<Self, SetupError> {
        config.check()?;
        let servers =
            if config.nameservers.is_empty() { system()? } else { config.nameservers.clone() };
        let upstreams =
            servers.iter().map(|server| Upstream::new(*server, &config, clock)).collect();
        let failover = Failover::new(servers.len(), &config, clock);
        let counters = QuestionCounters::new();
        Ok(Self { clock, config, servers, upstreams, failover, counters })
    }

    /// The name servers asked, best first.
    #[must_use]
    pub fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// Statistics of the questions so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    /// Asks for the name servers of the root, which every resolver knows. Any answer counts.
    ///
    /// # Errors
    /// No name server answered, or all of them with an error.
    pub async fn answers(&self) -> Result<(), DnsFailure> {
        self.ask_wire(&Name::root(), RecordType::NS, |_| Some(())).await.map(|_| ())
    }

    pub(super) async fn ask<R>(
        &self,
        name: &DomainName,
        record_type: RecordType,
        read: fn(&RData) -> Option<R>,
    ) -> Result<Answer<R>, DnsFailure> {
        self.ask_wire(&upstream::to_wire(name)?, record_type, read).await
    }

    async fn ask_wire<R>(
        &self,
        name: &Name,
        record_type: RecordType,
        read: fn(&RData) -> Option<R>,
    ) -> Result<Answer<R>, DnsFailure> {
        let ask =
            |server: usize, silences| self.upstreams[server].ask(name, record_type, read, silences);
        self.ask_each(name, record_type, ask).await
    }

    /// Asks as [`Self::ask`] does, and hears whether the name server vouches for the answer.
    pub(super) async fn ask_authentic<R>(
        &self,
        name: &DomainName,
        record_type: RecordType,
        read: fn(&RData) -> Option<R>,
    ) -> Result<AuthenticAnswer<R>, DnsFailure> {
        let wire = upstream::to_wire(name)?;
        let is_authentic = AtomicBool::new(false);
        let ask = |server: usize, _| {
            self.upstreams[server].ask_authentic(&wire, record_type, read, &is_authentic)
        };
        let answer = self.ask_each(&wire, record_type, ask).await?;
        // A "no" without an SOA is vouched for by nobody, whichever name server was asked last.
        let is_authentic = is_authentic.into_inner() && answer.is_conclusive();
        Ok(AuthenticAnswer { answer, is_authentic })
    }

    /// Asks one name server after the other with `ask`, and counts the question.
    async fn ask_each<R, F>(
        &self,
        name: &Name,
        record_type: RecordType,
        ask: impl Fn(usize, u32) -> F,
    ) -> Result<Answer<R>, DnsFailure>
    where
        F: Future<Output = Result<Answer<R>, ServerError>>,
    {
        let span = tracing::debug_span!(
            "dns_question",
            otel.kind = "client",
            name = %name,
            record_type = %record_type,
            outcome = tracing::field::Empty,
        );
        let began = self.clock.now();
        let asked = self.failover.ask(ask).instrument(span.clone()).await;
        let outcome = counters::outcome(&asked);
        span.record("outcome", outcome);
        let elapsed = self.clock.now().duration_since(began).unwrap_or_default();
        self.counters.record(outcome, elapsed);
        asked
    }

    /// Asks for both families. Once one has an address, the other has `family_wait` left.
    async fn addresses(&self, host: &DomainName) -> (AddressAnswer, AddressAnswer) {
        let mut a = pin!(self.ask(host, RecordType::A, read_address));
        let mut aaaa = pin!(self.ask(host, RecordType::AAAA, read_address));
        tokio::select! {
            first = &mut a => {
                let second = self.second(&first, aaaa).await;
                (first, second)
            }
            first = &mut aaaa => {
                let second = self.second(&first, a).await;
                (second, first)
            }
        }
    }

    async fn second(
        &self,
        first: &AddressAnswer,
        second: impl Future<Output = AddressAnswer>,
    ) -> AddressAnswer {
        match first {
            Ok(Answer::Records { .. }) => tokio::time::timeout(self.config.family_wait, second)
                .await
                .unwrap_or(Err(DnsFailure::Timeout)),
            _ => second.await,
        }
    }
}

#[async_trait]
impl Lookup for Resolver {
    async fn domain(&self, domain: &DomainName) -> Result<DomainLookup, DnsFailure> {
        let looked_up_at = self.clock.now();
        let mx = self.ask(domain, RecordType::MX, read_mx).await?;
        let mut valid_until = looked_up_at + self.config.lifetimes.of(&mx);
        let (settled, notes) = route::from_mx(&mx);
        let (route, host) = match settled {
            Some(route) => (route, None),
            None => {
                let host = self.host(domain).await?;
                valid_until = valid_until.min(host.valid_until);
                (route::without_mx(domain, &host), Some(host))
            }
        };
        let domain = domain.clone();
        let facts = DomainFacts { domain, route, notes, looked_up_at, valid_until };
        Ok(DomainLookup { facts, host })
    }

    async fn host(&self, host: &DomainName) -> Result<HostFacts, DnsFailure> {
        let looked_up_at = self.clock.now();
        let (a, aaaa) = self.addresses(host).await;
        hosts::from_answers(host, a, aaaa, &self.config.lifetimes, looked_up_at)
    }
}

/// The system's name servers.
fn system() -> Result<Vec<SocketAddr>, SetupError> {
    let (config, _) =
        system_conf::read_system_conf().map_err(|e| SetupError::System(e.to_string()))?;
    let mut servers: Vec<SocketAddr> = Vec::new();
    for server in config.name_servers {
        let port = server.connections.first().map_or(53, |connection| connection.port);
        let address = SocketAddr::new(server.ip, port);
        if !servers.contains(&address) {
            servers.push(address);
        }
    }
    reachable(servers)
}

/// Those of the system's name servers that can be asked. Of a link-local address we are not told
/// the interface, without which nothing can be sent there.
fn reachable(servers: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, SetupError> {
    let is_link_local = |server: &SocketAddr| match server.ip() {
        IpAddr::V6(address) => address.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    };
    let (link_local, servers): (Vec<_>, Vec<_>) = servers.into_iter().partition(is_link_local);
    match link_local.first() {
        Some(server) if servers.is_empty() => {
            let (address, port) = (server.ip(), server.port());
            Err(SetupError::System(format!(
                "{address} needs its interface, as in [{address}%INDEX]:{port}, where INDEX is the \
                 number that `ip link` shows"
            )))
        }
        None if servers.is_empty() => Err(SetupError::System("none is configured".into())),
        _ => Ok(servers),
    }
}

pub(super) fn read_mx(data: &RData) -> Option<MxRecord> {
    match data {
        RData::MX(mx) => Some(MxRecord {
            preference: mx.preference,
            exchange: upstream::from_wire(&mx.exchange),
        }),
        _ => None,
    }
}

pub(super) fn read_address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(a.0.into()),
        RData::AAAA(aaaa) => Some(aaaa.0.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
