//! Live progress: events that each hold a piece of the page (the HTML standard, "Server-sent
//! events").

use std::time::{Duration, SystemTime};

use askama::Template as _;
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::Status;
use tonic::body::Body;

use super::answer;
use super::batches::{PLACES, tallies};
use super::parts::SiteParts;
use super::progress::ProgressView;
use super::visit::{Answered, Visit};
use crate::clock::Clock;
use crate::http::DecodedStream;
use crate::proto::{TallyKind, WatchBatchRequest, WatchBatchResponse, from_message};
use crate::report::GroupCounts;

/// Shortest time between two events.
const EVERY: Duration = Duration::from_secs(1);

/// Shortest time between two looks at the providers.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// Looks at the providers take at most one part of the time in so many.
const LOOK_SHARE: u32 = 20;

/// Silence after which a comment is sent, for those on the way who close silent connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells the progress of a list until it is over.
pub(super) async fn watch(site: &SiteParts, visit: &Visit, id: &str) -> Answered {
    let request = WatchBatchRequest { batch_id: id.to_owned() };
    let live = LiveProgress {
        states: visit.stream("WatchBatch", &request).await?,
        visit: visit.clone(),
        id: id.to_owned(),
        clock: site.clock,
        places: Vec::new(),
        next_look: None,
        is_first: true,
    };
    let events = stream::unfold(Some(live), |live| async move {
        let mut live = live?;
        match live.next().await {
            Ok((event, true)) => Some((Ok(Frame::data(event)), Some(live))),
            Ok((event, false)) => Some((Ok(Frame::data(event)), None)),
            Err(status) => Some((Err(status), None)),
        }
    });
    let body = Body::new(StreamBody::new(events));
    let mut response = answer::streamed(StatusCode::OK, "text/event-stream", body);
    // Proxies that collect an answer before they pass it on do not collect this one.
    let name = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(name, HeaderValue::from_static("no"));
    Ok(response)
}

/// A list that is watched.
struct LiveProgress {
    states: DecodedStream<WatchBatchResponse>,
    visit: Visit,
    id: String,
    clock: Clock,
    places: Vec<GroupCounts>,
    /// The time of the next look at the providers.
    next_look: Option<SystemTime>,
    is_first: bool,
}

impl LiveProgress {
    /// The next event, and `true` if more may come.
    async fn next(&mut self) -> Result<(Bytes, bool), Status> {
        if !std::mem::take(&mut self.is_first) {
            tokio::time::sleep(EVERY).await;
        }
        let state = match tokio::time::timeout(KEEP_ALIVE, self.states.next()).await {
            Ok(state) => state?,
            Err(_) => return Ok((Bytes::from_static(b": \n\n"), true)),
        };
        let batch = state.and_then(|state| state.batch);
        let running = batch.filter(|batch| !from_message::state(batch).is_over());
        let Some(batch) = running else {
            return Ok((Bytes::from_static(b"event: end\ndata: \n\n"), false));
        };
        let now = self.clock.now();
        if self.next_look.is_none_or(|next| next <= now) {
            self.places = tallies(&self.visit, &self.id, TallyKind::Provider, PLACES).await?;
            let took = self.clock.now().duration_since(now).unwrap_or_default();
            self.next_look = Some(now + LOOK_EVERY.max(took * LOOK_SHARE));
        }
        Ok((event(&ProgressView::new(&batch, &self.places, now)), true))
    }
}

fn event(progress: &ProgressView) -> Bytes {
    let html = progress.render().unwrap_or_default();
    let lines: String = html.lines().map(|line| format!("data: {line}\n")).collect();
    format!("event: progress\n{lines}\n").into()
}
