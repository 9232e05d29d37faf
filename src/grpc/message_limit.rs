//! Bounds the messages of a request before anything is buffered for them.
//!
//! A gRPC message announces its length (five octets), and the decoder makes room for all of it at
//! once. So a length that is too large is refused when it is announced, and a large one waits until
//! the budget over all calls has room for it. A compressed page is unpacked into a buffer that
//! stays until its stream ends, and counts as the largest page for as long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body::Frame;
use prost::bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;

use super::refusal;

/// The largest message of a page of rows, in octets.
pub(super) const LARGEST_PAGE: usize = 4 * 1024 * 1024;

/// Octets of the large messages that may be in arrival at a time, over all calls. The decoder takes
/// up to 2.3 times as much memory.
const BUDGET: usize = 48 * 1024 * 1024;

/// Messages up to this many octets need no room in the budget.
const FREE: usize = 64 * 1024;

/// Time a large message may wait for room in the budget.
const WAIT: Duration = Duration::from_secs(10);

/// Time a large message may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Octets of the header of a message: a flag and the length.
const HEADER: usize = 5;

/// The flag of a compressed message.
const COMPRESSED: u8 = 1;

/// Methods that take pages of rows, or of outcomes.
const PAGED: [&str; 3] = [
    "/mailvet.v1.BatchService/UploadBatch",
    "/mailvet.v1.BatchService/AppendBatchRows",
    "/mailvet.v1.OutcomeService/ReportOutcomes",
];

/// `true` if the method at `path` takes pages of rows.
pub(super) fn is_paged(path: &str) -> bool {
    PAGED.contains(&path)
}

/// Bounds messages over all calls. Clones share the budget.
#[derive(Clone, Debug)]
pub(super) struct MessageLimits {
    largest: usize,
    budget: Arc<Semaphore>,
}

impl MessageLimits {
    /// Limits by which messages of up to `largest` octets are taken, and pages of rows of 4 MiB.
    pub(super) fn new(largest: usize) -> Self {
        Self { largest, budget: Arc::new(Semaphore::new(BUDGET)) }
    }

    /// The body of a request to `path`, bounded.
    pub(super) fn bound(&self, path: &str, body: Body) -> Body {
        let is_paged = is_paged(path);
        Body::new(BoundedBody {
            inner: body,
            largest: if is_paged { LARGEST_PAGE } else { self.largest },
            is_paged,
            budget: Arc::clone(&self.budget),
            header: [0; HEADER],
            filled: 0,
            remaining: 0,
            rest: Bytes::new(),
            waiting: None,
            arriving: None,
            unpacked: None,
        })
    }
}

/// Room in the budget for a message in arrival, and the time it has.
struct Arriving {
    _room: OwnedSemaphorePermit,
    timer: Pin<Box<Sleep>>,
}

struct BoundedBody {
    inner: Body,
    largest: usize,
    is_paged: bool,
    budget: Arc<Semaphore>,
    header: [u8; HEADER],
    filled: usize,
    /// Octets of the present message that have not come yet.
    remaining: usize,
    /// Octets that came and were not passed on.
    rest: Bytes,
    /// A large message that waits for room; the last octet of its header begins `rest`.
    waiting: Option<BoxFuture<'static, Result<OwnedSemaphorePermit, Status>>>,
    /// A large message that has room.
    arriving: Option<Arriving>,
    /// Room for what is unpacked, once a compressed page came.
    unpacked: Option<OwnedSemaphorePermit>,
}

impl BoundedBody {
    /// Octets to reserve for the present message: while it arrives, and for what it unpacks to.
    fn needed(&self, length: usize) -> [usize; 2] {
        let unpacks = self.is_paged && self.header[0] == COMPRESSED && self.unpacked.is_none();
        [if length > FREE { length } else { 0 }, if unpacks { LARGEST_PAGE } else { 0 }]
    }

    /// Follows the messages in `octets`; returns how many octets may be passed on now. Fewer than
    /// all: a large message begins there.
    fn follow(&mut self, octets: &[u8]) -> Result<usize, Status> {
        let mut at = 0;
        while at < octets.len() {
            if self.remaining > 0 {
                let taken = self.remaining.min(octets.len() - at);
                self.remaining -= taken;
                at += taken;
                continue;
            }
            self.arriving = None;
            let taken = (HEADER - self.filled).min(octets.len() - at);
            self.header[self.filled..self.filled + taken].copy_from_slice(&octets[at..at + taken]);
            self.filled += taken;
            at += taken;
            if self.filled < HEADER {
                break;
            }
            self.filled = 0;
            let [flag, a, b, c, d] = self.header;
            if flag > COMPRESSED {
                return Err(Status::invalid_argument(
                    "a message has no header of gRPC's; send it with a gRPC client",
                ));
            }
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if length > self.largest {
                return Err(Status::out_of_range(format!(
                    "a message of {length} octets is too large; send at most {}",
                    self.largest
                )));
            }
            self.remaining = length;
            let needed: usize = self.needed(length).iter().sum();
            if needed > 0 {
                self.waiting = Some(room(Arc::clone(&self.budget), needed).boxed());
                return Ok(at - 1);
            }
        }
        Ok(octets.len())
    }

    /// Passes on what may be passed on of `octets`, and keeps the rest.
    fn pass(&mut self, mut octets: Bytes) -> Option<Result<Frame<Bytes>, Status>> {
        match self.follow(&octets) {
            Err(status) => Some(Err(status)),
            Ok(many) => {
                self.rest = octets.split_off(many);
                (!octets.is_empty()).then(|| Ok(Frame::data(octets)))
            }
        }
    }

    /// Ready once no large message waits for room; then the octet that was held back for it.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        let Some(waiting) = &mut self.waiting else { return Poll::Ready(Ok(None)) };
        let Poll::Ready(room) = waiting.poll_unpin(cx) else { return Poll::Pending };
        self.waiting = None;
        let mut room = room?;
        let [_, unpacked] = self.needed(self.remaining);
        if unpacked > 0 {
            self.unpacked = room.split(unpacked);
        }
        let timer = Box::pin(tokio::time::sleep(ARRIVAL));
        self.arriving = Some(Arriving { _room: room, timer });
        Poll::Ready(Ok(Some(self.rest.split_to(1))))
    }

    /// Ends a large message that takes too long to arrive.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(arriving) = &mut self.arriving else { return Poll::Pending };
        if self.remaining == 0 || arriving.timer.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.arriving = None;
        Poll::Ready(Some(Err(Status::deadline_exceeded(format!(
            "a message did not arrive within {} s; send smaller pages",
            ARRIVAL.as_secs()
        )))))
    }
}

impl http_body::Body for BoundedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            match this.poll_room(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(status)) => return Poll::Ready(Some(Err(status))),
                Poll::Ready(Ok(Some(octet))) => return Poll::Ready(Some(Ok(Frame::data(octet)))),
                Poll::Ready(Ok(None)) => {}
            }
            if !this.rest.is_empty() {
                let rest = std::mem::take(&mut this.rest);
                match this.pass(rest) {
                    Some(passed) => return Poll::Ready(Some(passed)),
                    None => continue,
                }
            }
            let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return this.poll_late(cx),
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(octets))) => this.rest = octets,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.waiting.is_none() && self.inner.is_end_stream()
    }
}

/// Room for a message of `octets` in the budget.
async fn room(budget: Arc<Semaphore>, octets: usize) -> Result<OwnedSemaphorePermit, Status> {
    let octets = u32::try_from(octets).unwrap_or(u32::MAX);
    let room = tokio::time::timeout(WAIT, budget.acquire_many_owned(octets)).await;
    room.ok().and_then(Result::ok).ok_or_else(|| refusal::overloaded("large pages in arrival"))
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full, StreamBody};
    use tonic::Code;

    use super::*;

    const UPLOAD: &str = PAGED[0];

    fn message(length: usize, sent: usize) -> Vec<u8> {
        let mut octets = vec![0];
        octets.extend(u32::try_from(length).unwrap().to_be_bytes());
        octets.resize(HEADER + sent, b'x');
        octets
    }

    /// A body that brings these octets, `cut` at a time, and then nothing more.
    fn stalled(octets: &[u8], cut: usize) -> Body {
        let frames: Vec<Result<_, Status>> = octets
            .chunks(cut)
            .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
            .collect();
        use futures_util::StreamExt as _;
        let frames = futures_util::stream::iter(frames).chain(futures_util::stream::pending());
        Body::new(StreamBody::new(frames))
    }

    async fn whole(limits: &MessageLimits, path: &str, octets: Vec<u8>) -> Result<Bytes, Status> {
        let body = limits.bound(path, Body::new(Full::new(Bytes::from(octets))));
        body.collect().await.map(http_body_util::Collected::to_bytes)
    }

    #[tokio::test]
    async fn messages_pass_unchanged_however_they_are_cut() {
        let limits = MessageLimits::new(FREE);
        let octets = [message(10, 10), message(0, 0), message(FREE + 9, FREE + 9), message(3, 3)];
        let octets = octets.concat();
        assert_eq!(whole(&limits, UPLOAD, octets.clone()).await.unwrap(), octets);
        for cut in [1, 2, 7, 1000] {
            let mut body = limits.bound(UPLOAD, stalled(&octets, cut));
            let mut passed = Vec::new();
            while passed.len() < octets.len() {
                passed.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
            }
            assert_eq!(passed, octets, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_message_too_large_for_its_method_is_refused_when_it_is_announced() {
        let limits = MessageLimits::new(FREE);
        let get = "/mailvet.v1.BatchService/GetBatch";
        let refused = whole(&limits, get, message(FREE + 1, 0)).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange);
        assert!(refused.message().contains("send at most 65536"), "{refused}");
        let refused = whole(&limits, UPLOAD, message(LARGEST_PAGE + 1, 0)).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange);
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_pages_hold_no_more_than_the_budget_and_not_for_ever() {
        let limits = MessageLimits::new(FREE);
        let mut held = Vec::new();
        let mut passed = 0;
        for _ in 0..200 {
            let mut body = limits.bound(UPLOAD, stalled(&message(LARGEST_PAGE, 1000), 5000));
            while let Some(Some(Ok(frame))) = body.frame().now_or_never() {
                passed += frame.into_data().unwrap().len();
            }
            held.push(body);
        }
        let pages = BUDGET / LARGEST_PAGE;
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
        let limits = MessageLimits::new(FREE);
        let mut packed = message(100, 100);
        packed[0] = COMPRESSED;
        let octets = [packed.clone(), packed].concat();
        let mut held = Vec::new();
        for _ in 0..BUDGET / LARGEST_PAGE {
            let mut body = limits.bound(UPLOAD, stalled(&octets, 5000));
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
}
