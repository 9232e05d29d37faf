//! The gRPC server: our service, health, reflection, and a shutdown that finishes what is begun.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::batch;
use super::service::Service;
use crate::batch::Batches;
use crate::batch::preflight::Thresholds;
use crate::clock::Clock;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::batch_service_server::BatchServiceServer;
use crate::proto::verification_service_server::VerificationServiceServer;
use crate::verifier::Verifier;

/// The largest request taken, in octets: an address, an id and options, with room to grow.
const LARGEST_REQUEST: usize = 64 * 1024;

/// The largest message taken of a batch, in octets: a page of addresses.
const LARGEST_PAGE: usize = 4 * 1024 * 1024;

/// What is behind the door.
#[derive(Clone)]
pub struct Rooms {
    /// Verifies addresses.
    pub verifier: Arc<Verifier>,
    /// Keeps whole lists.
    pub batches: Batches,
    /// What a list's answer is held against.
    pub thresholds: Thresholds,
}

/// How the service listens and how long it works on a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Default `127.0.0.1:50051`: loopback, because there is no authentication.
    pub listen: SocketAddr,
    /// How many items of one stream are worked on at a time. Default 1000, at least 1.
    pub stream_concurrency: usize,
    /// The longest a call may take when its caller names no deadline, or a longer one. Default 2
    /// minutes: a server that delays its greeting and its replies is through by then.
    #[serde(with = "humantime_serde")]
    pub longest_call: Duration,
    /// How long before the caller's deadline the verdict is sent; at most a tenth of the caller's
    /// time is used. Default 50 ms.
    #[serde(with = "humantime_serde")]
    pub deadline_margin: Duration,
    /// How long a shutdown waits for calls in flight. Default 30 seconds.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            stream_concurrency: 1000,
            longest_call: Duration::from_secs(120),
            deadline_margin: Duration::from_millis(50),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors for reflection could not be read.
    #[error("server reflection could not be set up: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC transport failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every call in flight was answered.
    Finished,
    /// Some were still running when [`Config::drain_timeout`] ended, and were dropped.
    TimedOut,
}

/// Serves on `listener` until `shutdown`, then finishes what is in flight.
///
/// # Errors
///
/// If reflection cannot be set up or the transport fails.
pub async fn serve(
    listener: TcpListener,
    rooms: Rooms,
    config: Config,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<Drained, ServeError> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    let drain_timeout = config.drain_timeout;
    let service = Service::new(rooms.verifier.clone(), config, clock, shutdown.clone());
    let service =
        VerificationServiceServer::new(service).max_decoding_message_size(LARGEST_REQUEST);
    let batches = batch_service(&rooms, &shutdown);
    health_reporter.set_serving::<VerificationServiceServer<Service>>().await;
    health_reporter.set_serving::<BatchServiceServer<batch::Service>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let router = Server::builder()
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(service)
        .add_service(batches);

    let draining = shutdown.clone();
    let stop = async move {
        draining.cancelled().await;
        health_reporter.set_not_serving::<VerificationServiceServer<Service>>().await;
        health_reporter.set_not_serving::<BatchServiceServer<batch::Service>>().await;
        health_reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let deadline = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain_timeout).await;
    };
    tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, stop) => {
            served?;
            Ok(Drained::Finished)
        }
        () = deadline => Ok(Drained::TimedOut),
    }
}

/// Serves the batches alone, over one connection from within this process: nobody else can reach
/// it. Ends when the other side hangs up.
///
/// # Errors
///
/// If the transport fails.
pub async fn serve_within(
    connection: DuplexStream,
    rooms: Rooms,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let incoming = stream::once(future::ready(Ok::<_, io::Error>(connection)));
    let service = batch_service(&rooms, &shutdown);
    Server::builder().add_service(service).serve_with_incoming(incoming).await?;
    Ok(())
}

fn batch_service(
    rooms: &Rooms,
    shutdown: &CancellationToken,
) -> BatchServiceServer<batch::Service> {
    let (batches, thresholds) = (rooms.batches.clone(), rooms.thresholds);
    BatchServiceServer::new(batch::Service::new(batches, thresholds, shutdown.clone()))
        .max_decoding_message_size(LARGEST_PAGE)
}
