//! Statuses of gRPC as answers of HTTP: the code, and `google.rpc.Status` as JSON.

use http::StatusCode;
use prost::Message as _;
use serde_json::json;
use tonic_types::pb;

use crate::proto::json;

/// An error as HTTP says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ErrorAnswer {
    pub(super) status: StatusCode,
    /// Seconds after which to try again, if waiting helps.
    pub(super) retry_after: Option<u64>,
    /// `google.rpc.Status` as JSON.
    pub(super) body: Vec<u8>,
}

impl ErrorAnswer {
    /// The answer for a status of gRPC; `details` is its encoded `google.rpc.Status`, if there is
    /// one.
    pub(super) fn new(code: i32, message: &str, details: &[u8]) -> Self {
        let status = pb::Status::decode(details).ok().filter(|status| status.code == code);
        Self {
            status: http_status(code),
            retry_after: status.as_ref().and_then(retry_after),
            body: status_json(code, message, status.as_ref()),
        }
    }
}

/// The HTTP code of a gRPC code, by the table in `google/rpc/code.proto`.
pub(crate) fn http_status(code: i32) -> StatusCode {
    match code {
        0 => StatusCode::OK,
        // The caller went away: nobody reads this.
        1 => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        3 | 9 | 11 => StatusCode::BAD_REQUEST,
        4 => StatusCode::GATEWAY_TIMEOUT,
        5 => StatusCode::NOT_FOUND,
        6 | 10 => StatusCode::CONFLICT,
        7 => StatusCode::FORBIDDEN,
        8 => StatusCode::TOO_MANY_REQUESTS,
        12 => StatusCode::NOT_IMPLEMENTED,
        14 => StatusCode::SERVICE_UNAVAILABLE,
        16 => StatusCode::UNAUTHORIZED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// `google.rpc.Status` as JSON.
fn status_json(code: i32, message: &str, status: Option<&pb::Status>) -> Vec<u8> {
    let plain = || json!({ "code": code, "message": message }).to_string().into_bytes();
    let Some(status) = status else { return plain() };
    let descriptor = json::descriptors().get_message_by_name("google.rpc.Status");
    let written = descriptor.map(|of| json::from_octets(of, &status.encode_to_vec()));
    written.and_then(Result::ok).unwrap_or_else(plain)
}

/// The wait of a `google.rpc.RetryInfo`, rounded up to seconds: `Retry-After` knows no fractions.
fn retry_after(status: &pb::Status) -> Option<u64> {
    let is_retry = |any: &&prost_types::Any| any.type_url.ends_with("/google.rpc.RetryInfo");
    let retry = status.details.iter().find(is_retry)?;
    let delay = pb::RetryInfo::decode(retry.value.as_slice()).ok()?.retry_delay?;
    let seconds = u64::try_from(delay.seconds).ok()?;
    Some(seconds + u64::from(delay.nanos > 0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn answer(status: &tonic::Status) -> (u16, Option<u64>, serde_json::Value) {
        let answer = ErrorAnswer::new(status.code().into(), status.message(), status.details());
        let body = serde_json::from_slice(&answer.body).unwrap();
        (answer.status.as_u16(), answer.retry_after, body)
    }

    #[test]
    fn an_error_keeps_its_code_message_and_details() {
        let mut details = ErrorDetails::with_error_info("CALLS_PER_MINUTE", "mailvet", []);
        details.set_retry_info(Some(Duration::from_millis(2100)));
        let status =
            tonic::Status::with_error_details(tonic::Code::ResourceExhausted, "no", details);
        let (status, retry_after, body) = answer(&status);
        assert_eq!((status, retry_after), (429, Some(3)));
        assert_eq!((&body["code"], &body["message"]), (&json!(8), &json!("no")));
        let types: Vec<_> =
            body["details"].as_array().unwrap().iter().map(|d| &d["@type"]).collect();
        assert!(types.contains(&&json!("type.googleapis.com/google.rpc.RetryInfo")), "{body}");
        assert!(body.to_string().contains(r#""retryDelay":"2.100s""#), "{body}");
        assert!(body.to_string().contains("CALLS_PER_MINUTE"), "{body}");
    }

    #[test]
    fn an_error_without_details_is_a_code_and_a_message() {
        let (status, retry_after, body) =
            answer(&tonic::Status::not_found("there is no such batch"));
        assert_eq!((status, retry_after), (404, None));
        assert_eq!(body, json!({ "code": 5, "message": "there is no such batch" }));
    }

    #[test]
    fn every_code_has_the_http_code_that_is_standard_for_it() {
        let codes: Vec<u16> = (0..17).map(|code| http_status(code).as_u16()).collect();
        let standard =
            [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        assert_eq!(codes, standard);
    }
}
