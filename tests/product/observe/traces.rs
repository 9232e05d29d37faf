//! Traces reach a collector, continue the caller's, and cost nothing when there is none.

use std::net::{Ipv4Addr, TcpListener};

use mailvet::proto::VerifyAddressRequest;
use tonic::Request;

use super::collector::Collector;
use crate::process::Service;

const METHOD: &str = "mailvet.v1.VerificationService/VerifyAddress";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn request() -> Request<VerifyAddressRequest> {
    let address = "jane.doe@acme.test".to_owned();
    Request::new(VerifyAddressRequest { address, options: None })
}

#[tokio::test]
async fn a_call_continues_its_callers_trace_down_to_dns_and_smtp() {
    let mut collector = Collector::start().await;
    let mut service = Service::start(&["--sandbox"], &[collector.named()]).await;
    let mut request = request();
    let context = format!("00-{TRACE}-{PARENT}-01");
    request.metadata_mut().insert("traceparent", context.parse().unwrap());
    service.client().await.verify_address(request).await.unwrap();

    let call = collector.span(|span| span.name == METHOD).await;
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.into(), PARENT.into()));
    let mut parent = call.clone();
    for name in ["verify", "smtp_question"] {
        let span = collector.span(|span| span.name == name).await;
        assert_eq!((&span.trace_id, &span.parent_span_id), (&call.trace_id, &parent.span_id));
        parent = span;
    }
    for name in ["dns_lookup", "dns_question"] {
        collector.span(|span| span.name == name && span.trace_id == call.trace_id).await;
    }
    // The session goes on after the call, and ends with the process: its last spans are sent then.
    service.stop().await;
    let session = collector.span(|span| span.name == "smtp_session").await;
    assert_ne!(session.trace_id, call.trace_id);
    let flight = collector.span(|span| span.name == "smtp_flight").await;
    assert_eq!((flight.trace_id, flight.parent_span_id), (session.trace_id, session.span_id));
    let has = |key: &str| call.attributes.iter().any(|attribute| attribute.key == key);
    assert!(has("code") && has("reason"), "{call:#?}");
    assert!(collector.text().contains("service.name"));
}

#[tokio::test]
async fn what_was_seen_last_is_sent_before_the_process_ends() {
    let mut collector = Collector::start().await;
    let mut service = Service::start(&["--sandbox"], &[collector.named()]).await;
    service.client().await.verify_address(request()).await.unwrap();
    service.stop().await;
    assert!(collector.spans().iter().any(|span| span.name == METHOD));
    let call = collector.span(|span| span.name == METHOD).await;
    assert!(call.parent_span_id.is_empty(), "nobody named a trace: this one is its own");
}

#[tokio::test]
async fn a_dead_collector_costs_a_line_in_the_log() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let endpoint = ("MAILVET_TRACE__ENDPOINT", format!("http://{free}"));
    let mut service = Service::start(&["--sandbox"], &[endpoint]).await;
    let mut client = service.client().await;
    for _ in 0..20 {
        let answer = client.verify_address(request()).await.unwrap().into_inner();
        assert!(answer.verification.is_some());
    }
    service.said("trace.endpoint takes no spans").await;
    client.verify_address(request()).await.unwrap();
    let log = service.stop().await;
    let told = log.iter().filter(|line| line.contains("trace.endpoint takes no spans"));
    assert_eq!(told.count(), 1, "{log:#?}");
}

#[tokio::test]
async fn only_the_share_that_is_wanted_is_sent() {
    let collector = Collector::start().await;
    let none = ("MAILVET_TRACE__SAMPLE_RATIO", "0.0".to_owned());
    let mut service = Service::start(&["--sandbox"], &[collector.named(), none]).await;
    service.client().await.verify_address(request()).await.unwrap();
    service.stop().await;
    assert_eq!(collector.spans(), []);
}
