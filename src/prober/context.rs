//! Everything that sessions, destinations and walks share, below all of them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio_util::task::TaskTracker;

use super::memory::Memory;
use super::stats::{ProberCounters, ReplyCounters};
use crate::cache::DnsCache;
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
        }
    }

    /// Locks what is remembered about exchangers and domains. One lock for all destinations: held
    /// for a step of a state machine at most, never across an `await`.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }
}
