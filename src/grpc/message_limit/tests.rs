use http_body_util::{BodyExt as _, Full, StreamBody};
use tonic::Code;

use super::*;
use crate::clock::Clock;

const UPLOAD: &str = PAGED[0];
const APPEND: &str = PAGED[1];
const CHECK: &str = "/grpc.health.v1.Health/Check";

fn limits() -> MessageLimits {
    MessageLimits::new(FREE, Duration::from_secs(3))
}

fn caller(name: &str) -> OctetOwner {
    OctetOwner::Caller(name.into())
}

fn bound(limits: &MessageLimits, path: &str, body: Body) -> Body {
    limits.bound(path, caller("crm"), body)
}

/// A body of these octets that stalls behind them, once what passes has been read.
fn read_to_the_stall(limits: &MessageLimits, path: &str, octets: &[u8]) -> Body {
    let mut body = bound(limits, path, stalled(octets, 5000));
    while let Some(Some(Ok(_))) = body.frame().now_or_never() {}
    body
}

fn message(length: usize, sent: usize) -> Vec<u8> {
    let mut octets = vec![0];
    octets.extend(u32::try_from(length).unwrap().to_be_bytes());
    octets.resize(HEADER + sent, b'x');
    octets
}

/// A body that brings these octets, `cut` at a time, and then nothing more.
fn stalled(octets: &[u8], cut: usize) -> Body {
    let frames: Vec<Result<_, Status>> =
        octets.chunks(cut).map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
    use futures_util::StreamExt as _;
    let frames = futures_util::stream::iter(frames).chain(futures_util::stream::pending());
    Body::new(StreamBody::new(frames))
}

async fn whole(limits: &MessageLimits, path: &str, octets: Vec<u8>) -> Result<Bytes, Status> {
    let body = bound(limits, path, Body::new(Full::new(Bytes::from(octets))));
    body.collect().await.map(http_body_util::Collected::to_bytes)
}

#[tokio::test]
async fn messages_pass_unchanged_however_they_are_cut() {
    let limits = limits();
    let octets = [message(10, 10), message(0, 0), message(FREE + 9, FREE + 9), message(3, 3)];
    let octets = octets.concat();
    assert_eq!(whole(&limits, UPLOAD, octets.clone()).await.unwrap(), octets);
    for cut in [1, 2, 7, 1000] {
        let mut body = bound(&limits, UPLOAD, stalled(&octets, cut));
        let mut passed = Vec::new();
        while passed.len() < octets.len() {
            passed.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!(passed, octets, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_message_too_large_for_its_method_is_refused_when_it_is_announced() {
    let limits = limits();
    let get = "/mailvet.v1.BatchService/GetBatch";
    let refused = whole(&limits, get, message(FREE + 1, 0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    assert!(refused.message().contains("send at most 65536"), "{refused}");
    let refused = whole(&limits, UPLOAD, message(LARGEST_PAGE + 1, 0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}

#[tokio::test(start_paused = true)]
async fn stalled_pages_hold_no_more_than_their_share_and_not_for_ever() {
    let limits = limits();
    let mut held = Vec::new();
    let mut passed = 0;
    for _ in 0..200 {
        let mut body = bound(&limits, UPLOAD, stalled(&message(LARGEST_PAGE, 1000), 5000));
        while let Some(Some(Ok(frame))) = body.frame().now_or_never() {
            passed += frame.into_data().unwrap().len();
        }
        held.push(body);
    }
    let pages = SHARE / LARGEST_PAGE;
    assert_eq!(passed, pages * (HEADER + 1000) + (200 - pages) * (HEADER - 1));
    let small = whole(&limits, UPLOAD, message(FREE, FREE)).await;
    assert!(small.is_ok(), "small pages need no room");
    let late = held[0].frame().await.unwrap().unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
    let refused = held[199].frame().await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    held.clear();
    let large = whole(&limits, UPLOAD, message(LARGEST_PAGE, LARGEST_PAGE)).await;
    assert!(large.is_ok(), "room comes back");
}

#[tokio::test(start_paused = true)]
async fn compressed_pages_count_as_the_largest_until_their_stream_ends() {
    let limits = limits();
    let (mut first, mut second) = (message(100, 100), message(100_000, 100_000));
    (first[0], second[0]) = (COMPRESSED, COMPRESSED);
    let octets = [first, second].concat();
    let mut held = Vec::new();
    for _ in 0..SHARE / LARGEST_PAGE {
        let mut body = bound(&limits, UPLOAD, stalled(&octets, 5000));
        let mut passed = 0;
        while let Some(Some(Ok(frame))) = body.frame().now_or_never() {
            passed += frame.into_data().unwrap().len();
        }
        assert_eq!(passed, octets.len(), "the second one has the room of the first");
        held.push(body);
    }
    let refused = whole(&limits, UPLOAD, octets.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    drop(held);
    assert!(whole(&limits, UPLOAD, octets).await.is_ok(), "room comes back");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_has_arrived_keeps_no_room_while_its_stream_pauses() {
    let limits = limits();
    let page = message(LARGEST_PAGE, LARGEST_PAGE);
    let mut held = Vec::new();
    for _ in 0..2 * SHARE / LARGEST_PAGE {
        let mut body = bound(&limits, UPLOAD, stalled(&page, 65_536));
        let mut passed = 0;
        while let Some(Some(Ok(frame))) = body.frame().now_or_never() {
            passed += frame.into_data().unwrap().len();
        }
        assert_eq!(passed, page.len());
        held.push(body);
    }
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn stalled_pages_of_one_caller_leave_room_for_those_of_others() {
    let limits = limits();
    let announced = message(LARGEST_PAGE, 0);
    let held: Vec<_> = (0..24).map(|_| read_to_the_stall(&limits, APPEND, &announced)).collect();
    let page = Body::new(Full::new(Bytes::from(message(100_000, 100_000))));
    let others = limits.bound(UPLOAD, caller("shop"), page).collect().now_or_never();
    assert!(others.expect("it waits for nobody").is_ok());
    drop(held);
}

/// Seconds until a body that has stalled is ended, and the status that ends it.
async fn end(mut body: Body) -> (u64, Status) {
    let clock = Clock::start();
    let begun = clock.now();
    let status = body.frame().await.unwrap().unwrap_err();
    (clock.now().duration_since(begun).unwrap().as_secs(), status)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_begun_has_to_arrive_in_time_however_small() {
    let limits = limits();
    for path in [UPLOAD, APPEND, "/mailvet.v1.BatchService/GetBatch"] {
        for octets in [message(100, 0), message(100, 99), vec![0], message(FREE, 1000)] {
            let (after, status) = end(read_to_the_stall(&limits, path, &octets)).await;
            assert_eq!(status.code(), Code::DeadlineExceeded, "{path}: {status}");
            assert_eq!(after, 30, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_one_message_has_to_be_whole_in_time_and_a_stream_may_pause() {
    let limits = limits();
    let two = [message(9, 9), message(9, 9)].concat();
    for octets in [Vec::new(), message(9, 9), two] {
        let (_, status) = end(read_to_the_stall(&limits, APPEND, &octets)).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        for path in STREAMED.into_iter().chain(["/grpc.reflection.v1.ServerReflection/Info"]) {
            let mut paused = read_to_the_stall(&limits, path, &octets);
            let silence = tokio::time::timeout(ARRIVAL * 9, paused.frame()).await;
            assert!(silence.is_err(), "{path}: nothing has begun");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_not_late_with_what_its_service_did_not_read() {
    use futures_util::stream::{self, StreamExt as _};
    let octets = message(100, 100);
    let late = tokio::time::sleep(ARRIVAL * 2);
    let (first, second) = (octets[..50].to_vec(), octets[50..80].to_vec());
    let frame = |octets: Vec<u8>| Ok::<_, Status>(Frame::data(Bytes::from(octets)));
    let frames = stream::iter([frame(first)])
        .chain(stream::once(late.map(move |()| frame(second))))
        .chain(stream::pending());
    let mut body = bound(&limits(), UPLOAD, Body::new(StreamBody::new(Box::pin(frames))));
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.frame().now_or_never().is_none(), "the rest is waited for");
    tokio::time::advance(ARRIVAL * 3).await;
    assert!(body.frame().await.unwrap().is_ok(), "it had come before anybody looked");
    let (after, status) = end(body).await;
    assert_eq!((after, status.code()), (30, Code::DeadlineExceeded), "and then it stalls");
}

#[tokio::test(start_paused = true)]
async fn a_request_for_the_health_is_small_and_has_the_time_of_a_handshake() {
    let limits = limits();
    let small = message(LARGEST_HEALTH, LARGEST_HEALTH);
    assert!(whole(&limits, CHECK, small).await.is_ok());
    let large = whole(&limits, CHECK, message(LARGEST_HEALTH + 1, 0)).await.unwrap_err();
    assert_eq!(large.code(), Code::OutOfRange, "{large}");
    for path in [CHECK, "/grpc.health.v1.Health/Watch"] {
        for octets in [Vec::new(), message(100, 99), message(9, 9)] {
            let (after, status) = end(read_to_the_stall(&limits, path, &octets)).await;
            assert_eq!((after, status.code()), (3, Code::DeadlineExceeded), "{path}: {status}");
        }
    }
}

#[test]
fn callers_that_stream_are_known() {
    use prost::Message as _;
    let files = prost_types::FileDescriptorSet::decode(crate::proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut streamed = Vec::new();
    for file in &files.file {
        for service in &file.service {
            let methods = service.method.iter().filter(|method| method.client_streaming());
            let path = |name| format!("/{}.{}/{name}", file.package(), service.name());
            streamed.extend(methods.map(|method| path(method.name())));
        }
    }
    streamed.sort();
    let mut known = STREAMED;
    known.sort_unstable();
    assert_eq!(streamed, known);
}
