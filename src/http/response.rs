//! Answers of RPCs as answers of HTTP: one message as JSON; a stream as lines or as events.

use std::future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use prost_reflect::MessageDescriptor;
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};

use super::answer::ErrorAnswer;
use super::form::AnswerForm;
use super::frames::FrameReader;
use super::upload::ListUpload;
use crate::proto::json;

/// JSON.
pub(super) const JSON: &str = "application/json";

/// Silence on a stream of events after which a comment is sent, for those on the way who close
/// connections without traffic.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The time that a caller gives a stream, which begins with its request.
pub(super) struct TimeLimit(Pin<Box<Sleep>>);

impl TimeLimit {
    pub(super) fn new(time: Duration) -> Self {
        Self(Box::pin(tokio::time::sleep(time)))
    }
}

/// An answer with this body.
pub(super) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Answers hold personal data.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An answer with this body, all of it.
pub(super) fn whole(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    with_body(status, content_type, Body::new(Full::new(body.into())))
}

/// A status as an error.
pub(super) fn error(status: &Status) -> Response<Body> {
    let answer = ErrorAnswer::new(status.code().into(), status.message(), status.details());
    let mut response = whole(answer.status, JSON, answer.body);
    if let Some(seconds) = answer.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if answer.status == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 15.5.2 asks for it.
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The one message of `answer` as JSON, or its error.
pub(super) async fn unary(answer: Response<Body>, of: MessageDescriptor) -> Response<Body> {
    match message(answer.into_body()).await.and_then(|octets| to_json(&of, &octets)) {
        Ok(json) => whole(StatusCode::OK, JSON, json),
        Err(status) => error(&status),
    }
}

/// The answer to a post to a hook: counts, as a report of outcomes has them.
pub(super) async fn hook(answer: Response<Body>) -> Response<Body> {
    match json::descriptors().get_message_by_name("mailvet.v1.ReportOutcomesResponse") {
        Some(counts) => unary(answer, counts).await,
        None => error(&Status::internal("the counts of outcomes have no description")),
    }
}

/// The answer to an upload, given that of the call that it became.
pub(super) async fn upload(answer: Response<Body>, upload: ListUpload) -> Response<Body> {
    let finished = match message(answer.into_body()).await {
        Ok(octets) => upload.finish(&octets).await,
        Err(status) => Err(status),
    };
    match finished {
        Ok(json) => whole(StatusCode::OK, JSON, json),
        Err(status) => error(&status),
    }
}

pub(super) async fn message(body: Body) -> Result<Bytes, Status> {
    let collected = body.collect().await?;
    let status = collected.trailers().and_then(Status::from_header_map);
    if let Some(status) = status.filter(|status| status.code() != Code::Ok) {
        return Err(status);
    }
    let mut frames = FrameReader::default();
    frames.push(&collected.to_bytes());
    frames.next().ok_or_else(|| Status::internal("the service answered with nothing"))
}

fn to_json(of: &MessageDescriptor, octets: &[u8]) -> Result<Vec<u8>, Status> {
    json::from_octets(of.clone(), octets).map_err(|error| Status::internal(error.to_string()))
}

/// A stream of messages in this form, which ends at `limit`. An error in its middle is its last
/// line or event.
pub(super) fn stream(
    answer: Response<Body>,
    of: MessageDescriptor,
    form: AnswerForm,
    limit: Option<TimeLimit>,
) -> Response<Body> {
    let stream = MessageStream {
        body: Some(answer.into_body()),
        frames: FrameReader::default(),
        of,
        form,
        opening: form.opening(),
        limit,
    };
    let pieces = stream::unfold(stream, |mut stream| async move {
        let piece = stream.next().await?;
        Some((piece.map(Frame::data), stream))
    });
    let body = Body::new(StreamBody::new(pieces));
    let mut response = with_body(StatusCode::OK, form.content_type(), body);
    if form == AnswerForm::Events {
        // Proxies that collect an answer before they pass it on do not collect this one.
        let name = http::HeaderName::from_static("x-accel-buffering");
        response.headers_mut().insert(name, HeaderValue::from_static("no"));
    }
    response
}

/// The messages of a stream, being translated.
struct MessageStream {
    /// `None` once it has ended.
    body: Option<Body>,
    frames: FrameReader,
    of: MessageDescriptor,
    form: AnswerForm,
    /// The text before the first message.
    opening: Option<String>,
    limit: Option<TimeLimit>,
}

impl MessageStream {
    /// The next piece of the answer.
    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        if let Some(opening) = self.opening.take() {
            return Some(Ok(opening.into()));
        }
        loop {
            if let Some(octets) = self.frames.next() {
                let piece = self.form.message(&self.of, &octets);
                let piece = piece.map_err(|error| Status::internal(error.to_string()));
                return Some(piece.map(Bytes::from).or_else(|status| self.end(&status)));
            }
            let body = self.body.as_mut()?;
            let frame = tokio::select! {
                biased;
                status = out_of_time(self.limit.as_mut()) => return Some(self.end(&status)),
                frame = tokio::time::timeout(KEEP_ALIVE, body.frame()) => frame,
            };
            let frame = match frame {
                Ok(frame) => frame,
                Err(_) if self.form == AnswerForm::Events => return Some(Ok(": \n\n".into())),
                Err(_) => continue,
            };
            let status = match frame? {
                Err(status) => status,
                Ok(frame) => match frame.into_data() {
                    Ok(data) => {
                        self.frames.push(&data);
                        continue;
                    }
                    Err(frame) => {
                        let trailers = frame.trailers_ref();
                        let ended = trailers.and_then(Status::from_header_map);
                        ended
                            .unwrap_or_else(|| Status::unknown("the stream ended without a status"))
                    }
                },
            };
            return Some(self.end(&status))
                .filter(|piece| !matches!(piece, Ok(end) if end.is_empty()));
        }
    }

    /// The last piece. Where the form has none for an error, the answer breaks off: a caller must
    /// not take a part for the whole.
    fn end(&mut self, status: &Status) -> Result<Bytes, Status> {
        self.body = None;
        if status.code() == Code::Ok {
            return Ok(self.form.ending().into());
        }
        let answer = ErrorAnswer::new(status.code().into(), status.message(), status.details());
        match self.form.error(&answer.body) {
            Some(piece) => Ok(piece.into()),
            None => Err(status.clone()),
        }
    }
}

/// Resolves when the time that the caller gave is over; never if it gave none.
async fn out_of_time(limit: Option<&mut TimeLimit>) -> Status {
    match limit {
        Some(TimeLimit(time)) => time.await,
        None => future::pending().await,
    }
    Status::deadline_exceeded(
        "the time of the header x-server-timeout is over; ask again, results with the last cursor",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole of a stream on which nothing comes, in this form, for a caller with 20 seconds.
    async fn silence(form: AnswerForm) -> Result<String, Status> {
        let of = json::descriptors().get_message_by_name("mailvet.v1.WatchBatchResponse").unwrap();
        let nothing = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Status>>());
        let limit = Some(TimeLimit::new(Duration::from_secs(20)));
        let answer = stream(Response::new(Body::new(nothing)), of, form, limit);
        let octets = answer.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_time_of_its_caller_and_says_so() {
        let events = silence(AnswerForm::Events).await.unwrap();
        assert!(events.starts_with(": \n\nevent: failure\n"), "{events}");
        let lines = silence(AnswerForm::Lines).await.unwrap();
        assert!(lines.starts_with(r#"{"error":{"code":4,"#), "{lines}");
        let table = silence(AnswerForm::Csv).await.unwrap_err();
        assert_eq!(table.code(), Code::DeadlineExceeded, "half a table breaks off");
    }
}
