//! Finds a field that a JSON body gives twice, by one of its names or by both.
//!
//! Readers disagree on such a body: ours keeps the last one, others the first (RFC 8259 section 4).
//! What a proxy checked would not be what is asked about, and of two lists of rows one would be
//! lost without a word.

use std::fmt;

use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// The path of the first field that `body` gives twice. It must be one that was read as a message
/// of `of`: what follows a fault of syntax is not looked at.
pub(super) fn find(of: &MessageDescriptor, body: &[u8]) -> Option<String> {
    let mut doubled = None;
    let seed = ValueSeed { of, path: None, doubled: &mut doubled };
    // The body was read before: the one error left is the field that is looked for.
    let _ = seed.deserialize(&mut serde_json::Deserializer::from_slice(body));
    doubled
}

/// The path of a value: its place behind that of the object or list it stands in.
struct ValuePath<'a> {
    parent: Option<&'a ValuePath<'a>>,
    step: PathStep<'a>,
}

/// One step of a path.
enum PathStep<'a> {
    Field(&'a str),
    Element(usize),
}

impl fmt::Display for ValuePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match self.step {
            PathStep::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            PathStep::Field(name) => f.write_str(name),
            PathStep::Element(number) => write!(f, "[{number}]"),
        }
    }
}

/// Reads a message of `of`, or a list of them, at `path`; `None`: the body itself.
struct ValueSeed<'a> {
    of: &'a MessageDescriptor,
    path: Option<&'a ValuePath<'a>>,
    doubled: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0;
        loop {
            let path = ValuePath { parent: self.path, step: PathStep::Element(number) };
            let seed = ValueSeed { of: self.of, path: Some(&path), doubled: &mut *self.doubled };
            if list.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
            number += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut given = Vec::new();
        while let Some(named) = object.next_key_seed(NameSeed(self.of))? {
            let Some(field) = named else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let path = ValuePath { parent: self.path, step: PathStep::Field(field.json_name()) };
            if given.contains(&field.number()) {
                *self.doubled = Some(path.to_string());
                return Err(A::Error::custom("it is given more than once"));
            }
            given.push(field.number());
            // The keys of a map are the caller's own.
            let message = field.kind().as_message().filter(|_| !field.is_map()).cloned();
            if let Some(of) = &message {
                let doubled = &mut *self.doubled;
                object.next_value_seed(ValueSeed { of, path: Some(&path), doubled })?;
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a name as the field of this message that has it.
struct NameSeed<'a>(&'a MessageDescriptor);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<FieldDescriptor>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<FieldDescriptor>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let of = self.0;
        Ok(of.get_field_by_json_name(name).or_else(|| of.get_field_by_name(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::json::descriptors;

    fn doubled(message: &str, body: &str) -> Option<String> {
        let of = descriptors().get_message_by_name(&format!("mailvet.v1.{message}")).unwrap();
        find(&of, body.as_bytes())
    }

    #[test]
    fn a_field_that_is_given_twice_is_found_by_either_name_wherever_it_stands() {
        let verify = |body| doubled("VerifyAddressRequest", body);
        let address = r#"{"address":"a@b.test","address":"c@b.test"}"#;
        assert_eq!(verify(address).as_deref(), Some("address"));
        let options = r#"{"options":{"maxAge":"1s","depth":1,"max_age":"2s"}}"#;
        assert_eq!(verify(options).as_deref(), Some("options.maxAge"));
        let append = |body| doubled("AppendBatchRowsRequest", body);
        let pages = r#"{"rows":[{"address":"a"}],"firstRow":1,"rows":[]}"#;
        assert_eq!(append(pages).as_deref(), Some("rows"));
        let row = r#"{"rows":[{},{"rowId":"1","row_id":"1"}]}"#;
        assert_eq!(append(row).as_deref(), Some("rows[1].rowId"));
    }

    #[test]
    fn fields_of_different_objects_are_different_fields() {
        let rows = r#"{"rows":[{"address":"a"},{"address":"b"}],"batchId":"address"}"#;
        assert_eq!(doubled("AppendBatchRowsRequest", rows), None);
        assert_eq!(doubled("VerifyAddressRequest", "{}"), None);
    }
}
