//! Converts refusals to statuses.

use http::Response;
use prost::Message as _;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _, pb};

use crate::access::{AdmissionError, Limit, Refusal};

/// Domain of the reasons in a `google.rpc.ErrorInfo`.
const DOMAIN: &str = "mailvet";

/// Refuses a caller: UNAUTHENTICATED if it is not identified, else PERMISSION_DENIED.
pub(super) fn denied(denied: &AdmissionError) -> Status {
    if denied.is_known() {
        Status::permission_denied(denied.to_string())
    } else {
        Status::unauthenticated(denied.to_string())
    }
}

/// A limit that was reached, with a `google.rpc.ErrorInfo` that names it, a `QuotaFailure`, and a
/// `RetryInfo` where waiting helps.
pub(super) fn status(refusal: &Refusal) -> Status {
    let (name, message) = (refusal.limit.name(), refusal.to_string());
    let mut details = ErrorDetails::with_error_info(name, DOMAIN, []);
    details.add_quota_failure_violation(name, message.clone());
    if let Some(wait) = refusal.retry_after {
        details.set_retry_info(Some(wait));
    }
    Status::with_error_details(code(refusal), message, details)
}

/// The error of one item of a stream: the status that would have ended a unary call, details
/// included.
pub(super) fn item_error(status: &Status) -> pb::Status {
    // The details of a status are a `google.rpc.Status` with the same code and message.
    match pb::Status::decode(status.details()) {
        Ok(error) if error.code == i32::from(status.code()) => error,
        _ => pb::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        },
    }
}

/// The beginning of the status by which the decoder refuses octets that are not the method's
/// message.
const UNDECODABLE: &str = "failed to decode Protobuf message";

/// The status of a stream whose next message failed: octets that are not the method's message are
/// the caller's fault, not ours.
pub(super) fn inbound(status: Status) -> Status {
    match status.message().strip_prefix(UNDECODABLE) {
        Some(rest) if status.code() == Code::Internal => Status::invalid_argument(format!(
            "a message is not the one that the method takes{rest}; text is UTF-8"
        )),
        _ => status,
    }
}

/// The same for an answer that is such a status.
pub(super) fn name_undecodable(answer: Response<Body>) -> Response<Body> {
    match Status::from_header_map(answer.headers()) {
        Some(status) if status.code() == Code::Internal => inbound(status).into_http(),
        _ => answer,
    }
}

/// The server has no room for this call; another one may have.
pub(super) fn overloaded(what: &str) -> Status {
    let message = format!("the service has as many {what} as it takes at a time; try again soon");
    let mut details = ErrorDetails::with_error_info("OVERLOADED", DOMAIN, []);
    details.set_retry_info(Some(std::time::Duration::from_secs(1)));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn code(refusal: &Refusal) -> Code {
    match refusal.limit {
        Limit::KeyWithdrawn => Code::PermissionDenied,
        Limit::CallsPerMinute(_)
        | Limit::AddressesPerDay(_)
        | Limit::LocalPartsPerDomain { .. }
        | Limit::UnknownMailboxes(_) => Code::ResourceExhausted,
    }
}
