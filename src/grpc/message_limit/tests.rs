use http_body_util::{BodyExt as _, Full, StreamBody};
use tonic::Code;

use super::*;

const UPLOAD: &str = PAGED[0];
const APPEND: &str = PAGED[1];

fn limits() -> MessageLimits {
    MessageLimits::new(FREE)
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
    let mut packed = message(100, 100);
    packed[0] = COMPRESSED;
    let octets = [packed.clone(), packed].concat();
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
async fn stalled_pages_of_one_caller_leave_room_for_those_of_others() {
    let limits = limits();
    let announced = message(LARGEST_PAGE, 0);
    let held: Vec<_> = (0..24).map(|_| read_to_the_stall(&limits, APPEND, &announced)).collect();
    let page = Body::new(Full::new(Bytes::from(message(100_000, 100_000))));
    let others = limits.bound(UPLOAD, caller("shop"), page).collect().now_or_never();
    assert!(others.expect("it waits for nobody").is_ok());
    drop(held);
}
