//! The layer in front of the services: gRPC passes, gRPC-Web and JSON are translated into it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either, FutureExt as _};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, Version};
use tonic::Status;
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt as _};

use super::answer_plan::AnswerPlan;
use super::body::BodyLimits;
use super::browser_guard::BrowserGuard;
use super::config::Config;
use super::response;
use super::translation::Translation;
use crate::batch::Batches;

/// The layer that takes JSON over HTTP and gRPC-Web beside gRPC.
#[derive(Clone)]
pub struct HttpLayer(Arc<HttpParts>);

/// What all services of a layer share: the transport clones them for each request.
struct HttpParts {
    translation: Translation,
    batches: Batches,
}

impl HttpLayer {
    /// A layer for these bodies, and for the requests that `guard` lets through; list files are
    /// kept beside `batches`.
    #[must_use]
    pub fn new(config: &Config, limits: BodyLimits, guard: BrowserGuard, batches: Batches) -> Self {
        let translation = Translation::new(config, limits, guard, batches.uploads());
        Self(Arc::new(HttpParts { translation, batches }))
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> HttpService<S> {
        HttpService { parts: Arc::clone(&self.0), inner }
    }
}

/// The inner services, reached by gRPC, gRPC-Web and JSON.
#[derive(Clone)]
pub struct HttpService<S> {
    parts: Arc<HttpParts>,
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
    /// The inner service's own for gRPC, which most calls are; what is translated is boxed.
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let protocol = Protocol::of(&request);
        // No web page sends gRPC over HTTP/2: browsers speak it over TLS alone, which checks names.
        let is_grpc = protocol == Protocol::Grpc && request.version() == Version::HTTP_2;
        if !self.parts.translation.is_on || is_grpc {
            return Either::Left(self.inner.call(request));
        }
        // A mail service calls by any name, and from no browser: its signature lets it in.
        let is_hook = protocol == Protocol::Json && self.parts.translation.is_hook(&request);
        let guarded = if is_hook { Ok(request) } else { self.parts.translation.guard(request) };
        let (request, plan) = match (guarded, protocol) {
            (Ok(request), Protocol::Grpc) => return Either::Left(self.inner.call(request)),
            (Ok(mut request), Protocol::GrpcWeb(media_type)) => {
                // Its layer compares the whole header, and octet by octet.
                let media_type = HeaderValue::from_static(media_type);
                request.headers_mut().insert(CONTENT_TYPE, media_type);
                let web = GrpcWebLayer::new().layer(self.inner.clone());
                return Either::Right(web.oneshot(request).boxed());
            }
            (Ok(request), Protocol::Json) => self.parts.translation.plan(request),
            (Err(refused), _) => *refused,
        };
        // A list that is whole is accepted also when its caller goes away, and is kept then too.
        let is_upload = matches!(plan, AnswerPlan::Upload(_));
        let answer = self.inner.call(request);
        let answered = async move { Ok::<_, Infallible>(plan.finish(answer.await?).await) };
        if !is_upload {
            return Either::Right(answered.boxed());
        }
        let batches = self.parts.batches.clone();
        let finished = async move {
            let broken = || Ok(response::error(&Status::internal("the upload broke")));
            batches.run_to_end(answered).await.unwrap_or_else(broken)
        };
        Either::Right(finished.boxed())
    }
}

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Grpc,
    /// With its media type.
    GrpcWeb(&'static str),
    Json,
}

/// The media types of gRPC-Web.
const GRPC_WEB: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

impl Protocol {
    fn of(request: &Request<Body>) -> Self {
        let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let media_type = content_type.unwrap_or_default().split(|octet| *octet == b';').next();
        let media_type = media_type.unwrap_or_default().trim_ascii();
        let web = GRPC_WEB.into_iter().find(|web| media_type.eq_ignore_ascii_case(web.as_bytes()));
        match web.filter(|_| request.method() == Method::POST) {
            Some(web) => Self::GrpcWeb(web),
            None if media_type.starts_with(b"application/grpc") => Self::Grpc,
            // Somebody who means gRPC: its own layer says what is wrong.
            None if is_rpc_path(request.uri().path()) => Self::Grpc,
            None => Self::Json,
        }
    }
}

/// Returns whether this is a path of gRPC: `/package.Service/Method`.
fn is_rpc_path(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    service.is_some_and(|(service, _)| service.contains('.'))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use async_trait::async_trait;
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use prost::Message as _;
    use tokio::sync::Notify;

    use super::*;
    use crate::address::DomainName;
    use crate::batch::queue::SubmittedBatch;
    use crate::batch::uploads::UploadStore;
    use crate::batch::{self, AddressVerifier, Outcome};
    use crate::campaign::eta::Pace;
    use crate::campaign::{BatchOptions, Spec};
    use crate::clock::Clock;
    use crate::http::frames::frame;
    use crate::proto::{self, UploadBatchResponse};
    use crate::queue_tests::memory::MemoryQueue;
    use crate::verifier::{Options, Subject, Verification};

    #[test]
    fn grpc_web_is_known_by_its_media_type_in_whatever_case_and_with_parameters() {
        let of = |content_type: &'static str| {
            let request = Request::post("/mailvet.v1.BatchService/GetBatch");
            Protocol::of(&request.header(CONTENT_TYPE, content_type).body(Body::empty()).unwrap())
        };
        for web in ["application/grpc-web", "Application/gRPC-Web ; charset=utf-8"] {
            assert_eq!(of(web), Protocol::GrpcWeb("application/grpc-web"), "{web}");
        }
        let text = "application/grpc-web-text+proto";
        assert_eq!(of("application/grpc-web-text+proto;a=b"), Protocol::GrpcWeb(text));
        for none in ["application/grpc-web+json", "application/grpc-webby", "Application/gRPC"] {
            assert_eq!(of(none), Protocol::Grpc, "{none}: its layer says what is wrong");
        }
    }

    /// Nothing is verified here.
    struct NoVerifier;

    #[async_trait]
    impl AddressVerifier for NoVerifier {
        async fn verify(&self, subject: Subject, _: &Options) -> Verification {
            Outcome::out_of_time(SystemTime::UNIX_EPOCH).into_verification(subject.text())
        }

        async fn cached(&self, subject: Subject, _: &Options) -> Result<Verification, Subject> {
            Err(subject)
        }

        async fn destination(&self, _: &str, _: SystemTime) -> Option<DomainName> {
            None
        }
    }

    fn batches(uploads: UploadStore) -> Batches {
        let (queue, config) = (Arc::new(MemoryQueue::default()), batch::Config::default());
        Batches::start(
            queue,
            Arc::new(NoVerifier),
            Some(uploads),
            config,
            Pace::USUAL,
            Clock::start(),
        )
    }

    #[tokio::test]
    async fn a_list_whose_caller_leaves_while_it_is_accepted_is_kept_for_its_download() {
        let folder = tempfile::tempdir().unwrap();
        let store = UploadStore::open(folder.path(), &batch::Config::default()).unwrap();
        let batches = batches(store.clone());
        let spec = Spec {
            owner: String::new(),
            request_id: None,
            display_name: String::new(),
            callback: None,
            options: BatchOptions::default(),
        };
        let SubmittedBatch::New(made) = batches.submit(spec).await.unwrap() else { panic!() };
        let (read, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let batch = proto::Batch { batch_id: made.id.to_string(), ..proto::Batch::default() };
        let answer = UploadBatchResponse { batch: Some(batch) }.encode_to_vec();
        let (has_read, may_seal) = (Arc::clone(&read), Arc::clone(&go));
        let inner = tower::service_fn(move |request: Request<Body>| {
            let (read, go) = (Arc::clone(&has_read), Arc::clone(&may_seal));
            let answer = frame(&answer).unwrap();
            async move {
                request.into_body().collect().await.unwrap();
                read.notify_one();
                go.notified().await;
                Ok::<_, Infallible>(Response::new(Body::new(Full::new(answer))))
            }
        });
        let limits = BodyLimits { request: 65_536, page: 65_536, is_paged: |_| false };
        let guard = BrowserGuard::default();
        let layer = HttpLayer::new(&Config::default(), limits, guard, batches.clone());
        let list = Body::new(Full::new(Bytes::from("email\njane@acme.test\n")));
        let request = Request::post("/v1/batches:upload").header(CONTENT_TYPE, "text/csv");
        let mut call = layer.layer(inner).oneshot(request.body(list).unwrap()).boxed();
        tokio::select! {
            _ = &mut call => panic!("it is not accepted yet"),
            () = read.notified() => {}
        }
        drop(call);
        go.notify_one();
        let kept = async {
            while store.list(&made.id).unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), kept).await.expect("the list is kept");
        batches.drain().await;
    }
}
