//! One request of a browser that has a session.

use std::time::Duration;

use http::header::{HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::answer;
use super::pages::{NextLink, PageFrame, TroublePage};
use super::parts::PREFIX;
use super::sessions::ConsoleSession;
use crate::campaign::duration::time_left;
use crate::http::{AdmittedCall, CallOrigin, DecodedStream, OwnServices, RequestForm, http_status};

/// The answer to a request, or why there is none.
pub(super) type Answered = Result<Response<Body>, Status>;

/// A request, its session, and the services to answer it with.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) parts: Parts,
    pub(super) session: ConsoleSession,
    services: OwnServices,
    origin: CallOrigin,
}

impl Visit {
    pub(super) fn new(parts: Parts, session: ConsoleSession, services: OwnServices) -> Self {
        let mut origin = CallOrigin::from_parts(&parts);
        if let Some(key) = &session.authorization {
            origin = origin.with_authorization(key.clone());
        }
        Self { parts, session, services, origin }
    }

    /// Asks the gate whether it lets the caller in; what is kept of it is a call under way.
    pub(super) async fn admit(&self) -> Result<AdmittedCall, Status> {
        self.services.admit(self.origin.clone()).await
    }

    /// Calls a method of the batch service.
    pub(super) async fn batches<A: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<A, Status> {
        let path = batch_method(method);
        self.services.call(self.origin.clone(), &path, message, None).await
    }

    /// Calls a method of the verification service that must answer within `time_limit`.
    pub(super) async fn verify<A: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
        time_limit: Duration,
    ) -> Result<A, Status> {
        let path = format!("/mailvet.v1.VerificationService/{method}");
        self.services.call(self.origin.clone(), &path, message, Some(time_limit)).await
    }

    /// Calls a method of the outcome service.
    pub(super) async fn outcomes<A: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<A, Status> {
        let path = format!("/mailvet.v1.OutcomeService/{method}");
        self.services.call(self.origin.clone(), &path, message, None).await
    }

    /// Calls `UploadBatch` with these messages.
    pub(super) async fn upload<A: Message + Default>(&self, messages: Body) -> Result<A, Status> {
        self.services.call_with(self.origin.clone(), &batch_method("UploadBatch"), messages).await
    }

    /// Calls a method of the batch service whose answer is a stream.
    pub(super) async fn open(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<Response<Body>, Status> {
        self.services.open(self.origin.clone(), &batch_method(method), message).await
    }

    /// The same, message by message.
    pub(super) async fn stream<A: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<DecodedStream<A>, Status> {
        Ok(DecodedStream::new(self.open(method, message).await?))
    }

    /// What every page of this session needs.
    pub(super) fn frame(&self) -> PageFrame {
        PageFrame {
            token: self.session.token.clone(),
            is_signed_in: self.session.authorization.is_some(),
        }
    }

    /// The page that tells why there is no other.
    pub(super) fn trouble(&self, status: &Status) -> Response<Body> {
        refusal(self.frame(), status, self.next_link(status.code()))
    }

    /// The parts of its path behind [`PREFIX`].
    pub(super) fn path(&self) -> Vec<&str> {
        self.parts.uri.path().strip_prefix(PREFIX).unwrap_or_default().split('/').collect()
    }

    /// The page to go on with after a refusal: that of the list, or the one that was asked for if
    /// it may be there in a while.
    fn next_link(&self, code: Code) -> Option<NextLink> {
        if code == Code::NotFound {
            return None;
        }
        let may_pass =
            matches!(code, Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded);
        match self.path()[..] {
            [kind @ ("lists" | "batches"), id, _] => {
                let path = format!("{PREFIX}{kind}/{id}");
                Some(NextLink { path, words: "Back to the list" })
            }
            _ if may_pass && self.parts.method == Method::GET => {
                let path = self.parts.uri.path_and_query()?.to_string();
                Some(NextLink { path, words: "Try again" })
            }
            _ => None,
        }
    }

    /// Refuses a form without the token of this session's forms.
    pub(super) fn check_token(&self, form: &RequestForm) -> Result<(), Status> {
        self.check_token_text(form.value("token"))
    }

    pub(super) fn check_token_text(&self, token: &str) -> Result<(), Status> {
        if self.session.is_token(token) {
            return Ok(());
        }
        Err(Status::permission_denied(
            "this form does not belong to your session, so nothing was changed; load the page anew \
             and send it again",
        ))
    }
}

fn batch_method(method: &str) -> String {
    format!("/mailvet.v1.BatchService/{method}")
}

/// The page that tells why there is no other.
pub(super) fn trouble(frame: PageFrame, status: &Status) -> Response<Body> {
    refusal(frame, status, None)
}

fn refusal(frame: PageFrame, status: &Status, next: Option<NextLink>) -> Response<Body> {
    let title = match status.code() {
        Code::NotFound => "There is nothing here",
        Code::ResourceExhausted => "Not now",
        Code::PermissionDenied => "Not allowed",
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => "That did not work",
        _ => "Something went wrong",
    };
    let code = http_status(status.code().into());
    let code = if code == StatusCode::OK { StatusCode::INTERNAL_SERVER_ERROR } else { code };
    let limit = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let sentence = match &*limit {
        // A program may make fewer calls, or use a stream.
        "CALLS_PER_MINUTE" => {
            "Your key has made as many calls as it may in a minute; to open a page takes a few"
                .to_owned()
        }
        _ => capitalised(status.message()),
    };
    let wait = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
    let Some(wait) = wait else {
        return answer::page(code, &TroublePage { frame, title, sentence, next });
    };
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let time = time_left(Duration::from_secs(seconds));
    // Some say so to callers who cannot read the details.
    let fault = sentence.strip_suffix("; try again soon").unwrap_or(&sentence);
    let sentence = format!("{fault}. Try again in {time}");
    let mut answer = answer::page(code, &TroublePage { frame, title, sentence, next });
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// The page with a title and a sentence.
pub(super) fn explained(
    frame: PageFrame,
    title: &'static str,
    sentence: &str,
    code: StatusCode,
) -> Response<Body> {
    let sentence = capitalised(sentence);
    answer::page(code, &TroublePage { frame, title, sentence, next: None })
}

fn capitalised(sentence: &str) -> String {
    let mut sentence = sentence.to_owned();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::FutureExt as _;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::clock::Clock;
    use crate::console::sessions::Sessions;

    /// The page of a request that was refused because of too many calls.
    async fn refused(method: Method, path: &str, message: &str) -> (Response<()>, String) {
        let services = OwnServices::new(tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let (session, _) = Sessions::new(false).begin(None, Clock::start().now()).unwrap();
        let visit = Visit::new(request.into_parts().0, session, services);
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(Duration::from_millis(35_100)));
        let status = Status::with_error_details(Code::ResourceExhausted, message, details);
        let (parts, body) = visit.trouble(&status).into_parts();
        let html = body.collect().await.unwrap().to_bytes();
        (Response::from_parts(parts, ()), String::from_utf8_lossy(&html).into_owned())
    }

    #[test]
    fn a_page_that_is_one_call_too_many_is_refused_without_advice_for_programs() {
        let mut details = ErrorDetails::with_error_info("CALLS_PER_MINUTE", "mailvet", []);
        details.set_retry_info(Some(Duration::from_secs(35)));
        let message = "you may make 12 calls a minute; make fewer, or use a stream";
        let status = Status::with_error_details(Code::ResourceExhausted, message, details);
        let answer = trouble(PageFrame::default(), &status);
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let body = answer.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
        let html = String::from_utf8_lossy(&body);
        assert!(html.contains("as many calls as it may in a minute"), "{html}");
        assert!(html.contains("takes a few. Try again in 35s<"), "{html}");
        assert!(!html.contains("stream"), "{html}");
    }

    #[tokio::test]
    async fn a_refusal_says_when_to_try_again_and_leads_there() {
        let list = r#"href="/console/lists/x">Back to the list<"#;
        let batch = r#"href="/console/batches/x">Back to the list<"#;
        for (method, path, link) in [
            (Method::POST, "/console/lists/x/start", list),
            (Method::GET, "/console/batches/x/clean", batch),
            (Method::GET, "/console/?before=y", r#"href="/console/?before=y">Try again<"#),
        ] {
            let (answer, html) = refused(method, path, "too many").await;
            assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(answer.headers()[RETRY_AFTER], "36");
            assert!(html.contains("Too many. Try again in 36s<"), "{html}");
            assert!(html.contains(link), "{link}: {html}");
        }
        let (_, html) = refused(Method::POST, "/console/verify", "too many; try again soon").await;
        assert!(!html.contains(r#"class="primary""#), "its form is at the beginning: {html}");
        assert!(html.contains(">Too many. Try again in 36s<"), "it is said once: {html}");
    }
}
