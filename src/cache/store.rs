//! A cache of DNS facts about one kind of name, which loads what it does not have.
//!
//! `freshness` decides how entries may be used, `single_flight` shares lookups; this file applies
//! both on moka.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use foldhash::quality::RandomState;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::config::Config;
use super::counters::{CacheCounters, Stats};
use super::freshness::{Freshness, TimedFacts, freshness, keep_until};
use super::moka_ext;
use super::single_flight::{Leader, LookupResult, SingleFlight, Waiter};
use crate::address::DomainName;
use crate::clock::Clock;
use crate::dns::DnsFailure;

/// An answer, and where it came from.
#[derive(Debug, PartialEq, Eq)]
pub struct Cached<T> {
    /// The facts. When they were gathered and until when they hold stands in them.
    pub value: Arc<T>,
    /// They were remembered: no server was asked for this.
    pub from_cache: bool,
    /// They are past their end and served because DNS failed (RFC 8767). Implies `from_cache`.
    pub stale: bool,
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ..*self }
    }
}

/// Looks names of one kind up.
pub(super) trait Load: Send + Sync + 'static {
    type Facts: TimedFacts;

    fn load(
        &self,
        name: &DomainName,
    ) -> impl Future<Output = Result<Self::Facts, DnsFailure>> + Send;
}

/// The age from which a look-up is slow. Few take as long, but for names that nobody answers for: a
/// list may have thousands of those, and no other question is to wait for them.
const SLOW: Duration = Duration::from_secs(1);

/// The parts that the stores share.
pub(super) struct StoreContext {
    pub(super) clock: Clock,
    pub(super) config: Config,
    pub(super) tasks: TaskTracker,
    pub(super) lookups: Arc<Semaphore>,
    /// Places of look-ups that take long.
    pub(super) slow_lookups: Semaphore,
    pub(super) refreshes: Arc<Semaphore>,
}

/// The cached state of one name: facts, a later failure, or both.
struct FactsEntry<F> {
    facts: Option<Arc<F>>,
    failure: Option<(DnsFailure, SystemTime)>,
    stored_at: SystemTime,
    keep_for: Duration,
}

/// The cache of one kind of name.
pub(super) struct FactsStore<L: Load> {
    loader: L,
    context: Arc<StoreContext>,
    entries: Cache<DomainName, Arc<FactsEntry<L::Facts>>, RandomState>,
    /// Grows after each entry that is stored.
    version: AtomicU64,
    flights: SingleFlight<L::Facts>,
    counters: CacheCounters,
}

/// The entry of a name as one question found it.
struct EntryReading<F> {
    entry: Option<Arc<FactsEntry<F>>>,
    /// The store's version before the entry was read: while it is the same, so is the entry.
    version: u64,
    asked_at: SystemTime,
}

/// The use that may be made of an entry now.
enum LookupDecision<F> {
    Answer { facts: Arc<F>, stale: bool, refresh: bool },
    Failure(DnsFailure),
    LookUp { fallback: Option<Arc<F>> },
}

impl<L: Load> FactsStore<L> {
    pub(super) fn new(loader: L, capacity: u64, context: Arc<StoreContext>) -> Self {
        // Least recently used goes first, so that what a list has just learned stays.
        let entries = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, entry: &Arc<FactsEntry<L::Facts>>| entry.weight())
            .expire_after(FactsExpiry)
            .build_with_hasher(RandomState::default());
        let (flights, counters) = (SingleFlight::default(), CacheCounters::default());
        Self { loader, context, entries, version: AtomicU64::new(0), flights, counters }
    }

    /// Statistics of the questions so far.
    pub(super) fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    /// Facts no older than `max_age`, remembered or looked up.
    pub(super) async fn ask(
        self: &Arc<Self>,
        name: &DomainName,
        max_age: Option<Duration>,
    ) -> Result<Cached<L::Facts>, DnsFailure> {
        let found = self.find(name, max_age).await;
        let counter = match &found {
            Ok(Cached { stale: true, .. }) => &self.counters.stale,
            Ok(Cached { from_cache: true, .. }) => &self.counters.hits,
            Ok(_) => &self.counters.misses,
            Err(_) => &self.counters.failures,
        };
        counter.inc();
        found
    }

    async fn find(
        self: &Arc<Self>,
        name: &DomainName,
        max_age: Option<Duration>,
    ) -> Result<Cached<L::Facts>, DnsFailure> {
        let reading = self.read_entry(name).await;
        let decision = match &reading.entry {
            Some(entry) => entry.decide(max_age, &self.context.config, reading.asked_at),
            None => LookupDecision::LookUp { fallback: None },
        };
        match decision {
            LookupDecision::Answer { facts, stale, refresh } => {
                if refresh {
                    self.refresh(name, reading);
                }
                Ok(Cached { value: facts, from_cache: true, stale })
            }
            LookupDecision::Failure(failure) => Err(failure),
            // Boxed, so that a cache hit does not carry the space of a lookup.
            LookupDecision::LookUp { fallback: None } => {
                Ok(fresh(Box::pin(self.look_up(name, reading)).await?))
            }
            LookupDecision::LookUp { fallback: Some(facts) } => {
                Ok(Box::pin(self.refresh_or_stale(facts, name, reading)).await)
            }
        }
    }

    /// Reads the entry of `name`, for a question that is asked now.
    async fn read_entry(&self, name: &DomainName) -> EntryReading<L::Facts> {
        let asked_at = self.context.clock.now();
        let version = self.version.load(Ordering::Acquire);
        let entry = moka_ext::get(&self.entries, name).await;
        EntryReading { entry, version, asked_at }
    }

    /// Looks up again, and falls back on these facts if that fails or takes too long.
    async fn refresh_or_stale(
        self: &Arc<Self>,
        facts: Arc<L::Facts>,
        name: &DomainName,
        reading: EntryReading<L::Facts>,
    ) -> Cached<L::Facts> {
        let limit = self.context.config.stale_answer_after;
        let looked_up = tokio::time::timeout(limit, self.look_up(name, reading)).await;
        if let Ok(Ok(facts)) = looked_up {
            return fresh(facts);
        }
        if looked_up.is_err() {
            // Its turn may not have come, and with the question its place in the queue is gone:
            // else an entry stayed stale for as long as the queue is long.
            let reading = self.read_entry(name).await;
            self.refresh(name, reading);
        }
        Cached { value: facts, from_cache: true, stale: true }
    }

    /// Stores facts that came along with others.
    pub(super) async fn remember(&self, name: DomainName, facts: Arc<L::Facts>) {
        let now = self.context.clock.now();
        let keep_until = keep_until(&*facts, &self.context.config);
        self.store(name, Some(facts), None, keep_until, now).await;
    }

    /// Waits for the lookup in flight, or for a new one.
    async fn look_up(
        self: &Arc<Self>,
        name: &DomainName,
        reading: EntryReading<L::Facts>,
    ) -> LookupResult<L::Facts> {
        self.join(name, reading).await?.result().await
    }

    async fn join(
        self: &Arc<Self>,
        name: &DomainName,
        reading: EntryReading<L::Facts>,
    ) -> Result<Waiter<L::Facts>, DnsFailure> {
        if let Some(waiter) = self.flights.join(name) {
            return Ok(waiter);
        }
        let Ok(permit) = Arc::clone(&self.context.lookups).acquire_owned().await else {
            return Err(DnsFailure::Unreachable("the process is shutting down".into()));
        };
        let (waiter, leader) = self.flights.join_or_start(name);
        if let Some(leader) = leader {
            let (store, name) = (Arc::clone(self), name.clone());
            // The span is a child of the first caller's.
            let span = tracing::debug_span!("dns_lookup", name = %name);
            let lookup = async move {
                let mut running = pin!(store.run_lookup(name, reading, leader));
                if tokio::time::timeout(SLOW, &mut running).await.is_ok() {
                    return;
                }
                // Its turn is for the next one, if there is a place for it to go on.
                let slow = store.context.slow_lookups.try_acquire();
                let turn = slow.is_err().then_some(permit);
                running.await;
                drop((slow, turn));
            };
            self.context.tasks.spawn(lookup.instrument(span));
        }
        Ok(waiter)
    }

    /// Looks up again in the background, if there is room for that.
    fn refresh(self: &Arc<Self>, name: &DomainName, reading: EntryReading<L::Facts>) {
        let Ok(permit) = Arc::clone(&self.context.refreshes).try_acquire_owned() else { return };
        if let (_, Some(leader)) = self.flights.join_or_start(name) {
            self.counters.refreshes.inc();
            let (store, name) = (Arc::clone(self), name.clone());
            self.context.tasks.spawn(async move {
                store.run_lookup(name, reading, leader).await;
                drop(permit);
            });
        }
    }

    /// Runs one lookup to its end, even if no caller waits for it any more.
    async fn run_lookup(
        &self,
        name: DomainName,
        reading: EntryReading<L::Facts>,
        leader: Leader<L::Facts>,
    ) {
        // Another lookup may have ended between the question and this one. Then it has stored its
        // result, and ended its flight only after that.
        let entry = if self.version.load(Ordering::Acquire) == reading.version {
            reading.entry
        } else {
            moka_ext::get(&self.entries, &name).await
        };
        if let Some(outcome) = entry.as_ref().and_then(|it| it.outcome_since(reading.asked_at)) {
            return leader.complete(outcome);
        }
        let outcome = self.loader.load(&name).await.map(Arc::new);
        let now = self.context.clock.now();
        let config = &self.context.config;
        let (facts, failure, keep_until) = match &outcome {
            Ok(facts) => (Some(Arc::clone(facts)), None, keep_until(&**facts, config)),
            Err(failure) => {
                tracing::debug!(%name, %failure, "a DNS lookup failed");
                let until = now + config.failure;
                let facts = entry.and_then(|entry| entry.facts.clone());
                let keep_until =
                    facts.as_deref().map_or(until, |f| keep_until(f, config).max(until));
                (facts, Some((failure.clone(), until)), keep_until)
            }
        };
        self.store(name, facts, failure, keep_until, now).await;
        leader.complete(outcome);
    }

    async fn store(
        &self,
        name: DomainName,
        facts: Option<Arc<L::Facts>>,
        failure: Option<(DnsFailure, SystemTime)>,
        keep_until: SystemTime,
        now: SystemTime,
    ) {
        let keep_for = keep_until.duration_since(now).unwrap_or_default();
        let entry = FactsEntry { facts, failure, stored_at: now, keep_for };
        self.entries.insert(name, Arc::new(entry)).await;
        self.version.fetch_add(1, Ordering::Release);
    }

    #[cfg(test)]
    pub(super) async fn weight(&self) -> u64 {
        self.entries.run_pending_tasks().await;
        self.entries.weighted_size()
    }
}

fn fresh<F>(facts: Arc<F>) -> Cached<F> {
    Cached { value: facts, from_cache: false, stale: false }
}

impl<F: TimedFacts> FactsEntry<F> {
    fn decide(
        &self,
        max_age: Option<Duration>,
        config: &Config,
        now: SystemTime,
    ) -> LookupDecision<F> {
        let failure = self.failure.as_ref().filter(|(_, until)| now < *until);
        let facts = self.facts.as_ref().map(|f| (f, freshness(&**f, max_age, config, now)));
        let answer = |facts: &Arc<F>, stale, refresh| LookupDecision::Answer {
            facts: Arc::clone(facts),
            stale,
            refresh,
        };
        match (facts, failure) {
            (Some((facts, Freshness::Fresh)), _) => answer(facts, false, false),
            (Some((facts, Freshness::Ageing)), failure) => answer(facts, false, failure.is_none()),
            (Some((facts, Freshness::Stale)), Some(_)) => answer(facts, true, false),
            (Some((facts, Freshness::Stale)), None) => {
                LookupDecision::LookUp { fallback: Some(Arc::clone(facts)) }
            }
            (None | Some((_, Freshness::Gone)), Some((failure, _))) => {
                LookupDecision::Failure(failure.clone())
            }
            (None | Some((_, Freshness::Gone)), None) => LookupDecision::LookUp { fallback: None },
        }
    }

    /// The result of the last lookup, if it ended after this moment.
    fn outcome_since(&self, moment: SystemTime) -> Option<LookupResult<F>> {
        if self.stored_at <= moment {
            return None;
        }
        match (&self.failure, &self.facts) {
            (Some((failure, _)), _) => Some(Err(failure.clone())),
            (None, facts) => facts.clone().map(Ok),
        }
    }

    /// One for the name, and one more for every eight records.
    fn weight(&self) -> u32 {
        let records = self.facts.as_ref().map_or(0, |facts| facts.records());
        u32::try_from(1 + records / 8).unwrap_or(u32::MAX)
    }
}

/// Frees expired entries. Which of them may be *used* is decided by the process's clock, not here.
struct FactsExpiry;

impl<F> moka::Expiry<DomainName, Arc<FactsEntry<F>>> for FactsExpiry {
    fn expire_after_create(
        &self,
        _: &DomainName,
        entry: &Arc<FactsEntry<F>>,
        _: Instant,
    ) -> Option<Duration> {
        Some(entry.keep_for)
    }

    fn expire_after_update(
        &self,
        _: &DomainName,
        entry: &Arc<FactsEntry<F>>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep_for)
    }
}
