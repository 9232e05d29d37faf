//! One request of a browser that has a session.

use std::time::Duration;

use http::request::Parts;
use http::{Response, StatusCode};
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};

use super::answer;
use super::pages::{PageFrame, TroublePage};
use super::sessions::ConsoleSession;
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
        trouble(self.frame(), status)
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
    let title = match status.code() {
        Code::NotFound => "There is nothing here",
        Code::ResourceExhausted => "Not now",
        Code::PermissionDenied => "Not allowed",
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => "That did not work",
        _ => "Something went wrong",
    };
    let code = http_status(status.code().into());
    let code = if code == StatusCode::OK { StatusCode::INTERNAL_SERVER_ERROR } else { code };
    explained(frame, title, status.message(), code)
}

/// The page with a title and a sentence.
pub(super) fn explained(
    frame: PageFrame,
    title: &'static str,
    sentence: &str,
    code: StatusCode,
) -> Response<Body> {
    let mut sentence = sentence.to_owned();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    answer::page(code, &TroublePage { frame, title, sentence })
}
