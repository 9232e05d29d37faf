//! Asks every layer what it counted.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::process::Process;
use crate::batch::queue::QueueError;
use crate::batch::{self, Batches};
use crate::cache::{self, DnsCache};
use crate::dns::{self, Resolver};
use crate::grpc::{Calls, MethodStats};
use crate::outcomes::OutcomeHooks;
use crate::outcomes::hooks::HookStats;
use crate::prober::{self, Prober};
use crate::readiness::{Readiness, ReadinessState};
use crate::registration::Registrations;
use crate::verifier::{self, Verifier};

/// Longest wait for the figures of batches. While their database is away they come too late for the
/// connection, and the figures of all else are wanted most of all.
const BATCHES_TIME: Duration = Duration::from_secs(2);

/// Sources of the measurements. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    /// Time at which the process began.
    pub started_at: SystemTime,
    /// The DNS client.
    pub resolver: Arc<Resolver>,
    /// The DNS cache.
    pub domains: DnsCache,
    /// The lanes.
    pub prober: Prober,
    /// The joint.
    pub verifier: Arc<Verifier>,
    /// The registrations.
    pub registrations: Registrations,
    /// The hooks of mail services.
    pub hooks: OutcomeHooks,
    /// The batches, once they are open.
    pub batches: Arc<OnceLock<Batches>>,
    /// The calls.
    pub calls: Arc<Calls>,
    /// Readiness of the service.
    pub readiness: Readiness,
}

/// All counters at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) started_at: SystemTime,
    pub(super) dns: dns::Stats,
    pub(super) domains: cache::Stats,
    pub(super) hosts: cache::Stats,
    pub(super) lanes: prober::Stats,
    pub(super) said: prober::ReplyStats,
    pub(super) verifier: verifier::Stats,
    pub(super) registry_requests: Vec<(&'static str, u64)>,
    pub(super) hooks: Vec<HookStats>,
    /// None while they are not open, or cannot be asked in time.
    pub(super) batches: Option<batch::Stats>,
    pub(super) calls: Vec<MethodStats>,
    pub(super) calls_by_caller: Vec<(Arc<str>, String, u64)>,
    pub(super) calls_in_flight: u64,
    pub(super) state: ReadinessState,
    pub(super) process: Process,
}

impl Sources {
    pub(super) async fn gather(&self) -> Snapshot {
        let batches = match self.batches.get() {
            None => None,
            Some(batches) => in_time(batches.stats()).await,
        };
        let (domains, hosts) = self.domains.stats();
        Snapshot {
            started_at: self.started_at,
            dns: self.resolver.stats(),
            domains,
            hosts,
            lanes: self.prober.stats(),
            said: self.prober.reply_stats(),
            verifier: self.verifier.stats(),
            hooks: self.hooks.stats(),
            registry_requests: self.registrations.requests(),
            batches,
            calls: self.calls.stats(),
            calls_by_caller: self.calls.by_caller(),
            calls_in_flight: self.calls.in_flight(),
            state: self.readiness.state(),
            process: Process::sample(),
        }
    }
}

/// The figures of batches, unless they fail or come late.
pub(super) async fn in_time(
    stats: impl Future<Output = Result<batch::Stats, QueueError>>,
) -> Option<batch::Stats> {
    match timeout(BATCHES_TIME, stats).await {
        Ok(Ok(stats)) => Some(stats),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the statistics of batches cannot be read");
            None
        }
        Err(_) => {
            let seconds = BATCHES_TIME.as_secs();
            tracing::warn!(seconds, "the statistics of batches did not come in time");
            None
        }
    }
}
