//! The layer that answers the console's paths, and passes on everything else.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt as _};
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::parts::{PREFIX, SiteParts};
use super::site::Site;
use crate::batch::Batches;
use crate::clock::Clock;
use crate::http::{self as http_door, BrowserGuard, OwnServices};

/// The layer that serves the console.
#[derive(Clone)]
pub struct ConsoleLayer(Arc<Site>);

impl ConsoleLayer {
    /// The console, if the configuration has it served; `is_secure` where the listener speaks TLS.
    #[must_use]
    pub fn new(
        config: &http_door::Config,
        admits_anonymous: bool,
        is_secure: bool,
        batches: Batches,
        clock: Clock,
    ) -> Option<Self> {
        let guard = BrowserGuard::for_own_pages(config, admits_anonymous);
        let is_wanted = config.console && config.enabled;
        let parts = || SiteParts::new(guard, is_secure, batches, clock);
        is_wanted.then(|| Self(Arc::new(Site::new(parts()))))
    }
}

impl<S> Layer<S> for ConsoleLayer {
    type Service = ConsoleService<S>;

    fn layer(&self, inner: S) -> ConsoleService<S> {
        ConsoleService { site: Arc::clone(&self.0), inner }
    }
}

/// The inner services, with the console beside them.
#[derive(Clone)]
pub struct ConsoleService<S> {
    site: Arc<Site>,
    inner: S,
}

impl<S> Service<Request<Body>> for ConsoleService<S>
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
        let path = request.uri().path();
        if path != "/" && path != PREFIX.trim_end_matches('/') && !path.starts_with(PREFIX) {
            return self.inner.call(request).boxed();
        }
        let (site, services) = (Arc::clone(&self.site), OwnServices::new(self.inner.clone()));
        async move { Ok(site.answer(request, services).await) }.boxed()
    }
}
