//! The caller's time limit: `X-Server-Timeout`, in seconds.

use std::time::Duration;

use http::HeaderName;

/// The header's name.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-server-timeout");

/// The longest that gRPC can say in milliseconds: eight digits.
const LONGEST_MS: u128 = 99_999_999;

/// The time that the header's text names; `None` if there is none.
pub(super) fn read(text: &str) -> Result<Option<Duration>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = text.trim().parse().ok();
    let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match timeout {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(format!("the header {HEADER} must be a number of seconds, such as 2.5")),
    }
}

/// The same as `grpc-timeout`.
pub(super) fn to_grpc(timeout: Duration) -> String {
    format!("{}m", timeout.as_millis().min(LONGEST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds() {
        let grpc = |text| read(text).unwrap().map(to_grpc);
        assert_eq!(grpc("2.5").as_deref(), Some("2500m"));
        assert_eq!(grpc(" 0 ").as_deref(), Some("0m"));
        assert_eq!(grpc("1e9").as_deref(), Some("99999999m"));
        assert_eq!(grpc(""), None);
        for text in ["-1", "NaN", "inf", "5s", "soon"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
