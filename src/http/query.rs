//! Parameters of a query as the fields of a message.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::bad_request::BadRequest;

/// The JSON object with the fields of `of` that `query` gives.
pub(super) fn object(of: &MessageDescriptor, query: &str) -> Result<Value, BadRequest> {
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        given.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    let mut object = Map::new();
    for (name, values) in given {
        let found = of.get_field_by_json_name(&name).or_else(|| of.get_field_by_name(&name));
        let field = found.filter(is_parameter).ok_or_else(|| unknown(of, &name))?;
        let mut values = values.into_iter().map(|value| json(&field.kind(), value));
        let value = if field.is_list() {
            Value::Array(values.collect())
        } else {
            match (values.next(), values.next()) {
                (Some(value), None) => value,
                _ => return Err(BadRequest::new(name, "is given more than once; give it once")),
            }
        };
        if object.insert(field.json_name().to_owned(), value).is_some() {
            return Err(BadRequest::new(name, "is given by both of its names; give it once"));
        }
    }
    Ok(Value::Object(object))
}

/// Returns whether the field can stand in a query.
pub(super) fn is_parameter(field: &FieldDescriptor) -> bool {
    !matches!(field.kind(), Kind::Message(_) | Kind::Bytes)
}

fn unknown(of: &MessageDescriptor, name: &str) -> BadRequest {
    let known: Vec<String> =
        of.fields().filter(is_parameter).map(|field| field.json_name().to_owned()).collect();
    let remedy = format!("is not a parameter of this call; it takes {}", known.join(", "));
    BadRequest::new(name, remedy)
}

/// The JSON value that a parameter's text stands for. Texts that are not of the kind stay texts,
/// and are refused with their names.
fn json(kind: &Kind, text: String) -> Value {
    match (kind, text.as_str()) {
        (Kind::Bool, "true") => Value::Bool(true),
        (Kind::Bool, "false") => Value::Bool(false),
        (Kind::Enum(_), number) => match number.parse::<i32>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::String(text),
        },
        // Numbers may be strings in proto3 JSON.
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::json::descriptors;

    fn object_of(query: &str) -> Result<String, BadRequest> {
        let of = descriptors().get_message_by_name("mailvet.v1.StreamBatchResultsRequest").unwrap();
        object(&of, query).map(|object| object.to_string())
    }

    #[test]
    fn parameters_are_fields_by_either_name() {
        assert_eq!(object_of("").unwrap(), "{}");
        assert_eq!(
            object_of("batch_id=a%20b&verdicts=VERDICT_RISKY&verdicts=4&order=2").unwrap(),
            r#"{"batchId":"a b","order":2,"verdicts":["VERDICT_RISKY",4]}"#
        );
    }

    #[test]
    fn a_parameter_that_is_unknown_or_doubled_is_named() {
        let error = object_of("adress=x").unwrap_err();
        assert_eq!(error.field, "adress");
        assert!(error.message.contains("cursor, verdicts, order"), "{}", error.message);
        assert_eq!(object_of("cursor=a&cursor=b").unwrap_err().field, "cursor");
        assert!(object_of("batch_id=a&batchId=b").is_err());
    }
}
