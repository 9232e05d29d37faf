//! The service that does the work: in this process, or a running one. Both have the same API.

use std::time::Duration;

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

use super::job::Job;
use crate::batch::Batches;
use crate::campaign::eta::Pace;
use crate::cli::client::{self, ClientArgs, ShowKey, Trust};
use crate::cli::common::{Common, set};
use crate::cli::registration::registration_flags;
use crate::cli::serve::{Started, start};
use crate::clock::Clock;
use crate::grpc::{self, ServeError};
use crate::proto::batch_service_client::BatchServiceClient;
use crate::proto::outcome_service_client::OutcomeServiceClient;

/// The largest answer taken, in octets: a page of results.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Time for a service to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Time for the lookup of one domain, which was looked up before.
const LOOKUP: Duration = Duration::from_secs(5);

/// Number of domains whose DNS answers are kept: a batch comes to the rows of a domain one after
/// the other, and to the next domain then.
const CACHED_DOMAINS: i64 = 20_000;

/// Octets in flight between the two halves of this process.
const WITHIN: usize = 256 * 1024;

/// A client of the service.
pub(super) type Client = BatchServiceClient<client::Client>;

/// The service that does the work.
pub(super) struct Backend {
    pub(super) client: Client,
    /// What became of earlier mail, by the same way.
    pub(super) outcomes: OutcomeServiceClient<client::Client>,
    /// The name that servers are given, if it is known here.
    pub(super) asked_as: Option<String>,
    within: Option<Within>,
}

/// The parts of this process that do the work.
struct Within {
    started: Started,
    batches: Batches,
    serving: JoinSet<Result<(), ServeError>>,
    shutdown: CancellationToken,
}

impl Backend {
    pub(super) async fn open(job: &Job) -> anyhow::Result<Self> {
        match &job.server {
            Some(url) => Self::remote(url, &job.client).await,
            None => Self::within(job, &job.common).await,
        }
    }

    /// The open SMTP sessions, in words.
    pub(super) fn sessions(&self) -> String {
        match self.within.as_ref().map(|within| within.started.app.sources.prober.stats().sessions)
        {
            Some(1) => "1 session".to_owned(),
            Some(sessions) => format!("{sessions} sessions"),
            None => "connections".to_owned(),
        }
    }

    /// The limits on what a destination is asked, if they are known here.
    pub(super) fn pace(&self) -> Option<Pace> {
        Some(self.within.as_ref()?.started.app.pace())
    }

    /// The provider of a domain, if it can be told here: the registrable domain of its exchanger.
    pub(super) async fn destination(&self, domain: &str, clock: Clock) -> Option<String> {
        let verifier = &self.within.as_ref()?.started.app.verifier;
        let destination = verifier.destination(domain, clock.now() + LOOKUP).await?;
        Some(destination.to_string())
    }

    async fn remote(url: &str, showing: &ClientArgs) -> anyhow::Result<Self> {
        let connected = showing.connect(url, &Trust::Authorities, CONNECT, None).await;
        let connected = connected.with_context(|| format!("{url} does not answer"))?;
        let outcomes = OutcomeServiceClient::new(connected.clone());
        Ok(Self { client: client(connected), outcomes, asked_as: None, within: None })
    }

    async fn within(job: &Job, common: &Common) -> anyhow::Result<Self> {
        let mut flags = registration_flags(job.wants_registration());
        // A batch asks about each mailbox once, and nobody else asks this process. Only what a
        // sample has shown is asked for again, by the rest.
        if job.sample.is_none() {
            set(&mut flags, "verifier", "max_remembered", 0.into());
        }
        set(&mut flags, "cache", "domains", CACHED_DOMAINS.into());
        let started = start(common, flags, job.sandbox, "warn").await?;
        let app = &started.app;
        let batches = app.open_batches(&job.store()).await?;
        let services = app.services(&batches)?;
        let shutdown = CancellationToken::new();
        let (ours, theirs) = tokio::io::duplex(WITHIN);
        let mut serving = JoinSet::new();
        serving.spawn(grpc::serve_within(theirs, services, app.clock, shutdown.clone()));
        let mut ours = Some(ours);
        let connector = tower::service_fn(move |_| {
            let ours = ours.take().map(TokioIo::new);
            async move { ours.ok_or_else(|| std::io::Error::other("there is one connection only")) }
        });
        // Nothing is looked up: the connector has its one connection already.
        let channel =
            Endpoint::from_static("http://within").connect_with_connector(connector).await?;
        let asked_as = app.config.smtp.helo_name.as_ref().map(|name| name.as_str().to_owned());
        let channel = InterceptedService::new(channel, ShowKey::NOTHING);
        let within = Within { started, batches, serving, shutdown };
        let outcomes = OutcomeServiceClient::new(channel.clone());
        Ok(Self { client: client(channel), outcomes, asked_as, within: Some(within) })
    }

    /// Gives open work back, and ends what runs in this process.
    pub(super) async fn close(self) {
        drop((self.client, self.outcomes));
        let Some(mut within) = self.within else { return };
        within.batches.drain().await;
        within.shutdown.cancel();
        within.serving.shutdown().await;
        within.started.close_in_time().await;
    }
}

fn client(service: client::Client) -> Client {
    BatchServiceClient::new(service).max_decoding_message_size(LARGEST_ANSWER)
}
