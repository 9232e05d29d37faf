//! The service behind the gate for what this layer answers by itself: it says only that the gate
//! was passed.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

/// The path to send such requests to.
pub(super) const PATH: &str = "/mailvet.v1.Http/Answer";

/// The code that the layer's own answer counts as; an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalCode(pub(super) Code);

/// Answers with the code that the layer asks for, and with UNIMPLEMENTED to anybody else.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalAnswers;

impl NamedService for LocalAnswers {
    const NAME: &'static str = "mailvet.v1.Http";
}

impl Service<Request<Body>> for LocalAnswers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let code =
            request.extensions().get::<LocalCode>().map_or(Code::Unimplemented, |code| code.0);
        // A body that is over at once is dropped on its way, and the place of the call with it,
        // which an admitted call keeps: this one ends when it is read.
        let nothing = StreamBody::new(stream::empty::<Result<Frame<Bytes>, Status>>());
        let answer = Status::new(code, "").into_http::<Body>();
        ready(Ok(answer.map(|_| Body::new(nothing))))
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    #[tokio::test]
    async fn what_is_admitted_is_not_over_before_its_body_is_let_go() {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(LocalCode(Code::Ok));
        let answer = LocalAnswers.call(request).await.unwrap();
        assert!(!answer.body().is_end_stream());
    }
}
