//! The gRPC server: our service, health, reflection, and a shutdown that finishes what is begun.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::stream;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::LayerExt as _;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;

use super::auth_layer::AuthLayer;
use super::batch;
use super::callbacks::CallbackHandler;
use super::calls::{CallTraceLayer, Calls};
use super::config::{Config, Limits};
use super::content_type::GrpcOnlyLayer;
use super::credential_files::CredentialFiles;
use super::head_limit::HeadLimitLayer;
use super::health::Health;
use super::hooks::HookHandler;
use super::listener;
use super::message_limit::{self, LARGEST_PAGE};
use super::metered::MeteredVerifier;
use super::outcomes::OutcomeHandler;
use super::reflection;
use super::send_history::SendHistory;
use super::serve_error::ServeError;
use super::service::VerificationHandler;
use super::shared_limits::{self, SharedLimits};
use crate::access::{Access, Caller, Harvesting, Keys, LimitStore, Quota};
use crate::batch::Batches;
use crate::callbacks::Callbacks;
use crate::campaign::preflight::Thresholds;
use crate::clock::Clock;
use crate::console::ConsoleLayer;
use crate::http::{self, BodyLimits, BrowserGuard, HttpLayer, LocalAnswers};
use crate::outcomes::{OutcomeHooks, OutcomeIntake};
use crate::proto::batch_service_server::BatchServiceServer;
use crate::proto::callback_service_server::CallbackServiceServer;
use crate::proto::outcome_service_server::OutcomeServiceServer;
use crate::proto::verification_service_server::VerificationServiceServer;
use crate::readiness::Readiness;
use crate::smtp::Classifier;
use crate::verifier::Verifier;

/// Flow-control windows in octets, of one call and of a connection: what a caller may send before
/// it is read (RFC 9113 section 5.2).
///
/// A client that sends one message in each DATA frame, as grpcio and grpc-js do, fills the window
/// of a call that is not read with some thousand small frames. h2 ends a connection whose unread
/// frames cost more, at 256 octets each less their content, than half the connection's window: 20
/// calls that stand still, with messages of 20 octets, cost 15.5 MB of 16. What a connection can
/// hold is bounded by its calls: `calls_per_connection` windows of one call. A page of 4 MiB from a
/// caller 300 ms away takes 19 s.
const WINDOWS: (u32, u32) = (64 * 1024, 32 * 1024 * 1024);

/// The parts that answer calls.
#[derive(Clone)]
pub struct Services {
    /// The verifier.
    pub verifier: Arc<Verifier>,
    /// The rules that read replies.
    pub replies: Arc<Classifier>,
    /// The durable batches.
    pub batches: Batches,
    /// The callbacks of batches, if they are sent.
    pub callbacks: Option<Callbacks>,
    /// The place for outcomes that callers report, if they are kept.
    pub outcomes: Option<OutcomeIntake>,
    /// The hooks to which mail services post outcomes.
    pub hooks: OutcomeHooks,
    /// The thresholds of the pre-flight answer.
    pub thresholds: Thresholds,
    /// The place in which all replicas count what callers use, if there are several.
    pub limits: Option<Arc<dyn LimitStore>>,
    /// Counters of calls.
    pub calls: Arc<Calls>,
    /// The readiness that health reports.
    pub readiness: Readiness,
}

/// The outcome of a shutdown.
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
/// through, a file of the configuration cannot be used, reflection cannot be set up, or the
/// transport fails.
pub async fn serve(
    listener: TcpListener,
    services: Services,
    config: Config,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<Drained, ServeError> {
    let address = listener.local_addr()?;
    config.protection().check(address)?;
    config.check_limits()?;
    let files = CredentialFiles::open(&config, address)?;
    log_start(address, &files, &config);
    let (health_reporter, health) = tonic_health::server::health_reporter();
    let (drain_timeout, poll) = (config.drain_timeout, config.poll_interval);
    let limits = config.limits.clone();
    let largest = limits.request_octets;
    let incoming = listener::connections(listener, files.tls.clone(), &limits, clock);
    let auth = AuthLayer::new(Arc::clone(&files.access), &config, clock);
    let bodies =
        BodyLimits { request: largest, page: LARGEST_PAGE, is_paged: message_limit::is_paged };
    let protection = config.protection();
    let (anonymous, certificates) = (protection.admits_anonymous(), protection.client_certificates);
    let guard = BrowserGuard::new(&config.http, anonymous, certificates);
    let translation = HttpLayer::new(&config.http, bodies, guard, services.batches.clone());
    let (is_tls, all) = (files.tls.is_some(), services.batches.clone());
    let console = ConsoleLayer::new(&config.http, anonymous, is_tls, all, clock);
    let (cors, accepts_http1) = (http::cors(&config.http)?, config.http.enabled);
    let access = Arc::clone(&files.access);
    let shared = share_limits(&services, &access, clock);
    let verifier = MeteredVerifier::new(Arc::clone(&access), Arc::clone(&services.verifier), clock)
        .with_shared_limits(shared.clone());
    let batches = batch_service(&services, verifier.clone(), clock, &shutdown);
    let callbacks = CallbackHandler::new(services.batches.clone(), services.callbacks.clone());
    let callbacks = CallbackServiceServer::new(callbacks);
    let outcomes = outcome_service(&services, clock, &shutdown);
    let replies = Arc::clone(&services.replies);
    let (hooks, intake) = (services.hooks.clone(), services.outcomes.clone());
    let hooks = HookHandler::new(hooks, intake, Arc::clone(&replies), clock);
    let service = VerificationHandler::new(verifier, replies, config, clock, shutdown.clone());
    let reporting = Health::begin(health_reporter, &services.readiness, shutdown.clone()).await;
    let reflected = reflection::ending(limits.idle_stream, shutdown.clone());
    let (v1, v1alpha) = (reflection::builder().build_v1()?, reflection::builder().build_v1alpha()?);
    let router = builder(&limits)
        .accept_http1(accepts_http1)
        .layer(HeadLimitLayer(limits.header_octets))
        .layer(tower::util::option_layer(cors))
        .layer(tower::util::option_layer(console))
        .layer(translation)
        .layer(GrpcOnlyLayer)
        .layer(CallTraceLayer::new(Arc::clone(&services.calls), clock))
        .layer(auth)
        .add_service(health.max_decoding_message_size(largest))
        .add_service(reflected.named_layer(v1.max_decoding_message_size(largest)))
        .add_service(reflected.named_layer(v1alpha.max_decoding_message_size(largest)))
        .add_service(
            VerificationServiceServer::new(service)
                .max_decoding_message_size(largest)
                .accept_compressed(Gzip),
        )
        .add_service(batches)
        .add_service(callbacks.max_decoding_message_size(largest))
        .add_service(outcomes)
        .add_service(hooks)
        .add_service(LocalAnswers);

    let deadline = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain_timeout).await;
    };
    let drained = tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, shutdown.cancelled()) => {
            served.map(|()| Drained::Finished)
        }
        () = deadline => Ok(Drained::TimedOut),
        never = files.watch(poll, clock) => match never {},
        never = reporting.follow() => match never {},
        never = shared_limits::exchange(shared.as_deref(), &access) => match never {},
    };
    if let Some(shared) = shared {
        shared.leave().await;
    }
    Ok(drained?)
}

/// Limits on callers that are kept together with other replicas, if there are any.
fn share_limits(services: &Services, access: &Access, clock: Clock) -> Option<Arc<SharedLimits>> {
    let store = services.limits.clone()?;
    access.share_harvest(&store.secret());
    Some(Arc::new(SharedLimits::new(store, clock)))
}

/// Logs where it serves, and who may call.
fn log_start(address: SocketAddr, files: &CredentialFiles, config: &Config) {
    tracing::info!(
        %address,
        tls = files.tls.is_some(),
        client_certificates = config.tls.client_ca.is_some(),
        api_keys = files.key_file.is_some(),
        anonymous = config.protection().admits_anonymous(),
        http = config.http.enabled,
        console = config.http.console,
        "serving"
    );
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

/// Serves the batches alone, over one connection from within this process, which no other process
/// can reach. Ends when the other side hangs up.
///
/// # Errors
///
/// If the transport fails.
pub async fn serve_within(
    connection: DuplexStream,
    services: Services,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let incoming = stream::once(future::ready(Ok::<_, io::Error>(connection)));
    let access = Access::new(true, Quota::default(), Harvesting::default(), Keys::default());
    let verifier = MeteredVerifier::new(Arc::new(access), Arc::clone(&services.verifier), clock);
    // No auth layer: the caller is this process.
    let this_process = |mut request: Request<()>| {
        request.extensions_mut().insert(Caller::local());
        Ok(request)
    };
    let outcomes =
        InterceptedService::new(outcome_service(&services, clock, &shutdown), this_process);
    let batches =
        InterceptedService::new(batch_service(&services, verifier, clock, &shutdown), this_process);
    let server = Server::builder().add_service(batches).add_service(outcomes);
    server.serve_with_incoming(incoming).await?;
    Ok(())
}

fn outcome_service(
    services: &Services,
    clock: Clock,
    shutdown: &CancellationToken,
) -> OutcomeServiceServer<OutcomeHandler> {
    let (intake, replies) = (services.outcomes.clone(), Arc::clone(&services.replies));
    let batches = services.batches.clone();
    let handler = OutcomeHandler::new(intake, replies, batches, clock, shutdown.clone());
    OutcomeServiceServer::new(handler)
        .max_decoding_message_size(LARGEST_PAGE)
        .accept_compressed(Gzip)
}

fn batch_service(
    services: &Services,
    verifier: MeteredVerifier,
    clock: Clock,
    shutdown: &CancellationToken,
) -> BatchServiceServer<batch::BatchHandler> {
    let (batches, thresholds) = (services.batches.clone(), services.thresholds);
    let callbacks = services.callbacks.clone();
    let history = SendHistory::new(services.outcomes.clone(), clock);
    let stop = shutdown.clone();
    batches.tell_answers(Arc::new(verifier.clone()));
    let handler = batch::BatchHandler::new(batches, thresholds, verifier, callbacks, history, stop);
    // Pages of rows and of results compress well; an answer about one address hardly does.
    BatchServiceServer::new(handler)
        .max_decoding_message_size(LARGEST_PAGE)
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
}
