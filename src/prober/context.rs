//! Everything that sessions, destinations and walks share, below all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use tokio_util::task::TaskTracker;

use super::memory::Memory;
use super::question_router::QuestionRouter;
use super::stats::{ProberCounters, ReplyCounters};
use super::wire::to_millis;
use crate::cache::{DnsCache, SecondLevel};
use crate::clock::Clock;
use crate::egress::Dial;
use crate::pacing;
use crate::smtp::TlsClient;
use crate::smtp::dialogue::Interpret;

/// Shared services and limits of one prober.
pub(super) struct Context {
    pub(super) clock: Clock,
    pub(super) pacing: Arc<pacing::Config>,
    /// Recipients that may wait at one destination.
    pub(super) queue: usize,
    pub(super) exchangers_per_address: usize,
    /// The longest that one transaction may take.
    pub(super) flight_limit: Duration,
    pub(super) interpreter: Arc<dyn Interpret>,
    pub(super) hosts: DnsCache,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) tls: TlsClient,
    pub(super) tasks: TaskTracker,
    pub(super) counters: ProberCounters,
    pub(super) replies: ReplyCounters,
    memory: Mutex<Memory>,
    /// Decides which process asks a destination; without it this one asks all.
    router: OnceLock<Weak<dyn QuestionRouter>>,
    /// The place where processes share what domains show.
    second_level: OnceLock<Arc<dyn SecondLevel>>,
    /// Until when this process may ask, in milliseconds since the epoch.
    allowed_until: AtomicU64,
}

/// Parts of a [`Context`] that come from outside the prober.
pub(super) struct Environment {
    pub(super) clock: Clock,
    pub(super) interpreter: Arc<dyn Interpret>,
    pub(super) hosts: DnsCache,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) tls: TlsClient,
}

/// Limits of a [`Context`].
pub(super) struct ContextLimits {
    pub(super) pacing: pacing::Config,
    pub(super) queue: usize,
    pub(super) exchangers_per_address: usize,
    pub(super) flight_limit: Duration,
}

impl Context {
    pub(super) fn new(services: Environment, limits: ContextLimits, memory: Memory) -> Self {
        let Environment { clock, interpreter, hosts, dial, tls } = services;
        Self {
            clock,
            pacing: Arc::new(limits.pacing),
            queue: limits.queue,
            exchangers_per_address: limits.exchangers_per_address,
            flight_limit: limits.flight_limit,
            interpreter,
            hosts,
            dial,
            tls,
            tasks: TaskTracker::new(),
            counters: ProberCounters::default(),
            replies: ReplyCounters::new(),
            memory: Mutex::new(memory),
            router: OnceLock::new(),
            second_level: OnceLock::new(),
            allowed_until: AtomicU64::new(u64::MAX),
        }
    }

    /// Has `router` decide from now on.
    pub(super) fn share(&self, router: Weak<dyn QuestionRouter>) {
        // Set once, at the start of the service.
        let _ = self.router.set(router);
    }

    /// Shares what domains show in `store`.
    pub(super) fn share_evidence(&self, store: Arc<dyn SecondLevel>) {
        // Set once, at the start of the service.
        let _ = self.second_level.set(store);
    }

    /// The place where processes share what domains show.
    pub(super) fn second_level(&self) -> Option<&Arc<dyn SecondLevel>> {
        self.second_level.get()
    }

    /// `true` if another process may hold a destination.
    pub(super) fn is_shared(&self) -> bool {
        self.router.get().is_some()
    }

    /// Decides which process asks a destination; `None` if there is nothing any more that could.
    pub(super) fn router(&self) -> Option<Arc<dyn QuestionRouter>> {
        self.router.get()?.upgrade()
    }

    pub(super) fn allow_until(&self, until: SystemTime) {
        self.allowed_until.store(to_millis(until), Ordering::Relaxed);
    }

    pub(super) fn may_ask(&self, now: SystemTime) -> bool {
        let until = self.allowed_until.load(Ordering::Relaxed);
        until == u64::MAX || to_millis(now) < until
    }

    /// Locks what is remembered about exchangers and domains. One lock for all destinations: held
    /// for a step of a state machine at most, never across an `await`.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }
}
