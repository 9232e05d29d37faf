//! Reads requests; errors name the field and the remedy.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::proto;
use crate::verifier::{Depth, Options, Subject};

/// The longest address looked at, in octets. RFC 5321 allows 254; a little more is taken so that a
/// longer one gets a verdict (`INVALID_SYNTAX`), and far more is a mistake.
const LONGEST_ADDRESS: usize = 1000;

/// The longest correlation id, in octets.
const LONGEST_CORRELATION_ID: usize = 1000;

/// A field that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadField {
    /// The field's path, such as `options.max_age`.
    pub(super) field: Cow<'static, str>,
    /// The fault and the remedy.
    pub(super) message: String,
}

impl BadField {
    pub(super) fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// As INVALID_ARGUMENT with a `google.rpc.BadRequest`.
    pub(super) fn into_status(self) -> Status {
        let message = format!("{}: {}", self.field, self.message);
        let details = ErrorDetails::with_bad_request_violation(self.field, self.message);
        Status::with_error_details(Code::InvalidArgument, message, details)
    }
}

/// The subject of an address that is there and not absurdly long.
pub(super) fn subject(address: String) -> Result<Subject, BadField> {
    match address.len() {
        0 => Err(BadField::new("address", "is empty; give one address, local-part@domain")),
        length if length > LONGEST_ADDRESS => Err(BadField::new(
            "address",
            format!("is {length} octets long; give one address, at most {LONGEST_ADDRESS}"),
        )),
        _ => Ok(Subject::parse(address)),
    }
}

/// A correlation id that is not absurdly long.
pub(super) fn correlation_id(id: &str) -> Result<(), BadField> {
    if id.len() > LONGEST_CORRELATION_ID {
        let message = format!("is {} octets long; give at most {LONGEST_CORRELATION_ID}", id.len());
        return Err(BadField::new("correlation_id", message));
    }
    Ok(())
}

/// Time limit for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// Time at which its work begins.
    pub(super) now: SystemTime,
    /// Time at which its work must be done.
    pub(super) deadline: SystemTime,
    /// True if the caller named the deadline, and so is ready to wait for it.
    pub(super) is_named: bool,
}

/// The options of a request, or their defaults.
pub(super) fn options(
    options: Option<&proto::VerifyOptions>,
    time: Time,
) -> Result<Options, BadField> {
    let default = proto::VerifyOptions::default();
    let options = options.unwrap_or(&default);
    let window = duration("options.retry_window", options.retry_window.as_ref())?;
    let retry_until = match window {
        Some(window) => time.now.checked_add(window).unwrap_or(time.deadline),
        None if time.is_named => time.deadline,
        None => time.now,
    };
    Ok(Options {
        depth: depth("options.depth", options.depth)?,
        max_age: duration("options.max_age", options.max_age.as_ref())?,
        test_catch_all: !options.skip_catch_all,
        transcript: options.include_transcript,
        deadline: time.deadline,
        retry_until,
        registration: options.include_registration,
        registration_wait: Duration::ZERO,
        consented_at: consent("options.consent_time", options.consent_time.as_ref())?,
    })
}

/// The last second that a time in JSON may have: that of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// The time of a consent: after 1970, as every consent to e-mail is.
pub(super) fn consent(
    field: &'static str,
    time: Option<&prost_types::Timestamp>,
) -> Result<Option<SystemTime>, BadField> {
    if time.is_some_and(|time| time.seconds > LAST_SECOND) {
        return Err(BadField::new(field, "is after the year 9999; give seconds, not milliseconds"));
    }
    let at = time.map(|time| SystemTime::try_from(*time)).transpose();
    match at {
        Ok(Some(at)) if at < SystemTime::UNIX_EPOCH => {
            Err(BadField::new(field, "is before 1970; leave it out"))
        }
        Ok(at) => Ok(at),
        Err(_) => Err(BadField::new(field, "is no time")),
    }
}

/// Depth of the verification; to the mailbox if nothing is said.
pub(super) fn depth(field: &'static str, depth: i32) -> Result<Depth, BadField> {
    match proto::Depth::try_from(depth) {
        Ok(proto::Depth::Unspecified | proto::Depth::Mailbox) => Ok(Depth::Mailbox),
        Ok(proto::Depth::Domain) => Ok(Depth::Domain),
        Ok(proto::Depth::Syntax) => Ok(Depth::Syntax),
        Err(_) => Err(BadField::new(field, format!("{depth} is not a Depth; use 1, 2 or 3"))),
    }
}

/// The longest `google.protobuf.Duration`: JSON can write no longer one.
pub(super) const LONGEST_DURATION: Duration = Duration::from_secs(315_576_000_000);

/// A duration that is not negative, and not longer than there are.
pub(super) fn duration(
    field: &'static str,
    duration: Option<&prost_types::Duration>,
) -> Result<Option<Duration>, BadField> {
    let Some(duration) = duration else { return Ok(None) };
    let duration = Duration::try_from(*duration)
        .map_err(|_| BadField::new(field, "is negative; give zero or more, or leave it out"))?;
    if duration > LONGEST_DURATION {
        let message = format!(
            "is {} seconds long; give at most {}, as many as there are in 10,000 years",
            duration.as_secs(),
            LONGEST_DURATION.as_secs()
        );
        return Err(BadField::new(field, message));
    }
    Ok(Some(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_address_is_an_error_that_names_the_field() {
        let status = subject(String::new()).unwrap_err().into_status();
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "address");
    }

    #[test]
    fn an_absurdly_long_field_is_an_error() {
        assert!(subject("a".repeat(1000)).is_ok());
        assert!(subject("a".repeat(1001)).is_err());
        assert!(correlation_id(&"a".repeat(1000)).is_ok());
        assert!(correlation_id(&"a".repeat(1001)).is_err());
    }

    fn time(is_named: bool) -> Time {
        let now = SystemTime::UNIX_EPOCH;
        Time { now, deadline: now + Duration::from_secs(60), is_named }
    }

    #[test]
    fn a_caller_that_names_a_deadline_is_ready_to_wait_for_it() {
        let until = |window: Option<i64>, is_named| {
            let retry_window = window.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
            let asked = proto::VerifyOptions { retry_window, ..Default::default() };
            let options = options(Some(&asked), time(is_named)).unwrap();
            options.retry_until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
        };
        assert_eq!((until(None, true), until(None, false)), (60, 0));
        assert_eq!((until(Some(0), true), until(Some(20), false)), (0, 20));
    }

    #[test]
    fn options_left_out_mean_the_whole_way_with_any_valid_evidence() {
        let options = options(None, time(false)).unwrap();
        assert_eq!(options.depth, Depth::Mailbox);
        assert_eq!(options.max_age, None);
        assert!(options.test_catch_all && !options.transcript);
    }

    #[test]
    fn a_depth_or_age_that_makes_no_sense_is_an_error() {
        let bad = proto::VerifyOptions { depth: 9, ..Default::default() };
        let error = options(Some(&bad), time(false)).unwrap_err();
        assert_eq!(error.field, "options.depth");
        for (seconds, nanos) in [(-1, 0), (315_576_000_000, 1), (i64::MAX, 0)] {
            let age = prost_types::Duration { seconds, nanos };
            let bad = proto::VerifyOptions { max_age: Some(age), ..Default::default() };
            let error = options(Some(&bad), time(false)).unwrap_err();
            assert_eq!(error.field, "options.max_age", "{seconds}");
        }
        let age = prost_types::Duration { seconds: 315_576_000_000, nanos: 0 };
        let good = proto::VerifyOptions { max_age: Some(age), ..Default::default() };
        assert_eq!(options(Some(&good), time(false)).unwrap().max_age, Some(LONGEST_DURATION));
        for seconds in [-1, 1_735_689_600_000] {
            let consent = prost_types::Timestamp { seconds, nanos: 0 };
            let bad = proto::VerifyOptions { consent_time: Some(consent), ..Default::default() };
            let error = options(Some(&bad), time(false)).unwrap_err();
            assert_eq!(error.field, "options.consent_time", "{seconds}");
        }
    }
}
