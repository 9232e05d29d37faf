//! What DNS said about names of one kind, remembered, and looked up when it is not.
//!
//! `freshness` decides, `flight` shares; this file carries it out on moka.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use foldhash::quality::RandomState;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::at_hand;
use super::config::Config;
use super::counters::{Counters, Stats};
use super::flight::{Flights, Outcome, Pilot, Seat};
use super::freshness::{Evidence, Freshness, freshness, keep_until};
use crate::address::DomainName;
use crate::clock::Clock;
use crate::dns::DnsFailure;

/// An answer, and where it came from.
#[derive(Debug, PartialEq, Eq)]
pub struct Cached<T> {
    /// The facts. When they were gathered and until when they hold stands in them.
    pub value: Arc<T>,
    /// They were remembered: nobody was asked for this.
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
#[async_trait]
pub(super) trait Load: Send + Sync + 'static {
    type Facts: Evidence;

    async fn load(&self, name: &DomainName) -> Result<Self::Facts, DnsFailure>;
}

/// What the stores share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) config: Config,
    pub(super) tasks: TaskTracker,
    pub(super) lookups: Arc<Semaphore>,
    pub(super) refreshes: Arc<Semaphore>,
}

/// What is remembered of one name: facts, a failure since, or both.
struct Entry<F> {
    facts: Option<Arc<F>>,
    failure: Option<(DnsFailure, SystemTime)>,
    stored_at: SystemTime,
    keep_for: Duration,
}

/// The memory of one kind of name.
pub(super) struct Store<L: Load> {
    loader: L,
    shared: Arc<Shared>,
    entries: Cache<DomainName, Arc<Entry<L::Facts>>, RandomState>,
    flights: Flights<L::Facts>,
    counters: Counters,
}

/// What an entry is good for now.
enum Use<F> {
    Answer { facts: Arc<F>, stale: bool, refresh: bool },
    Failure(DnsFailure),
    LookUp { fallback: Option<Arc<F>> },
}

impl<L: Load> Store<L> {
    pub(super) fn new(loader: L, capacity: u64, shared: Arc<Shared>) -> Self {
        // Least recently used goes first, so that what a list has just learned stays.
        let entries = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, entry: &Arc<Entry<L::Facts>>| entry.weight())
            .expire_after(Expiry)
            .build_with_hasher(RandomState::default());
        let (flights, counters) = (Flights::default(), Counters::default());
        Self { loader, shared, entries, flights, counters }
    }

    /// How the questions went so far.
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
        let now = self.shared.clock.now();
        let known = match at_hand::get(&self.entries, name).await {
            Some(entry) => entry.good_for(max_age, &self.shared.config, now),
            None => Use::LookUp { fallback: None },
        };
        match known {
            Use::Answer { facts, stale, refresh } => {
                if refresh {
                    self.refresh(name, now);
                }
                Ok(Cached { value: facts, from_cache: true, stale })
            }
            Use::Failure(failure) => Err(failure),
            // Boxed: whoever finds an answer does not pay for the space of a look-up.
            Use::LookUp { fallback: None } => Ok(fresh(Box::pin(self.look_up(name, now)).await?)),
            Use::LookUp { fallback: Some(facts) } => {
                Ok(Box::pin(self.look_up_or(facts, name, now)).await)
            }
        }
    }

    /// The outcome of a lookup if it brings facts soon; else these.
    async fn look_up_or(
        self: &Arc<Self>,
        facts: Arc<L::Facts>,
        name: &DomainName,
        asked_at: SystemTime,
    ) -> Cached<L::Facts> {
        let patience = self.shared.config.stale_answer_after;
        match tokio::time::timeout(patience, self.look_up(name, asked_at)).await {
            Ok(Ok(facts)) => fresh(facts),
            Ok(Err(_)) | Err(_) => Cached { value: facts, from_cache: true, stale: true },
        }
    }

    /// Remembers facts that came along with others.
    pub(super) async fn remember(&self, name: DomainName, facts: Arc<L::Facts>) {
        let now = self.shared.clock.now();
        let keep_until = keep_until(&*facts, &self.shared.config);
        self.store(name, Some(facts), None, keep_until, now).await;
    }

    /// The outcome of the lookup in flight, or of a new one.
    async fn look_up(
        self: &Arc<Self>,
        name: &DomainName,
        asked_at: SystemTime,
    ) -> Outcome<L::Facts> {
        self.board(name, asked_at).await?.outcome().await
    }

    async fn board(
        self: &Arc<Self>,
        name: &DomainName,
        asked_at: SystemTime,
    ) -> Result<Seat<L::Facts>, DnsFailure> {
        if let Some(seat) = self.flights.join(name) {
            return Ok(seat);
        }
        let Ok(permit) = Arc::clone(&self.shared.lookups).acquire_owned().await else {
            return Err(DnsFailure::Unreachable("the process is shutting down".into()));
        };
        let (seat, pilot) = self.flights.join_or_start(name);
        if let Some(pilot) = pilot {
            let (store, name) = (Arc::clone(self), name.clone());
            // In the trace of whoever asked first.
            let span = tracing::debug_span!("dns_lookup", name = %name);
            let flight = async move {
                store.fly(name, asked_at, pilot).await;
                drop(permit);
            };
            self.shared.tasks.spawn(flight.instrument(span));
        }
        Ok(seat)
    }

    /// Looks up again in the background, if there is room for that.
    fn refresh(self: &Arc<Self>, name: &DomainName, asked_at: SystemTime) {
        let Ok(permit) = Arc::clone(&self.shared.refreshes).try_acquire_owned() else { return };
        if let (_, Some(pilot)) = self.flights.join_or_start(name) {
            self.counters.refreshes.inc();
            let (store, name) = (Arc::clone(self), name.clone());
            self.shared.tasks.spawn(async move {
                store.fly(name, asked_at, pilot).await;
                drop(permit);
            });
        }
    }

    /// One lookup, from start to end, whoever is still waiting for it.
    async fn fly(&self, name: DomainName, asked_at: SystemTime, pilot: Pilot<L::Facts>) {
        let known = at_hand::get(&self.entries, &name).await;
        // Another lookup may have ended between the question and this one.
        if let Some(outcome) = known.as_ref().and_then(|entry| entry.outcome_since(asked_at)) {
            return pilot.land(outcome);
        }
        let outcome = self.loader.load(&name).await.map(Arc::new);
        let now = self.shared.clock.now();
        let config = &self.shared.config;
        match &outcome {
            Ok(facts) => {
                let keep_until = keep_until(&**facts, config);
                self.store(name, Some(Arc::clone(facts)), None, keep_until, now).await;
            }
            Err(failure) => {
                tracing::debug!(%name, %failure, "a DNS lookup failed");
                let until = now + config.failure;
                let facts = known.and_then(|entry| entry.facts.clone());
                let keep_until =
                    facts.as_deref().map_or(until, |f| keep_until(f, config).max(until));
                self.store(name, facts, Some((failure.clone(), until)), keep_until, now).await;
            }
        }
        pilot.land(outcome);
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
        let entry = Entry { facts, failure, stored_at: now, keep_for };
        self.entries.insert(name, Arc::new(entry)).await;
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

impl<F: Evidence> Entry<F> {
    fn good_for(&self, max_age: Option<Duration>, config: &Config, now: SystemTime) -> Use<F> {
        let failure = self.failure.as_ref().filter(|(_, until)| now < *until);
        let facts = self.facts.as_ref().map(|f| (f, freshness(&**f, max_age, config, now)));
        let answer = |facts: &Arc<F>, stale, refresh| Use::Answer {
            facts: Arc::clone(facts),
            stale,
            refresh,
        };
        match (facts, failure) {
            (Some((facts, Freshness::Fresh)), _) => answer(facts, false, false),
            (Some((facts, Freshness::Ageing)), failure) => answer(facts, false, failure.is_none()),
            (Some((facts, Freshness::Stale)), Some(_)) => answer(facts, true, false),
            (Some((facts, Freshness::Stale)), None) => {
                Use::LookUp { fallback: Some(Arc::clone(facts)) }
            }
            (None | Some((_, Freshness::Gone)), Some((failure, _))) => {
                Use::Failure(failure.clone())
            }
            (None | Some((_, Freshness::Gone)), None) => Use::LookUp { fallback: None },
        }
    }

    /// How a lookup ended, if it ended after this moment.
    fn outcome_since(&self, moment: SystemTime) -> Option<Outcome<F>> {
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

/// Frees what is of no more use. What may be *used* is decided by the process's clock, not by this.
struct Expiry;

impl<F> moka::Expiry<DomainName, Arc<Entry<F>>> for Expiry {
    fn expire_after_create(
        &self,
        _: &DomainName,
        entry: &Arc<Entry<F>>,
        _: Instant,
    ) -> Option<Duration> {
        Some(entry.keep_for)
    }

    fn expire_after_update(
        &self,
        _: &DomainName,
        entry: &Arc<Entry<F>>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep_for)
    }
}
