//! The way to the other replicas: one connection to each, and a call for each question.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashSet};
use http::uri::PathAndQuery;
use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::credentials::{AUTHORIZATION, ReplicaCredentials};
use super::json_codec::{JsonCodec, PATH};
use super::tls::words;
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
    /// Replicas that could not be asked the last time: told of once, not for each question.
    failing: Mutex<HashSet<Arc<str>>>,
}

impl Peers {
    pub(super) fn new(credentials: Arc<ReplicaCredentials>) -> Self {
        Self { credentials, channels: Mutex::default(), failing: Mutex::default() }
    }

    /// Asks the replica at `address`.
    pub(super) async fn ask(
        &self,
        address: &Arc<str>,
        question: WireQuestion,
    ) -> Result<WireOutcome, ForwardFault> {
        let limit = question.time_limit() + SLACK;
        let answer = match tokio::time::timeout(limit, self.call(address, question)).await {
            Ok(answer) => answer,
            Err(_) => Err(ForwardFault::Late),
        };
        self.note(address, &answer);
        answer
    }

    /// Tells when a replica cannot be asked any more, and when it can again; returns `true` if
    /// that changed.
    fn note(&self, address: &Arc<str>, answer: &Result<WireOutcome, ForwardFault>) -> bool {
        let mut failing = self.failing.lock();
        match answer {
            // It says nothing about the way there.
            Err(ForwardFault::Late) => false,
            Err(ForwardFault::Unreachable(reason)) => {
                if failing.len() >= KEPT {
                    failing.clear();
                }
                let begins = failing.insert(Arc::clone(address));
                if begins {
                    tracing::warn!(%address, reason, "another replica cannot be asked");
                }
                begins
            }
            Ok(_) | Err(ForwardFault::NotHolder) => {
                let ends = failing.remove(address);
                if ends {
                    tracing::warn!(%address, "another replica can be asked again");
                }
                ends
            }
        }
    }

    async fn call(
        &self,
        address: &Arc<str>,
        question: WireQuestion,
    ) -> Result<WireOutcome, ForwardFault> {
        let unreachable = |reason: String| ForwardFault::Unreachable(reason);
        let channel = self.channel(address).map_err(|error| unreachable(words(&error)))?;
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.map_err(|error| unreachable(words(&error)))?;
        let mut request = Request::new(question);
        if let Some(header) = self.credentials.header() {
            request.metadata_mut().insert(AUTHORIZATION, header.clone());
        }
        let codec = JsonCodec::<WireQuestion, WireOutcome>::default();
        let answer = grpc.unary(request, PathAndQuery::from_static(PATH), codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| match status.code() {
            Code::FailedPrecondition => ForwardFault::NotHolder,
            code => {
                let cause = status.source().map(words).unwrap_or_default();
                unreachable(format!("{code}: {} {cause}", status.message()))
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Config;

    #[test]
    fn a_replica_that_cannot_be_asked_is_told_of_when_that_begins_and_when_it_ends() {
        let credentials = ReplicaCredentials::read(&Config::default()).unwrap();
        let peers = Peers::new(Arc::new(credentials));
        let (one, other): (Arc<str>, Arc<str>) = ("a:1".into(), "b:1".into());
        let away = || Err(ForwardFault::Unreachable("refused".to_owned()));
        assert!(peers.note(&one, &away()) && !peers.note(&one, &away()));
        assert!(peers.note(&other, &away()));
        assert!(!peers.note(&one, &Err(ForwardFault::Late)));
        assert!(peers.note(&one, &Err(ForwardFault::NotHolder)));
        assert!(!peers.note(&one, &Err(ForwardFault::NotHolder)));
        assert!(peers.note(&one, &away()), "another time is told of");
    }
}
