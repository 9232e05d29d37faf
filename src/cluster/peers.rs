//! The way to the other replicas: one connection to each, and a call for each question.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use http::uri::PathAndQuery;
use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::credentials::{AUTHORIZATION, ReplicaCredentials};
use super::json_codec::{JsonCodec, PATH};
use crate::prober::{WireOutcome, WireQuestion};

/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(2);

/// Silence after which a replica is asked whether it is there, and time for its answer.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Time beyond the question's own for the answer to come.
const SLACK: Duration = Duration::from_millis(250);

/// Connections kept; replicas come and go.
const KEPT: usize = 64;

/// Why another replica did not answer a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ForwardFault {
    /// It does not hold the destination (any more).
    NotHolder,
    /// It cannot be reached, or said something that is not understood.
    Unreachable(String),
    /// Its answer did not come in time.
    Late,
}

/// The connections to the other replicas.
pub(super) struct Peers {
    credentials: Arc<ReplicaCredentials>,
    channels: Mutex<HashMap<Arc<str>, Channel>>,
}

impl Peers {
    pub(super) fn new(credentials: Arc<ReplicaCredentials>) -> Self {
        Self { credentials, channels: Mutex::default() }
    }

    /// Asks the replica at `address`.
    pub(super) async fn ask(
        &self,
        address: &Arc<str>,
        question: WireQuestion,
    ) -> Result<WireOutcome, ForwardFault> {
        let limit = question.time_limit() + SLACK;
        match tokio::time::timeout(limit, self.call(address, question)).await {
            Ok(answer) => answer,
            Err(_) => Err(ForwardFault::Late),
        }
    }

    async fn call(
        &self,
        address: &Arc<str>,
        question: WireQuestion,
    ) -> Result<WireOutcome, ForwardFault> {
        let unreachable = |reason: String| ForwardFault::Unreachable(reason);
        let channel = self.channel(address).map_err(|error| unreachable(error.to_string()))?;
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.map_err(|error| unreachable(error.to_string()))?;
        let mut request = Request::new(question);
        if let Some(header) = self.credentials.header() {
            request.metadata_mut().insert(AUTHORIZATION, header.clone());
        }
        let codec = JsonCodec::<WireQuestion, WireOutcome>::default();
        let answer = grpc.unary(request, PathAndQuery::from_static(PATH), codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| match status.code() {
            Code::FailedPrecondition => ForwardFault::NotHolder,
            code => unreachable(format!("{code}: {}", status.message())),
        })
    }

    fn channel(&self, address: &Arc<str>) -> Result<Channel, tonic::transport::Error> {
        let mut channels = self.channels.lock();
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        if channels.len() >= KEPT {
            channels.clear();
        }
        let tls = self.credentials.client_tls();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls)?;
        }
        let channel = endpoint.connect_lazy();
        channels.insert(Arc::clone(address), channel.clone());
        Ok(channel)
    }
}
