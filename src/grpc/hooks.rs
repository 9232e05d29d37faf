//! Posts of mail services to their hooks, behind the gate: verified there, not by it.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use prost::Message as _;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::connection::ClientPeer;
use super::hook_arrivals::HookArrivals;
use super::outcomes::{ReportTally, no_outcomes};
use super::refusal;
use crate::clock::Clock;
use crate::http::{HookCall, frame};
use crate::outcomes::hooks::{Hook, HookReceipt};
use crate::outcomes::{HookError, OutcomeHooks, OutcomeIntake};
use crate::proto::ReportOutcomesResponse;
use crate::smtp::Classifier;

/// The hooks of the service.
#[derive(Clone)]
pub(super) struct HookHandler {
    hooks: OutcomeHooks,
    intake: Option<OutcomeIntake>,
    replies: Arc<Classifier>,
    arrivals: HookArrivals,
    clock: Clock,
}

impl HookHandler {
    pub(super) fn new(
        hooks: OutcomeHooks,
        intake: Option<OutcomeIntake>,
        replies: Arc<Classifier>,
        clock: Clock,
    ) -> Self {
        Self { hooks, intake, replies, arrivals: HookArrivals::default(), clock }
    }

    async fn deliver(self, request: Request<Body>) -> Result<ReportOutcomesResponse, Status> {
        let (parts, body) = request.into_parts();
        let call = parts.extensions.get::<HookCall>();
        let call = call.ok_or_else(|| Status::unimplemented("hooks are posted to over HTTP"))?;
        let hook = self.hooks.find(&call.name).map_err(|error| status(&error))?;
        // Some services drop for good what is answered with another status than "not now".
        let nowhere = || Status::unavailable(no_outcomes().message());
        let intake = self.intake.as_ref().ok_or_else(nowhere)?;
        let peer = ClientPeer::of(&parts.extensions)?;
        let post = (peer.address.ip(), &call.headers, body);
        let taken = self.take(hook, post, intake).await;
        let taken = taken.inspect_err(|error| hook.note_failure(error));
        let receipt = taken.map_err(|error| status(&error))?;
        // From now on the connection has time, as that of any caller that was let in.
        peer.calls.admit();
        Ok(answer(receipt))
    }

    /// Reads a post, verifies it, and keeps what it tells.
    async fn take(
        &self,
        hook: &Hook,
        (ip, headers, body): (IpAddr, &HeaderMap, Body),
        intake: &OutcomeIntake,
    ) -> Result<HookReceipt, HookError> {
        // Whoever shows no token where one is wanted takes no place.
        let is_verified = hook.check_head(headers, self.clock.now()).await?;
        let place = self.arrivals.enter(ip)?;
        if is_verified {
            place.settle()?;
        }
        let verified = place.hold(async {
            let body = place.read(body).await?;
            hook.verify((headers, &body[..]), &self.replies, self.clock.now()).await
        });
        let verified = verified.await?;
        place.settle()?;
        hook.keep(verified, intake, self.clock.now()).await
    }
}

impl NamedService for HookHandler {
    const NAME: &'static str = "mailvet.v1.Hooks";
}

impl Service<Request<Body>> for HookHandler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let delivered = self.clone().deliver(request);
        let answer = delivered.map(|delivered| {
            Ok(match delivered {
                Ok(counts) => {
                    let framed = frame(&counts.encode_to_vec()).unwrap_or_default();
                    let body = Body::new(http_body_util::Full::new(framed));
                    Status::new(Code::Ok, "").into_http::<Body>().map(|_| body)
                }
                Err(status) => status.into_http(),
            })
        });
        answer.boxed()
    }
}

fn answer(receipt: HookReceipt) -> ReportOutcomesResponse {
    let mut tally = ReportTally::default();
    tally.count(receipt.taken, receipt.repeated);
    for (position, why) in receipt.not_understood {
        tally.leave_out(i64::try_from(position).unwrap_or(i64::MAX), why);
    }
    tally.into_answer()
}

fn status(error: &HookError) -> Status {
    let code = match error {
        HookError::NoSuchHook => Code::NotFound,
        HookError::Refused(_) => Code::Unauthenticated,
        HookError::NotJson => Code::InvalidArgument,
        HookError::Crowded => return refusal::overloaded("posts to hooks"),
        HookError::Late(_) => Code::DeadlineExceeded,
        HookError::TooLong(_) => Code::OutOfRange,
        // Whoever breaks off is no error of ours.
        HookError::BrokenOff => Code::Cancelled,
        HookError::Unreachable(_) | HookError::Unkept(_) => Code::Unavailable,
    };
    Status::new(code, error.to_string())
}
