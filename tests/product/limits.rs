//! What the server takes, and what it does with those who want more, say nothing or do not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use mailvet::config::Config;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{Depth, VerifyAddressRequest, VerifyAddressesRequest, VerifyOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_stream as stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::product::Product;

/// More than anything here takes.
const TIME_LIMIT: Duration = Duration::from_secs(60);

fn item(row: usize) -> VerifyAddressesRequest {
    let options = VerifyOptions { depth: Depth::Syntax.into(), ..Default::default() };
    VerifyAddressesRequest {
        correlation_id: row.to_string(),
        address: format!("row{row}@acme.test"),
        options: Some(options),
    }
}

fn ask(address: String) -> VerifyAddressRequest {
    VerifyAddressRequest { address, options: None }
}

async fn limited(change: impl FnOnce(&mut Config)) -> Product {
    Product::with(change).await
}

/// Waits until the other end closes the connection, and says what it had said before.
pub(crate) async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let read = tokio::time::timeout(TIME_LIMIT, stream.read_to_end(&mut said)).await;
    // A reset is an end too.
    drop(read.expect("the connection is closed"));
    said
}

/// A connection that began HTTP/2 (RFC 9113 section 3.4) and calls nothing.
async fn idle(product: &Product) -> TcpStream {
    let mut stream = TcpStream::connect(product.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    stream
}

#[tokio::test]
async fn a_slow_reader_holds_up_its_own_stream_and_grows_nothing() {
    const ITEMS: usize = 15_000;
    let product = limited(|config| config.server.stream_concurrency = 10).await;
    let small = Endpoint::from_shared(format!("http://{}", product.address))
        .unwrap()
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(64 * 1024);
    let mut client = VerificationServiceClient::new(small.connect().await.unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let items = stream::iter(0..ITEMS).map(move |row| {
        count.fetch_add(1, Ordering::Relaxed);
        item(row)
    });
    let mut answers = client.verify_addresses(items).await.unwrap().into_inner();

    // The stream stands still: many calls of somebody else's later, not one more item was taken.
    let mut health = HealthClient::new(product.channel().await);
    let stands_still = async {
        let (mut before, mut still) = (0, 0);
        while still < 300 {
            health.check(HealthCheckRequest::default()).await.unwrap();
            let now = sent.load(Ordering::Relaxed);
            still = if now == before { still + 1 } else { 0 };
            before = now;
        }
        before
    };
    let taken =
        tokio::time::timeout(TIME_LIMIT, stands_still).await.expect("it never stands still");
    assert!(taken > 10 && taken < ITEMS / 2, "{taken} of {ITEMS} were taken from who reads none");

    let mut answered = 0;
    while answers.message().await.unwrap().is_some() {
        answered += 1;
    }
    assert_eq!(answered, ITEMS, "once it reads, it gets everything");
    product.stop().await;
}

#[tokio::test]
async fn what_was_begun_for_a_slow_reader_comes_to_its_end_before_it_reads() {
    const ITEMS: usize = 100;
    let product = limited(|_| {}).await;
    // Room for one answer or two.
    let small = Endpoint::from_shared(format!("http://{}", product.address))
        .unwrap()
        .initial_stream_window_size(1024);
    let mut client = VerificationServiceClient::new(small.connect().await.unwrap());
    let items = stream::iter((0..ITEMS).map(item));
    let answers = client.verify_addresses(items).await.unwrap().into_inner();
    // None of them keeps a turn or a connection that somebody else waits for.
    let verified = async {
        let stats = || product.app.sources.verifier.stats();
        while stats().elapsed.count() < ITEMS as u64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, verified).await.expect("all are verified");
    drop(answers);
    product.stop().await;
}

#[tokio::test]
async fn a_stream_of_any_length_from_tonic_gets_every_answer() {
    const ITEMS: usize = 20_000;
    // One item at a time: the client sends much faster than it is answered.
    let product = limited(|config| config.server.stream_concurrency = 1).await;
    let items = stream::iter((0..ITEMS).map(item));
    let mut answers = product.client().await.verify_addresses(items).await.unwrap().into_inner();
    let mut answered = 0;
    while answers.message().await.unwrap().is_some() {
        answered += 1;
    }
    assert_eq!(answered, ITEMS);
    product.stop().await;
}

#[tokio::test]
async fn a_stream_on_which_nothing_comes_is_ended_and_one_that_is_worked_on_is_not() {
    let product = limited(|config| {
        // The sandbox's silent server is given up after two seconds.
        config.server.limits.idle_stream = Duration::from_millis(300);
    })
    .await;
    let mut client = product.client().await;
    let (_send, receive) = tokio::sync::mpsc::channel(1);
    let mut answers =
        client.verify_addresses(ReceiverStream::new(receive)).await.unwrap().into_inner();
    let status = tokio::time::timeout(TIME_LIMIT, answers.message()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("no item came for 300ms"), "{status}");

    let (send, receive) = tokio::sync::mpsc::channel(1);
    let silent = VerifyAddressesRequest {
        address: product.sample("TIMEOUT"),
        ..VerifyAddressesRequest::default()
    };
    send.send(silent).await.unwrap();
    let mut answers =
        client.verify_addresses(ReceiverStream::new(receive)).await.unwrap().into_inner();
    let answer = tokio::time::timeout(TIME_LIMIT, answers.message()).await.unwrap();
    assert!(answer.unwrap().unwrap().outcome.is_some(), "it was being worked on");
    product.stop().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let product = limited(|config| {
        config.server.limits.handshake_timeout = Duration::from_millis(200);
    })
    .await;
    closed(&mut TcpStream::connect(product.address).await.unwrap()).await;
    product.stop().await;
}

#[tokio::test]
async fn a_connection_without_a_call_is_closed_and_one_with_a_call_is_not() {
    let product = limited(|config| {
        // Longer than a client takes to connect on a busy machine.
        config.server.limits.handshake_timeout = Duration::from_secs(2);
        config.server.limits.idle_connection = Duration::from_secs(2);
    })
    .await;
    let mut client = product.client().await;
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut answers =
        client.verify_addresses(ReceiverStream::new(receive)).await.unwrap().into_inner();
    let mut without_a_call = [idle(&product).await, idle(&product).await, idle(&product).await];
    for connection in &mut without_a_call {
        closed(connection).await;
    }
    send.send(item(1)).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().correlation_id, "1");
    product.stop().await;
}

#[tokio::test]
async fn a_connection_that_does_not_answer_a_ping_is_closed() {
    let product = limited(|config| {
        config.server.limits.keepalive_interval = Duration::from_millis(200);
        config.server.limits.keepalive_timeout = Duration::from_millis(200);
    })
    .await;
    closed(&mut idle(&product).await).await;
    product.stop().await;
}

/// A stream that keeps its connection: an admitted call that goes on.
async fn hold(product: &Product) -> Result<impl Sized + use<>, tonic::Status> {
    let channel = product.channel_or_error().await;
    let channel = channel.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let (send, receive) = tokio::sync::mpsc::channel::<VerifyAddressesRequest>(1);
    let items = ReceiverStream::new(receive);
    let answers = VerificationServiceClient::new(channel).verify_addresses(items).await?;
    Ok((send, answers))
}

/// Asks for the health from this machine where all room is held, and more is wanted.
async fn ask_for_the_health_beyond_it(product: &Product) {
    let mut held_beyond = Vec::new();
    for _ in 0..20 {
        // They stay, as those of a proxy do, and are refused what is not the health.
        let idle = product.channel_or_error().await.ok();
        let call = hold(product).await.err();
        held_beyond.push((idle, call.expect("no call has a kept place")));
    }
    let mut health = HealthClient::new(product.channel().await);
    let answer = health.check(HealthCheckRequest::default()).await;
    answer.expect("this machine can still ask for the health");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_this_machine_may_ask_for_the_health() {
    let product = limited(|config| {
        config.server.limits.connections = 2;
        config.server.limits.handshake_timeout = TIME_LIMIT * 10;
    })
    .await;
    let held = [hold(&product).await.unwrap(), hold(&product).await.unwrap()];
    let mut refused = TcpStream::connect(product.address).await.unwrap();
    let call = b"POST /v1/addresses:verify HTTP/1.1\r\nhost: localhost\r\n\
                 content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    refused.write_all(call).await.unwrap();
    closed(&mut refused).await;
    ask_for_the_health_beyond_it(&product).await;
    drop(held);
    let again = async { while hold(&product).await.is_err() {} };
    tokio::time::timeout(TIME_LIMIT, again).await.expect("room comes back");
    product.stop().await;
}

#[tokio::test]
async fn connections_that_call_nothing_give_way_to_one_that_does() {
    let product = limited(|config| config.server.limits.connections = 4).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(idle(&product).await);
    }
    let mut client = product.client().await;
    client.verify_address(ask("jane.doe@acme.test".to_owned())).await.expect("there is room");
    for _ in 0..40 {
        held.push(idle(&product).await);
    }
    let again = client.verify_address(ask("jane.doe@acme.test".to_owned())).await;
    again.expect("a connection with a call is not the one that gives way");
    product.stop().await;
}

#[tokio::test]
async fn connections_of_a_peer_that_call_nothing_give_way_to_one_that_does() {
    let product = limited(|config| config.server.limits.connections_per_peer = 4).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(idle(&product).await);
    }
    let mut client = product.client().await;
    client.verify_address(ask("jane.doe@acme.test".to_owned())).await.expect("there is room");
    product.stop().await;
}

#[tokio::test]
async fn a_peer_has_no_more_connections_than_its_share_and_this_machine_asks_for_the_health() {
    let product = limited(|config| config.server.limits.connections_per_peer = 2).await;
    let held = [hold(&product).await.unwrap(), hold(&product).await.unwrap()];
    ask_for_the_health_beyond_it(&product).await;
    drop(held);
    let again = async { while hold(&product).await.is_err() {} };
    tokio::time::timeout(TIME_LIMIT, again).await.expect("room comes back");
    product.stop().await;
}

#[tokio::test]
async fn calls_beyond_the_limit_are_shed_and_the_health_still_answers() {
    let product = limited(|config| config.server.limits.calls = 1).await;
    let channel = product.channel().await;
    let mut client = VerificationServiceClient::new(channel.clone());
    let (send, receive) = tokio::sync::mpsc::channel::<VerifyAddressesRequest>(1);
    let answers = client.verify_addresses(ReceiverStream::new(receive)).await.unwrap();
    let status = client.verify_address(ask("jane.doe@acme.test".to_owned())).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
    assert!(details.retry_info().is_some());
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    drop((send, answers));
    let again = async {
        while client.verify_address(ask("jane.doe@acme.test".to_owned())).await.is_err() {}
    };
    tokio::time::timeout(TIME_LIMIT, again).await.expect("room comes back");
    product.stop().await;
}

#[tokio::test]
async fn watchers_of_the_health_are_bounded_and_never_hold_up_a_check() {
    let product = limited(|config| config.server.limits.health_calls = 5).await;
    let mut health = HealthClient::new(product.channel().await);
    let mut watching = Vec::new();
    for _ in 0..4 {
        watching.push(health.watch(HealthCheckRequest::default()).await.unwrap());
    }
    let status = health.watch(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "four on one connection");
    let mut other = HealthClient::new(product.channel().await);
    watching.push(other.watch(HealthCheckRequest::default()).await.unwrap());
    let status = other.watch(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "five in all");
    for _ in 0..10 {
        health.check(HealthCheckRequest::default()).await.expect("a check needs no room");
    }
    product.client().await.verify_address(ask("jane.doe@acme.test".to_owned())).await.unwrap();
    drop(watching);
    product.stop().await;
}

#[tokio::test]
async fn requests_and_metadata_that_are_too_large_are_refused() {
    let product = limited(|_| {}).await;
    let mut client = product.client().await;
    let status = client.verify_address(ask("a".repeat(70_000))).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert!(status.message().contains("send at most 65536"), "{status}");
    let mut request = Request::new(ask("jane.doe@acme.test".to_owned()));
    request.metadata_mut().insert("x-long", "a".repeat(20_000).parse().unwrap());
    client.verify_address(request).await.expect_err("metadata of 20,000 octets");
    client.verify_address(ask("jane.doe@acme.test".to_owned())).await.expect("it goes on");
    product.stop().await;
}

#[tokio::test]
async fn a_connection_has_so_many_calls_at_a_time_and_more_wait() {
    let product = limited(|config| config.server.limits.calls_per_connection = 1).await;
    let mut client = product.client().await;
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut answers =
        client.verify_addresses(ReceiverStream::new(receive)).await.unwrap().into_inner();
    let mut second = client.clone();
    let waiting = second.verify_address(ask("jane.doe@acme.test".to_owned()));
    let first = async {
        send.send(item(1)).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        drop((send, answers));
        answer
    };
    tokio::pin!(waiting);
    let answer = tokio::select! {
        _ = &mut waiting => panic!("two calls at a time"),
        answer = first => answer,
    };
    assert_eq!(answer.correlation_id, "1");
    tokio::time::timeout(TIME_LIMIT, waiting).await.unwrap().expect("its turn comes");
    product.stop().await;
}
