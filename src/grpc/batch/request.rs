//! Requests about batches: what is taken, and the errors that name the field and the remedy.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::batch::queue::{Cursor, Order};
use crate::batch::{IncomingRow, QueueError, ResultsQuery};
use crate::campaign::{BatchId, BatchOptions, SendPolicy, Spec};
use crate::grpc::refusal;
use crate::grpc::request::{self, BadField};
use crate::proto;
use crate::verdict::Verdict;
use crate::verifier::Subject;

/// The longest name of a request, a batch or a row, in octets.
const LONGEST_NAME: usize = 256;

/// The longest address, in octets: a little more than RFC 5321 allows, so that a longer one gets a
/// verdict.
const LONGEST_ADDRESS: usize = 1000;

/// The most batches or tallies of one answer.
const LARGEST_ANSWER: i32 = 1000;

/// Number of tallies that can be listed at most: each page is read from the first one on.
pub(super) const MOST_TALLIES: usize = 100_000;

/// The description of a batch.
pub(super) fn spec(spec: proto::BatchSpec, owner: String) -> Result<Spec, BadField> {
    name("spec.request_id", &spec.request_id)?;
    name("spec.display_name", &spec.display_name)?;
    if spec.request_id.contains('\0') {
        // It is looked up as it was given, and not every store knows it.
        let message = "has the character NUL in it; leave that out";
        return Err(BadField::new("spec.request_id", message));
    }
    Ok(Spec {
        owner,
        request_id: (!spec.request_id.is_empty()).then_some(spec.request_id),
        display_name: spec.display_name,
        options: options(&spec.options.unwrap_or_default())?,
        callback: None,
    })
}

fn options(options: &proto::BatchOptions) -> Result<BatchOptions, BadField> {
    let default = BatchOptions::default();
    let window = request::duration("spec.options.retry_window", options.retry_window.as_ref())?;
    Ok(BatchOptions {
        depth: request::depth("spec.options.depth", options.depth)?,
        deadline: request::duration("spec.options.timeout", options.timeout.as_ref())?,
        retry_window: window.unwrap_or(default.retry_window),
        max_age: request::duration("spec.options.max_age", options.max_age.as_ref())?,
        test_catch_all: !options.skip_catch_all,
        send_policy: send_policy(options.send_policy)?,
        registration: options.include_registration,
        consented_at: request::consent("spec.options.consent_time", options.consent_time.as_ref())?,
    })
}

fn send_policy(policy: i32) -> Result<SendPolicy, BadField> {
    match proto::SendPolicy::try_from(policy) {
        Ok(proto::SendPolicy::Unspecified | proto::SendPolicy::Deliverable) => {
            Ok(SendPolicy::Deliverable)
        }
        Ok(proto::SendPolicy::DeliverableAndRisky) => Ok(SendPolicy::DeliverableAndRisky),
        Ok(proto::SendPolicy::All) => Ok(SendPolicy::All),
        Err(_) => {
            let message = format!("{policy} is not a SendPolicy; use 1, 2 or 3");
            Err(BadField::new("spec.options.send_policy", message))
        }
    }
}

/// The path of the rows in a message of an upload.
pub(super) const PAGE_PATH: &str = "page.addresses";

/// The path of the rows in an append request.
pub(super) const APPEND_PATH: &str = "rows";

/// The rows of a page, parsed; `first` is the number of the first, and `path` the field that they
/// came in. The decoder has counted them.
pub(super) fn rows(
    rows: Vec<proto::BatchAddress>,
    first: u64,
    path: &str,
) -> Result<Vec<IncomingRow>, BadField> {
    let row = |(index, row): (usize, proto::BatchAddress)| {
        let number = first + index as u64;
        let bad = |field: &str, fault: String| {
            BadField::new(format!("{path}[{index}].{field}"), format!("of row {number} {fault}"))
        };
        let too_long =
            |length: usize, most: usize| format!("is {length} octets long; at most {most}");
        if row.address.len() > LONGEST_ADDRESS {
            return Err(bad("address", too_long(row.address.len(), LONGEST_ADDRESS)));
        }
        if row.row_id.len() > LONGEST_NAME {
            return Err(bad("row_id", too_long(row.row_id.len(), LONGEST_NAME)));
        }
        let consented_at = request::consent("consent_time", row.consent_time.as_ref());
        let consented_at = consented_at.map_err(|fault| bad("consent_time", fault.message))?;
        let (row_id, subject) = (row.row_id, Subject::parse(row.address));
        Ok(IncomingRow { row_id, subject, consented_at })
    };
    rows.into_iter().enumerate().map(row).collect()
}

fn name(field: &'static str, name: &str) -> Result<(), BadField> {
    if name.len() > LONGEST_NAME {
        let message = format!("is {} octets long; give at most {LONGEST_NAME}", name.len());
        return Err(BadField::new(field, message));
    }
    Ok(())
}

/// The name of a batch.
pub(super) fn batch_id(id: &str) -> Result<BatchId, BadField> {
    BatchId::parse(id).ok_or_else(|| {
        BadField::new("batch_id", "is not the name of a batch; give the one CreateBatch returned")
    })
}

/// A number of rows that is not negative.
pub(super) fn row_number(field: &'static str, number: i64) -> Result<u64, BadField> {
    u64::try_from(number)
        .map_err(|_| BadField::new(field, format!("is {number}; give zero or more")))
}

/// The fault of a seal that says `says` rows where the batch holds `there`.
pub(super) fn other_count(says: u64, there: u64) -> String {
    let remedy = if says > there {
        "append the others"
    } else {
        "say as many if they are all of your list, or delete the batch and make another one"
    };
    format!("says {says}, and the batch holds {there}; {remedy}")
}

/// The number of results an answer may hold.
pub(in crate::grpc) fn page_size(size: i32, default: i32) -> Result<usize, BadField> {
    let size = if size == 0 { default } else { size };
    match usize::try_from(size) {
        Ok(size) if (1..=LARGEST_ANSWER as usize).contains(&size) => Ok(size),
        _ => {
            let message = format!("is {size}; give 1 to {LARGEST_ANSWER}, or leave it out");
            Err(BadField::new("page_size", message))
        }
    }
}

/// The batch after which a page begins.
pub(super) fn page_token(token: &str) -> Result<Option<BatchId>, BadField> {
    if token.is_empty() {
        return Ok(None);
    }
    BatchId::parse(token).map(Some).ok_or_else(|| {
        BadField::new("page_token", "is not one; give the next_page_token of the page before")
    })
}

/// The number of tallies that earlier pages held.
pub(super) fn tally_token(token: &str) -> Result<usize, BadField> {
    if token.is_empty() {
        return Ok(0);
    }
    token.parse().ok().filter(|offset| *offset <= MOST_TALLIES).ok_or_else(|| {
        BadField::new("page_token", "is not one; give the next_page_token of the page before")
    })
}

/// The results that are wanted.
pub(super) fn reading(
    request: &proto::StreamBatchResultsRequest,
) -> Result<ResultsQuery, BadField> {
    let order = match proto::ResultOrder::try_from(request.order) {
        Ok(proto::ResultOrder::Unspecified | proto::ResultOrder::Completion) => Order::Completion,
        Ok(proto::ResultOrder::Row) => Order::Row,
        Err(_) => {
            let message = format!("{} is not a ResultOrder; use 1 or 2", request.order);
            return Err(BadField::new("order", message));
        }
    };
    let verdict = |verdict: &i32| match proto::Verdict::try_from(*verdict) {
        Ok(proto::Verdict::Deliverable) => Ok(Verdict::Deliverable),
        Ok(proto::Verdict::Risky) => Ok(Verdict::Risky),
        Ok(proto::Verdict::Undeliverable) => Ok(Verdict::Undeliverable),
        Ok(proto::Verdict::Unknown) => Ok(Verdict::Unknown),
        Ok(proto::Verdict::Unspecified) | Err(_) => {
            let message = format!("holds {verdict}, which is not a Verdict; use 1 to 4");
            Err(BadField::new("verdicts", message))
        }
    };
    // A set of four values: more would only be compared again for each row.
    if request.verdicts.len() > Verdict::ALL.len() {
        let message = format!("holds {} values; give each verdict once", request.verdicts.len());
        return Err(BadField::new("verdicts", message));
    }
    Ok(ResultsQuery {
        order,
        after: Cursor(request.cursor.clone()),
        verdicts: request.verdicts.iter().map(verdict).collect::<Result<_, _>>()?,
    })
}

/// Errors of the queue, for the caller.
pub(in crate::grpc) fn queue_status(error: &QueueError) -> Status {
    let message = error.to_string();
    match error {
        QueueError::NoSuchBatch(_) => Status::not_found(message),
        QueueError::WrongState { .. } => Status::failed_precondition(message),
        QueueError::Gap { .. } => Status::out_of_range(message),
        QueueError::OtherRequest { .. } => Status::already_exists(message),
        QueueError::Empty(_) => Status::failed_precondition(message),
        QueueError::TooManyRows { .. } => refusal::limit_reached("ROWS_PER_BATCH", message),
        QueueError::TooManyBatches { .. } => refusal::limit_reached("BATCHES_PER_CALLER", message),
        QueueError::TooManyBytes { .. } => refusal::limit_reached("BYTES_PER_CALLER", message),
        QueueError::BadCursor => {
            let details = ErrorDetails::with_bad_request_violation("cursor", message.clone());
            Status::with_error_details(Code::InvalidArgument, message, details)
        }
        // What is full and where is the operator's affair; it stands in the log.
        QueueError::Full { .. } => {
            tracing::error!(%error, "a caller was turned away");
            refusal::disk_full()
        }
        QueueError::Unavailable { .. } => {
            tracing::warn!(%error, "a caller has to try again");
            refusal::away("the store cannot be reached for the moment; nothing is lost")
        }
        QueueError::LeaseLost | QueueError::Broken { .. } => {
            tracing::error!(%error, "a call failed");
            Status::internal("the store failed; the service's log says how")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(address: &str) -> proto::BatchAddress {
        proto::BatchAddress { address: address.to_owned(), ..Default::default() }
    }

    #[test]
    fn options_left_out_mean_the_whole_way_with_the_default_patience() {
        let spec = spec(proto::BatchSpec::default(), "me".to_owned()).unwrap();
        assert_eq!(spec.options, BatchOptions::default());
        assert_eq!((spec.request_id, spec.owner.as_str()), (None, "me"));
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_names_its_field() {
        let long = "x".repeat(257);
        let bad = |spec: proto::BatchSpec| super::spec(spec, String::new()).unwrap_err().field;
        let of = |options| proto::BatchSpec { options: Some(options), ..Default::default() };
        assert_eq!(
            bad(proto::BatchSpec { request_id: long.clone(), ..Default::default() }),
            "spec.request_id"
        );
        let with_nul = "spring\0".to_owned();
        assert_eq!(
            bad(proto::BatchSpec { request_id: with_nul, ..Default::default() }),
            "spec.request_id"
        );
        assert_eq!(
            bad(of(proto::BatchOptions { depth: 9, ..Default::default() })),
            "spec.options.depth"
        );
        assert_eq!(
            bad(of(proto::BatchOptions { send_policy: 9, ..Default::default() })),
            "spec.options.send_policy"
        );
        let past = prost_types::Duration { seconds: -1, nanos: 0 };
        assert_eq!(
            bad(of(proto::BatchOptions { retry_window: Some(past), ..Default::default() })),
            "spec.options.retry_window"
        );
        assert_eq!(batch_id("../x").unwrap_err().field, "batch_id");
        assert_eq!(page_size(1001, 50).unwrap_err().field, "page_size");
        assert_eq!(page_token("x").unwrap_err().field, "page_token");
    }

    #[test]
    fn more_rows_may_follow_only_where_the_batch_holds_fewer_than_were_sent() {
        assert!(other_count(7, 6).ends_with("append the others"));
        let too_many = other_count(5, 6);
        assert!(too_many.contains("delete") && !too_many.contains("append"), "{too_many}");
    }

    #[test]
    fn a_filter_holds_each_verdict_once() {
        let reading_of = |verdicts| {
            reading(&proto::StreamBatchResultsRequest { verdicts, ..Default::default() })
        };
        assert!(reading_of(vec![1, 2, 3, 4]).is_ok());
        assert_eq!(reading_of(vec![1; 5]).unwrap_err().field, "verdicts");
    }

    #[test]
    fn a_row_that_is_too_long_is_named_by_its_number_in_the_list() {
        let rows = vec![address("a@b.example"), address(&"x".repeat(1001))];
        let error = super::rows(rows, 20_000, PAGE_PATH).unwrap_err();
        assert!(error.message.contains("row 20001"), "{}", error.message);
        assert_eq!(error.field, "page.addresses[1].address", "its place in the message");
    }

    #[test]
    fn the_consent_of_a_row_is_a_time_since_1970() {
        let consented = |seconds| proto::BatchAddress {
            consent_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            ..address("a@b.example")
        };
        let rows = super::rows(vec![consented(86_400)], 0, APPEND_PATH).unwrap();
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(rows[0].consented_at, Some(std::time::SystemTime::UNIX_EPOCH + day));
        let error = super::rows(vec![consented(-1)], 7, APPEND_PATH).unwrap_err();
        assert_eq!(error.field, "rows[0].consent_time");
        assert!(error.message.starts_with("of row 7 is before 1970"), "{}", error.message);
    }

    #[test]
    fn a_row_need_not_be_an_address_nor_there() {
        let rows = vec![address(""), address("not an address")];
        assert_eq!(super::rows(rows, 0, PAGE_PATH).unwrap().len(), 2);
    }

    #[test]
    fn a_limit_on_batches_is_named_and_only_a_full_disk_is_worth_a_wait() {
        for (error, name) in [
            (QueueError::TooManyRows { most: 3 }, "ROWS_PER_BATCH"),
            (QueueError::TooManyBatches { most: 3 }, "BATCHES_PER_CALLER"),
            (QueueError::TooManyBytes { most: 3 }, "BYTES_PER_CALLER"),
        ] {
            let status = queue_status(&error);
            let details = status.get_error_details();
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert_eq!(details.error_info().unwrap().reason, name);
            assert_eq!(details.quota_failure().unwrap().violations[0].subject, name);
            assert!(details.retry_info().is_none(), "{name}");
        }
        let status = queue_status(&QueueError::Full { place: String::new() });
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "DISK_FULL");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
        assert!(details.quota_failure().is_none(), "no quota of the caller's");
    }

    #[test]
    fn a_store_that_is_away_says_when_to_ask_again() {
        let (place, reason) = (String::new(), String::new());
        let status = queue_status(&QueueError::Unavailable { place, reason });
        assert_eq!(status.code(), Code::Unavailable);
        let retry = status.get_error_details().retry_info().cloned();
        assert!(retry.unwrap().retry_delay.is_some_and(|wait| !wait.is_zero()));
    }

    #[test]
    fn where_the_store_is_stays_in_the_log() {
        let error = QueueError::Full { place: "/var/lib/secret".to_owned() };
        assert!(!queue_status(&error).message().contains("secret"));
    }
}
