//! Converts refusals to statuses.

use std::time::Duration;

use http::Response;
use prost::Message as _;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _, pb};

use super::service_names::SERVICE_NAMES;
use crate::access::{AdmissionError, Limit, Refusal};

/// Domain of the reasons in a `google.rpc.ErrorInfo`.
const DOMAIN: &str = "mailvet";

/// The time after which a caller may try again that was turned away by a full disk.
const DISK_FULL_WAIT: Duration = Duration::from_secs(60);

/// The time after which a caller may ask again where something was away for the moment, such as
/// DNS: its failures are remembered for as long by default.
const AWAY_WAIT: Duration = Duration::from_secs(5);

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
    if refusal.limit != Limit::Uncounted {
        details.add_quota_failure_violation(name, message.clone());
    }
    if let Some(wait) = refusal.retry_after {
        details.set_retry_info(Some(wait));
    }
    Status::with_error_details(code(refusal), message, details)
}

/// A limit on what a caller keeps that was reached. Waiting does not help, so no `RetryInfo`.
pub(super) fn limit_reached(name: &str, message: String) -> Status {
    let mut details = ErrorDetails::with_error_info(name, DOMAIN, []);
    details.add_quota_failure_violation(name, message.clone());
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// The service's disk is full: no caller's quota, and its operator may make room.
pub(super) fn disk_full() -> Status {
    let mut details = ErrorDetails::with_error_info("DISK_FULL", DOMAIN, []);
    details.set_retry_info(Some(DISK_FULL_WAIT));
    let message = "the service's disk is full; nothing is lost, try later";
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// Something that the answer needs is away for the moment.
pub(super) fn away(message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_retry_info(Some(AWAY_WAIT));
    Status::with_error_details(Code::Unavailable, message, details)
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

/// The beginnings of the statuses by which the transport refuses octets that are not the method's
/// message, with the sentences that replace them. The transport calls them errors of ours.
const UNREADABLE: [(&str, &str); 6] = [
    (
        "failed to decode Protobuf message",
        "a message is not the one that the method takes; text is UTF-8",
    ),
    ("protocol error", "a message breaks the rules of gRPC"),
    ("Error decompressing", "a compressed message cannot be unpacked; send gzip, or plain ones"),
    ("Unexpected EOF", "the request ends within a message; send it again"),
    ("Missing request message", "the request holds no message; send one"),
    (
        WEB,
        "the body is none of gRPC-Web; send base64 as application/grpc-web-text, else octets as \
         application/grpc-web",
    ),
];

/// The beginning of a status of the layer for gRPC-Web, which repeats those of the transport.
const WEB: &str = "tonic-web";

/// The beginning of the status of a request whose stream or connection broke.
const BROKEN: &str = "h2 protocol error";

/// The beginning of the status of a body of HTTP/1.1 that ends before its length, or whose chunks
/// cannot be read.
const BROKEN_BODY: &str = "error reading a body from connection";

/// The beginning of the status of a message that is too large once it is unpacked.
const TOO_LARGE_UNPACKED: &str = "Error decompressing: size limit";

/// The status of a stream whose next message failed: what a caller did is no error of ours.
pub(super) fn inbound(status: Status) -> Status {
    reworded(&status).unwrap_or(status)
}

/// The answer, with the transport's own refusals in our words.
pub(super) fn reword(answer: Response<Body>, path: &str) -> Response<Body> {
    let Some(status) = Status::from_header_map(answer.headers()) else { return answer };
    let reworded = match status.code() {
        Code::Unimplemented if status.message().is_empty() => Some(unknown_method(path)),
        _ => reworded(&status),
    };
    reworded.map_or(answer, Status::into_http)
}

/// The transport's refusal of what a caller sent, in our words; `None` for all else.
fn reworded(status: &Status) -> Option<Status> {
    let message = status.message();
    let is_about = |beginning: &str| {
        message.starts_with(beginning) || message.starts_with(WEB) && message.contains(beginning)
    };
    match status.code() {
        Code::Internal | Code::Unknown if is_about(BROKEN) => {
            Some(Status::cancelled("the caller broke off"))
        }
        Code::Internal | Code::Unknown if is_about(BROKEN_BODY) => Some(Status::invalid_argument(
            "the body ends early, or its chunks cannot be read; send the request again",
        )),
        Code::ResourceExhausted if message.starts_with(TOO_LARGE_UNPACKED) => Some(
            Status::out_of_range("a message is too large once it is unpacked; send smaller ones"),
        ),
        Code::Internal => UNREADABLE.iter().find_map(|(beginning, sentence)| {
            let rest = message.strip_prefix(beginning)?;
            let detail = rest.strip_prefix(": ").map(|rest| format!(" ({rest})"));
            Some(Status::invalid_argument(format!("{sentence}{}", detail.unwrap_or_default())))
        }),
        _ => None,
    }
}

/// The refusal of a path that is no method of ours.
fn unknown_method(path: &str) -> Status {
    let services = SERVICE_NAMES.join(", ");
    // A path may be long, and hold what its sender likes.
    let path: String = path.chars().filter(|c| c.is_ascii_graphic()).take(100).collect();
    Status::unimplemented(format!(
        "there is no method {path}; the services are {services}, and reflection lists their methods"
    ))
}

/// The server has no room for this call; another one may have.
pub(super) fn overloaded(what: &str) -> Status {
    let message = format!("the service has as many {what} as it takes at a time; try again soon");
    let mut details = ErrorDetails::with_error_info("OVERLOADED", DOMAIN, []);
    details.set_retry_info(Some(Duration::from_secs(1)));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn code(refusal: &Refusal) -> Code {
    match refusal.limit {
        Limit::KeyWithdrawn => Code::PermissionDenied,
        Limit::Uncounted => Code::Unavailable,
        Limit::CallsPerMinute(_)
        | Limit::AddressesPerDay(_)
        | Limit::LocalPartsPerDomain { .. }
        | Limit::UnknownMailboxes(_) => Code::ResourceExhausted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sent_is_no_error_of_ours() {
        let said = |message: &str| inbound(Status::internal(message));
        for message in [
            "failed to decode Protobuf message: VerifyAddressRequest.address: not UTF-8",
            "protocol error: received message with invalid compression flag: 123",
            "Error decompressing: corrupt gzip stream, while sending request",
            "Unexpected EOF decoding stream.",
            "Missing request message.",
        ] {
            assert_eq!(said(message).code(), Code::InvalidArgument, "{message}");
        }
        assert!(said("failed to decode Protobuf message: x.y: z").message().ends_with(" (x.y: z)"));
        assert_eq!(said("h2 protocol error: reset").code(), Code::Cancelled);
        assert_eq!(said("the store failed").code(), Code::Internal, "that is ours");
    }

    #[test]
    fn a_body_that_broke_off_is_no_error_of_ours_whichever_protocol_brought_it() {
        let body = Status::unknown("error reading a body from connection");
        let in_web = Status::internal(format!("tonic-web: {body}"));
        for broken in [body, in_web] {
            let said = inbound(broken);
            assert_eq!(said.code(), Code::InvalidArgument, "{said}");
            assert!(said.message().starts_with("the body ends early"), "{said}");
        }
        let stream = Status::internal("h2 protocol error: reset");
        let in_web = Status::internal(format!("tonic-web: {stream}"));
        assert_eq!(inbound(in_web).code(), Code::Cancelled);
        let no_base64 = inbound(Status::internal("tonic-web: Invalid symbol 33, offset 0."));
        assert_eq!(no_base64.code(), Code::InvalidArgument);
        assert!(no_base64.message().ends_with(" (Invalid symbol 33, offset 0.)"), "{no_base64}");
        let ours = inbound(Status::unknown("the store said: error reading a body from connection"));
        assert_eq!(ours.code(), Code::Unknown);
    }

    #[test]
    fn a_path_that_is_no_method_is_named_and_so_are_the_services() {
        let answer = reword(Status::unimplemented("").into_http(), "/mailvet.v1.Mail/Send\n");
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert!(status.message().starts_with("there is no method /mailvet.v1.Mail/Send; "));
        for service in ["Verification", "Batch", "Outcome", "Callback"] {
            let name = format!("mailvet.v1.{service}Service");
            assert!(status.message().contains(&name), "{status}");
        }
        let deflate = Status::unimplemented("deflate is not supported");
        let answer = reword(deflate.into_http(), "/x");
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.message(), "deflate is not supported");
    }
}
