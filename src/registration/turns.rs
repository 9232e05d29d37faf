//! The turns in which registries are asked: their paces, and how many are asked at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::facts::RegistrationGap;
use super::pace::{ExchangeResult, PaceRefusal, RegistryPace};
use crate::clock::Clock;

/// Requests under way at one registry.
const AT_ONE_REGISTRY: usize = 8;

/// Requests under way at all registries together.
const AT_ALL_REGISTRIES: usize = 128;

/// The turns at all registries.
pub(super) struct RegistryTurns {
    registries: Mutex<HashMap<Arc<str>, RegistryState>>,
    places: Arc<Semaphore>,
    interval: Duration,
    clock: Clock,
}

struct RegistryState {
    pace: RegistryPace,
    places: Arc<Semaphore>,
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

    /// Takes the next turn at the registry `base`: the time to wait for.
    ///
    /// # Errors
    /// The registry rests, or too many wait for it.
    pub(super) fn take(&self, base: &Arc<str>) -> Result<SystemTime, PaceRefusal> {
        self.at(base, |registry| registry.pace.take_turn(self.clock.now()))
    }

    /// Waits until the registry may be asked by one whose turn has come.
    ///
    /// # Errors
    /// The registry rests.
    pub(super) async fn begin(&self, base: &Arc<str>) -> Result<RegistryPlace, PaceRefusal> {
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
        if start > self.clock.now() {
            tokio::time::sleep_until(self.clock.instant(start)).await;
            self.at(base, |registry| registry.pace.check(self.clock.now()))?;
        }
        Ok(RegistryPlace { _at_registry: at_registry, _at_all: at_all })
    }

    /// Takes account of what came of asking.
    pub(super) fn record(&self, base: &Arc<str>, result: ExchangeResult) {
        self.at(base, |registry| registry.pace.record(result, self.clock.now()));
    }

    fn at<T>(&self, base: &Arc<str>, act: impl FnOnce(&mut RegistryState) -> T) -> T {
        let mut registries = self.registries.lock();
        let registry = registries.entry(Arc::clone(base)).or_insert_with(|| RegistryState {
            pace: RegistryPace::new(self.interval),
            places: Arc::new(Semaphore::new(AT_ONE_REGISTRY)),
        });
        act(registry)
    }
}
