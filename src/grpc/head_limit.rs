//! Bounds the heads of requests of HTTP/1, which the transport does for HTTP/2 alone.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use serde_json::json;
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};

use super::connection::ClientPeer;

/// Octets that a header field counts beside its name and value (RFC 9113 section 6.5.2).
const FIELD: usize = 32;

/// The layer that refuses requests with a head of more octets than this. It stands around all
/// others, so that a connection knows of each head that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimitLayer(pub(super) u32);

impl<S> Layer<S> for HeadLimitLayer {
    type Service = HeadLimit<S>;

    fn layer(&self, inner: S) -> HeadLimit<S> {
        HeadLimit { most: usize::try_from(self.0).unwrap_or(usize::MAX), inner }
    }
}

/// The inner services, reached by requests whose head is not too large.
#[derive(Clone, Debug)]
pub(super) struct HeadLimit<S> {
    most: usize,
    inner: S,
}

impl<S> Service<Request<Body>> for HeadLimit<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.version() < Version::HTTP_2 {
            if let Some(peer) = request.extensions().get::<ClientPeer>() {
                peer.calls.head_came();
            }
            if size(&request) > self.most {
                return Either::Right(ready(Ok(refusal(self.most))));
            }
        }
        Either::Left(self.inner.call(request))
    }
}

/// Octets of the request's head, as HTTP/2 counts them.
fn size<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let fields = request.headers().iter();
    fields.fold(target, |sum, (name, value)| sum + name.as_str().len() + value.len() + FIELD)
}

/// An error in the form of all others over HTTP: `google.rpc.Status` as JSON.
fn refusal(most: usize) -> Response<Body> {
    let message = format!("the head of a request may have {most} octets; send shorter headers");
    let status = json!({ "code": i32::from(Code::OutOfRange), "message": message });
    let mut answer = Response::new(Body::new(status.to_string()));
    *answer.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_refused_head_is_told_in_the_form_of_every_error() {
        let answer = refusal(1000);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status["code"], 11);
        assert!(status["message"].as_str().unwrap().contains("1000 octets"), "{status}");
    }

    async fn status(version: Version, octets: usize) -> u16 {
        let answers = tower::service_fn(|_: Request<Body>| {
            ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        });
        let mut request = Request::new(Body::empty());
        *request.version_mut() = version;
        // The target `/` and the name of the field count too.
        let value = "a".repeat(octets - FIELD - "/x".len());
        request.headers_mut().insert("x", value.parse().unwrap());
        HeadLimitLayer(1000).layer(answers).oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        assert_eq!(status(Version::HTTP_11, 1000).await, 200);
        assert_eq!(status(Version::HTTP_11, 1001).await, 431);
        assert_eq!(status(Version::HTTP_10, 5000).await, 431);
        assert_eq!(status(Version::HTTP_2, 1001).await, 200, "the transport has counted these");
    }
}
