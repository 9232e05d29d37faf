//! The layer in front of the services: gRPC passes, gRPC-Web and JSON are translated into it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either, FutureExt as _};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, Version};
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt as _};

use super::body::BodyLimits;
use super::browser_guard::BrowserGuard;
use super::config::Config;
use super::translation::Translation;
use crate::batch::uploads::UploadStore;

/// The layer that takes JSON over HTTP and gRPC-Web beside gRPC.
#[derive(Clone, Debug)]
pub struct HttpLayer(Arc<Translation>);

impl HttpLayer {
    /// A layer for these bodies, and for the requests that `guard` lets through; list files are
    /// kept in `uploads`.
    #[must_use]
    pub fn new(
        config: &Config,
        limits: BodyLimits,
        guard: BrowserGuard,
        uploads: Option<UploadStore>,
    ) -> Self {
        Self(Arc::new(Translation::new(config, limits, guard, uploads)))
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
    /// The inner service's own for gRPC, which most calls are; what is translated is boxed.
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let protocol = Protocol::of(&request);
        // No web page sends gRPC over HTTP/2: browsers speak it over TLS alone, which checks names.
        let is_grpc = protocol == Protocol::Grpc && request.version() == Version::HTTP_2;
        if !self.translation.is_on || is_grpc {
            return Either::Left(self.inner.call(request));
        }
        // A mail service calls by any name, and from no browser: its signature lets it in.
        let is_hook = protocol == Protocol::Json && self.translation.is_hook(&request);
        let guarded = if is_hook { Ok(request) } else { self.translation.guard(request) };
        let (request, plan) = match (guarded, protocol) {
            (Ok(request), Protocol::Grpc) => return Either::Left(self.inner.call(request)),
            (Ok(request), Protocol::GrpcWeb) => {
                let web = GrpcWebLayer::new().layer(self.inner.clone());
                return Either::Right(web.oneshot(request).boxed());
            }
            (Ok(request), Protocol::Json) => self.translation.plan(request),
            (Err(refused), _) => *refused,
        };
        let answer = self.inner.call(request);
        Either::Right(async move { Ok(plan.finish(answer.await?).await) }.boxed())
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
