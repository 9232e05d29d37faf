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
use tonic::body::Body;
use tonic::{Code, Status};

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
            match tallies(&self.visit, &self.id, TallyKind::Provider, PLACES).await {
                Ok(places) => self.places = places,
                // The list still shows how far it is.
                Err(status) if is_passing(&status) => {}
                Err(status) => return Err(status),
            }
            let took = self.clock.now().duration_since(now).unwrap_or_default();
            self.next_look = Some(now + LOOK_EVERY.max(took * LOOK_SHARE));
        }
        Ok((event(&ProgressView::new(&batch, &self.places, now)), true))
    }
}

/// Returns whether the next look may have an answer: a limit was reached, or the database is away.
/// A key that was withdrawn, or a list that was deleted, ends the events.
fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
    )
}

fn event(progress: &ProgressView) -> Bytes {
    let html = progress.render().unwrap_or_default();
    let lines: String = html.lines().map(|line| format!("data: {line}\n")).collect();
    format!("event: progress\n{lines}\n").into()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use http_body_util::Full;
    use prost::Message as _;

    use super::*;
    use crate::console::sessions::Sessions;
    use crate::http::{OwnServices, frame};
    use crate::proto::{Batch, BatchState};
    use crate::verdict::Reason;

    /// Services that know of a batch that runs, and refuse everything else so.
    fn services(refusal: Code) -> OwnServices {
        OwnServices::new(tower::service_fn(move |request: Request<Body>| async move {
            let batch = Batch { state: BatchState::Running.into(), ..Batch::default() };
            let state = WatchBatchResponse { batch: Some(batch) };
            let answer = if request.uri().path().ends_with("/WatchBatch") {
                Response::new(Body::new(Full::new(frame(&state.encode_to_vec()).unwrap())))
            } else {
                Status::new(refusal, "refused").into_http()
            };
            Ok::<_, Infallible>(answer)
        }))
    }

    async fn live(refusal: Code) -> LiveProgress {
        let clock = Clock::start();
        let (session, _) = Sessions::new(false).begin(None, clock.now()).unwrap();
        let (parts, ()) = Request::new(()).into_parts();
        let visit = Visit::new(parts, session, services(refusal));
        let states = visit.stream("WatchBatch", &WatchBatchRequest::default()).await.unwrap();
        let finished = vec![(Reason::MailboxAccepted, 3)];
        let name = "acme.test".to_owned();
        let places = vec![GroupCounts { name, rows: 3, finished, operator: None }];
        let (id, next_look) = ("x".to_owned(), None);
        LiveProgress { states, visit, id, clock, places, next_look, is_first: true }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_told_with_the_last_providers_while_there_is_no_news_of_them() {
        for refusal in [Code::ResourceExhausted, Code::Unavailable] {
            let mut live = live(refusal).await;
            let (event, is_on) = live.next().await.unwrap();
            let event = String::from_utf8_lossy(&event);
            assert!(event.starts_with("event: progress") && event.contains("acme.test"), "{event}");
            assert!(is_on && live.next_look.is_some(), "it asks again after a while");
        }
        let refused = live(Code::Unauthenticated).await.next().await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "its key was withdrawn");
    }
}
