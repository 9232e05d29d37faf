//! The layer in front of the services: gRPC passes, gRPC-Web and JSON are translated into it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream;
use http::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt as _};

use super::bad_request::BadRequest;
use super::body::BodyReader;
use super::browser_guard::BrowserGuard;
use super::config::Config;
use super::form::AnswerForm;
use super::local::{self, LocalCode};
use super::request;
use super::response::{self, JSON};
use super::routes::{NoRoute, RouteMatch, RouteTable};
use super::{frames, openapi, timeout};
use crate::proto::json;

/// Headers of a request that the services read.
const PASSED: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];

/// Largest bodies, in octets: as large as the messages of gRPC that they become.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Of a call with a page of rows.
    pub page: usize,
    /// Of any other call.
    pub request: usize,
    /// `true` if the method at this path of gRPC takes pages of rows.
    pub is_paged: fn(&str) -> bool,
}

impl BodyLimits {
    fn largest(&self, rpc_path: &str) -> usize {
        if (self.is_paged)(rpc_path) { self.page } else { self.request }
    }
}

/// The layer that takes JSON over HTTP and gRPC-Web beside gRPC.
#[derive(Clone, Debug)]
pub struct HttpLayer(Arc<Translation>);

#[derive(Debug)]
struct Translation {
    is_on: bool,
    routes: RouteTable,
    limits: BodyLimits,
    bodies: BodyReader,
    guard: BrowserGuard,
}

impl HttpLayer {
    /// A layer for these bodies, and for the requests that `guard` lets through.
    #[must_use]
    pub fn new(config: &Config, limits: BodyLimits, guard: BrowserGuard) -> Self {
        let routes = RouteTable::new(json::descriptors());
        Self(Arc::new(Translation {
            is_on: config.enabled,
            routes,
            limits,
            bodies: BodyReader::new(),
            guard,
        }))
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> HttpService<S> {
        HttpService { translation: Arc::clone(&self.0), inner }
    }
}

/// The inner services, reached by gRPC, gRPC-Web and JSON.
#[derive(Clone, Debug)]
pub struct HttpService<S> {
    translation: Arc<Translation>,
    inner: S,
}

impl<S> Service<Request<Body>> for HttpService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let protocol = Protocol::of(&request);
        // No web page sends gRPC over HTTP/2: browsers speak it over TLS alone, which checks names.
        let is_grpc = protocol == Protocol::Grpc && request.version() == Version::HTTP_2;
        if !self.translation.is_on || is_grpc {
            return self.inner.call(request).boxed();
        }
        let (request, plan) = match (self.translation.guard(request), protocol) {
            (Ok(request), Protocol::Grpc) => return self.inner.call(request).boxed(),
            (Ok(request), Protocol::GrpcWeb) => {
                return GrpcWebLayer::new().layer(self.inner.clone()).oneshot(request).boxed();
            }
            (Ok(request), Protocol::Json) => self.translation.plan(request),
            (Err(refused), _) => *refused,
        };
        let answer = self.inner.call(request);
        async move { Ok(plan.finish(answer.await?).await) }.boxed()
    }
}

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Grpc,
    GrpcWeb,
    Json,
}

impl Protocol {
    fn of(request: &Request<Body>) -> Self {
        let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        match content_type.unwrap_or_default() {
            web if web.starts_with(b"application/grpc-web") && request.method() == Method::POST => {
                Self::GrpcWeb
            }
            grpc if grpc.starts_with(b"application/grpc") => Self::Grpc,
            // Somebody who means gRPC: its own layer says what is wrong.
            _ if is_rpc_path(request.uri().path()) => Self::Grpc,
            _ => Self::Json,
        }
    }
}

/// Returns whether this is a path of gRPC: `/package.Service/Method`.
fn is_rpc_path(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    service.is_some_and(|(service, _)| service.contains('.'))
}

/// The way the services' answer becomes the caller's.
enum AnswerPlan {
    /// Translate the answer of an RPC.
    Rpc { matched: RouteMatch, form: AnswerForm },
    /// Answer by itself, if the gate lets the caller in.
    Local(LocalAnswer),
}

/// An answer that needs no service, and the code that it counts as.
struct LocalAnswer {
    code: Code,
    response: Box<Response<Body>>,
}

impl AnswerPlan {
    async fn finish(self, answer: Response<Body>) -> Response<Body> {
        let status = Status::from_header_map(answer.headers());
        match self {
            Self::Local(LocalAnswer { code, response }) => match status {
                Some(status) if status.code() != code => response::error(&status),
                _ => *response,
            },
            Self::Rpc { matched, form } => {
                match status.filter(|status| status.code() != Code::Ok) {
                    Some(status) => response::error(&status),
                    None if matched.route.rpc.is_server_streaming() => {
                        response::stream(answer, matched.route.output(), form)
                    }
                    None => response::unary(answer, matched.route.output()).await,
                }
            }
        }
    }
}

impl LocalAnswer {
    /// An error of HTTP's own, that counts as `code`.
    fn refuse(code: Code, status: StatusCode, message: &str) -> Self {
        let mut response = response::error(&Status::new(code, message));
        *response.status_mut() = status;
        Self { code, response: Box::new(response) }
    }
}

impl Translation {
    /// Lets a request through that no web page can have sent, or none that may not; else the
    /// request to ask the gate with, and the refusal.
    fn guard(
        &self,
        request: Request<Body>,
    ) -> Result<Request<Body>, Box<(Request<Body>, AnswerPlan)>> {
        let (parts, body) = request.into_parts();
        let refused = self.guard.check(&parts);
        let request = Request::from_parts(parts, body);
        let Err(message) = refused else { return Ok(request) };
        let status = StatusCode::FORBIDDEN;
        let answer = LocalAnswer::refuse(Code::PermissionDenied, status, &message);
        let asked = ask_the_gate(request, answer.code);
        Err(Box::new((asked, AnswerPlan::Local(answer))))
    }

    /// The request to send to the services, and what to make of their answer.
    fn plan(&self, request: Request<Body>) -> (Request<Body>, AnswerPlan) {
        let (method, path) = (request.method(), request.uri().path());
        let plan = match self.routes.find(method, path) {
            Err(_) if path == openapi::PATH => Err(document(method)),
            Ok(matched) => self.plan_rpc(&request, matched),
            Err(no_route) => Err(refuse_route(no_route)),
        };
        match plan {
            Ok((matched, timeout)) => {
                let accept = text(request.headers(), &ACCEPT);
                let form = AnswerForm::choose(&matched.route, accept);
                let reading = (self.bodies.clone(), self.limits.largest(&matched.route.rpc_path));
                (translate(request, &matched, timeout, reading), AnswerPlan::Rpc { matched, form })
            }
            Err(answer) => (ask_the_gate(request, answer.code), AnswerPlan::Local(answer)),
        }
    }

    /// Checks what the headers tell about a request with a route.
    fn plan_rpc(
        &self,
        request: &Request<Body>,
        matched: RouteMatch,
    ) -> Result<(RouteMatch, Option<HeaderValue>), LocalAnswer> {
        use http_body::Body as _;
        let headers = request.headers();
        let has_body = !request.body().is_end_stream();
        if has_body && matched.route.has_body && !is_json(text(headers, &CONTENT_TYPE)) {
            let message = "the body must be JSON: send the header `content-type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(LocalAnswer::refuse(Code::InvalidArgument, status, message));
        }
        match timeout::read(text(headers, &timeout::HEADER)) {
            Ok(timeout) => Ok((matched, timeout.map(grpc_timeout))),
            Err(message) => {
                let status = StatusCode::BAD_REQUEST;
                Err(LocalAnswer::refuse(Code::InvalidArgument, status, &message))
            }
        }
    }
}

/// Answers with the OpenAPI document.
fn document(method: &Method) -> LocalAnswer {
    if method != Method::GET {
        return refuse_method(&[Method::GET]);
    }
    let response = response::whole(StatusCode::OK, JSON, openapi::text());
    LocalAnswer { code: Code::Ok, response: Box::new(response) }
}

fn refuse_route(no_route: NoRoute) -> LocalAnswer {
    match no_route {
        NoRoute::UnknownPath => {
            let message = "there is nothing at this path; /openapi.json lists the paths there are";
            LocalAnswer::refuse(Code::NotFound, StatusCode::NOT_FOUND, message)
        }
        NoRoute::WrongMethod(methods) => refuse_method(&methods),
    }
}

fn refuse_method(taken: &[Method]) -> LocalAnswer {
    let taken: Vec<&str> = taken.iter().map(Method::as_str).collect();
    let taken = taken.join(", ");
    let message = format!("this path takes {taken}");
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut answer = LocalAnswer::refuse(Code::Unimplemented, status, &message);
    if let Ok(allow) = taken.parse() {
        answer.response.headers_mut().insert(ALLOW, allow);
    }
    answer
}

/// The header's text; empty if there is none.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(JSON)
}

fn grpc_timeout(timeout: Duration) -> HeaderValue {
    let text = timeout::to_grpc(timeout);
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("0m"))
}

/// The request as gRPC's. Its body is read when the service behind the gate asks for it, not
/// before.
fn translate(
    request: Request<Body>,
    matched: &RouteMatch,
    timeout: Option<HeaderValue>,
    (reader, largest): (BodyReader, usize),
) -> Request<Body> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let asked = matched.clone();
    let message = async move {
        let octets = reader.read(body, largest).await?;
        let message = request::encode(&asked, &query, &octets).map_err(bad_request)?;
        let frame = frames::frame(&message);
        frame.map(Frame::data).ok_or_else(|| Status::out_of_range("the message is too long"))
    };
    let body = Body::new(StreamBody::new(stream::once(message.boxed())));
    let mut request = grpc_request(&matched.route.rpc_path, parts, body);
    if let Some(timeout) = timeout {
        request.headers_mut().insert(HeaderName::from_static("grpc-timeout"), timeout);
    }
    request
}

/// A request that the gate answers, or else with this code.
fn ask_the_gate(request: Request<Body>, code: Code) -> Request<Body> {
    let (parts, _) = request.into_parts();
    let mut request = grpc_request(local::PATH, parts, Body::empty());
    request.extensions_mut().insert(LocalCode(code));
    request
}

/// A request of gRPC to `path`, by the caller of the request with these `parts`.
fn grpc_request(path: &str, parts: http::request::Parts, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = path.parse().unwrap_or_else(|_| Uri::default());
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    for name in &PASSED {
        for value in parts.headers.get_all(name) {
            // As often as it was given: two keys are refused.
            headers.append(name, value.clone());
        }
    }
    *request.extensions_mut() = parts.extensions;
    request
}

fn bad_request(bad: BadRequest) -> Status {
    let sentence = bad.sentence();
    let details = ErrorDetails::with_bad_request_violation(bad.field, bad.message);
    Status::with_error_details(Code::InvalidArgument, sentence, details)
}
