//! Bounds the messages of a request before anything is buffered for them, and the time they take.
//!
//! A gRPC message announces its length (five octets), and the decoder makes room for all of it at
//! once. So a length that is too large is refused when it is announced, and a large one waits until
//! the budget over all calls, and its caller's share of it, have room for it. A compressed page is
//! unpacked into a buffer that stays until its stream ends, and counts as the largest page for as
//! long.
//!
//! A message that has begun has to arrive in time, and so has the whole request of a call that
//! takes one message. A stream may pause between two messages: its service says for how long.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body::Frame;
use prost::bytes::Bytes;
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;

use super::refusal;
use crate::http::{OctetBudget, OctetOwner, OctetRoom};

/// The largest message of a page of rows, in octets.
pub(super) const LARGEST_PAGE: usize = 4 * 1024 * 1024;

/// Octets of the large messages that may be in arrival at a time, over all calls. The decoder takes
/// up to 2.3 times as much memory.
const BUDGET: usize = 48 * 1024 * 1024;

/// Those of one caller: four of the largest at a time. Others find room beside it.
const SHARE: usize = BUDGET / 3;

/// Messages up to this many octets need no room in the budget.
const FREE: usize = 64 * 1024;

/// Time a large message may wait for room in the budget.
const WAIT: Duration = Duration::from_secs(10);

/// Time a message may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Octets of the header of a message: a flag and the length.
const HEADER: usize = 5;

/// The flag of a compressed message.
const COMPRESSED: u8 = 1;

/// The paths of the health service, which needs no credentials.
pub(super) const HEALTH: &str = "/grpc.health.v1.Health/";

/// The largest request for the health, in octets: it names a service.
const LARGEST_HEALTH: usize = 1024;

/// Methods whose callers stream: they may pause between two messages.
const STREAMED: [&str; 3] = [
    "/mailvet.v1.VerificationService/VerifyAddresses",
    "/mailvet.v1.BatchService/UploadBatch",
    "/mailvet.v1.OutcomeService/ReportOutcomes",
];

/// The paths of reflection, whose callers stream too.
const REFLECTION: &str = "/grpc.reflection.";

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
    health_arrival: Duration,
    budget: OctetBudget,
}

impl MessageLimits {
    /// Limits by which messages of up to `largest` octets are taken, and pages of rows of 4 MiB. A
    /// request for the health has `health_arrival` to arrive.
    pub(super) fn new(largest: usize, health_arrival: Duration) -> Self {
        Self { largest, health_arrival, budget: OctetBudget::new(BUDGET, SHARE) }
    }

    /// The body of a request to `path` by `owner`, bounded.
    pub(super) fn bound(&self, path: &str, owner: OctetOwner, body: Body) -> Body {
        let (is_paged, is_health) = (is_paged(path), path.starts_with(HEALTH));
        let largest = match path {
            _ if is_health => self.largest.min(LARGEST_HEALTH),
            _ if is_paged => LARGEST_PAGE,
            _ => self.largest,
        };
        Body::new(BoundedBody {
            inner: body,
            largest,
            is_paged,
            is_streamed: STREAMED.contains(&path) || path.starts_with(REFLECTION),
            arrival: if is_health { self.health_arrival } else { ARRIVAL },
            owner,
            budget: self.budget.clone(),
            header: [0; HEADER],
            filled: 0,
            remaining: 0,
            rest: Bytes::new(),
            waiting: None,
            timer: None,
            arriving: None,
            unpacked: None,
        })
    }
}

struct BoundedBody {
    inner: Body,
    largest: usize,
    is_paged: bool,
    /// `true` if more than one message may come.
    is_streamed: bool,
    /// The time that a message, or all of a request with one, has to arrive.
    arrival: Duration,
    owner: OctetOwner,
    budget: OctetBudget,
    header: [u8; HEADER],
    filled: usize,
    /// Octets of the present message that have not come yet.
    remaining: usize,
    /// Octets that came and were not passed on.
    rest: Bytes,
    /// A large message that waits for room; the last octet of its header begins `rest`.
    waiting: Option<BoxFuture<'static, Result<OctetRoom, Status>>>,
    /// The end of the time to arrive, once the rest was waited for.
    timer: Option<Pin<Box<Sleep>>>,
    /// Room for the large message that arrives.
    arriving: Option<OctetRoom>,
    /// Room for what is unpacked, once a compressed page came.
    unpacked: Option<OctetRoom>,
}

impl BoundedBody {
    /// Octets to reserve for the present message: while it arrives, and for what it unpacks to. A
    /// stream that has room for the second has it for the first: those that were let in do not wait
    /// for each other.
    fn needed(&self, length: usize) -> [usize; 2] {
        if self.unpacked.is_some() {
            return [0, 0];
        }
        let unpacks = self.is_paged && self.header[0] == COMPRESSED;
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
            if self.is_streamed && self.filled == 0 {
                self.timer = None;
            }
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
                self.waiting = Some(room(self.budget.clone(), self.owner.clone(), needed).boxed());
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
        self.arriving = Some(room);
        // The time in which it waited for us was not its own.
        self.timer = None;
        Poll::Ready(Ok(Some(self.rest.split_to(1))))
    }

    /// Ends what takes too long to arrive.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let is_between = self.filled == 0 && self.remaining == 0;
        if self.is_streamed && is_between {
            return Poll::Pending;
        }
        let arrival = self.arrival;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(arrival)));
        if timer.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.arriving = None;
        let remedy = if self.is_paged { "send smaller pages" } else { "send it again" };
        Poll::Ready(Some(Err(Status::deadline_exceeded(format!(
            "a request did not arrive within {}; {remedy}",
            humantime::format_duration(arrival)
        )))))
    }

    /// Gives a message of a stream its time anew, if octets come when it is over: nobody looked for
    /// them before, since the service did not read on.
    fn forgive(&mut self) {
        let is_over = self.timer.as_ref().is_some_and(|timer| timer.is_elapsed());
        if self.is_streamed && is_over {
            self.timer = None;
        }
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
            if this.remaining == 0 && this.filled == 0 {
                // The last message has arrived, and the next may be long in coming.
                this.arriving = None;
            }
            let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return this.poll_late(cx),
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(octets))) => {
                    this.forgive();
                    this.rest = octets;
                }
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
async fn room(budget: OctetBudget, owner: OctetOwner, octets: usize) -> Result<OctetRoom, Status> {
    let room = tokio::time::timeout(WAIT, budget.room(&owner, octets)).await;
    room.ok().and_then(Result::ok).ok_or_else(|| refusal::overloaded("large pages in arrival"))
}

#[cfg(test)]
mod tests;
