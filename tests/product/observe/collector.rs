//! A collector of traces: a real OTLP service, which keeps what it is sent.

use std::net::{Ipv4Addr, SocketAddr};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::process::TIME_LIMIT;

pub(crate) struct Collector {
    address: SocketAddr,
    requests: watch::Receiver<Vec<ExportTraceServiceRequest>>,
    _serving: JoinSet<()>,
}

struct Keep(watch::Sender<Vec<ExportTraceServiceRequest>>);

#[tonic::async_trait]
impl TraceService for Keep {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send_modify(|requests| requests.push(request.into_inner()));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (send, requests) = watch::channel(Vec::new());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let service = TraceServiceServer::new(Keep(send));
            let incoming = TcpIncoming::from(listener);
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, requests, _serving: serving }
    }

    /// What makes the service send its traces here.
    pub(crate) fn named(&self) -> (&'static str, String) {
        ("MAILVET_TRACE__ENDPOINT", format!("http://{}", self.address))
    }

    /// Waits for a span; all of them until then.
    pub(crate) async fn span(&mut self, is_it: impl Fn(&Span) -> bool) -> Span {
        let mut requests = self.requests.clone();
        let came = requests.wait_for(|requests| spans(requests).iter().any(&is_it));
        let came = tokio::time::timeout(TIME_LIMIT, came).await;
        let all = self.spans();
        assert!(came.is_ok(), "the span never came; {all:#?}");
        all.into_iter().find(is_it).unwrap()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        spans(&self.requests.borrow())
    }

    /// Everything that was sent, with the resource.
    pub(crate) fn text(&self) -> String {
        format!("{:?}", *self.requests.borrow())
    }
}

fn spans(requests: &[ExportTraceServiceRequest]) -> Vec<Span> {
    let resources = requests.iter().flat_map(|request| &request.resource_spans);
    let scopes = resources.flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans).cloned().collect()
}
