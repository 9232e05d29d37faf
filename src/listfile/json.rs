//! JSON lines (RFC 8259, one object a line): the address in a line, and keys added to it.
//!
//! A line is read as far as the wanted key needs and checked to its end; other values are never
//! built. The line's bytes stay as they are when keys are added.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::charset::TextEncoding;

/// The depth to which objects are searched for addresses.
const DEPTH: usize = 4;

/// Keys under which an element of an array has its value: `"emails": [{"value": "a@x.test"}]`.
pub(super) const VALUE_KEYS: [&str; 4] = ["value", "address", "email", "mail"];

/// The string at `path` in the object that `line` is: the last one if a key is there twice.
///
/// # Errors
/// The line is not one JSON object.
pub(super) fn string_at(line: &str, path: &[String]) -> Result<Option<String>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(line);
    let found = Follow { path, is_inside: false }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(found)
}

/// The string or number at `path` in the object that `line` is, as text; empty if there is none.
pub(super) fn text_at(line: &str, path: &[String]) -> String {
    let object: Value = serde_json::from_str(line).unwrap_or_default();
    let found = path.iter().try_fold(&object, |value, key| {
        // An array is what its first element is.
        let value = value.as_array().and_then(|items| items.first()).unwrap_or(value);
        value.get(key)
    });
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The keys and values of the object that `line` is, in order.
pub(super) fn entries(line: &str) -> Option<Vec<(String, Value)>> {
    let mut reader = serde_json::Deserializer::from_str(line);
    let entries = reader.deserialize_map(Entries).ok()?;
    reader.end().ok()?;
    Some(entries)
}

/// The strings in an object, each with its path; what is not a string counts as an empty one.
pub(super) fn leaves(entries: &[(String, Value)]) -> Vec<(Vec<String>, &str)> {
    let mut found = Vec::new();
    for (key, value) in entries {
        leaf(vec![key.clone()], value, &mut found);
    }
    found
}

fn leaf<'a>(path: Vec<String>, value: &'a Value, found: &mut Vec<(Vec<String>, &'a str)>) {
    match value {
        Value::Object(inner) if path.len() < DEPTH => {
            for (key, value) in inner {
                let mut path = path.clone();
                path.push(key.clone());
                leaf(path, value, found);
            }
        }
        // An array is what its first element is.
        Value::Array(items) if path.len() < DEPTH && !items.is_empty() => {
            leaf(path, &items[0], found);
        }
        _ => found.push((path, value.as_str().unwrap_or_default())),
    }
}

/// `line`, an object, with each string at `path` replaced by what `replace` makes of it; every
/// other byte stays. `None` if it is no object.
pub(super) fn replace_at(
    line: &str,
    path: &[String],
    replace: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut places = Vec::new();
    StringFinder { line, at: 0, places: &mut places }.value(Some(path))?;
    let mut changed = line.to_owned();
    for (start, end) in places.into_iter().rev() {
        let text: String = serde_json::from_str(&line[start..end]).ok()?;
        if let Some(replaced) = replace(&text) {
            changed.replace_range(start..end, &Value::from(replaced).to_string());
        }
    }
    Some(changed)
}

/// Finds the places of the strings at a path, in a text that is JSON.
struct StringFinder<'l> {
    line: &'l str,
    at: usize,
    places: &'l mut Vec<(usize, usize)>,
}

impl StringFinder<'_> {
    /// Passes over a value; `path`: the keys that are left to follow in it, if it is on the way.
    fn value(&mut self, path: Option<&[String]>) -> Option<()> {
        match self.skip_space()? {
            b'{' => self.object(path),
            b'[' => self.elements(path),
            b'"' => {
                let place = self.string()?;
                if path.is_some_and(<[String]>::is_empty) {
                    self.places.push(place);
                }
                Some(())
            }
            _ => {
                let rest = &self.line[self.at..];
                self.at += rest.find([',', ']', '}', ' ', '\t']).unwrap_or(rest.len());
                Some(())
            }
        }
    }

    fn object(&mut self, path: Option<&[String]>) -> Option<()> {
        self.at += 1;
        loop {
            match self.skip_space()? {
                b'}' => break,
                b',' | b':' => self.at += 1,
                _ => {
                    let (start, end) = self.string()?;
                    let key: String = serde_json::from_str(&self.line[start..end]).ok()?;
                    (self.skip_space()? == b':').then(|| self.at += 1)?;
                    let on_the_way = path.and_then(<[String]>::split_first);
                    let rest = on_the_way.filter(|(first, _)| **first == key).map(|(_, rest)| rest);
                    self.value(rest)?;
                }
            }
        }
        self.at += 1;
        Some(())
    }

    fn elements(&mut self, path: Option<&[String]>) -> Option<()> {
        self.at += 1;
        loop {
            match self.skip_space()? {
                b']' => break,
                b',' => self.at += 1,
                _ => self.value(path)?,
            }
        }
        self.at += 1;
        Some(())
    }

    /// Passes over a string; returns its place, quotes included.
    fn string(&mut self) -> Option<(usize, usize)> {
        let (start, bytes) = (self.at, self.line.as_bytes());
        (bytes.get(start) == Some(&b'"')).then_some(())?;
        let mut at = start + 1;
        while *bytes.get(at)? != b'"' {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        self.at = at + 1;
        Some((start, self.at))
    }

    /// The next byte that is no white space.
    fn skip_space(&mut self) -> Option<u8> {
        let rest = &self.line.as_bytes()[self.at..];
        self.at += rest.iter().position(|b| !b.is_ascii_whitespace())?;
        self.line.as_bytes().get(self.at).copied()
    }
}

/// A value that is appended to an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum MemberValue<'a> {
    /// A string.
    Text(&'a str),
    /// A JSON value as it is written.
    Raw(&'a str),
}

impl MemberValue<'_> {
    /// Appends the value.
    pub(super) fn write(self, encoding: &TextEncoding, into: &mut Vec<u8>) {
        match self {
            Self::Text(text) => string(text, encoding, into),
            Self::Raw(json) => raw(json, encoding, into),
        }
    }
}

/// Appends `"key":value` pairs to the object that `line` is.
pub(super) fn append<'a>(
    line: &[u8],
    pairs: impl Iterator<Item = (&'a str, MemberValue<'a>)>,
    encoding: &TextEncoding,
    into: &mut Vec<u8>,
) {
    let end = line.iter().rposition(|&b| b == b'}').unwrap_or(line.len());
    let begin = line.iter().position(|&b| b == b'{').map_or(end, |at| at + 1).min(end);
    let mut is_first = line[begin..end].iter().all(u8::is_ascii_whitespace);
    into.extend_from_slice(&line[..end]);
    for (key, value) in pairs {
        if !is_first {
            into.push(b',');
        }
        is_first = false;
        string(key, encoding, into);
        into.push(b':');
        value.write(encoding, into);
    }
    into.extend_from_slice(&line[end..]);
}

/// Appends `text` as a JSON string; what the encoding does not hold is escaped (`\u00e9`).
pub(super) fn string(text: &str, encoding: &TextEncoding, into: &mut Vec<u8>) {
    raw(&Value::from(text).to_string(), encoding, into);
}

/// Appends JSON; what the encoding does not hold stands in strings, and is escaped there.
fn raw(json: &str, encoding: &TextEncoding, into: &mut Vec<u8>) {
    if encoding.holds(json) {
        return encoding.encode(json, into);
    }
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            into.push(c as u8);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            into.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
    }
}

/// Follows keys to a string.
#[derive(Clone, Copy)]
struct Follow<'p> {
    path: &'p [String],
    is_inside: bool,
}

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        if self.is_inside { value.deserialize_any(self) } else { value.deserialize_map(self) }
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let Some((key, path)) = self.path.split_first() else {
            while let Some(key) = map.next_key::<String>()? {
                match VALUE_KEYS.contains(&&*key) {
                    true => {
                        let value: Value = map.next_value()?;
                        found = found.or_else(|| value.as_str().map(str::to_owned));
                    }
                    false => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            return Ok(found);
        };
        while let Some(is_wanted) = map.next_key_seed(Is(key))? {
            if is_wanted {
                found = map.next_value_seed(Follow { path, is_inside: true })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    /// The strings of an array stand in one cell: `["a@x.test", {"value": "b@x.test"}]`.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all: Option<String> = None;
        while let Some(found) = seq.next_element_seed(Follow { is_inside: true, ..self })? {
            match (&mut all, found) {
                (Some(all), Some(more)) => {
                    all.push_str("; ");
                    all.push_str(&more);
                }
                (None, found) => all = found,
                (Some(_), None) => {}
            }
        }
        Ok(all)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let is_value = match self.path {
            [] => true,
            // One row has `["a@x.test"]`, where others have `[{"value": "a@x.test"}]`.
            [key] => VALUE_KEYS.contains(&&**key),
            _ => false,
        };
        Ok(is_value.then(|| text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// `true` if a key is the wanted one, without keeping it.
struct Is<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// Everything in an object, in order.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}
