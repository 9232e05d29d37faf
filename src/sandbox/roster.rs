//! Every exchanger of a world, generated or not, with its addresses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use parking_lot::Mutex;

use super::certificate::ServerCertificate;
use super::exchanger::{ExchangerSpec, StartTls};
use super::ledger::Ledger;
use super::placement;
use super::serving::Running;
use super::tls::SandboxCertificates;
use super::world::{Served, World};
use super::zone::{ServedNames, Zone};
use crate::address::DomainName;
use crate::clock::Clock;

/// The exchangers of a world; a number means one of them.
pub(super) struct Roster(Vec<Host>);

struct Host {
    name: DomainName,
    behaviour: Arc<ExchangerSpec>,
    served: Arc<Served>,
    /// The entry of `World::generated` it comes from.
    generated: Option<usize>,
}

impl Roster {
    pub(super) fn new(world: &World) -> Self {
        let mut served = world.served();
        let mut hosts = Vec::new();
        for (name, behaviour) in &world.exchangers {
            let served = Arc::new(served.remove(name).unwrap_or_default());
            let (name, behaviour) = (name.clone(), Arc::clone(behaviour));
            hosts.push(Host { name, behaviour, served, generated: None });
        }
        for (i, generated) in world.generated.iter().enumerate() {
            let behaviour = Arc::new(ExchangerSpec { addresses: 1, ..generated.exchanger.clone() });
            for n in 0..generated.hosts {
                let numbered = (generated.domain.clone(), generated.domains, generated.hosts, n);
                hosts.push(Host {
                    name: DomainName::from_ascii(&generated.host.name(n)),
                    behaviour: Arc::clone(&behaviour),
                    served: Arc::new(Served { numbered: Some(numbered), ..Served::default() }),
                    generated: Some(i),
                });
            }
        }
        Self(hosts)
    }

    /// Number of addresses of all of them.
    pub(super) fn addresses(&self) -> usize {
        self.0.iter().map(|h| usize::from(h.behaviour.addresses)).sum()
    }

    pub(super) fn name(&self, n: usize) -> DomainName {
        self.0[n].name.clone()
    }

    pub(super) fn listens(&self, n: usize) -> bool {
        self.0[n].behaviour.listens
    }

    /// Gives every exchanger its addresses.
    pub(super) fn plan(&self, network: Ipv4Net) -> Vec<(usize, Ipv4Addr)> {
        let owners = self.0.iter().enumerate();
        let owners = owners.flat_map(|(n, h)| std::iter::repeat_n(n, h.behaviour.addresses.into()));
        owners.zip(0..).map(|(n, address)| (n, placement::address(network, address))).collect()
    }

    /// The world's names with these addresses.
    pub(super) fn zone(
        &self,
        world: &World,
        plan: &[(usize, Ipv4Addr)],
        certificates: &SandboxCertificates,
        policy_host: Ipv4Addr,
    ) -> Zone {
        let mut owned: BTreeMap<usize, Vec<Ipv4Addr>> = BTreeMap::new();
        let mut generated = vec![Vec::new(); world.generated.len()];
        for (n, address) in plan {
            match self.0[*n].generated {
                Some(i) => generated[i].push(*address),
                None => owned.entry(*n).or_default().push(*address),
            }
        }
        let exchangers = owned.into_iter().map(|(n, all)| (self.name(n), all)).collect();
        let with_tlsa = self.0.iter().filter(|host| !host.behaviour.tlsa.is_empty());
        let tlsa = with_tlsa.map(|host| {
            let records = host.behaviour.tlsa.iter();
            let records = records.map(|entry| certificates.tlsa(&host.name, entry)).collect();
            (host.name.clone(), records)
        });
        let tlsa = tlsa.collect();
        Zone::new(world, ServedNames { exchangers, generated, tlsa, policy_host })
    }

    /// The hosts that show a certificate, and its kind.
    pub(super) fn secure(&self) -> impl Iterator<Item = (DomainName, ServerCertificate)> {
        let offers = |host: &&Host| host.behaviour.starttls != StartTls::Off;
        let secure = self.0.iter().filter(offers);
        secure.map(|host| (host.name.clone(), host.behaviour.certificate))
    }

    /// Makes them ready to be connected to.
    pub(super) fn running(
        &self,
        world: &World,
        certificates: &SandboxCertificates,
    ) -> Vec<Arc<Running>> {
        let clock = Clock::start();
        let running = self.0.iter().map(|host| {
            Arc::new(Running {
                host: host.name.as_str().into(),
                exchanger: Arc::clone(&host.behaviour),
                served: Arc::clone(&host.served),
                round_trip: host.behaviour.round_trip.unwrap_or(world.settings.round_trip),
                ledger: Mutex::new(Ledger::new(host.behaviour.limits.window)),
                tls: certificates.acceptor(&host.name),
                clock,
            })
        });
        running.collect()
    }
}
