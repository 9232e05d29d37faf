//! Callers that open much, send little and wait.

use std::io::Write as _;
use std::time::Duration;

use http_body::Frame;
use http_body_util::StreamBody;
use mailvet::access;
use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::{BatchAddress, BatchEnd, BatchPage, BatchSpec, UploadBatchRequest};
use mailvet::sandbox::{Sandbox, World};
use prost::bytes::Bytes;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_stream::{self as stream, StreamExt as _};
use tonic::body::Body;
use tonic::{Code, Request, Status};
use tower::ServiceExt as _;

use crate::limits::closed;
use crate::process::{Service, TIME_LIMIT};
use crate::product::Product;

/// Octets of a page, as it is announced.
const PAGE: usize = 4 * 1024 * 1024;

/// Pages that never arrive whole.
const PAGES: usize = 200;

/// The octets that announce a page.
fn announced() -> Bytes {
    Bytes::from([&[0], &u32::try_from(PAGE).unwrap().to_be_bytes()[..]].concat())
}

/// A request that announces a page, brings all of it but the last 20 KB, and then nothing.
fn stalled() -> Body {
    let piece = Bytes::from(vec![0; 16 * 1024]);
    let pieces = std::iter::repeat_n(piece, (PAGE - 20_000) / (16 * 1024));
    let frames = std::iter::once(announced())
        .chain(pieces)
        .map(|octets| Ok::<_, Status>(Frame::data(octets)));
    Body::new(StreamBody::new(stream::iter(frames).chain(stream::pending())))
}

#[tokio::test]
async fn pages_that_never_arrive_whole_take_no_more_memory_than_their_budget() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut service = Service::on(&sandbox, store.path(), &[]).await;
    let channel = service.channel().await;
    let mut calls = JoinSet::new();
    for call in 0..PAGES {
        let method = if call % 2 == 0 { "UploadBatch" } else { "AppendBatchRows" };
        let request = http::Request::post(format!("/mailvet.v1.BatchService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(stalled())
            .unwrap();
        let channel = channel.clone();
        calls.spawn(async move { channel.oneshot(request).await.unwrap() });
    }
    // Those that find no room are turned away; those that have it are still sending, or wait.
    let turned_away = async {
        let mut many = 0;
        while many < PAGES * 3 / 4 {
            let answer = calls.join_next().await.unwrap().unwrap();
            let status = Status::from_header_map(answer.headers()).unwrap();
            match status.code() {
                Code::ResourceExhausted => many += 1,
                // It had room, and did not arrive in its time.
                code => assert_eq!(code, Code::DeadlineExceeded, "{status}"),
            }
        }
    };
    tokio::time::timeout(TIME_LIMIT, turned_away).await.expect("there is a budget");
    let peak = service.peak_memory();
    assert!(peak < 256 * 1024 * 1024, "{peak} octets at the most");
    drop(calls);
    service.stop().await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn pages_of_one_key_that_never_arrive_leave_room_for_those_of_another() {
    let crm = access::issue("crm", [1; 32], None).unwrap();
    let shop = access::issue("shop", [2; 32], None).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "{}{}", crm.entry, shop.entry).unwrap();
    let keys = file.path().to_owned();
    let product = Product::with(|config| config.server.api_keys = Some(keys)).await;
    let channel = product.channel().await;
    let mut calls = JoinSet::new();
    for _ in 0..24 {
        let octets = stream::iter([Ok::<_, Status>(Frame::data(announced()))]);
        let request = http::Request::post("/mailvet.v1.BatchService/AppendBatchRows")
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {}", crm.key))
            .body(Body::new(StreamBody::new(octets.chain(stream::pending()))))
            .unwrap();
        calls.spawn(channel.clone().oneshot(request));
    }
    let all_wait = async {
        while product.app.sources.calls.in_flight() < 24 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, all_wait).await.expect("all have begun");
    // Large enough to need room: 100 KB and more.
    let addresses = (0..4_000).map(|row| BatchAddress {
        address: format!("row{row} at acme.test"),
        row_id: row.to_string(),
        ..BatchAddress::default()
    });
    let parts = [
        Part::Spec(BatchSpec::default()),
        Part::Page(BatchPage { addresses: addresses.collect() }),
        Part::End(BatchEnd { rows: 4_000 }),
    ];
    let parts = parts.map(|part| UploadBatchRequest { part: Some(part) });
    let mut request = Request::new(stream::iter(parts));
    request.metadata_mut().insert("authorization", format!("Bearer {}", shop.key).parse().unwrap());
    let taken = BatchServiceClient::new(channel).upload_batch(request).await;
    taken.expect("another key has room");
    drop(calls);
    product.stop().await;
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Calls on one connection of HTTP/2, each with a message that announces more than it brings.
fn unfinished(path: &str, calls: u32) -> Vec<u8> {
    let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    octets.extend(frame(4, 0, 0, &[]));
    // The method and the scheme, and literals under the names of the static table (RFC 7541).
    let mut head = vec![0x83, 0x86];
    for (name, value) in
        [(&[0x04][..], path), (&[0x01], "here"), (&[0x0f, 0x10], "application/grpc")]
    {
        head.extend(name);
        head.push(u8::try_from(value.len()).unwrap());
        head.extend(value.as_bytes());
    }
    for stream in (1..).step_by(2).take(calls as usize) {
        octets.extend(frame(1, 4, stream, &head));
        octets.extend(frame(0, 0, stream, &[0, 0, 0, 1, 0, b'x']));
    }
    octets
}

#[tokio::test]
async fn checks_of_the_health_that_never_arrive_whole_do_not_keep_their_connection() {
    let product = Product::with(|config| {
        config.server.limits.handshake_timeout = Duration::from_millis(200);
    })
    .await;
    for method in ["Check", "Watch"] {
        let mut stream = TcpStream::connect(product.address).await.unwrap();
        let octets = unfinished(&format!("/grpc.health.v1.Health/{method}"), 200);
        stream.write_all(&octets).await.unwrap();
        let said = closed(&mut stream).await;
        assert!(!said.is_empty(), "{method}: HTTP/2 was spoken");
    }
    product.stop().await;
}

/// A request of HTTP/1.1 with 100 KB of headers.
fn large_head() -> String {
    let headers: String = (0..5).map(|n| format!("x-{n}: {}\r\n", "a".repeat(20_000))).collect();
    format!("GET /v1/batches HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}connection: close\r\n\r\n")
}

#[tokio::test]
async fn a_large_head_of_http_1_is_not_collected_before_a_caller_is_known_nor_taken_after() {
    let product = Product::start().await;
    let mut stream = TcpStream::connect(product.address).await.unwrap();
    // The other end may have hung up by then.
    let _sent = stream.write_all(large_head().as_bytes()).await;
    let said = String::from_utf8(closed(&mut stream).await).unwrap();
    assert!(!said.contains("HTTP/1.1 200"), "{said}");

    let small = "GET /v1/batches HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    let mut stream = TcpStream::connect(product.address).await.unwrap();
    stream.write_all(format!("{small}{}", large_head()).as_bytes()).await.unwrap();
    let said = String::from_utf8(closed(&mut stream).await).unwrap();
    assert!(said.contains("HTTP/1.1 200") && said.contains("HTTP/1.1 431"), "{said}");
    product.stop().await;
}
