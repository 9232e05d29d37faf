//! Authenticates and admits each call, whichever service it is for: credentials, quota, capacity.
//! Only health needs no credentials; it has a budget of its own.
//!
//! The services find the [`Caller`] among the request's extensions.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{self, BoxFuture, FutureExt as _};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::callers::CallerName;
use super::config::Limits;
use super::connection::{Call, Peer};
use super::refusal;
use crate::access::{Access, Bearer, Caller, Credentials};
use crate::clock::Clock;

/// The paths of the health service.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// The layer that authenticates and admits calls, around all services.
#[derive(Clone)]
pub(super) struct AuthLayer {
    access: Arc<Access>,
    calls: Arc<Semaphore>,
    health_calls: Arc<Semaphore>,
    clock: Clock,
}

impl AuthLayer {
    pub(super) fn new(access: Arc<Access>, limits: &Limits, clock: Clock) -> Self {
        let budget = |calls: usize| Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS)));
        let (calls, health_calls) = (budget(limits.calls), budget(limits.health_calls));
        Self { access, calls, health_calls, clock }
    }

    /// Admits a call, or returns the status that refuses it.
    fn admit(&self, request: &mut Request<Body>) -> Result<CallPermit, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        // The listener makes no connection without it.
        let peer = peer.ok_or_else(|| Status::internal("the connection is not known"))?;
        let budget = if request.uri().path().starts_with(HEALTH) {
            (&self.health_calls, "calls for the health")
        } else {
            let now = self.clock.now();
            let presented = Credentials {
                bearer: bearer(request.headers()),
                certificate: peer.certificate.as_deref(),
                is_loopback: peer.address.ip().to_canonical().is_loopback(),
            };
            let caller = self.access.admit(presented, now).map_err(|d| refusal::denied(&d))?;
            if let Some(name) = request.extensions().get::<CallerName>() {
                name.set(&caller);
            }
            self.access.count_call(&caller, now).map_err(|r| refusal::status(&r))?;
            request.extensions_mut().insert::<Caller>(caller);
            (&self.calls, "calls")
        };
        let (semaphore, what) = budget;
        let room = Arc::clone(semaphore).try_acquire_owned();
        let room = room.map_err(|_| refusal::overloaded(what))?;
        Ok(CallPermit { _room: room, _call: peer.calls.begin() })
    }
}

/// The resources of a call, permit until its answer was sent or its caller has gone.
struct CallPermit {
    _room: OwnedSemaphorePermit,
    _call: Call,
}

/// The key in the `authorization` metadata (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Bearer::None };
    let parts = value.to_str().ok().and_then(|value| value.split_once(' '));
    match (parts, values.next()) {
        (Some((scheme, key)), None) if scheme.eq_ignore_ascii_case("bearer") => {
            Bearer::Key(key.trim())
        }
        _ => Bearer::Unreadable,
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized { layer: self.clone(), inner }
    }
}

/// The inner services, reached by admitted calls only.
#[derive(Clone)]
pub(super) struct Authorized<S> {
    layer: AuthLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Authorized<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.layer.admit(&mut request) {
            Ok(permit) => {
                let answer = self.inner.call(request);
                async move { Ok(answer.await?.map(|body| until_its_end(body, permit))) }.boxed()
            }
            Err(status) => future::ok(status.into_http()).boxed(),
        }
    }
}

/// A stream is a call until its end.
fn until_its_end(body: Body, permit: CallPermit) -> Body {
    Body::new(body.map_frame(move |frame| {
        let _permit = &permit;
        frame
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, http::HeaderValue::from_static(value));
        }
        match bearer(&headers) {
            Bearer::None => "none".to_owned(),
            Bearer::Unreadable => "unreadable".to_owned(),
            Bearer::Key(key) => key.to_owned(),
        }
    }

    #[test]
    fn one_bearer_key_is_read_and_anything_else_is_not_taken_for_none() {
        assert_eq!(read(&[]), "none");
        assert_eq!(read(&["Bearer k"]), "k");
        assert_eq!(read(&["bearer  k "]), "k");
        for values in [&["k"][..], &["Basic k"], &[""], &["Bearer"], &["Bearer a", "Bearer b"]] {
            assert_eq!(read(values), "unreadable", "{values:?}");
        }
    }
}
