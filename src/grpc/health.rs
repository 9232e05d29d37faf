//! The health protocol: the services are served while the service is ready and does not drain;
//! that the process lives is said under a name of its own, unless only a restart mends it.

use std::convert::Infallible;
use std::future;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::service_names::SERVICE_NAMES;
use crate::readiness::{Readiness, ReadinessState};

/// The name under which it is said whether the process lives, whatever else it can do: it does not
/// if only a restart mends it.
pub const LIVENESS: &str = "liveness";

/// The names under which it is said whether the service can do its work: as a whole, and by each
/// service.
fn readiness_names() -> impl Iterator<Item = &'static str> {
    std::iter::once("").chain(SERVICE_NAMES)
}

/// Says how the service is.
pub(super) struct Health {
    reporter: HealthReporter,
    readiness: watch::Receiver<ReadinessState>,
    draining: CancellationToken,
    /// What was last said of the process's life: watchers hear of changes alone.
    said_of_life: Option<ServingStatus>,
}

impl Health {
    /// Reports it for the first time, before a client can ask.
    pub(super) async fn begin(
        reporter: HealthReporter,
        readiness: &Readiness,
        draining: CancellationToken,
    ) -> Self {
        let mut health =
            Self { reporter, readiness: readiness.watch(), draining, said_of_life: None };
        health.say().await;
        health
    }

    async fn say(&mut self) {
        let state = *self.readiness.borrow_and_update();
        let liveness =
            if state.clock_was_set { ServingStatus::NotServing } else { ServingStatus::Serving };
        if self.said_of_life.replace(liveness) != Some(liveness) {
            self.reporter.set_service_status(LIVENESS, liveness).await;
        }
        let is_ready = state.is_ready();
        let status = if is_ready && !self.draining.is_cancelled() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in readiness_names() {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Says it again whenever it changes.
    pub(super) async fn follow(mut self) -> Infallible {
        while !self.draining.is_cancelled() {
            tokio::select! {
                changed = self.readiness.changed() => if changed.is_err() {
                    // Its sender is gone: it changes no more.
                    self.draining.cancelled().await;
                },
                () = self.draining.cancelled() => {}
            }
            self.say().await;
        }
        // Watchers hear that, and then the end: a watcher must not hold up the shutdown.
        for name in readiness_names().chain([LIVENESS]) {
            self.reporter.clear_service_status(name).await;
        }
        future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use tonic::Request;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_server::Health as _;
    use tonic_health::server::HealthService;

    use super::*;

    #[tokio::test]
    async fn the_health_of_every_service_can_be_asked_for() {
        let reporter = HealthReporter::new();
        let asked = HealthService::from_health_reporter(reporter.clone());
        Health::begin(reporter, &Readiness::default(), CancellationToken::new()).await;
        for name in ["Verification", "Batch", "Outcome", "Callback"] {
            let service = format!("mailvet.v1.{name}Service");
            let known = asked.check(Request::new(HealthCheckRequest { service })).await;
            assert!(known.is_ok(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_process_lives_without_dns_and_not_with_the_time_of_before_the_clock_was_set() {
        let reporter = HealthReporter::new();
        let asked = HealthService::from_health_reporter(reporter.clone());
        let liveness = async || {
            let request = Request::new(HealthCheckRequest { service: LIVENESS.to_owned() });
            asked.check(request).await.unwrap().into_inner().status
        };
        let readiness = Readiness::default();
        let mut health = Health::begin(reporter, &readiness, CancellationToken::new()).await;
        assert_eq!(liveness().await, ServingStatus::Serving as i32);
        readiness.clock_was_set(true);
        health.say().await;
        assert_eq!(liveness().await, ServingStatus::NotServing as i32);
    }
}
