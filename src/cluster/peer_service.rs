//! The port on which the other replicas ask: one method, behind the secret of all.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Body as HttpBody;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower::Service;

use super::credentials::{AUTHORIZATION, ReplicaCredentials};
use super::json_codec::{JsonCodec, PATH};
use super::peer_connections::{SecretShown, connections};
use super::sharing::Sharing;
use crate::prober::{WireOutcome, WireQuestion};

/// Questions of one replica that may be open at a time: more than a lane takes in.
const OPEN_QUESTIONS: u32 = 50_000;

/// Largest question, in octets.
const LARGEST: usize = 16 * 1024;

/// Silence after which the other end is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Answers the other replicas until `stop`, and those who are waiting then.
pub(super) async fn serve(
    listener: TcpListener,
    sharing: Arc<Sharing>,
    credentials: Arc<ReplicaCredentials>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let mut server = Server::builder()
        .max_concurrent_streams(OPEN_QUESTIONS)
        .http2_keepalive_interval(Some(KEEP_ALIVE));
    // Its TLS begins in there, each within its time.
    let incoming = connections(listener, credentials.acceptor());
    let service = PeerService { sharing, credentials };
    server.add_service(service).serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await
}

#[derive(Clone)]
struct PeerService {
    sharing: Arc<Sharing>,
    credentials: Arc<ReplicaCredentials>,
}

impl NamedService for PeerService {
    const NAME: &'static str = "mailvet.replica.v1.Replicas";
}

impl<B> Service<http::Request<B>> for PeerService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if !self.credentials.are_shown(request.headers().get(AUTHORIZATION)) {
            let refusal = Status::unauthenticated("the secret of the replicas is another one");
            return Box::pin(async move { Ok(refusal.into_http()) });
        }
        if let Some(shown) = request.extensions().get::<SecretShown>() {
            shown.note();
        }
        if request.uri().path() != PATH {
            return Box::pin(async { Ok(Status::unimplemented("no such method").into_http()) });
        }
        let method = AskMethod { sharing: Arc::clone(&self.sharing) };
        Box::pin(async move {
            let codec = JsonCodec::<WireOutcome, WireQuestion>::default();
            let mut grpc = Grpc::new(codec).max_decoding_message_size(LARGEST);
            Ok(grpc.unary(method, request).await)
        })
    }
}

struct AskMethod {
    sharing: Arc<Sharing>,
}

impl UnaryService<WireQuestion> for AskMethod {
    type Response = WireOutcome;
    type Future = BoxFuture<Result<Response<WireOutcome>, Status>>;

    fn call(&mut self, request: Request<WireQuestion>) -> Self::Future {
        let sharing = Arc::clone(&self.sharing);
        Box::pin(async move { sharing.answer(request.into_inner()).await.map(Response::new) })
    }
}
