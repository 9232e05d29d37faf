//! Refuses requests that are not gRPC's, by their content type.
//!
//! A gRPC server answers them with 415 instead of 200, so that no other client takes a refusal for
//! a success (gRPC over HTTP/2, "Requests").

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, StatusCode};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// The content type of gRPC; a `+` and the encoding of its messages may follow.
const GRPC: &str = "application/grpc";

/// The answer's body, and its status message.
const SENTENCE: &str = "mailvet speaks gRPC: send content-type application/grpc, over HTTP/2";

/// The layer that lets only gRPC through.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrpcOnlyLayer;

impl<S> Layer<S> for GrpcOnlyLayer {
    type Service = GrpcOnly<S>;

    fn layer(&self, inner: S) -> GrpcOnly<S> {
        GrpcOnly(inner)
    }
}

/// The inner services, reached by requests of gRPC only.
#[derive(Clone, Debug)]
pub(super) struct GrpcOnly<S>(S);

impl<S> Service<Request<Body>> for GrpcOnly<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_grpc(request.headers()) {
            Either::Left(self.0.call(request))
        } else {
            Either::Right(ready(Ok(refusal())))
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some((start, rest)) = content_type.and_then(|it| it.split_at_checked(GRPC.len())) else {
        return false;
    };
    start.eq_ignore_ascii_case(GRPC) && matches!(rest.as_bytes().first(), None | Some(b'+' | b';'))
}

fn refusal() -> Response<Body> {
    let mut answer = Status::invalid_argument(SENTENCE).into_http::<Body>();
    *answer.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, text);
    *answer.body_mut() = Body::new(format!("{SENTENCE}\n"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_types_of_grpc_pass() {
        let is_grpc = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(value));
            is_grpc(&headers)
        };
        for value in ["application/grpc", "application/grpc+proto", "Application/gRPC; a=b"] {
            assert!(is_grpc(value), "{value}");
        }
        for value in ["text/html", "application/json", "application/grpc-web", "", "app"] {
            assert!(!is_grpc(value), "{value}");
        }
        assert!(!super::is_grpc(&HeaderMap::new()));
    }
}
