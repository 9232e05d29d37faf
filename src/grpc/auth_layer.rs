//! Authenticates and admits each call, whichever service it is for: credentials, quota, capacity.
//! Health needs no credentials, and posts of mail services to their hooks none of ours; both have
//! budgets of their own.
//!
//! The services find the [`Caller`] among the request's extensions.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{self, BoxFuture, FutureExt as _};
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::arrivals::network;
use super::call_room::{CallPlace, CallRoom, NoPlace};
use super::callers::CallerName;
use super::config::Config;
use super::connection::{ClientPeer, HealthPlace, OpenCall};
use super::credential_files::SHORTEST_POLL;
use super::ending::{EndOfCall, EndingBody};
use super::message_limit::{HEALTH, MessageLimits};
use super::refusal;
use crate::access::{Access, Bearer, Caller, CallerKind, Credentials};
use crate::clock::Clock;
use crate::http::{BodyOwner, HookCall, OctetOwner};

/// The stream of the health service.
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";

/// Longest time of a stream that watches the health.
const LONGEST_WATCH: Duration = Duration::from_secs(10 * 60);

/// The layer that authenticates and admits calls, around all services. Cheap to clone: the
/// transport does it for each call.
#[derive(Clone)]
pub(super) struct AuthLayer(Arc<CallGate>);

/// The rules of admission, and the room there is.
struct CallGate {
    access: Arc<Access>,
    calls: CallRoom,
    watches: Arc<Semaphore>,
    messages: MessageLimits,
    poll: Duration,
    clock: Clock,
}

impl AuthLayer {
    pub(super) fn new(access: Arc<Access>, config: &Config, clock: Clock) -> Self {
        let limits = &config.limits;
        let watches = limits.health_calls.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(CallGate {
            access,
            calls: CallRoom::new(limits.calls),
            watches: Arc::new(Semaphore::new(watches)),
            messages: MessageLimits::new(limits.request_octets, limits.handshake_timeout),
            poll: config.poll_interval.max(SHORTEST_POLL),
            clock,
        }))
    }
}

impl CallGate {
    /// Admits a call, or returns the status that refuses it.
    fn admit(self: &Arc<Self>, request: &mut Request<Body>) -> Result<Admission, Status> {
        let peer = ClientPeer::of(request.extensions())?;
        if request.uri().path().starts_with(HEALTH) {
            return self.admit_health(request.uri().path(), peer);
        }
        if peer.calls.end_if_kept() {
            return Err(refusal::overloaded("connections"));
        }
        if is_hook(request) {
            return Ok(admit_hook(peer));
        }
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
        let place = self.calls.take(&caller.name).map_err(|no_place| match no_place {
            NoPlace::Full => refusal::overloaded("calls"),
            NoPlace::ShareTaken => refusal::overloaded("calls of this caller"),
        })?;
        peer.calls.admit();
        let permit = CallPermit { _place: Some(place), ..CallPermit::of(peer.calls.begin()) };
        let owner = owner(&caller, peer);
        if let Some(body) = request.extensions().get::<BodyOwner>() {
            body.set(owner.clone());
        }
        let is_key = caller.kind == CallerKind::Key;
        let end = is_key.then(|| Arc::clone(self).withdrawn(caller.clone()).boxed());
        request.extensions_mut().insert::<Caller>(caller);
        Ok(Admission { permit, end, owner: Some(owner) })
    }

    /// Admits a call for the health. A check needs no room beside those of its connection; a watch
    /// does.
    fn admit_health(&self, path: &str, peer: &ClientPeer) -> Result<Admission, Status> {
        let owner = Some(OctetOwner::Network(network(peer.address.ip())));
        if path != HEALTH_WATCH {
            let check = peer.calls.check();
            let check = check
                .ok_or_else(|| refusal::overloaded("checks of the health on this connection"))?;
            let call = peer.calls.begin();
            let permit = CallPermit { _health: Some(check), ..CallPermit::of(call) };
            return Ok(Admission { permit, end: None, owner });
        }
        let room = Arc::clone(&self.watches).try_acquire_owned();
        let room = room.map_err(|_| refusal::overloaded("watches of the health"))?;
        let watch = peer.calls.watch();
        let watch =
            watch.ok_or_else(|| refusal::overloaded("watches of the health on this connection"))?;
        let call = peer.calls.begin();
        let permit =
            CallPermit { _watch: Some(room), _health: Some(watch), ..CallPermit::of(call) };
        Ok(Admission { permit, end: Some(watched_long_enough().boxed()), owner })
    }

    /// Resolves when the key of `caller` is withdrawn or expires.
    async fn withdrawn(self: Arc<Self>, caller: Caller) -> Status {
        loop {
            tokio::time::sleep(self.poll).await;
            if let Err(refusal) = self.access.check_key(&caller, self.clock.now()) {
                return refusal::status(&refusal);
            }
        }
    }
}

/// Admits a post to a hook, which verifies it and has places of its own. The connection has no more
/// time than before until it does.
fn admit_hook(peer: &ClientPeer) -> Admission {
    Admission { permit: CallPermit::of(peer.calls.begin()), end: None, owner: None }
}

/// The owner of what the caller sends.
fn owner(caller: &Caller, peer: &ClientPeer) -> OctetOwner {
    match &*caller.name {
        "" => OctetOwner::Network(network(peer.address.ip())),
        _ => OctetOwner::Caller(Arc::clone(&caller.name)),
    }
}

async fn watched_long_enough() -> Status {
    tokio::time::sleep(LONGEST_WATCH).await;
    Status::unavailable("a watch ends after 10 minutes; watch again")
}

/// `true` for a post to a hook, which the HTTP layer alone can make.
fn is_hook(request: &Request<Body>) -> bool {
    request.extensions().get::<HookCall>().is_some()
}

/// An admitted call.
struct Admission {
    permit: CallPermit,
    /// Resolves when the call has to end before its own end.
    end: Option<EndOfCall>,
    /// The owner of its messages. `None` for a post to a hook, whose body is no message of gRPC:
    /// the hook bounds it.
    owner: Option<OctetOwner>,
}

/// The resources of a call, held until its answer was sent or its caller has gone.
struct CallPermit {
    _place: Option<CallPlace>,
    _watch: Option<OwnedSemaphorePermit>,
    _health: Option<HealthPlace>,
    _call: OpenCall,
}

impl CallPermit {
    /// The resources of a call that needs none of the rooms.
    fn of(call: OpenCall) -> Self {
        Self { _place: None, _watch: None, _health: None, _call: call }
    }
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
        Authorized { gate: Arc::clone(&self.0), inner }
    }
}

/// The inner services, reached by admitted calls only.
#[derive(Clone)]
pub(super) struct Authorized<S> {
    gate: Arc<CallGate>,
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
        let Admission { permit, mut end, owner } = match self.gate.admit(&mut request) {
            Ok(admission) => admission,
            Err(status) => return future::ok(status.into_http()).boxed(),
        };
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().cloned();
        let body = match owner {
            Some(owner) => self.gate.messages.bound(parts.uri.path(), owner, body),
            None => body,
        };
        let answer = self.inner.call(Request::from_parts(parts, body));
        async move {
            let answer = match &mut end {
                None => answer.await?,
                Some(ended) => tokio::select! {
                    answer = answer => answer?,
                    status = ended => return Ok(status.into_http()),
                },
            };
            let answer = refusal::reword(answer, target.as_ref().map_or("", PathAndQuery::path));
            Ok(answer.map(|body| EndingBody::wrap(body, permit, end)))
        }
        .boxed()
    }
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
