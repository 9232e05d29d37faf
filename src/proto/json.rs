//! Messages as proto3 JSON: lowerCamelCase names, enums by name, 64-bit integers as strings, RFC
//! 3339 times, durations in seconds; fields with their default value are left out.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::FILE_DESCRIPTOR_SET;

/// An error of a message that has no JSON form.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The descriptors do not hold the type.
    #[error("there is no message {0}")]
    UnknownType(String),
    /// The octets are not such a message.
    #[error("the message cannot be decoded: {0}")]
    Decode(#[from] prost::DecodeError),
    /// A value has no JSON form, such as a time after the year 9999.
    #[error("the message cannot be written as JSON: {0}")]
    Write(#[from] serde_json::Error),
}

/// The descriptors of [`FILE_DESCRIPTOR_SET`], read once.
#[must_use]
pub fn descriptors() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default());
    &POOL
}

/// The JSON form of an encoded message of this type.
///
/// # Errors
///
/// If the octets are not such a message, or a value has no JSON form.
pub fn from_octets(of: MessageDescriptor, octets: &[u8]) -> Result<Vec<u8>, JsonError> {
    let message = DynamicMessage::decode(of, octets)?;
    Ok(serde_json::to_vec(&message)?)
}

/// The JSON form of `message`, whose type is `mailvet.v1.{name}`.
///
/// # Errors
///
/// If there is no such type, or a value has no JSON form.
pub fn to_string(name: &str, message: &impl Message) -> Result<String, JsonError> {
    let name = format!("mailvet.v1.{name}");
    let descriptor = descriptors().get_message_by_name(&name);
    let descriptor = descriptor.ok_or(JsonError::UnknownType(name))?;
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    Ok(serde_json::to_string(&message)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{BatchResult, Evidence, Reason, Verdict, Verification};

    #[test]
    fn a_message_is_written_by_the_proto3_json_mapping() {
        let gather_time = prost_types::Timestamp { seconds: 1_764_306_000, nanos: 500_000_000 };
        let evidence =
            Evidence { code: Some(550), gather_time: Some(gather_time), ..Evidence::default() };
        let verification = Verification {
            address: "jane@acme.test".to_owned(),
            verdict: Verdict::Undeliverable.into(),
            reasons: vec![Reason::MailboxNotFound.into()],
            evidence: Some(evidence),
            elapsed_duration: Some(prost_types::Duration { seconds: 1, nanos: 250_000_000 }),
            ..Verification::default()
        };
        let result =
            BatchResult { row: 7, row_id: "x".to_owned(), verification: Some(verification) };
        assert_eq!(
            to_string("BatchResult", &result).unwrap(),
            r#"{"row":"7","rowId":"x","verification":{"address":"jane@acme.test","#.to_owned()
                + r#""verdict":"VERDICT_UNDELIVERABLE","reasons":["REASON_MAILBOX_NOT_FOUND"],"#
                + r#""evidence":{"code":550,"gatherTime":"2025-11-28T05:00:00.500Z"},"#
                + r#""elapsedDuration":"1.250s"}}"#
        );
        assert!(matches!(to_string("Nothing", &result), Err(JsonError::UnknownType(_))));
    }
}
