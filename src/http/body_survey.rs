//! What must be known of a JSON body before a message is made of it, found in one walk.
//!
//! - Its longest list. An element may take three octets of text and takes some hundred in memory,
//!   so that a page of 4 MiB would become 200 MB before its rows could be counted.
//! - A field that is given twice, by one of its names or by both. Readers disagree on such a body:
//!   ours keeps the last one, others the first (RFC 8259 section 4). What a proxy checked would not
//!   be what is asked about, and of two lists of rows one would be lost without a word.

use std::fmt;

use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What the walk over a body found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct BodySurvey {
    /// The path of the longest list; empty where there is none.
    pub(super) longest_list: String,
    /// Number of its elements.
    pub(super) elements: usize,
    /// The path of the first field that is given twice.
    pub(super) doubled: Option<String>,
}

impl BodySurvey {
    /// Walks over a body that is to be read as a message of `of`. What follows a fault of syntax is
    /// not looked at, nor what stands under names that are no field: neither is read later on.
    pub(super) fn of(of: &MessageDescriptor, body: &[u8]) -> Self {
        let mut survey = Self::default();
        let seed = ValueSeed { of: Some(of), path: None, survey: &mut survey };
        // The reader of the message finds the same fault, and says where it is.
        let _ = seed.deserialize(&mut serde_json::Deserializer::from_slice(body));
        survey
    }
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

/// Reads the value at `path`; `None`: the body itself.
struct ValueSeed<'a> {
    /// The message that the value is to be, or that each of its elements is to be; `None`: neither.
    of: Option<&'a MessageDescriptor>,
    path: Option<&'a ValuePath<'a>>,
    survey: &'a mut BodySurvey,
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
        let mut elements = 0;
        let end = loop {
            let path = ValuePath { parent: self.path, step: PathStep::Element(elements) };
            let seed = ValueSeed { of: self.of, path: Some(&path), survey: &mut *self.survey };
            let next = list.next_element_seed(seed);
            elements += usize::from(!matches!(next, Ok(None)));
            match next {
                Ok(Some(())) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if elements > self.survey.elements {
            self.survey.elements = elements;
            self.survey.longest_list = self.path.map(ToString::to_string).unwrap_or_default();
        }
        end
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut given = Vec::new();
        while let Some(named) = object.next_key_seed(NameSeed(self.of))? {
            let Some(field) = named else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let path = ValuePath { parent: self.path, step: PathStep::Field(field.json_name()) };
            if !given.contains(&field.number()) {
                given.push(field.number());
            } else if self.survey.doubled.is_none() {
                self.survey.doubled = Some(path.to_string());
            }
            let kind = field.kind();
            let of = kind.as_message();
            object.next_value_seed(ValueSeed {
                of,
                path: Some(&path),
                survey: &mut *self.survey,
            })?;
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
struct NameSeed<'a>(Option<&'a MessageDescriptor>);

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
        let field = |of: &MessageDescriptor| {
            of.get_field_by_json_name(name).or_else(|| of.get_field_by_name(name))
        };
        Ok(self.0.and_then(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::json::descriptors;

    fn survey(message: &str, body: &str) -> BodySurvey {
        let of = descriptors().get_message_by_name(&format!("mailvet.v1.{message}")).unwrap();
        BodySurvey::of(&of, body.as_bytes())
    }

    fn longest(body: &str) -> (String, usize) {
        let survey = survey("AppendBatchRowsRequest", body);
        (survey.longest_list, survey.elements)
    }

    fn doubled(message: &str, body: &str) -> Option<String> {
        survey(message, body).doubled
    }

    #[test]
    fn the_longest_list_is_found_with_its_path() {
        let body = r#"{"batchId":"x","firstRow":3,"other":[1,2,3,4],"rows":[{},{"c":[1]},[]]}"#;
        assert_eq!(longest(body), ("rows".to_owned(), 3));
        assert_eq!(longest(r#"{"rows":[{"rowId":[true,"x"]}]}"#), ("rows[0].rowId".to_owned(), 2));
        assert_eq!(longest(r#"{"rows":[],"firstRow":1.5}"#), (String::new(), 0));
    }

    #[test]
    fn a_body_that_breaks_off_is_counted_up_to_there() {
        assert_eq!(longest(r#"{"rows":[{},{},{"#), ("rows".to_owned(), 3));
        assert_eq!(longest(r#"{"rows":[{},{}],"x"}"#), ("rows".to_owned(), 2));
        assert_eq!(longest("nothing"), (String::new(), 0));
    }

    /// What keeps a name that is no field, for every element behind it, takes terabytes here.
    #[test]
    fn a_long_name_costs_no_more_for_each_element_and_each_key_behind_it() {
        let name = "ä".repeat(1 << 20);
        let list = vec!["1"; 1 << 20].join(",");
        assert_eq!(
            longest(&format!(r#"{{"{name}":[{list}],"rows":[1]}}"#)),
            ("rows".to_owned(), 1)
        );
        let keys = r#""a":1,"#.repeat(400_000);
        let body = format!(r#"{{"{name}":{{{keys}"b":[1]}},"rows":[1]}}"#);
        assert_eq!(longest(&body), ("rows".to_owned(), 1));
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
        let row = r#"{"rows":[{},{"rowId":"1","row_id":"1"},{"rowId":"1","rowId":"1"}]}"#;
        assert_eq!(append(row).as_deref(), Some("rows[1].rowId"));
    }

    #[test]
    fn fields_of_different_objects_are_different_fields() {
        let rows = r#"{"rows":[{"address":"a"},{"address":"b"}],"batchId":"address"}"#;
        assert_eq!(doubled("AppendBatchRowsRequest", rows), None);
        assert_eq!(doubled("VerifyAddressRequest", "{}"), None);
    }
}
