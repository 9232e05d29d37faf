//! The health protocol: the services are served while the service is ready and does not drain;
//! that the process lives is said all the time, under a name of its own.

use std::convert::Infallible;
use std::future;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::batch;
use super::service::VerificationHandler;
use crate::proto::batch_service_server::BatchServiceServer;
use crate::proto::verification_service_server::VerificationServiceServer;
use crate::readiness::{Readiness, ReadinessState};

/// The name under which it is said that the process lives, whatever it can do.
pub const LIVENESS: &str = "liveness";

/// The names under which it is said whether the service can do its work.
const READINESS: [&str; 3] = [
    "",
    <VerificationServiceServer<VerificationHandler> as NamedService>::NAME,
    <BatchServiceServer<batch::BatchHandler> as NamedService>::NAME,
];

/// Says how the service is.
pub(super) struct Health {
    reporter: HealthReporter,
    readiness: watch::Receiver<ReadinessState>,
    draining: CancellationToken,
}

impl Health {
    /// Reports it for the first time, before a client can ask.
    pub(super) async fn begin(
        reporter: HealthReporter,
        readiness: &Readiness,
        draining: CancellationToken,
    ) -> Self {
        let mut health = Self { reporter, readiness: readiness.watch(), draining };
        health.reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
        health.say().await;
        health
    }

    async fn say(&mut self) {
        let is_ready = self.readiness.borrow_and_update().is_ready();
        let status = if is_ready && !self.draining.is_cancelled() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in READINESS {
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
        for name in READINESS.into_iter().chain([LIVENESS]) {
            self.reporter.clear_service_status(name).await;
        }
        future::pending().await
    }
}
