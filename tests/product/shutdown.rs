//! A shutdown finishes what is begun; a caller that goes away leaves nothing running.

use mailvet::grpc::server::Drained;
use mailvet::proto::{VerifyAddressRequest, VerifyAddressesRequest};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::product::Product;

fn item(address: &str) -> VerifyAddressesRequest {
    VerifyAddressesRequest {
        correlation_id: address.to_owned(),
        address: address.to_owned(),
        options: None,
    }
}

#[tokio::test]
async fn a_stream_gets_its_last_results_and_is_told_that_the_service_ends() {
    let mut product = Product::start().await;
    let (send, receive) = tokio::sync::mpsc::channel(4);
    let mut client = product.client().await;
    send.send(item("jane.doe@acme.test")).await.unwrap();
    let mut responses =
        client.verify_addresses(ReceiverStream::new(receive)).await.unwrap().into_inner();
    let first = responses.message().await.unwrap().unwrap();
    assert_eq!(first.correlation_id, "jane.doe@acme.test");
    product.shutdown.cancel();
    let last = responses.message().await.unwrap_err();
    assert_eq!(last.code(), Code::Unavailable);
    assert!(last.message().contains("shutting down"), "{last}");
    drop((client, responses, send));
    assert_eq!(product.ended().await, Drained::Finished);
    product.close().await;
}

#[tokio::test]
async fn a_call_in_flight_is_answered_while_the_service_shuts_down() {
    let mut product = Product::start().await;
    let mut client = product.client().await;
    let slow = product.sample("TIMEOUT");
    let shutdown = product.shutdown.clone();
    let call = client.verify_address(VerifyAddressRequest { address: slow, options: None });
    let stop = async {
        product.connections(1).await;
        shutdown.cancel();
    };
    let (answer, ()) = tokio::join!(call, stop);
    assert!(answer.unwrap().into_inner().verification.is_some());
    drop(client);
    assert_eq!(product.ended().await, Drained::Finished);
    product.close().await;
}

#[tokio::test]
async fn who_watches_the_health_hears_of_the_end_and_does_not_hold_it_up() {
    let mut product = Product::start().await;
    let mut client = HealthClient::new(product.channel().await);
    let mut watch = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        let statuses = client.watch(request).await.unwrap().into_inner();
        statuses.map(|status| status.unwrap().status())
    };
    let mut ready = watch("").await;
    assert_eq!(ready.next().await, Some(ServingStatus::Serving));
    let lives = watch("liveness").await;
    product.shutdown.cancel();
    assert_eq!(ready.collect::<Vec<_>>().await, [ServingStatus::NotServing]);
    assert_eq!(lives.collect::<Vec<_>>().await, [ServingStatus::Serving]);
    assert_eq!(product.ended().await, Drained::Finished);
    product.close().await;
}

#[tokio::test]
async fn a_tool_that_keeps_reflection_open_does_not_hold_up_the_end() {
    let mut product = Product::start().await;
    let mut client = ServerReflectionClient::new(product.channel().await);
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let question = MessageRequest::ListServices(String::new());
    let host = String::new();
    send.send(ServerReflectionRequest { host, message_request: Some(question) }).await.unwrap();
    let asking = client.server_reflection_info(ReceiverStream::new(receive));
    let mut answers = asking.await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    product.shutdown.cancel();
    assert!(answers.message().await.unwrap().is_none());
    drop((client, answers, send));
    assert_eq!(product.ended().await, Drained::Finished);
    product.close().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_session_behind() {
    let product = Product::with(|config| {
        config.smtp.time_limits = mailvet::smtp::TimeLimits::default();
    })
    .await;
    let mut client = product.client().await;
    let silent = product.sample("TIMEOUT");
    {
        let call = client.verify_address(VerifyAddressRequest { address: silent, options: None });
        tokio::select! {
            _ = call => panic!("the server is silent"),
            () = product.connections(1) => {}
        }
    }
    product.connections(0).await;
    product.stop().await;
}
