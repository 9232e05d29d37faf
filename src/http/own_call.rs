//! Calls of our own services from within this process, past the same gate as any other call.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::util::BoxCloneService;
use tower::{Service, ServiceExt as _};

use super::frames::{self, FrameReader};
use super::local::{self, LocalCode};
use super::{response, timeout};

/// Headers of a request that the services read.
const PASSED: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];

/// What the services see of a request's caller: its credentials, its trace and its connection.
#[derive(Clone, Debug)]
pub(crate) struct CallOrigin {
    headers: HeaderMap,
    extensions: Extensions,
}

impl CallOrigin {
    pub(crate) fn from_parts(parts: &Parts) -> Self {
        let mut headers = HeaderMap::new();
        for name in &PASSED {
            for value in parts.headers.get_all(name) {
                // As often as it was given: two keys are refused.
                headers.append(name, value.clone());
            }
        }
        Self { headers, extensions: parts.extensions.clone() }
    }

    /// The same caller, with this key.
    pub(crate) fn with_authorization(mut self, value: HeaderValue) -> Self {
        self.headers.insert(AUTHORIZATION, value);
        self
    }

    /// The request of gRPC to `path`.
    pub(super) fn into_request(self, path: &str, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = path.parse().unwrap_or_else(|_| Uri::default());
        *request.headers_mut() = self.headers;
        let grpc = HeaderValue::from_static("application/grpc");
        request.headers_mut().insert(CONTENT_TYPE, grpc);
        *request.extensions_mut() = self.extensions;
        request
    }
}

/// The services behind the gate.
#[derive(Clone)]
pub(crate) struct OwnServices(Arc<Mutex<GatedService>>);

/// A call that the gate has let in, under way until this is dropped: it has its place among all
/// calls, and its connection is not idle.
pub(crate) struct AdmittedCall {
    _answer: Body,
}

type GatedService = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

impl OwnServices {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        Self(Arc::new(Mutex::new(BoxCloneService::new(service))))
    }

    /// Asks the gate whether it lets the caller in. What is kept of it is a call under way.
    pub(crate) async fn admit(&self, origin: CallOrigin) -> Result<AdmittedCall, Status> {
        let mut request = origin.into_request(local::PATH, Body::empty());
        request.extensions_mut().insert(LocalCode(Code::Ok));
        let answer = self.send(request).await?;
        Ok(AdmittedCall { _answer: answer.into_body() })
    }

    /// Calls the method at `path` with one message, which is answered with one.
    pub(crate) async fn call<A: Message + Default>(
        &self,
        origin: CallOrigin,
        path: &str,
        message: &impl Message,
        time_limit: Option<Duration>,
    ) -> Result<A, Status> {
        let mut request = origin.into_request(path, one(message));
        if let Some(value) = time_limit.and_then(|time| timeout::to_grpc(time).parse().ok()) {
            request.headers_mut().insert(HeaderName::from_static("grpc-timeout"), value);
        }
        let octets = response::message(self.send(request).await?.into_body()).await?;
        A::decode(octets).map_err(|error| Status::internal(error.to_string()))
    }

    /// Calls the method at `path` with a stream of messages, which is answered with one.
    pub(crate) async fn call_with<A: Message + Default>(
        &self,
        origin: CallOrigin,
        path: &str,
        messages: Body,
    ) -> Result<A, Status> {
        let answer = self.send(origin.into_request(path, messages)).await?;
        let octets = response::message(answer.into_body()).await?;
        A::decode(octets).map_err(|error| Status::internal(error.to_string()))
    }

    /// Calls the method at `path` with one message; the answer is a stream.
    pub(crate) async fn open(
        &self,
        origin: CallOrigin,
        path: &str,
        message: &impl Message,
    ) -> Result<Response<Body>, Status> {
        self.send(origin.into_request(path, one(message))).await
    }

    fn send(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, Status>> {
        let service = self.0.lock().clone();
        Box::pin(async move {
            let answer = service.oneshot(request).await.unwrap_or_else(|never| match never {});
            match Status::from_header_map(answer.headers()) {
                Some(status) if status.code() != Code::Ok => Err(status),
                _ => Ok(answer),
            }
        })
    }
}

fn one(message: &impl Message) -> Body {
    let frame = frames::frame(&message.encode_to_vec()).unwrap_or_default();
    Body::new(Full::new(frame))
}

/// The messages of an answer that is a stream.
pub(crate) struct DecodedStream<A> {
    body: Body,
    frames: FrameReader,
    of: PhantomData<fn() -> A>,
}

impl<A: Message + Default> DecodedStream<A> {
    pub(crate) fn new(answer: Response<Body>) -> Self {
        Self { body: answer.into_body(), frames: FrameReader::default(), of: PhantomData }
    }

    /// The next message; `None` at the good end, which says so: a part is not taken for the whole.
    pub(crate) async fn next(&mut self) -> Result<Option<A>, Status> {
        loop {
            if let Some(octets) = self.frames.next() {
                let message = A::decode(octets);
                return message.map(Some).map_err(|error| Status::internal(error.to_string()));
            }
            let Some(frame) = self.body.frame().await else { return Err(broken_off()) };
            match frame?.into_data() {
                Ok(data) => self.frames.push(&data),
                Err(frame) => {
                    let status = frame.trailers_ref().and_then(Status::from_header_map);
                    let status = status.unwrap_or_else(broken_off);
                    return if status.code() == Code::Ok { Ok(None) } else { Err(status) };
                }
            }
        }
    }
}

fn broken_off() -> Status {
    Status::unknown("the answer ended without a status")
}
