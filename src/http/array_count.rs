//! Counts the elements of the lists in a JSON body, before anything is made of them.
//!
//! An element may take three octets of text and takes some hundred in memory, so that a page of
//! 4 MiB would become 200 MB before its rows could be counted. Names are as long as the caller
//! likes, so a path is written out for the longest list alone.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most characters of a name that a path repeats.
const LONGEST_NAME: usize = 100;

/// The longest list of a body.
#[derive(Debug, Default)]
pub(super) struct LongestArray {
    /// The path of its field, each name of it cut at 100 characters.
    pub(super) path: String,
    /// Number of its elements.
    pub(super) elements: usize,
}

impl LongestArray {
    /// The longest list among the fields of the object in `body`, and in objects in it. What
    /// follows a fault of syntax is not counted: it is not read later on either.
    pub(super) fn find(body: &[u8]) -> Self {
        let mut longest = Self::default();
        let seed = FieldSeed { path: None, longest: &mut longest };
        // The reader of the message finds the same fault, and says where it is.
        let _ = seed.deserialize(&mut serde_json::Deserializer::from_slice(body));
        longest
    }
}

/// The path of a field: its name, behind that of the object it stands in.
struct FieldPath<'a> {
    parent: Option<&'a FieldPath<'a>>,
    name: &'a str,
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        let end = self.name.char_indices().nth(LONGEST_NAME).map(|(end, _)| end);
        f.write_str(end.map_or(self.name, |end| &self.name[..end]))
    }
}

/// Reads the value of the field at `path`; `None`: the body itself.
struct FieldSeed<'a> {
    path: Option<&'a FieldPath<'a>>,
    longest: &'a mut LongestArray,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    /// A list of lists is no field of protobuf, so nothing is looked for in elements.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut elements = 0;
        let end = loop {
            let next = list.next_element::<IgnoredAny>();
            elements += usize::from(!matches!(next, Ok(None)));
            match next {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if elements > self.longest.elements {
            self.longest.elements = elements;
            self.longest.path = self.path.map(ToString::to_string).unwrap_or_default();
        }
        end
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(name) = object.next_key::<String>()? {
            let path = FieldPath { parent: self.path, name: &name };
            let seed = FieldSeed { path: Some(&path), longest: &mut *self.longest };
            object.next_value_seed(seed)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(body: &str) -> (String, usize) {
        let longest = LongestArray::find(body.as_bytes());
        (longest.path, longest.elements)
    }

    #[test]
    fn the_longest_list_is_found_with_its_path() {
        let body = r#"{"batchId":"x","firstRow":3,"a":[1,2],"b":null,"rows":[{},{"c":[1]},[]]}"#;
        assert_eq!(longest(body), ("rows".to_owned(), 3));
        assert_eq!(longest(r#"{"a":[1],"p":{"q":[true,"x"]}}"#), ("p.q".to_owned(), 2));
        assert_eq!(longest(r#"{"a":[],"b":1.5}"#), (String::new(), 0));
    }

    #[test]
    fn a_body_that_breaks_off_is_counted_up_to_there() {
        assert_eq!(longest(r#"{"rows":[{},{},{"#), ("rows".to_owned(), 3));
        assert_eq!(longest(r#"{"rows":[{},{}],"x"}"#), ("rows".to_owned(), 2));
        assert_eq!(longest("nothing"), (String::new(), 0));
    }
    /// What takes a copy of the name for every element or key takes terabytes here.
    #[test]
    fn a_long_name_costs_no_more_for_each_element_and_each_key_behind_it() {
        let (name, shown) = ("ä".repeat(1 << 20), "ä".repeat(LONGEST_NAME));
        let list = vec!["1"; 1 << 20].join(",");
        assert_eq!(longest(&format!(r#"{{"{name}":[{list}]}}"#)), (shown.clone(), 1 << 20));
        let keys = r#""a":1,"#.repeat(400_000);
        let body = format!(r#"{{"{name}":{{{keys}"b":[1]}}}}"#);
        assert_eq!(longest(&body), (format!("{shown}.b"), 1));
    }
}
