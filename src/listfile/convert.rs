//! Rows of one format in another: fields as JSON objects, JSON objects as a table, lines as fields.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::charset::TextEncoding;
use super::json::MemberValue;
use super::{Dialect, Format, Layout, Quotes, json, names, record};

/// Fields as JSON objects.
pub(super) struct Objects {
    keys: Vec<String>,
}

impl Objects {
    pub(super) fn new(layout: &Layout) -> Self {
        let keys = match layout.format {
            Format::Plain => vec!["address".to_owned()],
            _ => names::keys(&layout.columns),
        };
        Self { keys }
    }

    /// The keys of the fields that have a column.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Writes one object: `fields`, then `appended` names with their values.
    pub(super) fn write(
        &self,
        fields: &[String],
        appended: &[(&str, MemberValue<'_>)],
        into: &mut Vec<u8>,
    ) {
        into.push(b'{');
        for (index, field) in fields.iter().enumerate() {
            match self.keys.get(index) {
                Some(key) => pair(key, MemberValue::Text(field), into),
                None => pair(&names::column(index), MemberValue::Text(field), into),
            }
        }
        for (name, value) in appended {
            pair(name, *value, into);
        }
        into.push(b'}');
    }
}

fn pair(key: &str, value: MemberValue<'_>, into: &mut Vec<u8>) {
    if into.last() != Some(&b'{') {
        into.push(b',');
    }
    json::string(key, &TextEncoding::UTF_8, into);
    into.push(b':');
    value.write(&TextEncoding::UTF_8, into);
}

/// JSON objects as a table: a column for each key of the first rows, and one for what has none.
pub(super) struct ObjectTable {
    keys: Vec<String>,
}

impl ObjectTable {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { keys: layout.columns.clone() }
    }

    /// The names of the columns, and the name of the last one.
    pub(super) fn header(&self, appended: &[String]) -> (Vec<String>, String) {
        let taken: Vec<String> = self.keys.iter().chain(appended).cloned().collect();
        let other = names::distinct(&taken, &["other"]).pop().unwrap_or_default();
        (self.keys.clone(), other)
    }

    /// The fields of the columns, and in the last one a line that is no whole object.
    pub(super) fn cells(&self, line: &str) -> (Vec<String>, String) {
        let mut cells: Vec<Option<String>> = vec![None; self.keys.len()];
        let Some(entries) = json::entries(line) else {
            return (vec![String::new(); cells.len()], line.trim().to_owned());
        };
        let mut other = Map::new();
        for (key, value) in entries {
            match self.keys.iter().position(|known| *known == key) {
                Some(index) => cells[index] = Some(text(&value)),
                None => {
                    other.insert(key, value);
                }
            }
        }
        let other = if other.is_empty() { String::new() } else { Value::from(other).to_string() };
        (cells.into_iter().map(Option::unwrap_or_default).collect(), other)
    }
}

/// A value as a cell: a string as it is, null as nothing, anything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

const COMMA: Dialect = Dialect { delimiter: b',', quotes: Quotes::Doubled, has_header: true };

/// A line of a plain file as a CSV field. A line that is one already, in quotes, stays as it is.
pub(super) fn plain_field(line: &[u8], encoding: &TextEncoding, into: &mut Vec<u8>) {
    let said = record::say(line, COMMA, false);
    if is_live(&encoding.decode(&said)) {
        record::quote(&harmless(said, encoding), COMMA, into);
    } else if line.first() == Some(&b'"') && line.len() >= said.len() + 2 {
        into.extend_from_slice(line);
    } else {
        record::quote(line, COMMA, into);
    }
}

/// Notes above a table that was none before, harmless record by record.
pub(super) fn notes(text: &[u8], encoding: &TextEncoding, into: &mut Vec<u8>) {
    for (at, bounds) in record::records(text, COMMA, true) {
        let line = &text[at..at + bounds.whole];
        let (content, end) = line.split_at(bounds.content);
        let said: Vec<Cow<'_, [u8]>> = record::fields(content, COMMA, bounds.is_stray)
            .map(|field| record::say(field, COMMA, bounds.is_stray))
            .collect();
        if !said.iter().any(|said| is_live(&encoding.decode(said))) {
            into.extend_from_slice(line);
            continue;
        }
        for (index, said) in said.into_iter().enumerate() {
            if index > 0 {
                into.push(b',');
            }
            record::quote(&harmless(said, encoding), COMMA, into);
        }
        into.extend_from_slice(end);
    }
}

/// A field's text, with a `'` before it if a spreadsheet would run it.
pub(super) fn harmless<'a>(said: Cow<'a, [u8]>, encoding: &TextEncoding) -> Cow<'a, [u8]> {
    if is_live(&encoding.decode(&said)) {
        return Cow::Owned([&b"'"[..], &*said].concat());
    }
    said
}

/// `true` for text of the list's own that a spreadsheet would run as a formula. Signs before digits
/// are a number's, or a telephone's.
pub(super) fn is_live(text: &str) -> bool {
    let is_number = |c: char| c.is_ascii_digit() || c.is_whitespace() || "()[].,/-".contains(c);
    match text.strip_prefix(['+', '-']) {
        Some(rest) => !rest.chars().all(is_number),
        None => text.starts_with(['=', '@', '\t', '\r']),
    }
}
