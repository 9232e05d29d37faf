//! JSON documents: an array of objects or strings, or an object that holds one.

use std::io::{BufRead, Read as _, Write};

use serde_json::{Map, Value};

use super::super::cell::looks_like_address;
use super::super::header::{self, NameTier};
use super::super::json::VALUE_KEYS;
use super::{BoundedTable, ImportError};

/// Most keys that become columns: each key of each object is looked for among them.
const MAX_KEYS: usize = 1024;

/// The depth to which objects become columns.
const DEPTH: usize = 4;

/// `true` if `text`, the beginning of a file or all of it, begins a document and not JSON lines.
pub(super) fn is_document(text: &str, is_whole: bool) -> bool {
    let second = text.get(1..).and_then(|rest| rest.trim_start().chars().next());
    match text.chars().next() {
        Some('[') => matches!(second, None | Some('"' | '{' | '[' | ']')),
        Some('{') if matches!(second, Some('"' | '}')) => {
            let first = text.lines().next().unwrap_or_default();
            let is_line = serde_json::from_str::<Map<String, Value>>(first);
            match is_line {
                // One object on one line may be the envelope of an array.
                Ok(object) => {
                    is_whole
                        && text.trim_end() == first.trim_end()
                        && (inner(&object).is_some() || is_map(&object))
                }
                Err(error) => first.len() < text.trim_end().len() || is_whole && error.is_syntax(),
            }
        }
        _ => false,
    }
}

/// Writes each object of the array as a row; returns the key that the array was found under.
pub(super) fn convert<R: BufRead, W: Write>(
    input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    let mut text = String::new();
    let limit = table.limits.document;
    let read = input.take(limit + 1).read_to_string(&mut text);
    read.map_err(|error| table.damaged(error))?;
    if text.len() as u64 > limit {
        return Err(table.too_large(limit));
    }
    let document: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| table.damaged(error))?;
    drop(text);
    let (key, items) = match document {
        Value::Array(items) => (String::new(), items),
        Value::Object(object) => match inner(&object) {
            Some((key, items)) => (format!("key {key:?}"), items.clone()),
            None if is_map(&object) => {
                (String::new(), object.into_iter().map(|(_, item)| item).collect())
            }
            None => (String::new(), vec![Value::Object(object)]),
        },
        _ => return Err(ImportError::NoList { kind: table.kind, wanted: "array in it" }),
    };
    let mut columns: Vec<String> = Vec::new();
    for item in &items {
        each_leaf(item, &mut |name, _| {
            if columns.len() < MAX_KEYS && !columns.iter().any(|known| known == name) {
                columns.push(name.to_owned());
            }
        });
    }
    if columns.is_empty() {
        return Err(ImportError::NoList {
            kind: table.kind,
            wanted: "object or text in its array",
        });
    }
    table.row(&columns)?;
    let mut cells = vec![String::new(); columns.len()];
    for item in &items {
        cells.iter_mut().for_each(String::clear);
        each_leaf(item, &mut |name, text| {
            let place = columns.iter().position(|known| known == name);
            if let Some(cell) = place.and_then(|place| cells.get_mut(place)) {
                if !cell.is_empty() && !text.is_empty() {
                    cell.push_str("; ");
                }
                cell.push_str(text);
            }
        });
        table.row(&cells)?;
    }
    Ok(key)
}

/// The longest array in an object, one or two keys deep.
fn inner(object: &Map<String, Value>) -> Option<(String, &Vec<Value>)> {
    let mut found: Option<(String, &Vec<Value>)> = None;
    let mut take = |key: String, items| {
        if found
            .as_ref()
            .is_none_or(|(_, most): &(String, &Vec<Value>)| most.len() < Vec::len(items))
        {
            found = Some((key, items));
        }
    };
    for (key, value) in object {
        match value {
            // A contact of one line has its addresses in such an array; it is no envelope.
            Value::Array(items) if items.iter().any(Value::is_object) => take(key.clone(), items),
            Value::Object(object) => {
                for (second, value) in object {
                    if let Value::Array(items) = value
                        && items.iter().any(Value::is_object)
                    {
                        take(format!("{key}.{second}"), items);
                    }
                }
            }
            _ => {}
        }
    }
    // An array of the addresses of one contact is none of contacts.
    found.filter(|_| !object.keys().any(|key| key.to_ascii_lowercase().contains("name")))
}

/// `true` for objects under their ids, as databases export them: each has an address under a key
/// that all of them have.
fn is_map(object: &Map<String, Value>) -> bool {
    let mut items = object.values().map(|item| item.as_object());
    let Some(Some(first)) = items.next() else { return false };
    let is_address = |value: &Value| value.as_str().is_some_and(looks_like_address);
    object.len() > 1
        && first.iter().any(|(key, value)| {
            is_address(value)
                && items.clone().all(|item| item.and_then(|item| item.get(key)).is_some())
        })
}

/// Calls `each` with every text in `item` and the name of its column: the keys with dots between
/// them. Elements of an array have the name of the array, and so has the value of one.
fn each_leaf(item: &Value, each: &mut impl FnMut(&str, &str)) {
    match item {
        Value::Object(_) => leaf("", item, 0, each),
        Value::String(text) => each("email", text),
        _ => {}
    }
}

fn leaf(name: &str, value: &Value, depth: usize, each: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Null => each(name, ""),
        Value::Bool(value) => each(name, if *value { "true" } else { "false" }),
        Value::Number(number) => each(name, &number.to_string()),
        Value::String(text) => each(name, text),
        Value::Array(items) if depth < DEPTH => {
            // In `emails`, `[{"value": "a@x.test"}]` is what `["a@x.test"]` is.
            let are_values = header::tier(name) >= NameTier::Related;
            for item in items {
                let value = |key: &&str| are_values && item.get(*key).is_some_and(Value::is_string);
                let own = VALUE_KEYS.into_iter().find(value);
                match item {
                    Value::Object(object) if own.is_some() => {
                        for (key, value) in object {
                            let inner = format!("{name}.{key}");
                            let name = if own == Some(key.as_str()) { name } else { &inner };
                            leaf(name, value, depth + 1, each);
                        }
                    }
                    item => leaf(name, item, depth + 1, each),
                }
            }
        }
        Value::Object(object) if depth < DEPTH => {
            for (key, value) in object {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                leaf(&name, value, depth + 1, each);
            }
        }
        Value::Array(_) | Value::Object(_) => each(name, &value.to_string()),
    }
}
