//! Counts, logs and traces each call from its arrival to the end of its answer. The span continues
//! the caller's trace (W3C trace context).
//!
//! The layer stands around the auth layer, so that refused calls count too.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_util::future::{BoxFuture, FutureExt as _};
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use super::callers::{CallerCounts, CallerName};
use super::connection::ClientPeer;
use super::trace_context;
use crate::clock::Clock;
use crate::http::HOOK_RPC;
use crate::instruments::{CounterVec, Histogram, HistogramSnapshot};
use crate::proto::FILE_DESCRIPTOR_SET;

/// The methods of the health service, which our own descriptors do not hold.
const HEALTH: [&str; 2] = ["grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"];

/// The name under which unknown methods are counted: theirs are the caller's, and unbounded.
const OTHER: &str = "other";

/// The codes of gRPC, in the order of their numbers.
const CODES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// Counts calls by method and code.
#[derive(Debug)]
pub struct Calls {
    methods: Vec<Method>,
    callers: CallerCounts,
    in_flight: AtomicU64,
}

#[derive(Debug)]
struct Method {
    name: String,
    codes: CounterVec,
    elapsed: Histogram,
}

/// Calls of one method since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodStats {
    /// Its name, as `package.Service/Method`.
    pub name: String,
    /// Calls by the code they were answered with, in lower snake case; `cancelled` if the caller
    /// went away first.
    pub codes: Vec<(&'static str, u64)>,
    /// Their durations; a stream's, until its end.
    pub elapsed: HistogramSnapshot,
}

impl Default for Calls {
    fn default() -> Self {
        let ours = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
        let ours = ours.file.iter().flat_map(|file| {
            file.service.iter().flat_map(move |service| {
                let of = format!("{}.{}", file.package(), service.name());
                service.method.iter().map(move |method| format!("{of}/{}", method.name()))
            })
        });
        let hooks = HOOK_RPC.trim_start_matches('/');
        let others = HEALTH.into_iter().chain([hooks, OTHER]).map(str::to_owned);
        let method =
            |name| Method { name, codes: CounterVec::new(CODES), elapsed: Histogram::default() };
        Self {
            methods: ours.chain(others).map(method).collect(),
            callers: CallerCounts::default(),
            in_flight: AtomicU64::new(0),
        }
    }
}

impl Calls {
    /// The counts, method by method.
    #[must_use]
    pub fn stats(&self) -> Vec<MethodStats> {
        let read = |method: &Method| MethodStats {
            name: method.name.clone(),
            codes: method.codes.snapshot(),
            elapsed: method.elapsed.snapshot(),
        };
        self.methods.iter().map(read).collect()
    }

    /// Calls of each caller that was let in, as (caller, method, calls).
    #[must_use]
    pub fn by_caller(&self) -> Vec<(Arc<str>, String, u64)> {
        let named = |(caller, method, calls): (Arc<str>, usize, u64)| {
            (caller, self.methods[method].name.clone(), calls)
        };
        self.callers.snapshot().into_iter().map(named).collect()
    }

    /// Number of calls being answered.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The number of the method that this path names.
    fn method(&self, path: &str) -> usize {
        let name = path.strip_prefix('/').unwrap_or(path);
        let other = self.methods.len() - 1;
        self.methods.iter().position(|method| method.name == name).unwrap_or(other)
    }
}

/// The layer that counts and traces calls, around everything else.
#[derive(Clone)]
pub(super) struct CallTraceLayer {
    calls: Arc<Calls>,
    clock: Clock,
}

impl CallTraceLayer {
    pub(super) fn new(calls: Arc<Calls>, clock: Clock) -> Self {
        Self { calls, clock }
    }

    /// Opens the span of a call that arrived.
    fn begin(&self, request: &mut Request<Body>) -> Call {
        let method = self.calls.method(request.uri().path());
        let name = &self.calls.methods[method].name;
        let span = tracing::info_span!(
            "call",
            otel.name = name,
            otel.kind = "server",
            caller = tracing::field::Empty,
            peer = tracing::field::Empty,
            code = tracing::field::Empty,
            reason = tracing::field::Empty,
        );
        trace_context::continue_trace(&span, request.headers());
        if let Some(peer) = request.extensions().get::<ClientPeer>() {
            span.record("peer", tracing::field::display(peer.address));
        }
        let caller = CallerName::default();
        request.extensions_mut().insert(caller.clone());
        self.calls.in_flight.fetch_add(1, Ordering::Relaxed);
        let (calls, clock, began) = (Arc::clone(&self.calls), self.clock, self.clock.now());
        Call { calls, clock, began, method, caller, span, code: None }
    }
}

/// A call being answered, until it is dropped.
struct Call {
    calls: Arc<Calls>,
    clock: Clock,
    began: SystemTime,
    method: usize,
    caller: CallerName,
    span: Span,
    /// The code of its answer, once known.
    code: Option<Code>,
}

impl Call {
    /// Notes the code in these headers or trailers. The rest of the status is for the caller alone.
    fn note(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(Status::GRPC_STATUS) {
            self.code = Some(Code::from_bytes(code.as_bytes()));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        let name = usize::try_from(i32::from(code)).ok().and_then(|code| CODES.get(code));
        let name = name.copied().unwrap_or("unknown");
        let elapsed = self.clock.now().duration_since(self.began).unwrap_or_default();
        let method = &self.calls.methods[self.method];
        method.codes.inc(name);
        method.elapsed.observe(elapsed);
        self.calls.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.span.record("code", name);
        if let Some(caller) = self.caller.get() {
            self.span.record("caller", &**caller);
            self.calls.callers.inc(caller, self.method);
        }
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.span.in_scope(|| match code {
            // An orchestrator asks every few seconds.
            _ if HEALTH.contains(&method.name.as_str()) => {
                tracing::debug!(elapsed_ms, "answered");
            }
            Code::Internal | Code::Unknown | Code::DataLoss => {
                tracing::error!(elapsed_ms, "failed");
            }
            _ => tracing::info!(elapsed_ms, "answered"),
        });
    }
}

impl<S> Layer<S> for CallTraceLayer {
    type Service = CallTraceService<S>;

    fn layer(&self, inner: S) -> CallTraceService<S> {
        CallTraceService { layer: self.clone(), inner }
    }
}

/// The inner services with each call counted and traced.
#[derive(Clone)]
pub(super) struct CallTraceService<S> {
    layer: CallTraceLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for CallTraceService<S>
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
        let mut call = self.layer.begin(&mut request);
        let span = call.span.clone();
        let answer = span.in_scope(|| self.inner.call(request)).instrument(span.clone());
        async move {
            let answer = answer.await?;
            // A call that is turned away says so in its headers.
            call.note(answer.headers());
            Ok(answer.map(|body| Body::new(TracedBody { body, call })))
        }
        .boxed()
    }
}

/// An answer on its way: a stream works while it is read.
struct TracedBody {
    body: Body,
    call: Call,
}

impl http_body::Body for TracedBody {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        let frame = this.call.span.in_scope(|| Pin::new(&mut this.body).poll_frame(cx));
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            this.call.note(trailers);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_ours_and_names_that_are_not_are_one() {
        let calls = Calls::default();
        let name = |path| calls.methods[calls.method(path)].name.clone();
        let ours = "mailvet.v1.VerificationService/VerifyAddress";
        assert_eq!(name("/mailvet.v1.VerificationService/VerifyAddress"), ours);
        assert_eq!(name("/grpc.health.v1.Health/Check"), HEALTH[0]);
        assert_eq!(name(HOOK_RPC), HOOK_RPC[1..]);
        assert_eq!(name("/mailvet.v1.VerificationService/jane@example.com"), OTHER);
        assert_eq!(name("/"), OTHER);
    }

    #[test]
    fn every_code_of_grpc_has_a_name() {
        for (number, name) in (0_i32..).zip(CODES) {
            let told = format!("{:?}", Code::from(number));
            assert_eq!(told.to_lowercase(), name.replace('_', ""));
        }
        assert_eq!(Code::from(17), Code::Unknown);
    }
}
