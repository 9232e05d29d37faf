//! The fields that an error names, as a caller of JSON knows them.
//!
//! The services name fields by the names of the protos. `google.rpc.BadRequest` asks for the names
//! of JSON where that is what the caller speaks.

use prost_reflect::MessageDescriptor;
use tonic::Status;
use tonic_types::StatusExt as _;

/// The status with each field of its `google.rpc.BadRequest` under its name by `rename`, in its
/// message too.
pub(super) fn renamed(status: &Status, rename: impl Fn(&str) -> String) -> Status {
    let mut details = status.get_error_details();
    let Some(bad_request) = details.bad_request() else { return status.clone() };
    let mut violations = bad_request.field_violations.clone();
    let mut message = status.message().to_owned();
    for violation in &mut violations {
        let name = rename(&violation.field);
        let fault = message.strip_prefix(violation.field.as_str());
        if let Some(fault) = fault.filter(|fault| fault.starts_with(": ")) {
            message = format!("{name}{fault}");
        }
        violation.field = name;
    }
    details.set_bad_request(violations);
    Status::with_error_details(status.code(), message, details)
}

/// The path with the names that JSON has for the fields of `message`. What is no field of it stays
/// as it is.
pub(super) fn json_path(message: &MessageDescriptor, path: &str) -> String {
    let mut message = Some(message.clone());
    let mut names = Vec::new();
    for segment in path.split('.') {
        let (name, index) = segment.split_at(segment.find('[').unwrap_or(segment.len()));
        let field = message.and_then(|message| {
            message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
        });
        names.push(match &field {
            Some(field) => format!("{}{index}", field.json_name()),
            None => segment.to_owned(),
        });
        message = field.and_then(|field| field.kind().as_message().cloned());
    }
    names.join(".")
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::proto::json::descriptors;

    fn path_of(message: &str, path: &str) -> String {
        json_path(&descriptors().get_message_by_name(message).unwrap(), path)
    }

    #[test]
    fn a_path_has_the_names_of_json_as_far_as_it_leads_to_fields() {
        for (message, path, expected) in [
            ("mailvet.v1.VerifyAddressRequest", "options.max_age", "options.maxAge"),
            ("mailvet.v1.VerifyAddressRequest", "options.maxAge", "options.maxAge"),
            ("mailvet.v1.CreateBatchRequest", "spec.options.max_age", "spec.options.maxAge"),
            ("mailvet.v1.AppendBatchRowsRequest", "rows[3].row_id", "rows[3].rowId"),
            ("mailvet.v1.AppendBatchRowsRequest", "rows.row_id", "rows.rowId"),
            ("mailvet.v1.ListBatchesRequest", "page_size", "pageSize"),
            ("mailvet.v1.ListBatchesRequest", "page_sise", "page_sise"),
            ("mailvet.v1.VerifyAddressRequest", "nope.max_age", "nope.max_age"),
            ("mailvet.v1.VerifyAddressRequest", "", ""),
        ] {
            assert_eq!(path_of(message, path), expected, "{message}");
        }
    }

    #[test]
    fn an_error_names_its_field_alike_in_its_details_and_in_its_message() {
        let bad = |message: &str| {
            let details = ErrorDetails::with_bad_request_violation("page_size", "is 0");
            Status::with_error_details(Code::InvalidArgument, message, details)
        };
        for (message, expected) in
            [("page_size: is 0", "pageSize: is 0"), ("the page_size is 0", "the page_size is 0")]
        {
            let status = renamed(&bad(message), |_| "pageSize".to_owned());
            assert_eq!((status.code(), status.message()), (Code::InvalidArgument, expected));
            let details = status.get_error_details();
            let violation = &details.bad_request().unwrap().field_violations[0];
            assert_eq!((&*violation.field, &*violation.description), ("pageSize", "is 0"));
        }
    }

    #[test]
    fn an_error_about_no_field_stays_as_it_is() {
        let details = ErrorDetails::with_error_info("DISK_FULL", "mailvet", []);
        let full = Status::with_error_details(Code::ResourceExhausted, "full", details);
        let status = renamed(&full, |_| "pageSize".to_owned());
        assert_eq!((status.message(), status.details()), (full.message(), full.details()));
    }
}
