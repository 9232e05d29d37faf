//! The turns in which registries are asked: their paces, and how many are asked at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::facts::RegistrationGap;
use super::pace::{ExchangeResult, PaceRefusal, RegistryPace};
use crate::address::DomainName;
use crate::clock::Clock;

/// Requests under way at one registry.
const AT_ONE_REGISTRY: usize = 8;

/// Requests under way at all registries together.
const AT_ALL_REGISTRIES: usize = 128;

/// The grain of timers. Turns that are nearer together are not waited for one by one.
const TIMER: Duration = Duration::from_millis(1);

/// The turns at all registries: one registry is all services at one scheme, host and port, whatever
/// their paths. Many a host has a path for each of its top-level domains.
pub(super) struct RegistryTurns {
    registries: Mutex<HashMap<String, RegistryState>>,
    places: Arc<Semaphore>,
    interval: Duration,
    clock: Clock,
}

struct RegistryState {
    pace: RegistryPace,
    waiting: VecDeque<QueuedDomain>,
    /// Whether somebody takes those who wait, one after the other.
    seen_to: bool,
    places: Arc<Semaphore>,
}

/// A domain that waits for its turn.
pub(super) struct QueuedDomain {
    pub(super) domain: DomainName,
    /// The base URL of its service.
    pub(super) base: Arc<str>,
    /// When it is to be asked about.
    pub(super) turn: SystemTime,
}

/// The permission to ask a registry now, for as long as it is held.
pub(super) struct RegistryPlace {
    _at_registry: OwnedSemaphorePermit,
    _at_all: OwnedSemaphorePermit,
}

impl RegistryTurns {
    /// Turns at registries of which each is asked every `interval` at most.
    pub(super) fn new(interval: Duration, clock: Clock) -> Self {
        let places = Arc::new(Semaphore::new(AT_ALL_REGISTRIES));
        Self { registries: Mutex::default(), places, interval, clock }
    }

    /// Queues `domain` for the next turn at the registry of the service `base`. True if nobody sees
    /// to those who wait for it yet: the caller is to, until [`Self::next`] says that none is left.
    ///
    /// # Errors
    /// The registry rests, or too many wait for it.
    pub(super) fn queue(&self, base: &Arc<str>, domain: &DomainName) -> Result<bool, PaceRefusal> {
        self.at(base, |registry| {
            let turn = registry.pace.take_turn(self.clock.now())?;
            let (domain, base) = (domain.clone(), Arc::clone(base));
            registry.waiting.push_back(QueuedDomain { domain, base, turn });
            Ok(!std::mem::replace(&mut registry.seen_to, true))
        })
    }

    /// The domain that is to be asked about next, of all that wait for the registry of `base`.
    pub(super) fn next(&self, base: &str) -> Option<QueuedDomain> {
        self.at(base, |registry| {
            let next = registry.waiting.pop_front();
            registry.seen_to = next.is_some();
            next
        })
    }

    /// Waits until the registry may be asked by one whose turn has come.
    ///
    /// # Errors
    /// The registry rests.
    pub(super) async fn begin(&self, base: &str) -> Result<RegistryPlace, PaceRefusal> {
        let places = self.at(base, |registry| Arc::clone(&registry.places));
        // The semaphores are never closed.
        let refusal = |_| {
            let gap = RegistrationGap::RegistryBusy;
            PaceRefusal { gap, until: self.clock.now() }
        };
        let at_registry = places.acquire_owned().await.map_err(refusal)?;
        let at_all = Arc::clone(&self.places).acquire_owned().await.map_err(refusal)?;
        // A slow registry gets those whom it delayed at its pace too, and not all at once.
        let start = self.at(base, |registry| registry.pace.start(self.clock.now()))?;
        if self.wait(start).await {
            self.at(base, |registry| registry.pace.check(self.clock.now()))?;
        }
        Ok(RegistryPlace { _at_registry: at_registry, _at_all: at_all })
    }

    /// Waits until `time`, unless that is so near that a timer would come late; true if it waited.
    pub(super) async fn wait(&self, time: SystemTime) -> bool {
        let is_far = time > self.clock.now() + TIMER;
        if is_far {
            tokio::time::sleep_until(self.clock.instant(time)).await;
        }
        is_far
    }

    /// Takes account of what came of asking.
    pub(super) fn record(&self, base: &str, result: ExchangeResult) {
        self.at(base, |registry| registry.pace.record(result, self.clock.now()));
    }

    fn at<T>(&self, base: &str, act: impl FnOnce(&mut RegistryState) -> T) -> T {
        let mut registries = self.registries.lock();
        let registry = registries.entry(origin(base)).or_insert_with(|| RegistryState {
            pace: RegistryPace::new(self.interval),
            waiting: VecDeque::new(),
            seen_to: false,
            places: Arc::new(Semaphore::new(AT_ONE_REGISTRY)),
        });
        act(registry)
    }
}

/// The scheme, host and port of a URL.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{authority}").to_ascii_lowercase()
}
