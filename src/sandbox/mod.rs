//! A small mail world on loopback: real DNS packets, real SMTP over TCP, nothing else real.
//!
//! `mailvet demo`, `--sandbox`, the tests and the benchmarks run against it. It is driven by data:
//! a [`World`] says which names exist and how each exchanger behaves; `world.toml` is the built-in
//! one and shows how a world is written. It takes no mail: `DATA` and the like are refused and
//! counted, so that a test can say that none ever came.
//!
//! ```text
//! world.toml -load-> World -start-> Sandbox
//!                      |-> zone       (pure: what DNS says)      -> nameserver (packets)
//!                      '-> exchanger  (pure: data) -> session (pure: commands to replies)
//!                                                  -> serving, faults (sockets)
//! ```
//!
//! Pure: [`world`], [`load`], [`exchanger`], [`wording`], [`reply`], `certificate`, `pattern`,
//! `names`, `mailboxes`, `zone`, `command`, `date`, `session`, `ledger`, [`counts`]. With sockets:
//! `nameserver`, `serving`, `faults`, `tls`, `registry`, `policies`, [`placement`], `roster` and
//! this file. Only `cli/`, tests and benchmarks may import it.

pub mod counts;
pub mod exchanger;
pub mod load;
pub mod placement;
pub mod reply;
pub mod wording;
pub mod world;

mod certificate;
mod command;
mod date;
mod faults;
mod ledger;
mod mailboxes;
mod names;
mod nameserver;
mod pattern;
mod policies;
mod registry;
mod roster;
mod serving;
mod session;
mod tls;
mod zone;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hickory_server::Server;
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use certificate::{ServerCertificate, TlsaEntry};
pub use counts::{ExchangerCounts, QueryCounts, SandboxCounts};
pub use exchanger::{
    Deviation, ExchangerSpec, Greylist, InjectedFault, ServerLimits, SessionPoint, StartTls,
};
pub use load::WorldError;
pub use names::NameSyntaxError;
pub use pattern::{Numbered, NumberedError};
pub use placement::Placement;
pub use policies::PolicyRecord;
pub use registry::RegistryRecord;
pub use reply::{RecipientReply, ReplyError, ReplyTemplate};
pub use wording::Wording;
pub use world::{
    Generated, Listing, MxEntry, NameRecords, QueryFailure, QueryType, SampleAddress, SampleDepth,
    Settings, World,
};

use crate::address::DomainName;
use crate::clock::Clock;
use placement::ExchangerSocket;
use registry::RegistryCounts;
use roster::Roster;
use serving::Running;
use tls::SandboxCertificates;

/// A sandbox that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The name server has no sockets.
    #[error("the sandbox's name server cannot use {address}: {source}")]
    Nameserver {
        /// The address it was to have.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The exchangers have no sockets.
    #[error(
        "the sandbox's exchangers cannot listen on {}: {source}; they need the addresses of 127.0.0.0/8, as on Linux",
        port.map_or("any port".to_owned(), |port| format!("port {port}"))
    )]
    Exchangers {
        /// The port that was asked for.
        port: Option<u16>,
        /// The system's error.
        source: io::Error,
    },
    /// There are more exchangers than addresses.
    #[error("the sandbox's network has too few addresses for its exchangers")]
    NoRoom,
    /// There is no certificate.
    #[error("the sandbox has no TLS certificate: {0}")]
    Tls(String),
}

/// A mail world that runs. It stops when it is shut down or dropped.
pub struct Sandbox {
    nameserver: SocketAddr,
    registries: Vec<SocketAddr>,
    registry_counts: Arc<RegistryCounts>,
    policies: SocketAddr,
    authority: Vec<u8>,
    smtp_port: u16,
    network: IpNet,
    addresses: BTreeMap<DomainName, Ipv4Addr>,
    exchangers: Vec<Arc<Running>>,
    queries: Arc<Mutex<QueryCounts>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Sandbox {
    /// Starts a world on loopback, on addresses and ports that are free. Tasks run on the current
    /// tokio runtime.
    ///
    /// # Errors
    /// [`SandboxError`] if the sockets cannot be had.
    pub async fn start(world: World) -> Result<Self, SandboxError> {
        Self::start_at(world, Placement::default()).await
    }

    /// Starts a world at a place of the caller's choice.
    ///
    /// # Errors
    /// [`SandboxError`] if the sockets cannot be had.
    pub async fn start_at(world: World, place: Placement) -> Result<Self, SandboxError> {
        let roster = Roster::new(&world);
        let network = placement::network(&place, roster.addresses())?;
        let plan = roster.plan(network);
        let (udp, tcp) = placement::nameserver(&place, network).await?;
        let nameserver = udp.local_addr().map_err(|source| SandboxError::Nameserver {
            address: (network.network(), 0).into(),
            source,
        })?;
        let (policy_listener, policies) = placement::beside_nameserver(network).await?;
        let wanted: Vec<_> = plan.iter().map(|(n, a)| (*a, roster.listens(*n))).collect();
        let (smtp_port, sockets) = placement::exchangers(&place, &wanted).await?;
        let policy_hosts = world.policies.iter();
        let policy_hosts =
            policy_hosts.map(|(domain, policy)| (policies::host(domain), policy.certificate));
        let certificates = SandboxCertificates::new(roster.secure().chain(policy_hosts))?;

        let tracker = TaskTracker::new();
        let stop = CancellationToken::new();
        let queries = Arc::new(Mutex::new(QueryCounts::default()));
        let registry_counts = Arc::new(RegistryCounts::default());
        let service = registry::RegistryService {
            records: world.registrations.clone(),
            counts: Arc::clone(&registry_counts),
            clock: Clock::start(),
        };
        let registries = registry::start(service, network, &tracker, &stop).await?;
        let service = policy_service(&world, &certificates)?;
        tracker.spawn(policies::serve(service, policy_listener, tracker.clone(), stop.clone()));
        let zone = roster.zone(&world, &plan, &certificates, placement::own_address(network));
        let server = nameserver::serve(zone, Arc::clone(&queries), udp, tcp);
        tracker.spawn(shut_down_with(server, stop.clone()));

        let exchangers = roster.running(&world, &certificates);
        for (socket, (host, _)) in sockets.into_iter().zip(&plan) {
            tracker.spawn(occupy(
                socket,
                Arc::clone(&exchangers[*host]),
                tracker.clone(),
                stop.clone(),
            ));
        }
        let addresses = plan.iter().rev().map(|(n, address)| (roster.name(*n), *address)).collect();
        let network = IpNet::V4(network);
        let authority = certificates.authority().to_vec();
        Ok(Self {
            nameserver,
            registries,
            registry_counts,
            policies,
            authority,
            smtp_port,
            network,
            addresses,
            exchangers,
            queries,
            tracker,
            stop,
        })
    }

    /// Address of the name server, for UDP and TCP.
    #[must_use]
    pub fn nameserver(&self) -> SocketAddr {
        self.nameserver
    }

    /// The base URL of the registry's service (RDAP).
    #[must_use]
    pub fn registry_url(&self) -> String {
        format!("http://{}/", self.registries[0])
    }

    /// Base URLs of the same service at other ports: to who asks, each is a registry of its own.
    pub fn further_registry_urls(&self) -> impl Iterator<Item = String> {
        self.registries[1..].iter().map(|address| format!("http://{address}/"))
    }

    /// Number of requests that the registry got.
    #[must_use]
    pub fn registry_requests(&self) -> u64 {
        self.registry_counts.requests.load(Ordering::Relaxed)
    }

    /// Number of connections that the registry got.
    #[must_use]
    pub fn registry_connections(&self) -> u64 {
        self.registry_counts.connections.load(Ordering::Relaxed)
    }

    /// The port of the hosts of MTA-STS policies.
    #[must_use]
    pub fn policy_port(&self) -> u16 {
        self.policies.port()
    }

    /// The certificate of the authority that issued those of the world's servers, as DER.
    #[must_use]
    pub fn authority(&self) -> &[u8] {
        &self.authority
    }

    /// The port of every exchanger.
    #[must_use]
    pub fn smtp_port(&self) -> u16 {
        self.smtp_port
    }

    /// The network that all exchangers are in.
    #[must_use]
    pub fn network(&self) -> IpNet {
        self.network
    }

    /// An exchanger's (first) address and port, if the world has it.
    #[must_use]
    pub fn exchanger(&self, host: &str) -> Option<SocketAddr> {
        let address = self.addresses.get(&DomainName::from_ascii(host))?;
        Some(SocketAddr::new(IpAddr::V4(*address), self.smtp_port))
    }

    /// The counters now.
    #[must_use]
    pub fn counts(&self) -> SandboxCounts {
        let exchangers = self
            .exchangers
            .iter()
            .map(|running| (running.host.to_string(), running.ledger().counts));
        let dns = *self.queries.lock();
        SandboxCounts { exchangers: exchangers.collect(), dns }
    }

    /// Starts counting anew; connections that are open stay counted as such.
    pub fn reset_counts(&self) {
        for running in &self.exchangers {
            running.ledger().reset_counts();
        }
        *self.queries.lock() = QueryCounts::default();
    }

    /// Closes everything and waits until it is closed.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Answers on an exchanger's socket, or keeps it, until the token is cancelled.
async fn occupy(
    socket: ExchangerSocket,
    exchanger: Arc<Running>,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    match socket {
        ExchangerSocket::Listening(listener) => {
            serving::listen(exchanger, listener, tracker, stop).await;
        }
        ExchangerSocket::Held(held) => {
            stop.cancelled().await;
            drop(held);
        }
    }
}

/// The hosts of the world's policies.
fn policy_service(
    world: &World,
    certificates: &SandboxCertificates,
) -> Result<policies::PolicyService, SandboxError> {
    let by_host = world.policies.iter();
    let policies: BTreeMap<_, _> =
        by_host.map(|(domain, policy)| (policies::host(domain), policy.clone())).collect();
    let tls = certificates.acceptor_by_name(policies.keys())?;
    Ok(policies::PolicyService { policies, tls })
}

/// Shuts the name server down when the token is cancelled.
async fn shut_down_with(mut server: Server<nameserver::Answerer>, stop: CancellationToken) {
    stop.cancelled().await;
    if let Err(error) = server.shutdown_gracefully().await {
        tracing::debug!(%error, "the sandbox's name server did not end well");
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("nameserver", &self.nameserver)
            .field("smtp_port", &self.smtp_port)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
