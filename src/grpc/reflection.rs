//! Reflection of our services and of health. Its streams end, also those that their callers keep
//! open: they neither hold up a shutdown nor keep the place of a call for ever.

use std::time::Duration;

use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic_reflection::server::Builder;
use tower::util::MapRequestLayer;

use crate::proto::FILE_DESCRIPTOR_SET;

/// Our services and that of health, for either version of the protocol.
pub(super) fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// A layer that ends requests at the shutdown, and when nothing of them comes for `idle`.
pub(super) fn ending(
    idle: Duration,
    shutdown: CancellationToken,
) -> MapRequestLayer<impl Fn(Request<Body>) -> Request<Body> + Clone + Send + Sync + 'static> {
    MapRequestLayer::new(move |request: Request<Body>| {
        request.map(|body| end(body, idle, shutdown.clone()))
    })
}

/// The body, which ends as if its caller had no more to ask: so what it asked is answered.
fn end(body: Body, idle: Duration, shutdown: CancellationToken) -> Body {
    let frames = stream::unfold(body, move |mut body| {
        let shutdown = shutdown.clone();
        async move {
            let frame = tokio::time::timeout(idle, body.frame());
            let frame = shutdown.run_until_cancelled(frame).await?.ok()??;
            Some((frame, body))
        }
    });
    Body::new(StreamBody::new(frames))
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};
    use http_body::Frame;
    use prost::bytes::Bytes;
    use tonic::Status;

    use super::*;
    use crate::clock::Clock;

    const IDLE: Duration = Duration::from_secs(300);

    fn frame(octets: &'static str) -> Result<Frame<Bytes>, Status> {
        Ok(Frame::data(Bytes::from_static(octets.as_bytes())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_of_which_nothing_comes_for_long_ends_behind_what_came() {
        let clock = Clock::start();
        let begun = clock.now();
        let pause = tokio::time::sleep(IDLE - Duration::from_secs(1));
        let frames = stream::iter([frame("one")])
            .chain(stream::once(pause.map(|()| frame(", two"))))
            .chain(stream::pending());
        let body = Body::new(StreamBody::new(Box::pin(frames)));
        let whole = end(body, IDLE, CancellationToken::new()).collect().await.unwrap().to_bytes();
        assert_eq!(whole, "one, two");
        assert_eq!(clock.now().duration_since(begun).unwrap().as_secs(), 599);
    }

    #[tokio::test]
    async fn a_request_ends_at_the_shutdown() {
        let shutdown = CancellationToken::new();
        let silent = stream::pending::<Result<Frame<Bytes>, Status>>();
        let mut body = end(Body::new(StreamBody::new(silent)), IDLE, shutdown.clone());
        assert!(body.frame().now_or_never().is_none(), "it is waited for");
        shutdown.cancel();
        assert!(body.frame().await.is_none());
    }
}
