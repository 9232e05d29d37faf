//! Live progress: events that each hold a piece of the page (the HTML standard, "Server-sent
//! events").

use std::sync::Arc;
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
use super::sessions::Sessions;
use super::visit::{Answered, Visit};
use crate::clock::Clock;
use crate::http::DecodedStream;
use crate::proto::{Batch, TallyKind, WatchBatchRequest, WatchBatchResponse, from_message};
use crate::report::GroupCounts;

/// Shortest time between two events.
const EVERY: Duration = Duration::from_secs(1);

/// Shortest time between two looks at the providers.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// Looks at the providers take at most one part of the time in so many.
const LOOK_SHARE: u32 = 20;

/// Silence after which the progress is told all the same: the time left shrinks, and those on the
/// way close silent connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells the progress of a list until it is over.
pub(super) async fn watch(site: &SiteParts, visit: &Visit, id: &str) -> Answered {
    let request = WatchBatchRequest { batch_id: id.to_owned() };
    let live = LiveProgress {
        states: visit.stream("WatchBatch", &request).await?,
        visit: visit.clone(),
        id: id.to_owned(),
        clock: site.clock,
        sessions: Arc::clone(&site.sessions),
        batch: None,
        places: Vec::new(),
        is_behind: true,
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
    sessions: Arc<Sessions>,
    /// The list as it was told last.
    batch: Option<Batch>,
    places: Vec<GroupCounts>,
    /// The list has changed since the last look at the providers.
    is_behind: bool,
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
        // A list that waits for its servers may not change for long: the rows that were answered
        // last would never be told by provider.
        let silence = if self.is_behind { LOOK_EVERY } else { KEEP_ALIVE };
        if let Ok(state) = tokio::time::timeout(silence, self.states.next()).await {
            self.batch = state?.and_then(|state| state.batch).filter(is_running);
            self.is_behind = true;
            if self.batch.is_none() {
                return Ok(end());
            }
        }
        let now = self.clock.now();
        if !self.sessions.is_open(&self.visit.session, now) {
            // The page loads itself anew, and asks to sign in.
            return Ok(end());
        }
        let Some(batch) = self.batch.clone() else {
            return Ok((Bytes::from_static(b": \n\n"), true));
        };
        if self.next_look.is_none_or(|next| next <= now) {
            self.look_at_providers(now).await?;
        }
        Ok((event(&ProgressView::new(&batch, &self.places, now)), true))
    }

    async fn look_at_providers(&mut self, now: SystemTime) -> Result<(), Status> {
        match tallies(&self.visit, &self.id, TallyKind::Provider, PLACES).await {
            Ok(places) => (self.places, self.is_behind) = (places, false),
            // The list still shows how far it is.
            Err(status) if is_passing(&status) => {}
            Err(status) => return Err(status),
        }
        let took = self.clock.now().duration_since(now).unwrap_or_default();
        self.next_look = Some(now + LOOK_EVERY.max(took * LOOK_SHARE));
        Ok(())
    }
}

/// The last event.
fn end() -> (Bytes, bool) {
    (Bytes::from_static(b"event: end\ndata: \n\n"), false)
}

fn is_running(batch: &Batch) -> bool {
    !from_message::state(batch).is_over()
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
    use std::task::Poll;

    use futures_util::StreamExt as _;
    use http::{HeaderMap, Request, Response};
    use prost::Message;

    use super::*;
    use crate::http::{OwnServices, frame};
    use crate::proto::{BatchState, BatchTally, ListBatchTalliesResponse};
    use crate::verdict::Reason;

    /// The answer with one message. A stream of which more may come has no end.
    fn answer(message: &impl Message, is_whole: bool) -> Response<Body> {
        let data = Frame::data(frame(&message.encode_to_vec()).unwrap());
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let end = is_whole.then(|| Frame::trailers(trailers));
        let frames = stream::iter([data].into_iter().chain(end).map(Ok::<_, Status>));
        let rest =
            stream::poll_fn(move |_| if is_whole { Poll::Ready(None) } else { Poll::Pending });
        Response::new(Body::new(StreamBody::new(frames.chain(rest))))
    }

    /// Services that know of a batch that runs and does not change, and of one provider, or refuse
    /// to tell providers.
    fn services(refusal: Option<Code>) -> OwnServices {
        OwnServices::new(tower::service_fn(move |request: Request<Body>| async move {
            let batch = Batch { state: BatchState::Running.into(), ..Batch::default() };
            let tally = BatchTally { name: "acme.test".to_owned(), rows: 3, ..Default::default() };
            let tallies = ListBatchTalliesResponse { tallies: vec![tally], ..Default::default() };
            Ok::<_, Infallible>(match refusal {
                _ if request.uri().path().ends_with("/WatchBatch") => {
                    answer(&WatchBatchResponse { batch: Some(batch) }, false)
                }
                Some(refusal) => Status::new(refusal, "refused").into_http(),
                None => answer(&tallies, true),
            })
        }))
    }

    async fn live(refusal: Option<Code>) -> LiveProgress {
        let clock = Clock::start();
        let sessions = Arc::new(Sessions::new(false));
        let (session, _) = sessions.begin(None, clock.now()).unwrap();
        let (parts, ()) = Request::new(()).into_parts();
        let visit = Visit::new(parts, session, services(refusal));
        let states = visit.stream("WatchBatch", &WatchBatchRequest::default()).await.unwrap();
        LiveProgress {
            states,
            visit,
            id: "x".to_owned(),
            clock,
            sessions,
            batch: None,
            places: Vec::new(),
            is_behind: true,
            next_look: None,
            is_first: true,
        }
    }

    /// The provider that was known before.
    fn known() -> GroupCounts {
        let finished = vec![(Reason::MailboxAccepted, 3)];
        GroupCounts { name: "acme.test".to_owned(), rows: 3, finished, operator: None }
    }

    /// The next event.
    async fn told(live: &mut LiveProgress) -> String {
        let (event, is_on) = live.next().await.unwrap();
        assert!(is_on, "{event:?}");
        String::from_utf8_lossy(&event).into_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_told_with_the_last_providers_while_there_is_no_news_of_them() {
        for refusal in [Code::ResourceExhausted, Code::Unavailable] {
            let mut live = live(Some(refusal)).await;
            live.places = vec![known()];
            let event = told(&mut live).await;
            assert!(event.starts_with("event: progress") && event.contains("acme.test"), "{event}");
            assert!(live.next_look.is_some(), "it asks again after a while");
        }
        let refused = live(Some(Code::Unauthenticated)).await.next().await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "its key was withdrawn");
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_does_not_change_is_told_by_provider_all_the_same() {
        let mut live = live(None).await;
        // As if the providers had been looked at before there was anything to see.
        live.next_look = Some(live.clock.now() + LOOK_EVERY);
        assert!(!told(&mut live).await.contains("acme.test"), "the next look is not yet due");
        let before = live.clock.now();
        let event = told(&mut live).await;
        assert!(event.starts_with("event: progress") && event.contains("acme.test"), "{event}");
        let waited = live.clock.now().duration_since(before).unwrap();
        assert!(waited < KEEP_ALIVE, "{waited:?}");
        let event = told(&mut live).await;
        assert!(event.starts_with("event: progress"), "the time left shrinks: {event}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_signed_out_is_told_nothing_more() {
        let mut live = live(None).await;
        assert!(told(&mut live).await.starts_with("event: progress"));
        live.sessions.end(&live.visit.session);
        let (event, is_on) = live.next().await.unwrap();
        assert!(event.starts_with(b"event: end") && !is_on, "{event:?}");
    }
}
