//! The service behind the gate for what this layer answers by itself: it says only that the gate
//! was passed.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{Request, Response};
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
        ready(Ok(Status::new(code, "").into_http()))
    }
}
