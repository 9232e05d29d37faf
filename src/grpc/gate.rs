//! The gate that every call comes through, whichever service it is for: who is it, may it call, and is
//! there room? Only health is let through unasked, on a budget of its own.
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

/// The gate, as a layer around all services.
#[derive(Clone)]
pub(super) struct Gate {
    access: Arc<Access>,
    calls: Arc<Semaphore>,
    health_calls: Arc<Semaphore>,
    clock: Clock,
}

impl Gate {
    pub(super) fn new(access: Arc<Access>, limits: &Limits, clock: Clock) -> Self {
        let budget = |calls: usize| Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS)));
        let (calls, health_calls) = (budget(limits.calls), budget(limits.health_calls));
        Self { access, calls, health_calls, clock }
    }

    /// Lets a call in, or says why not.
    fn enter(&self, request: &mut Request<Body>) -> Result<Held, Status> {
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
        Ok(Held { _room: room, _call: peer.calls.begin() })
    }
}

/// What a call holds until its answer has been sent, or nobody wants it any more.
struct Held {
    _room: OwnedSemaphorePermit,
    _call: Call,
}

/// What the `authorization` metadata says (RFC 6750 section 2.1).
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

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: self.clone(), inner }
    }
}

/// Services behind the gate.
#[derive(Clone)]
pub(super) struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
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
        match self.gate.enter(&mut request) {
            Ok(held) => {
                let answer = self.inner.call(request);
                async move { Ok(answer.await?.map(|body| until_its_end(body, held))) }.boxed()
            }
            Err(status) => future::ok(status.into_http()).boxed(),
        }
    }
}

/// A stream is a call until its end.
fn until_its_end(body: Body, held: Held) -> Body {
    Body::new(body.map_frame(move |frame| {
        let _held = &held;
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
