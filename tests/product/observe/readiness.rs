//! The service is ready once DNS answers and its batches are open, and not while it drains; it
//! lives all the time.

use std::net::SocketAddr;

use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{VerifyAddressRequest, VerifyAddressesRequest};
use mailvet::sandbox::{Sandbox, World};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use super::late::LateNameServer;
use crate::process::{Service, TIME_LIMIT};

/// A service that asks this name server, which it does not wait for long.
async fn service(nameserver: SocketAddr, data: &tempfile::TempDir) -> Service {
    let environment = [
        ("MAILVET_DNS__NAMESERVERS", nameserver.to_string()),
        ("MAILVET_DNS__TIMEOUT", "300ms".to_owned()),
        ("MAILVET_DNS__ATTEMPTS", "1".to_owned()),
        ("MAILVET_BATCH__DATA_DIR", data.path().join("data").display().to_string()),
    ];
    Service::start(&[], &environment).await
}

async fn check(channel: &Channel, name: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: name.to_owned() };
    let answer = HealthClient::new(channel.clone()).check(request).await;
    answer.unwrap().into_inner().status()
}

async fn becomes(watched: &mut Streaming<HealthCheckResponse>, wanted: ServingStatus) {
    let became = async { while watched.message().await.unwrap().unwrap().status() != wanted {} };
    tokio::time::timeout(TIME_LIMIT, became).await.expect("the status changes");
}

#[tokio::test]
async fn a_service_is_ready_once_its_name_server_answers() {
    const NAMES: [&str; 5] = [
        "",
        "mailvet.v1.VerificationService",
        "mailvet.v1.BatchService",
        "mailvet.v1.OutcomeService",
        "mailvet.v1.CallbackService",
    ];
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let mut nameserver = LateNameServer::start(sandbox.nameserver()).await;
    let data = tempfile::tempdir().unwrap();
    let mut service = service(nameserver.address, &data).await;
    let channel = service.channel().await;
    nameserver.asked(2).await;
    let (status, body) = service.get("/readyz").await;
    assert_eq!((status, &*body), (503, "not ready: DNS does not answer\n"));
    assert!(!service.log().iter().any(|line| line.contains("\"ready\"")), "{:?}", service.log());
    assert_eq!(service.get("/healthz").await, (200, "alive\n".to_owned()));
    assert!(service.scrape().await.contains("\nmailvet_ready 0\n"));
    for name in NAMES {
        assert_eq!(check(&channel, name).await, ServingStatus::NotServing, "{name}");
    }
    assert_eq!(check(&channel, "liveness").await, ServingStatus::Serving);

    let watch = HealthCheckRequest { service: String::new() };
    let watched = HealthClient::new(channel.clone()).watch(watch).await;
    let mut watched = watched.unwrap().into_inner();
    nameserver.is_up(true);
    becomes(&mut watched, ServingStatus::Serving).await;
    assert_eq!(service.answers("/readyz", 200).await, "ready\n");
    while !service.log().iter().any(|line| line.contains("\"ready\"")) {
        service.answers("/readyz", 200).await;
    }
    assert!(service.scrape().await.contains("\nmailvet_ready 1\n"));
    for name in NAMES {
        assert_eq!(check(&channel, name).await, ServingStatus::Serving, "{name}");
    }

    nameserver.is_up(false);
    becomes(&mut watched, ServingStatus::NotServing).await;
    service.answers("/readyz", 503).await;
    assert_eq!(check(&channel, "liveness").await, ServingStatus::Serving);
    drop((channel, watched));
    service.stop().await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_service_that_drains_is_alive_and_not_ready() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut service = Service::start(
        &[
            "--nameserver",
            &sandbox.nameserver().to_string(),
            "--smtp-port",
            &sandbox.smtp_port().to_string(),
            "--allow-network",
            &sandbox.network().to_string(),
            "--data-dir",
            data.path().to_str().unwrap(),
        ],
        &[],
    )
    .await;
    let channel = service.channel().await;
    let mut client = service.client().await;
    // Its server says nothing for longer than all this takes.
    let address = "jane@timeout.test".to_owned();
    let request = VerifyAddressRequest { address, options: None };
    let mut call = Box::pin(async move { client.verify_address(request).await });
    tokio::select! {
        answer = &mut call => panic!("its server is silent: {answer:?}"),
        () = service.measures("\nmailvet_grpc_calls_in_flight 1\n") => {}
    }
    service.answers("/readyz", 200).await;
    let watch = HealthCheckRequest { service: String::new() };
    let watched = HealthClient::new(channel.clone()).watch(watch).await;
    let mut watched = watched.unwrap().into_inner();
    becomes(&mut watched, ServingStatus::Serving).await;
    service.terminate().await;
    becomes(&mut watched, ServingStatus::NotServing).await;
    // The call keeps the service from ending.
    let (status, body) = service.get("/readyz").await;
    assert_eq!((status, &*body), (503, "not ready: the service is shutting down\n"));
    assert_eq!(service.get("/healthz").await.0, 200);
    drop((call, channel, watched));
    service.ended().await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_the_service_logs_of_a_call_says_how_it_went() {
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("keys.toml");
    let issued = mailvet::access::issue("crm", [7; 32], None).unwrap();
    std::fs::write(&file, &issued.entry).unwrap();
    let environment = [("MAILVET_SERVER__API_KEYS", file.display().to_string())];
    let mut service = Service::start(&["--sandbox"], &environment).await;
    let channel = service.channel().await;
    let mut client =
        VerificationServiceClient::with_interceptor(channel, |mut request: Request<()>| {
            let key = format!("Bearer {}", issued.key).parse().unwrap();
            request.metadata_mut().insert("authorization", key);
            Ok(request)
        });
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let item = VerifyAddressesRequest {
        address: "jane.doe@acme.test".to_owned(),
        ..VerifyAddressesRequest::default()
    };
    send.send(item).await.unwrap();
    drop(send);
    let mut answers =
        client.verify_addresses(ReceiverStream::new(receive)).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    let line = service.said("answered").await;
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["span"]["code"], "ok");
    assert_eq!(line["span"]["otel.name"], "mailvet.v1.VerificationService/VerifyAddresses");
    assert!(line["fields"]["elapsed_ms"].is_number(), "{line}");
    assert_eq!(line["span"]["caller"], "crm");
    assert!(line["span"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    let method = "mailvet.v1.VerificationService/VerifyAddresses";
    let counted =
        format!("\nmailvet_grpc_caller_calls_total{{caller=\"crm\",method=\"{method}\"}} 1\n");
    let scrape = service.scrape().await;
    assert!(scrape.contains(&counted), "{scrape}");
    service.stop().await;
}
