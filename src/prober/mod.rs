//! Lanes: many recipients a session, paced per destination.
//!
//! A [`Prober`] is asked about one recipient at a time, by many callers at once. Recipients of any
//! domain that share an exchanger share its sessions; what a session does not answer goes back in
//! the lane; what an exchanger or a domain showed is remembered. It judges nothing: an outcome is
//! what was said.
//!
//! Pure: `lane`, `destination`, `memory`, `disposition`, `control`, `evidence`, `wire`. Shell, from
//! the ground up: `context`, `egress`, `destination_handle`, `session_task`, `registry`,
//! [`Prober`], its `walk` over exchangers, whose every `question` is asked here or, where
//! replicas share an egress address, as `question_router` says, and its `inspection` of their TLS.

mod config;
mod context;
mod control;
mod destination;
mod destination_handle;
mod disposition;
mod egress;
mod evidence;
mod inspection;
mod lane;
mod memory;
mod question;
mod question_router;
mod registry;
mod session_task;
mod shared_catch_all;
mod sharing;
mod stats;
mod stored_probe;
mod walk;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::context::{Context, ContextLimits, Environment};
use self::destination_handle::DestinationHandle;
use self::egress::Egress;
use self::memory::{CatchAllLifetimes, Memory};
use self::registry::Registry;
use crate::address::{Address, DomainName};
use crate::cache::DnsCache;
use crate::clock::Clock;
use crate::dns::Exchanger;
use crate::egress::{self as identities, Dial, EgressIdentity, Tcp};
use crate::smtp::dialogue::Interpret;
use crate::smtp::{self, TlsClient, TlsClientError};

pub use config::Config;
pub use destination::DestinationState;
pub use evidence::LaneAnswer;
pub use inspection::TlsInspection;
pub use question_router::{
    DestinationKey, Hold, LaneOutcome, LaneQuestion, QuestionRouter, RoutedQuestion,
};
pub use sharing::Inheritance;
pub use stats::{ReplyStats, Stats};
pub use stored_probe::StoredProbe;
pub use walk::first_exchanger;
pub use wire::{WireFault, WireOutcome, WireQuestion};

/// The prober cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ProberError {
    /// Without TLS many exchangers cannot be asked.
    #[error(transparent)]
    Tls(#[from] TlsClientError),
    /// Domains are shared out among identities by their names.
    #[error("two egress identities are called {0:?}; give each its own name")]
    SameName(String),
    /// With it no exchanger could be asked.
    #[error(transparent)]
    Zero(#[from] smtp::ZeroSetting),
}

/// The hosts to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeTarget {
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
    /// The hosts to ask.
    pub target: ProbeTarget,
    /// The oldest remembered addresses of exchangers to accept; `None`: any that are still valid.
    pub max_age: Option<Duration>,
    /// `true` if it matters whether the domain accepts everything.
    pub test_catch_all: bool,
    /// Time at which the caller wants an answer, whatever it is.
    pub deadline: SystemTime,
    /// Until when to come back to an exchanger that says "not now" (greylisting, a rate limit, a
    /// temporary failure, too busy); never later than the deadline. In the past: that is the
    /// answer.
    pub retry_until: SystemTime,
    /// `true` to bring the dialogue along, redacted.
    pub transcript: bool,
    /// Time at which the recipient consented to mail: it goes with `RCPT` to exchangers that offer
    /// RRVS (RFC 7293).
    pub consented_at: Option<SystemTime>,
}

/// Asks exchangers about recipients. Cheap to clone; all clones share the same lanes.
#[derive(Clone)]
pub struct Prober {
    context: Arc<Context>,
    egress: Arc<[Arc<Egress>]>,
    destinations: Arc<Registry>,
}

impl Prober {
    /// A prober that asks over TCP.
    ///
    /// # Errors
    /// If TLS cannot be set up, or the configuration contradicts itself.
    pub fn new(
        config: Config,
        smtp: smtp::Config,
        hosts: DnsCache,
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
        hosts: DnsCache,
        interpreter: Arc<dyn Interpret>,
        clock: Clock,
        dial: Arc<dyn Dial>,
    ) -> Result<Self, ProberError> {
        smtp.check()?;
        config.check()?;
        let mut identities = config.identities;
        if identities.is_empty() {
            identities.push(EgressIdentity::default());
        }
        for (index, identity) in identities.iter().enumerate() {
            if identities[..index].iter().any(|other| other.name == identity.name) {
                return Err(ProberError::SameName(identity.name.clone()));
            }
        }
        let secret = config.control_secret.as_deref();
        let egress = identities.iter().map(|one| Arc::new(Egress::new(one, smtp, secret)));
        let egress = egress.collect();
        let lifetimes = CatchAllLifetimes {
            known: config.catch_all_known_for,
            unclear: config.catch_all_unclear_for,
        };
        let memory = Memory::new(config.remembered.get(), lifetimes);
        let services = Environment { clock, interpreter, hosts, dial, tls: TlsClient::new()? };
        let mut pacing = config.pacing;
        // A session that we end in the middle of a flight would look as if the server had.
        pacing.session_age = pacing.session_age.min(smtp.time_limits.session_age());
        let limits = ContextLimits {
            pacing,
            queue: config.queue.get(),
            exchangers_per_address: config.exchangers_per_address.get(),
            flight_limit: smtp.time_limits.session,
        };
        let context = Arc::new(Context::new(services, limits, memory));
        Ok(Self { context, egress, destinations: Arc::new(Registry::new()) })
    }

    /// Answers what waits for another try as it stands, finishes what is under way, says `QUIT` on
    /// all sessions and ends all tasks. Nothing may be asked any more.
    pub async fn drain(&self) {
        for destination in self.destinations.all() {
            destination.step(|core, now| core.drain(now));
        }
        self.context.tasks.close();
        self.context.tasks.wait().await;
    }

    /// The state at this moment, and the totals.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let resting = self.context.memory().resting(self.context.clock.now());
        let mut stats = Stats::from_counters(&self.context.counters);
        stats.exchangers_resting = resting;
        for destination in self.destinations.all() {
            let (sessions, waiting) =
                destination.peek(|core| (core.session_count(), core.job_count()));
            stats.destinations += 1;
            stats.sessions += sessions;
            stats.waiting += waiting;
        }
        stats
    }

    /// Replies by meaning, and reply times.
    #[must_use]
    pub fn reply_stats(&self) -> ReplyStats {
        self.context.replies.snapshot()
    }

    /// The identity for mail of `domain` (A-labels), unless an exchanger refuses it.
    pub(crate) fn usual_identity(&self, domain: &str) -> usize {
        identities::choose(self.identity_names(), domain, |_| false).unwrap_or(0)
    }

    fn identity_names(&self) -> impl Iterator<Item = &str> {
        self.egress.iter().map(|egress| &*egress.name)
    }

    /// The identity for mail of `domain` to `exchanger`: the usual one, unless the exchanger
    /// refuses it for now or it is among `refused`.
    fn identity(&self, exchanger: &DomainName, domain: &str, refused: &[usize]) -> usize {
        if self.egress.len() == 1 {
            return 0;
        }
        let names = || self.identity_names();
        let now = self.context.clock.now();
        let mut memory = self.context.memory();
        let known = memory.exchanger(exchanger);
        let rests = |identity| known.is_some_and(|known| known.rests(identity, now).is_some());
        identities::choose(names(), domain, |i| refused.contains(&i) || rests(i))
            .or_else(|| identities::choose(names(), domain, |i| refused.contains(&i)))
            .unwrap_or(0)
    }

    /// The destination of an exchanger, through the identity of this number.
    fn destination(&self, exchanger: &DomainName, identity: usize) -> Arc<DestinationHandle> {
        let now = self.context.clock.now();
        let may_forget = !self.context.is_shared();
        self.destinations.find_or_create(exchanger, identity, now, may_forget, || {
            let egress = Arc::clone(&self.egress[identity]);
            DestinationHandle::new(Arc::clone(&self.context), egress, identity, session_task::spawn)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
