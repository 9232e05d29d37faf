//! The gRPC server: our service, health, reflection, and a shutdown that finishes what is begun.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::checked::Checked;
use super::config::{Config, Limits, NoRoom};
use super::gate::Gate;
use super::keys::{KeyFile, KeyFileError};
use super::listener;
use super::service::Service;
use super::tls::{Tls, TlsError};
use crate::access::{Access, Exposed, Keys};
use crate::clock::Clock;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::verification_service_server::VerificationServiceServer;
use crate::verifier::Verifier;

/// How much of a request may be on its way to us before it is read, in octets: for one call, and for
/// all calls of a connection. What is beyond that stays with the caller (RFC 9113 section 5.2).
const WINDOWS: (u32, u32) = (64 * 1024, 256 * 1024);

/// The shortest time between two looks at the files.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It would be open to everybody.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// A limit lets nothing through.
    #[error(transparent)]
    Limits(#[from] NoRoom),
    /// The API keys cannot be taken.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// TLS cannot be offered.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The listener does not say where it listens.
    #[error("the listening socket cannot be used: {0}")]
    Listener(#[from] io::Error),
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
/// If it would be open to everybody without anybody having decided that, a limit lets nothing
/// through, a file of the configuration cannot be used, reflection cannot be set up, or the transport fails.
pub async fn serve(
    listener: TcpListener,
    verifier: Arc<Verifier>,
    config: Config,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<Drained, ServeError> {
    let address = listener.local_addr()?;
    config.protection().check(address)?;
    config.limits.check()?;
    let door = Door::open(&config, address)?;
    tracing::info!(
        %address,
        tls = door.tls.is_some(),
        client_certificates = config.tls.client_ca.is_some(),
        api_keys = door.key_file.is_some(),
        anonymous = config.protection().admits_anonymous(),
        "serving"
    );
    let (health_reporter, health) = tonic_health::server::health_reporter();
    let (drain_timeout, poll) = (config.drain_timeout, config.poll_interval.max(SHORTEST_POLL));
    let limits = config.limits.clone();
    let largest = limits.request_octets;
    let incoming = listener::connections(listener, door.tls.clone(), &limits, clock);
    let gate = Gate::new(Arc::clone(&door.access), &limits, clock);
    let checked = Checked::new(Arc::clone(&door.access), verifier, clock);
    let service = Service::new(checked, config, clock, shutdown.clone());
    health_reporter.set_serving::<VerificationServiceServer<Service>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let router = builder(&limits)
        .layer(gate)
        .add_service(health.max_decoding_message_size(largest))
        .add_service(reflection().build_v1()?.max_decoding_message_size(largest))
        .add_service(reflection().build_v1alpha()?.max_decoding_message_size(largest))
        .add_service(VerificationServiceServer::new(service).max_decoding_message_size(largest));

    let draining = shutdown.clone();
    let stop = async move {
        draining.cancelled().await;
        health_reporter.set_not_serving::<VerificationServiceServer<Service>>().await;
        health_reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    };
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
        never = watch(door, poll) => match never {},
    }
}

/// A server with these limits.
fn builder(limits: &Limits) -> Server {
    let (call, connection) = WINDOWS;
    Server::builder()
        .max_concurrent_streams(limits.calls_per_connection)
        .http2_max_header_list_size(limits.header_octets)
        .http2_keepalive_interval(Some(limits.keepalive_interval))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .initial_stream_window_size(call)
        .initial_connection_window_size(connection)
}

/// What callers have to show, and the files that say so.
struct Door {
    access: Arc<Access>,
    key_file: Option<KeyFile>,
    tls: Option<Arc<Tls>>,
}

impl Door {
    /// Reads the files.
    fn open(config: &Config, address: SocketAddr) -> Result<Self, ServeError> {
        let (key_file, keys) = match config.api_keys.as_deref().map(KeyFile::open).transpose()? {
            Some((file, keys)) => (Some(file), keys),
            None => (None, Keys::default()),
        };
        let tls = config.tls.is_wanted().then(|| Tls::open(&config.tls)).transpose()?;
        if key_file.is_some() && keys.is_empty() {
            tracing::warn!("the file of server.api_keys holds no key: nobody can call with one");
        }
        if key_file.is_some() && tls.is_none() && !address.ip().to_canonical().is_loopback() {
            tracing::warn!(
                "API keys travel unprotected without server.tls: whoever listens has them"
            );
        }
        let access = Access::new(
            config.protection().admits_anonymous(),
            config.quota,
            config.harvesting.clone(),
            keys,
        );
        Ok(Self { access: Arc::new(access), key_file, tls: tls.map(Arc::new) })
    }

    /// Takes changed files up; what cannot be used is said, and what was stays.
    fn reload(&self) {
        match self.key_file.as_ref().map_or(Ok(None), KeyFile::read_if_changed) {
            Ok(None) => {}
            Ok(Some(keys)) => {
                tracing::info!(keys = keys.len(), "the API keys were read again");
                self.access.replace_keys(keys);
            }
            Err(error) => tracing::error!(%error, "the API keys stay as they were"),
        }
        match self.tls.as_ref().map_or(Ok(false), |tls| tls.reload_if_changed()) {
            Ok(false) => {}
            Ok(true) => tracing::info!("the certificates were read again"),
            Err(error) => tracing::error!(%error, "the certificates stay as they were"),
        }
    }
}

/// Looks at the files now and then, for ever.
async fn watch(door: Door, poll: Duration) -> Infallible {
    let door = Arc::new(door);
    let mut ticks = tokio::time::interval(poll);
    loop {
        ticks.tick().await;
        let door = Arc::clone(&door);
        // Reading files blocks.
        if let Err(error) = tokio::task::spawn_blocking(move || door.reload()).await {
            tracing::error!(%error, "the files of the door could not be looked at");
        }
    }
}
