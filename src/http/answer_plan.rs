//! The way from the services' answer to the caller's, decided before the services are asked.

use http::header::ALLOW;
use http::{Method, Response, StatusCode};
use tonic::body::Body;
use tonic::{Code, Status};

use super::download::ListDownload;
use super::field_names::{json_path, renamed};
use super::form::AnswerForm;
use super::openapi;
use super::response::{self, JSON, TimeLimit};
use super::routes::{NoRoute, RouteMatch};
use super::upload::{self, ListUpload};

/// The way the services' answer becomes the caller's.
pub(super) enum AnswerPlan {
    /// Translate the answer of an RPC, a stream no longer than to its limit.
    Rpc { matched: RouteMatch, form: AnswerForm, limit: Option<TimeLimit> },
    /// Answer by itself, if the gate lets the caller in.
    Local(LocalAnswer),
    /// Translate what became of a post to a hook.
    Hook,
    /// Finish the upload of a list.
    Upload(ListUpload),
    /// Put the results beside the rows of the list of this batch.
    Download(ListDownload),
}

/// An answer that needs no service, and the code that it counts as.
pub(super) struct LocalAnswer {
    pub(super) code: Code,
    response: Box<Response<Body>>,
}

impl AnswerPlan {
    pub(super) async fn finish(self, answer: Response<Body>) -> Response<Body> {
        let status = Status::from_header_map(answer.headers());
        let failed = status.as_ref().filter(|status| status.code() != Code::Ok);
        match self {
            Self::Local(LocalAnswer { code, response }) => match status {
                Some(status) if status.code() != code => response::error(&status),
                _ => *response,
            },
            _ if let Some(status) = failed => response::error(&self.in_names_of_caller(status)),
            Self::Rpc { matched, form, limit } if matched.route.rpc.is_server_streaming() => {
                response::stream(answer, matched.route.output(), form, limit)
            }
            Self::Rpc { matched, .. } => response::unary(answer, matched.route.output()).await,
            Self::Hook => response::hook(answer).await,
            Self::Upload(upload) => response::upload(answer, upload).await,
            Self::Download(download) => {
                let answer = download.answer(answer).await;
                answer.unwrap_or_else(|status| response::error(&status))
            }
        }
    }

    /// The failure of a call, with the names that its caller has for the fields.
    fn in_names_of_caller(&self, failed: &Status) -> Status {
        match self {
            Self::Rpc { matched, .. } => {
                let request = matched.route.input();
                renamed(failed, |path| json_path(&request, path))
            }
            Self::Upload(_) => renamed(failed, upload::parameter),
            Self::Local(_) | Self::Hook | Self::Download(_) => failed.clone(),
        }
    }
}

impl LocalAnswer {
    /// An error of HTTP's own, that counts as `code`.
    pub(super) fn refuse(code: Code, status: StatusCode, message: &str) -> Self {
        Self::from_status(&Status::new(code, message), status)
    }

    /// The same for an error with details.
    pub(super) fn from_status(error: &Status, status: StatusCode) -> Self {
        let mut response = response::error(error);
        *response.status_mut() = status;
        Self { code: error.code(), response: Box::new(response) }
    }
}

/// Answers with the OpenAPI document.
pub(super) fn document(method: &Method) -> LocalAnswer {
    if method != Method::GET {
        return refuse_method(&[Method::GET]);
    }
    let response = response::whole(StatusCode::OK, JSON, openapi::text());
    LocalAnswer { code: Code::Ok, response: Box::new(response) }
}

pub(super) fn refuse_route(no_route: NoRoute) -> LocalAnswer {
    match no_route {
        NoRoute::UnknownPath => {
            let message = "there is nothing at this path; /openapi.json lists the paths there are";
            LocalAnswer::refuse(Code::NotFound, StatusCode::NOT_FOUND, message)
        }
        NoRoute::WrongMethod(methods) => refuse_method(&methods),
    }
}

pub(super) fn refuse_method(taken: &[Method]) -> LocalAnswer {
    let taken: Vec<&str> = taken.iter().map(Method::as_str).collect();
    let taken = taken.join(", ");
    let message = format!("this path takes {taken}");
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut answer = LocalAnswer::refuse(Code::Unimplemented, status, &message);
    if let Ok(allow) = taken.parse() {
        answer.response.headers_mut().insert(ALLOW, allow);
    }
    answer
}
