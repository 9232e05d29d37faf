//! Counts the accuracy of verdicts in the background, one count at a time for all who ask.
//!
//! A count reads everything that is kept, which takes a large store tens of seconds. It belongs to
//! no caller: one who hangs up stops nothing, and the next does not begin beside it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accuracy::Accuracy;
use super::store::OutcomeStore;
use super::store_error::OutcomeStoreError;
use crate::clock::Clock;

/// Time for which an accuracy is told again before it is counted anew.
pub(super) const LASTS: Duration = Duration::from_secs(60);

/// Longest wait for a count where the last figures will do: that of a small store is over by then.
const PATIENCE: Duration = Duration::from_millis(250);

/// Longest wait for the first count, where the caller can go on without it.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// The counts of one store.
#[derive(Default)]
pub(super) struct AccuracyCounter {
    state: Arc<watch::Sender<CountState>>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct CountState {
    is_running: bool,
    /// Number of counts that have ended.
    ended: u64,
    /// The accuracy that was counted last, and when.
    last: Option<(SystemTime, Arc<Accuracy>)>,
    /// The fault of the last count.
    fault: Option<String>,
}

impl CountState {
    /// The accuracy, if it was counted in the last minute before `now`, or later.
    fn fresh(&self, now: SystemTime) -> Option<Arc<Accuracy>> {
        let (at, accuracy) = self.last.as_ref()?;
        let age = now.duration_since(*at).unwrap_or_default();
        (age < LASTS).then(|| Arc::clone(accuracy))
    }

    fn end(&mut self, counted: Result<Accuracy, OutcomeStoreError>, at: SystemTime) {
        self.is_running = false;
        self.ended += 1;
        self.fault = match counted {
            Ok(accuracy) => {
                self.last = Some((at, Arc::new(accuracy)));
                None
            }
            Err(error) => Some(error.to_string()),
        };
    }
}

impl AccuracyCounter {
    /// The accuracy, up to a minute old. The first count is waited for.
    ///
    /// # Errors
    ///
    /// If the count failed.
    pub(super) async fn find(
        &self,
        store: &Arc<OutcomeStore>,
        now: SystemTime,
    ) -> Result<Arc<Accuracy>, OutcomeStoreError> {
        let found = self.find_within(store, now, Duration::MAX).await?;
        found.ok_or(OutcomeStoreError::Stopped)
    }

    /// The accuracy that was counted last, without a wait for a long count; `None` if none was yet.
    ///
    /// # Errors
    ///
    /// If the count failed.
    pub(super) async fn at_hand(
        &self,
        store: &Arc<OutcomeStore>,
        now: SystemTime,
    ) -> Result<Option<Arc<Accuracy>>, OutcomeStoreError> {
        self.find_within(store, now, FIRST_PATIENCE).await
    }

    /// Waits `first` for the first count, and [`PATIENCE`] for each other one.
    async fn find_within(
        &self,
        store: &Arc<OutcomeStore>,
        now: SystemTime,
        first: Duration,
    ) -> Result<Option<Arc<Accuracy>>, OutcomeStoreError> {
        let (fresh, is_first) = {
            let state = self.state.borrow();
            (state.fresh(now), state.last.is_none())
        };
        if fresh.is_some() {
            return Ok(fresh);
        }
        let patience = if is_first { first } else { PATIENCE };
        let mut changes = self.state.subscribe();
        let before = self.begin(store, now);
        let end = changes.wait_for(|state| state.ended > before);
        let has_ended = tokio::time::timeout(patience, end).await.is_ok();
        let state = self.state.borrow();
        match &state.fault {
            Some(fault) if has_ended => Err(OutcomeStoreError::LookUp(fault.clone())),
            _ => Ok(state.last.as_ref().map(|(_, accuracy)| Arc::clone(accuracy))),
        }
    }

    /// Begins a count, unless one runs; returns the number of those that had ended before.
    fn begin(&self, store: &Arc<OutcomeStore>, now: SystemTime) -> u64 {
        let (mut begins, mut before) = (false, 0);
        self.state.send_if_modified(|state| {
            before = state.ended;
            begins = !std::mem::replace(&mut state.is_running, true);
            false
        });
        if begins {
            let (store, state) = (Arc::clone(store), Arc::clone(&self.state));
            let mut tasks = self.tasks.lock();
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let clock = Clock::start();
                let begun = clock.now();
                let counted = store.tallies().await;
                let counted = counted.map(|tallies| Accuracy::from_tallies(&tallies));
                // From its end on: a count of more than a minute is not stale at once.
                let took = clock.now().duration_since(begun).unwrap_or_default();
                state.send_modify(|state| state.end(counted, now + took));
            });
        }
        before
    }
}
