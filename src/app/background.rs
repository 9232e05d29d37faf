//! What runs in the background: looks at DNS, at the clock, at the lists' folder and at the other
//! replicas.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::batch::Batches;
use crate::clock::Clock;
use crate::cluster::Tenure;
use crate::dns::Resolver;
use crate::lists::{self, ListsHandle, Reload};
use crate::outcomes::OutcomeHistory;
use crate::readiness::Readiness;

/// The shortest time between two looks at the lists' folder.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// Intervals of the DNS check, while DNS answers and while it does not.
const LOOK_AT_DNS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1));

/// Unanswered questions in a row that count as a failure: one may get lost.
const MISSED: u32 = 2;

/// Interval of the looks at the machine's clock.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(10);

/// Difference to the machine's clock that is told.
const CLOCK_DIFFERS: Duration = Duration::from_secs(2);

/// Difference to the machine's clock, or the shared store's, above which the service is not ready.
const CLOCK_OFF: Duration = Duration::from_secs(30);

/// Interval at which verdicts that were kept for long enough are forgotten.
const FORGET: Duration = Duration::from_secs(24 * 60 * 60);

/// Says whether DNS answers, until `stop`.
pub(super) async fn look_at_dns(
    resolver: Arc<Resolver>,
    readiness: Readiness,
    stop: CancellationToken,
) {
    let mut missed = 0;
    loop {
        let Some(answered) = stop.run_until_cancelled(resolver.answers()).await else { return };
        match answered {
            Ok(()) => {
                missed = 0;
                if readiness.dns(true) {
                    tracing::info!("DNS is answering");
                }
            }
            Err(failure) => {
                missed += 1;
                let never_did = missed == 1 && !readiness.state().dns;
                if never_did || (missed > MISSED && readiness.dns(false)) {
                    tracing::warn!(%failure, "DNS does not answer: the service is not ready");
                }
            }
        }
        let (content, worried) = LOOK_AT_DNS;
        let pause = if missed == 0 { content } else { worried };
        let pause = tokio::time::sleep(pause);
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// Says whether the machine's clock was set since the start, or stood still, until `stop`.
pub(super) async fn look_at_machine(clock: Clock, readiness: Readiness, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_AT_CLOCK);
    let mut was_told = false;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let offset = clock.offset();
        let differs = offset > CLOCK_DIFFERS;
        if differs && !was_told {
            let milliseconds = offset.as_millis();
            tracing::warn!(
                milliseconds,
                "the machine's clock was set since the start: far off, the service is not ready \
                 until it is started again"
            );
        }
        was_told = differs;
        readiness.clock_was_set(offset > CLOCK_OFF);
    }
}

/// Says whether the clock is too far from the shared store's, until `stop`.
pub(super) async fn look_at_clock(
    mut drift: watch::Receiver<Duration>,
    readiness: Readiness,
    stop: CancellationToken,
) {
    loop {
        readiness.clock(*drift.borrow_and_update() > CLOCK_OFF);
        if !matches!(stop.run_until_cancelled(drift.changed()).await, Some(Ok(()))) {
            return;
        }
    }
}

/// Divides the places of batches at each destination among the replicas, until `stop`.
pub(super) async fn share_places(
    mut tenure: watch::Receiver<Option<Tenure>>,
    batches: Batches,
    stop: CancellationToken,
) {
    loop {
        let members = tenure.borrow_and_update().map_or(1, |tenure| tenure.members);
        batches.share_destinations(members);
        if !matches!(stop.run_until_cancelled(tenure.changed()).await, Some(Ok(()))) {
            return;
        }
    }
}

/// Takes changed list files up, until `stop`.
pub(super) async fn watch_lists(
    lists: Arc<ListsHandle>,
    config: lists::Config,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(config.poll_interval.max(SHORTEST_POLL));
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let lists = Arc::clone(&lists);
        // Reading files blocks.
        match tokio::task::spawn_blocking(move || lists.reload_if_changed()).await {
            Ok(Ok(Reload::Unchanged)) => {}
            Ok(Ok(Reload::Reloaded)) => tracing::info!("reloaded the lists"),
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot reload the lists; the previous ones stay in use")
            }
            Err(error) => tracing::error!(%error, "cannot check the lists for changes"),
        }
    }
}

/// Forgets the verdicts that were kept for long enough, now and once a day, until `stop`: also
/// where no new ones come.
pub(super) async fn forget_verdicts(
    history: Arc<OutcomeHistory>,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(FORGET);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let forgetting = history.forget_old_verdicts(clock.now());
        if let Some(Err(error)) = stop.run_until_cancelled(forgetting).await {
            tracing::warn!(%error, "old verdicts are not forgotten; in a day it is tried again");
        }
    }
}

/// Logs when the service becomes ready, and when it is not ready any more, until `stop`.
pub(super) async fn log_readiness(readiness: Readiness, stop: CancellationToken) {
    let mut states = readiness.watch();
    let mut was_ready = false;
    loop {
        let state = *states.borrow_and_update();
        if state.is_ready() && !was_ready {
            tracing::info!("ready");
        } else if was_ready && !state.is_ready() && !state.draining {
            tracing::warn!(obstacles = state.obstacles().join("; "), "not ready");
        }
        was_ready = state.is_ready();
        if !matches!(stop.run_until_cancelled(states.changed()).await, Some(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_service_is_not_ready_once_the_machine_s_clock_was_set() {
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        readiness.dns(true);
        readiness.store_is_open();
        let looking = look_at_machine(Clock::start(), readiness.clone(), stop.clone());
        let seen = async {
            // The paused clock runs ahead of the machine's.
            tokio::time::sleep(Duration::from_secs(15)).await;
            assert!(readiness.state().is_ready());
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(!readiness.state().is_ready() && readiness.state().clock_was_set);
            stop.cancel();
        };
        tokio::join!(looking, seen);
    }
}
