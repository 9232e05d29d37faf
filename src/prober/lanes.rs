//! [`Prober`]: asks exchangers about recipients, in lanes.

use std::future::Future;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use foldhash::HashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio_util::task::TaskTracker;

use super::config::{Config, Identity};
use super::dial::{Dial, Tcp};
use super::egress::Egress;
use super::hosts::Hosts;
use super::memory::{Lifetimes, Memory};
use super::station::Station;
use super::stats::{Listener, Said, Stats};
use super::walk;
use crate::address::{Address, DomainName};
use crate::clock::Clock;
use crate::dns::Exchanger;
use crate::pacing;
use crate::smtp::dialogue::Interpret;
use crate::smtp::{self, ProbeOutcome, TlsClient, TlsError};

/// The prober cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ProberError {
    /// Without TLS many exchangers cannot be asked.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Domains are shared out among identities by their names.
    #[error("two egress identities are called {0:?}; give each its own name")]
    SameName(String),
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The domain's exchangers.
    Exchangers(Arc<[Exchanger]>),
    /// The host of an address literal (RFC 5321 section 4.1.3).
    Literal(IpAddr),
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The recipient.
    pub address: Address,
    /// Whom to ask.
    pub target: Target,
    /// Whether it matters if the domain accepts everything.
    pub test_catch_all: bool,
    /// When the caller wants an answer, whatever it is.
    pub deadline: SystemTime,
    /// Until when to come back to an exchanger that says "not now" (greylisting, a rate limit, a
    /// temporary failure, too busy); never later than the deadline. In the past: that is the answer.
    pub retry_until: SystemTime,
    /// Whether to bring the dialogue along, redacted.
    pub transcript: bool,
}

/// Asks exchangers about recipients. Cheap to clone; all clones share the same lanes.
#[derive(Clone)]
pub struct Prober {
    pub(super) shared: Arc<Shared>,
}

/// What all lanes share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) pacing: Arc<pacing::Config>,
    pub(super) queue: usize,
    pub(super) exchangers_per_address: usize,
    /// The longest that one transaction may take.
    pub(super) flight_limit: Duration,
    pub(super) interpreter: Arc<dyn Interpret>,
    pub(super) hosts: Arc<dyn Hosts>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) tls: TlsClient,
    pub(super) egress: Vec<Arc<Egress>>,
    pub(super) tasks: TaskTracker,
    pub(super) counters: Counters,
    pub(super) listener: Listener,
    memory: Mutex<Memory>,
    stations: Mutex<Stations>,
}

/// What was done since the start.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) connections_failed: AtomicU64,
    pub(super) flights: AtomicU64,
    pub(super) mail: AtomicU64,
    pub(super) rcpt: AtomicU64,
    pub(super) unknown_users: AtomicU64,
}

struct Stations {
    /// By destination and identity.
    by_key: HashMap<(DomainName, usize), Arc<Station>>,
    /// The same by exchanger: which destination it belongs to takes a look at a long list.
    by_exchanger: HashMap<(DomainName, usize), Weak<Station>>,
    /// At how many of them those without use are looked for.
    sweep_at: usize,
}

/// How many destinations are kept without a look at whether they are still of use.
const FEW_STATIONS: usize = 1024;

impl Shared {
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }
}

impl Prober {
    /// A prober that asks over TCP.
    ///
    /// # Errors
    /// When TLS cannot be set up, or the configuration contradicts itself.
    pub fn new(
        config: Config,
        smtp: smtp::Config,
        hosts: Arc<dyn Hosts>,
        interpreter: Arc<dyn Interpret>,
        clock: Clock,
    ) -> Result<Self, ProberError> {
        Self::with_dial(config, &smtp, hosts, interpreter, clock, Arc::new(Tcp::new(clock)))
    }

    /// A prober that opens its connections through `dial`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_dial(
        config: Config,
        smtp: &smtp::Config,
        hosts: Arc<dyn Hosts>,
        interpreter: Arc<dyn Interpret>,
        clock: Clock,
        dial: Arc<dyn Dial>,
    ) -> Result<Self, ProberError> {
        let mut identities = config.identities;
        if identities.is_empty() {
            identities.push(Identity::default());
        }
        for (index, identity) in identities.iter().enumerate() {
            if identities[..index].iter().any(|other| other.name == identity.name) {
                return Err(ProberError::SameName(identity.name.clone()));
            }
        }
        let secret = config.control_secret.as_deref();
        let lifetimes =
            Lifetimes { known: config.catch_all_known_for, unclear: config.catch_all_unclear_for };
        let shared = Shared {
            clock,
            pacing: Arc::new(config.pacing),
            queue: config.queue.get(),
            exchangers_per_address: config.exchangers_per_address.get(),
            flight_limit: smtp.time_limits.session,
            interpreter,
            hosts,
            dial,
            tls: TlsClient::new()?,
            egress: identities
                .iter()
                .map(|identity| Arc::new(Egress::new(identity, smtp, secret)))
                .collect(),
            tasks: TaskTracker::new(),
            counters: Counters::default(),
            listener: Listener::new(),
            memory: Mutex::new(Memory::new(config.remembered.get(), lifetimes)),
            stations: Mutex::new(Stations {
                by_key: HashMap::default(),
                by_exchanger: HashMap::default(),
                sweep_at: FEW_STATIONS,
            }),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Asks. It never fails: what went wrong is part of the outcome, and at the deadline the
    /// outcome says how far the question had come. Dropping the future takes the question back.
    pub fn probe(&self, request: ProbeRequest) -> impl Future<Output = ProbeOutcome> + Send {
        walk::walk(self, request)
    }

    /// Answers what waits for another try as it stands, finishes what is under way, says `QUIT` on
    /// all sessions and ends all tasks. Nothing may be asked any more.
    pub async fn drain(&self) {
        for station in self.stations() {
            station.with(|core, _, now| core.drain(now));
        }
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// What is going on, and what was done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let resting = self.shared.memory().resting(self.shared.clock.now());
        let mut stats = Stats::counted(&self.shared.counters);
        stats.exchangers_resting = resting;
        for station in self.stations() {
            let (sessions, waiting) = station.look(|core| (core.session_count(), core.job_count()));
            stats.destinations += 1;
            stats.sessions += sessions;
            stats.waiting += waiting;
        }
        stats
    }

    /// What exchangers said.
    #[must_use]
    pub fn said(&self) -> Said {
        self.shared.listener.said()
    }

    /// The station of an exchanger's destination, through the identity of this number.
    pub(super) fn station(&self, exchanger: &DomainName, identity: usize) -> Arc<Station> {
        let mut stations = self.lock_stations();
        let by_exchanger = (exchanger.clone(), identity);
        if let Some(known) = stations.by_exchanger.get(&by_exchanger).and_then(Weak::upgrade) {
            return known;
        }
        let stations = &mut *stations;
        if stations.by_key.len().max(stations.by_exchanger.len()) >= stations.sweep_at {
            let now = self.shared.clock.now();
            stations.by_key.retain(|_, station| {
                Arc::strong_count(station) > 1 || !station.look(|core| core.is_over(now))
            });
            stations.by_exchanger.clear();
            stations.sweep_at = FEW_STATIONS.max(stations.by_key.len() * 2);
        }
        let key = (exchanger.registrable(), identity);
        let station = stations.by_key.entry(key).or_insert_with(|| {
            let egress = Arc::clone(&self.shared.egress[identity]);
            Arc::new(Station::new(Arc::clone(&self.shared), egress, identity))
        });
        stations.by_exchanger.insert(by_exchanger, Arc::downgrade(station));
        Arc::clone(station)
    }

    fn stations(&self) -> Vec<Arc<Station>> {
        self.lock_stations().by_key.values().cloned().collect()
    }

    fn lock_stations(&self) -> MutexGuard<'_, Stations> {
        self.shared.stations.lock()
    }
}
