//! A response that holds its call's resources, and can be ended before its own end.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// Resolves to the status with which a call has to end.
pub(super) type EndOfCall = BoxFuture<'static, Status>;

/// The body of an answer; `permit` is held until it was sent or its caller has gone.
pub(super) struct EndingBody<P> {
    /// `None` after its end.
    inner: Option<Body>,
    end: Option<EndOfCall>,
    _permit: P,
}

impl<P: Send + Unpin + 'static> EndingBody<P> {
    pub(super) fn wrap(inner: Body, permit: P, end: Option<EndOfCall>) -> Body {
        Body::new(Self { inner: Some(inner), end, _permit: permit })
    }
}

impl<P: Unpin> http_body::Body for EndingBody<P> {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if let Some(end) = &mut this.end
            && let Poll::Ready(status) = end.poll_unpin(cx)
        {
            // With the body goes the work for it.
            (this.inner, this.end) = (None, None);
            let mut trailers = HeaderMap::new();
            let written = status.add_header(&mut trailers);
            return Poll::Ready(Some(written.map(|()| Frame::trailers(trailers))));
        }
        match &mut this.inner {
            Some(inner) => Pin::new(inner).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_has_to_end_ends_with_its_status() {
        let silent = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<Frame<prost::bytes::Bytes>, Status>,
        >());
        let end = future::ready(Status::permission_denied("withdrawn")).boxed();
        let mut body = EndingBody::wrap(Body::new(silent), (), Some(end));
        let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(Status::from_header_map(&trailers).unwrap().message(), "withdrawn");
        assert!(body.frame().await.is_none());
    }
}
