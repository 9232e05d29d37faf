//! `mailvet.v1.VerificationService`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::connection::ClientPeer;
use super::deadline::Margin;
use super::metered::MeteredVerifier;
use super::request::{self, Time};
use super::{Config, caller, convert, deadline, refusal, reply};
use crate::access::Caller;
use crate::clock::Clock;
use crate::fair;
use crate::proto::verification_service_server::VerificationService;
use crate::proto::{
    self, ExplainReplyRequest, ExplainReplyResponse, VerifyAddressRequest, VerifyAddressResponse,
    VerifyAddressesRequest, VerifyAddressesResponse, VerifyDomainRequest, VerifyDomainResponse,
};
use crate::smtp::Classifier;
use crate::verifier::{DomainError, DomainOptions};

/// The service, cheap to clone.
#[derive(Clone)]
pub(super) struct VerificationHandler {
    verifier: MeteredVerifier,
    replies: Arc<Classifier>,
    config: Config,
    clock: Clock,
    shutdown: CancellationToken,
}

impl VerificationHandler {
    pub(super) fn new(
        verifier: MeteredVerifier,
        replies: Arc<Classifier>,
        config: Config,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Self {
        Self { verifier, replies, config, clock, shutdown }
    }

    /// The time of a call with this metadata, on a connection with this peer.
    fn time<T>(&self, request: &Request<T>) -> Time {
        let timeout = deadline::grpc_timeout(request.metadata());
        let now = self.clock.now();
        let budget = deadline::budget(timeout, self.margin(request), self.config.longest_call);
        Time { now, deadline: now + budget, is_named: timeout.is_some() }
    }

    /// The time kept back from the caller's.
    fn margin<T>(&self, request: &Request<T>) -> Margin {
        Margin {
            least: self.config.deadline_margin,
            percent: self.config.deadline_margin_percent,
            round_trip: request
                .extensions()
                .get::<ClientPeer>()
                .and_then(|peer| peer.calls.round_trip()),
        }
    }

    /// One item of a stream: always an answer, never the end of the stream.
    async fn item(
        &self,
        caller: &Caller,
        item: VerifyAddressesRequest,
        stream_deadline: Option<SystemTime>,
    ) -> VerifyAddressesResponse {
        use proto::verify_addresses_response::Outcome;
        let now = self.clock.now();
        let own = Time { now, deadline: now + self.config.longest_call, is_named: false };
        let time = stream_deadline.map_or(own, |stream| Time {
            deadline: stream.min(own.deadline),
            is_named: true,
            ..own
        });
        let taken = request::correlation_id(&item.correlation_id)
            .and_then(|()| request::options(item.options.as_ref(), time))
            .and_then(|options| Ok((request::subject(item.address)?, options)));
        let outcome = match taken {
            Ok((subject, options)) => match self.verifier.verify(caller, subject, &options).await {
                Ok(verification) => Outcome::Verification(convert::verification(verification)),
                Err(refused) => Outcome::Error(refusal::item_error(&refusal::status(&refused))),
            },
            Err(bad_field) => Outcome::Error(refusal::item_error(&bad_field.into_status())),
        };
        VerifyAddressesResponse { correlation_id: item.correlation_id, outcome: Some(outcome) }
    }
}

#[tonic::async_trait]
impl VerificationService for VerificationHandler {
    async fn verify_address(
        &self,
        request: Request<VerifyAddressRequest>,
    ) -> Result<Response<VerifyAddressResponse>, Status> {
        let time = self.time(&request);
        let caller = caller(&request)?;
        let request = request.into_inner();
        let subject = request::subject(request.address).map_err(request::BadField::into_status)?;
        let options = request::options(request.options.as_ref(), time)
            .map_err(request::BadField::into_status)?;
        let verification = self.verifier.verify(&caller, subject, &options).await;
        let verification = verification.map_err(|refused| refusal::status(&refused))?;
        tracing::Span::current().record("reason", verification.judgement.reason.name());
        let verification = Some(convert::verification(verification));
        Ok(Response::new(VerifyAddressResponse { verification }))
    }

    type VerifyAddressesStream = BoxStream<'static, Result<VerifyAddressesResponse, Status>>;

    /// A caller that does not read soon gets no further, and one that goes away ends the work.
    async fn verify_addresses(
        &self,
        request: Request<Streaming<VerifyAddressesRequest>>,
    ) -> Result<Response<Self::VerifyAddressesStream>, Status> {
        let stream_deadline = stream_deadline(self, &request);
        let caller = caller(&request)?;
        let ended = Arc::new(OnceLock::new());
        let items = Items {
            inbound: request.into_inner(),
            shutdown: self.shutdown.clone(),
            idle: self.config.limits.idle_stream,
            in_work: Arc::default(),
            ended: Arc::clone(&ended),
        };
        let in_work = Arc::clone(&items.in_work);
        let service = self.clone();
        let answers = items.stream().map(move |item| {
            let (service, caller) = (service.clone(), caller.clone());
            let in_work = Arc::clone(&in_work);
            async move {
                let answer = service.item(&caller, item, stream_deadline).await;
                in_work.fetch_sub(1, Ordering::Relaxed);
                Ok(answer)
            }
        });
        let answers = fair::drive_unordered(answers, self.config.stream_concurrency);
        let last = stream::once(async move { ended.get().cloned() })
            .filter_map(|status: Option<Status>| async move { status.map(Err) });
        Ok(Response::new(answers.chain(last).boxed()))
    }

    async fn verify_domain(
        &self,
        request: Request<VerifyDomainRequest>,
    ) -> Result<Response<VerifyDomainResponse>, Status> {
        let time = self.time(&request);
        let request = request.get_ref();
        let max_age = request::duration("max_age", request.max_age.as_ref())
            .map_err(request::BadField::into_status)?;
        let options = DomainOptions {
            max_age,
            registration: request.include_registration,
            posture: request.include_posture,
        };
        let verifier = self.verifier.verifier();
        match verifier.domain(&request.domain, options, time.deadline).await {
            Ok(report) => {
                let report = Some(convert::domain(&report));
                Ok(Response::new(VerifyDomainResponse { report }))
            }
            Err(error @ DomainError::Invalid(_)) => {
                let details = ErrorDetails::with_bad_request_violation("domain", error.to_string());
                let message = format!("domain: {error}");
                Err(Status::with_error_details(tonic::Code::InvalidArgument, message, details))
            }
            Err(error @ DomainError::Dns(_)) => Err(refusal::away(format!("{error}; ask again"))),
        }
    }

    async fn explain_reply(
        &self,
        request: Request<ExplainReplyRequest>,
    ) -> Result<Response<ExplainReplyResponse>, Status> {
        let view = reply::view(request.get_ref()).map_err(request::BadField::into_status)?;
        Ok(Response::new(reply::explanation(self.replies.explain(&view))))
    }
}

/// The time by which all work of a stream must be done: the caller's deadline covers the whole
/// stream.
fn stream_deadline<T>(service: &VerificationHandler, request: &Request<T>) -> Option<SystemTime> {
    let timeout = deadline::grpc_timeout(request.metadata())?;
    let budget = deadline::budget(Some(timeout), service.margin(request), Duration::MAX);
    service.clock.now().checked_add(budget)
}

/// Messages that come in on a stream.
struct Items {
    inbound: Streaming<VerifyAddressesRequest>,
    shutdown: CancellationToken,
    idle: Duration,
    /// Number of items being worked on.
    in_work: Arc<AtomicUsize>,
    /// Why the items ended early, to be said after the last answer.
    ended: Arc<OnceLock<Status>>,
}

impl Items {
    /// The caller's items, until it has no more, its stream breaks or idles, or the service shuts
    /// down.
    fn stream(self) -> impl Stream<Item = VerifyAddressesRequest> {
        stream::unfold(self, |mut items| async move {
            match items.next().await {
                Ok(item) => item.map(|item| (item, items)),
                Err(status) => {
                    // Set once: the stream ends here.
                    drop(items.ended.set(status));
                    None
                }
            }
        })
    }

    async fn next(&mut self) -> Result<Option<VerifyAddressesRequest>, Status> {
        loop {
            let next = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Err(Status::unavailable(
                    "the service is shutting down; send the items without an answer again",
                )),
                next = tokio::time::timeout(self.idle, self.inbound.message()) => next,
            };
            match next {
                Ok(message) => {
                    let message = message.map_err(refusal::inbound)?;
                    self.in_work.fetch_add(usize::from(message.is_some()), Ordering::Relaxed);
                    return Ok(message);
                }
                // The caller may be waiting for answers.
                Err(_) if self.in_work.load(Ordering::Relaxed) > 0 => {}
                Err(_) => {
                    let idle = humantime::format_duration(self.idle);
                    let message = format!("no item came for {idle}; open a new stream for more");
                    return Err(Status::deadline_exceeded(message));
                }
            }
        }
    }
}
