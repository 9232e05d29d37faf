//! Requests of HTTP as requests of gRPC, and what is to be made of their answers.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message as _;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::accept::accepted;
use super::answer_plan::{AnswerPlan, LocalAnswer, document, refuse_method, refuse_route};
use super::bad_request::BadRequest;
use super::body::{BodyLimits, BodyReader};
use super::browser_guard::BrowserGuard;
use super::config::Config;
use super::download::{ListDownload, RowSelection};
use super::form::AnswerForm;
use super::hook_call::{HOOK_PATH, HOOK_RPC, HookCall};
use super::local::{self, LocalCode};
use super::octet_budget::BodyOwner;
use super::own_call::CallOrigin;
use super::request;
use super::response::{JSON, TimeLimit};
use super::routes::{DOWNLOAD_PATH, RouteMatch, RouteTable, UPLOAD_PATH};
use super::template::PathTemplate;
use super::upload::{self, ListUploads};
use super::{download, frames, openapi, timeout};
use crate::batch::uploads::UploadStore;
use crate::proto::{ResultOrder, StreamBatchResultsRequest, json};

/// Refuses parameters of a download.
const WHOLE_LIST: &str = "this call takes no parameters, and gives the whole list; rows of some \
     verdicts alone are at /v1/batches/{batch_id}/results";

/// Translates requests into those of gRPC.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) is_on: bool,
    routes: RouteTable,
    limits: BodyLimits,
    bodies: BodyReader,
    guard: BrowserGuard,
    uploads: Option<ListUploads>,
    store: Option<UploadStore>,
    download: PathTemplate,
    hook: PathTemplate,
}

impl Translation {
    pub(super) fn new(
        config: &Config,
        limits: BodyLimits,
        guard: BrowserGuard,
        uploads: Option<UploadStore>,
    ) -> Self {
        Self {
            is_on: config.enabled,
            routes: RouteTable::new(json::descriptors()),
            limits,
            bodies: BodyReader::new(),
            guard,
            uploads: uploads.clone().map(ListUploads::new),
            store: uploads,
            download: PathTemplate::parse(DOWNLOAD_PATH),
            hook: PathTemplate::parse(HOOK_PATH),
        }
    }

    /// Lets a request through that no web page can have sent, or none that may not; else the
    /// request to ask the gate with, and the refusal.
    pub(super) fn guard(
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

    /// `true` for a call to a hook. None but a post is taken, whatever name it is sent to.
    pub(super) fn is_hook(&self, request: &Request<Body>) -> bool {
        self.hook_name(request.uri().path()).is_some()
    }

    /// The name of the hook at this path. Whoever writes a slash behind it means the same hook.
    fn hook_name(&self, path: &str) -> Option<String> {
        self.hook.values(path.strip_suffix('/').unwrap_or(path))?.pop()
    }

    /// The request to send to the services, and what to make of their answer.
    pub(super) fn plan(&self, request: Request<Body>) -> (Request<Body>, AnswerPlan) {
        let (method, path) = (request.method(), request.uri().path());
        if path == UPLOAD_PATH {
            return self.plan_upload(request);
        }
        if let Some(batch_id) = self.download.values(path).and_then(|mut values| values.pop()) {
            return self.plan_download(request, batch_id);
        }
        if let Some(name) = self.hook_name(path) {
            return plan_hook(request, name);
        }
        let plan = match self.routes.find(method, path) {
            Err(_) if path == openapi::PATH => Err(document(method)),
            Ok(matched) => self.plan_rpc(&request, matched),
            Err(no_route) => Err(refuse_route(no_route)),
        };
        match plan {
            Ok((matched, timeout)) => {
                let form = AnswerForm::choose(&matched.route, &accepted(request.headers()));
                let reading = (self.bodies.clone(), self.limits.largest(&matched.route.rpc_path));
                // The time for what is answered once is its service's to keep.
                let is_stream = matched.route.rpc.is_server_streaming();
                let limit = timeout.filter(|_| is_stream).map(TimeLimit::new);
                let request = translate(request, &matched, timeout.map(grpc_timeout), reading);
                (request, AnswerPlan::Rpc { matched, form, limit })
            }
            Err(answer) => (ask_the_gate(request, answer.code), AnswerPlan::Local(answer)),
        }
    }

    /// The plan for a list file.
    fn plan_upload(&self, request: Request<Body>) -> (Request<Body>, AnswerPlan) {
        let refuse = |parts, answer: LocalAnswer| {
            let request = Request::from_parts(parts, Body::empty());
            (ask_the_gate(request, answer.code), AnswerPlan::Local(answer))
        };
        let (parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return refuse(parts, refuse_method(&[Method::POST]));
        }
        let Some(uploads) = &self.uploads else {
            let (code, status) = (Code::Unimplemented, StatusCode::NOT_IMPLEMENTED);
            return refuse(parts, LocalAnswer::refuse(code, status, upload::NO_FOLDER));
        };
        match uploads.begin(&parts, body) {
            Ok((body, upload)) => {
                (grpc_request(upload::RPC_PATH, &parts, body), AnswerPlan::Upload(upload))
            }
            Err(bad) => {
                let answer = LocalAnswer::from_status(&bad.into(), StatusCode::BAD_REQUEST);
                refuse(parts, answer)
            }
        }
    }

    /// The plan for an uploaded list with its results.
    fn plan_download(
        &self,
        request: Request<Body>,
        batch_id: String,
    ) -> (Request<Body>, AnswerPlan) {
        if request.method() != Method::GET {
            let answer = refuse_method(&[Method::GET]);
            return (ask_the_gate(request, answer.code), AnswerPlan::Local(answer));
        }
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            let (code, status) = (Code::InvalidArgument, StatusCode::BAD_REQUEST);
            let answer = LocalAnswer::refuse(code, status, WHOLE_LIST);
            return (ask_the_gate(request, answer.code), AnswerPlan::Local(answer));
        }
        let (parts, _) = request.into_parts();
        let message = StreamBatchResultsRequest {
            batch_id: batch_id.clone(),
            order: ResultOrder::Row.into(),
            ..StreamBatchResultsRequest::default()
        };
        let frame = frames::frame(&message.encode_to_vec()).unwrap_or_default();
        let body = Body::new(http_body_util::Full::new(frame));
        let is_csv = download::accepts_csv(&parts.headers);
        let (store, selection) = (self.store.clone(), RowSelection::All);
        let plan = AnswerPlan::Download(ListDownload { store, batch_id, selection, is_csv });
        (grpc_request(download::RPC_PATH, &parts, body), plan)
    }

    /// Checks what the headers tell about a request with a route.
    fn plan_rpc(
        &self,
        request: &Request<Body>,
        matched: RouteMatch,
    ) -> Result<(RouteMatch, Option<Duration>), LocalAnswer> {
        use http_body::Body as _;
        let headers = request.headers();
        let has_body = !request.body().is_end_stream();
        let content_type = text(headers, &CONTENT_TYPE);
        let is_taken = is_json(content_type) || is_of_lines(content_type, &matched);
        if has_body && matched.route.has_body && !is_taken {
            let message = "the body must be JSON: send the header `content-type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(LocalAnswer::refuse(Code::InvalidArgument, status, message));
        }
        if has_body && is_packed(headers) {
            let message = "the body must not be packed: send it without `content-encoding`, or \
                           call by gRPC, which takes gzip";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(LocalAnswer::refuse(Code::InvalidArgument, status, message));
        }
        match timeout::read(text(headers, &timeout::HEADER)) {
            Ok(timeout) => Ok((matched, timeout)),
            Err(message) => {
                let status = StatusCode::BAD_REQUEST;
                Err(LocalAnswer::refuse(Code::InvalidArgument, status, &message))
            }
        }
    }
}

/// The plan for a post to the hook of this name.
fn plan_hook(request: Request<Body>, name: String) -> (Request<Body>, AnswerPlan) {
    if request.method() != Method::POST {
        let answer = refuse_method(&[Method::POST]);
        return (ask_the_gate(request, answer.code), AnswerPlan::Local(answer));
    }
    let (parts, body) = request.into_parts();
    let mut request = grpc_request(HOOK_RPC, &parts, body);
    request.extensions_mut().insert(HookCall { name, headers: parts.headers });
    (request, AnswerPlan::Hook)
}

/// The header's text; empty if there is none.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Returns whether the headers say that the body is coded (RFC 9110 section 8.4), such as by gzip.
fn is_packed(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
    let codings = lines.flat_map(|line| line.split(|octet| *octet == b','));
    // A list of none, or with empty elements, is one too (RFC 9110 section 5.6.1.2).
    codings
        .map(<[u8]>::trim_ascii)
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

fn is_json(content_type: &str) -> bool {
    is_of_type(content_type, JSON)
}

/// `true` for a body of messages, one a line, to a call whose caller streams.
fn is_of_lines(content_type: &str, matched: &RouteMatch) -> bool {
    let is_lines = is_of_type(content_type, AnswerForm::Lines.media_type());
    is_lines && matched.route.rpc.is_client_streaming()
}

fn is_of_type(content_type: &str, media_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(media_type)
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
    let has_lines = is_of_lines(text(&parts.headers, &CONTENT_TYPE), matched);
    let owner = BodyOwner::default();
    let owned = owner.clone();
    let message = async move {
        let body = reader.read(body, largest, &owned).await?;
        let messages = match has_lines {
            true => request::encode_lines(&asked, &query, &body.octets),
            false => request::encode(&asked, &query, &body.octets).map(|message| vec![message]),
        };
        let frames = messages?.into_iter().map(|it| frames::frame(&it));
        let frames = frames.collect::<Option<Vec<_>>>();
        let frames = frames.ok_or_else(|| Status::out_of_range("the message is too long"))?;
        Ok::<_, Status>(Frame::data(Bytes::from(frames.concat())))
    };
    let body = Body::new(StreamBody::new(stream::once(message.boxed())));
    let mut request = grpc_request(&matched.route.rpc_path, &parts, body);
    request.extensions_mut().insert(owner);
    if let Some(timeout) = timeout {
        request.headers_mut().insert(HeaderName::from_static("grpc-timeout"), timeout);
    }
    request
}

/// A request that the gate answers, or else with this code.
fn ask_the_gate(request: Request<Body>, code: Code) -> Request<Body> {
    let (parts, _) = request.into_parts();
    let mut request = grpc_request(local::PATH, &parts, Body::empty());
    request.extensions_mut().insert(LocalCode(code));
    request
}

/// A request of gRPC to `path`, by the caller of the request with these `parts`.
fn grpc_request(path: &str, parts: &http::request::Parts, body: Body) -> Request<Body> {
    CallOrigin::from_parts(parts).into_request(path, body)
}

impl From<BadRequest> for Status {
    /// As INVALID_ARGUMENT with a `google.rpc.BadRequest`.
    fn from(bad: BadRequest) -> Self {
        let sentence = bad.sentence();
        let details = ErrorDetails::with_bad_request_violation(bad.field, bad.message);
        Self::with_error_details(Code::InvalidArgument, sentence, details)
    }
}
