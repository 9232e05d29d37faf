//! JSON documents: an array of objects or strings, or an object that holds one.
//!
//! The text is held, and of its items where they stand: each is read when its row is written.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Write};

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::MAX_RECORD;
use super::super::cell::looks_like_address;
use super::super::header::{self, NameTier};
use super::super::json::VALUE_KEYS;
use super::{BoundedTable, ImportError};
use crate::address::clean::MAX_ADDRESSES;

/// Most keys that become columns.
const MAX_KEYS: usize = 1024;

/// The depth to which objects become columns.
const DEPTH: usize = 4;

/// The items of an array that are looked at to find out whether it is one of addresses.
const LOOKED_AT: usize = 100;

/// The members of an object by their keys.
type Members<'t> = BTreeMap<String, &'t RawValue>;

/// `true` if `text`, the beginning of a file or all of it, begins a document and not JSON lines.
pub(super) fn is_document(text: &str, is_whole: bool) -> bool {
    let second = text.get(1..).and_then(|rest| rest.trim_start().chars().next());
    match text.chars().next() {
        Some('[') => matches!(second, None | Some('"' | '{' | '[' | ']')),
        Some('{') if matches!(second, Some('"' | '}')) => {
            let first = text.lines().next().unwrap_or_default();
            match serde_json::from_str::<Members<'_>>(first) {
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

/// Writes each object of the array as a row; returns the key that the array was found under, and
/// those of others that are left out.
pub(super) fn convert<R: BufRead, W: Write>(
    input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    let text = table.read_text(input)?;
    let document: &RawValue = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| table.damaged(error))?;
    let no_list = |wanted| ImportError::NoList { kind: table.kind, wanted };
    let DocumentRows { mut part, items, mut is_partial } =
        items(document).ok_or_else(|| no_list("array in it"))?;
    if items.is_empty() {
        // A list of nobody, as services give it out when nobody is on it.
        return Ok(part);
    }
    let (mut columns, mut places, mut is_cut) = (Vec::new(), HashMap::new(), false);
    for item in &items {
        each_leaf(&value(item, table)?, &mut |name, text| {
            if places.contains_key(name) {
                return;
            }
            if columns.len() < MAX_KEYS {
                places.insert(name.to_owned(), columns.len());
                columns.push(name.to_owned());
            } else {
                is_cut |= looks_like_address(text);
            }
        });
    }
    if columns.is_empty() {
        return Err(no_list("object or text in its array"));
    }
    if is_cut {
        is_partial = true;
        let and = if part.is_empty() { "" } else { " and " };
        part += &format!("{and}not its keys beyond the first {MAX_KEYS}, with addresses too");
    }
    table.is_partial = is_partial;
    table.row(&columns)?;
    let mut cells = vec![String::new(); columns.len()];
    for item in &items {
        cells.iter_mut().for_each(String::clear);
        each_leaf(&value(item, table)?, &mut |name, text| {
            if let Some(cell) = places.get(name).and_then(|place| cells.get_mut(*place)) {
                if !cell.is_empty() && !text.is_empty() {
                    cell.push_str("; ");
                }
                cell.push_str(text);
            }
        });
        table.row(&cells)?;
    }
    Ok(part)
}

/// The items of a document that become rows.
struct DocumentRows<'t> {
    /// The words for the key they stand under, and for those that are left out.
    part: String,
    items: Vec<&'t RawValue>,
    /// `true` if arrays with addresses are left out.
    is_partial: bool,
}

impl<'t> DocumentRows<'t> {
    /// All that the document holds.
    fn whole(part: String, items: Vec<&'t RawValue>) -> Self {
        Self { part, items, is_partial: false }
    }

    /// The `items` that stand under `key` in `object`.
    fn under(key: &str, items: Vec<&'t RawValue>, object: &Members<'t>) -> Self {
        let left_out = left_out(object, key);
        let mut part = format!("key {key:?}");
        if !left_out.is_empty() {
            part += &format!(" and not {}, with addresses too", left_out.join(", "));
        }
        Self { part, items, is_partial: !left_out.is_empty() }
    }
}

/// An item as a value, which takes many times the memory of its text.
fn value<W: Write>(item: &RawValue, table: &BoundedTable<W>) -> Result<Value, ImportError> {
    if item.get().len() > MAX_RECORD {
        return Err(table.too_large(MAX_RECORD as u64));
    }
    serde_json::from_str(item.get()).map_err(|error| table.damaged(error))
}

/// The items that become rows.
fn items(document: &RawValue) -> Option<DocumentRows<'_>> {
    if let Some(items) = elements(document) {
        let (part, items) = nested(&items).unwrap_or((String::new(), items));
        return Some(DocumentRows::whole(part, items));
    }
    let object = members(document)?;
    Some(match inner(&object) {
        Some((key, items)) => DocumentRows::under(&key, items, &object),
        None if is_map(&object) => {
            DocumentRows::whole(String::new(), object.into_values().collect())
        }
        None => DocumentRows::whole(String::new(), vec![document]),
    })
}

/// The keys, one or two deep, of the arrays with addresses beside the one under `taken`.
fn left_out(object: &Members<'_>, taken: &str) -> Vec<String> {
    let holds = |value: &RawValue| elements(value).is_some_and(|items| hold_addresses(&items));
    let mut keys = Vec::new();
    for (key, &value) in object {
        if holds(value) {
            keys.push(key.clone());
        }
        for (second, value) in members(value).unwrap_or_default() {
            if holds(value) {
                keys.push(format!("{key}.{second}"));
            }
        }
    }
    keys.iter().filter(|key| *key != taken).map(|key| format!("{key:?}")).collect()
}

fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    value.get().starts_with('[').then(|| serde_json::from_str(value.get()).ok())?
}

fn members(value: &RawValue) -> Option<Members<'_>> {
    value.get().starts_with('{').then(|| serde_json::from_str(value.get()).ok())?
}

/// The elements of an array with objects in it. A database may write a null for each id that is not
/// there.
fn objects(value: &RawValue) -> Option<Vec<&RawValue>> {
    let elements = elements(value)?;
    elements.iter().any(|element| element.get().starts_with('{')).then_some(elements)
}

/// The elements of an array of more addresses than one cell has room for.
fn texts(value: &RawValue) -> Option<Vec<&RawValue>> {
    let elements = elements(value)?;
    let is_long = elements.len() > MAX_ADDRESSES;
    let are_texts = elements.iter().all(|element| element.get().starts_with('"'));
    (is_long && are_texts && hold_addresses(&elements)).then_some(elements)
}

/// The array in an object that is one of contacts, and its key, one or two deep: the longest that
/// holds addresses, or else the longest.
fn inner<'t>(object: &Members<'t>) -> Option<(String, Vec<&'t RawValue>)> {
    let mut arrays: Vec<(String, Vec<&RawValue>)> = Vec::new();
    let is_address = |value: &RawValue| value.get().starts_with('"') && has_address(value);
    let is_contact = object.values().any(|value| is_address(value));
    let rows =
        |value: &'t RawValue| objects(value).or_else(|| texts(value).filter(|_| !is_contact));
    for (key, &value) in object {
        if let Some(items) = rows(value) {
            arrays.push((key.clone(), items));
        }
        for (second, value) in members(value).unwrap_or_default() {
            if let Some(items) = rows(value) {
                arrays.push((format!("{key}.{second}"), items));
            }
        }
    }
    // Of several alike the first.
    let ranked = arrays.into_iter().rev().map(|(key, items)| (hold_addresses(&items), key, items));
    let (has_addresses, key, items) =
        ranked.max_by_key(|(has_addresses, _, items)| (*has_addresses, items.len()))?;
    // One contact has such arrays too: of its own addresses, or of whatever else belongs to it.
    let is_named = object.keys().any(|key| key.to_ascii_lowercase().contains("name"));
    let is_own = !has_addresses || is_name_for_addresses(key.rsplit('.').next().unwrap_or(&key));
    let has_address = || {
        let mut own = object.iter().filter(|(key, _)| header::tier(key) == NameTier::Address);
        own.any(|(_, value)| has_address(value))
    };
    let is_one = is_named && (is_own || has_address());
    (!is_one).then_some((key, items))
}

/// The objects one level down, where those of the array have no addresses of their own but hold
/// arrays of objects that do, under one key, as a table with its rows does. Several short ones are
/// not taken out of their objects: all the addresses of one have room in its cell.
fn nested<'t>(items: &[&'t RawValue]) -> Option<(String, Vec<&'t RawValue>)> {
    if items.iter().any(|item| has_own_address(item)) {
        return None;
    }
    let mut groups: BTreeMap<String, Vec<Vec<&RawValue>>> = BTreeMap::new();
    for (key, value) in items.iter().copied().filter_map(members).flatten() {
        if !is_name_for_addresses(&key)
            && let Some(rows) = objects(value).filter(|rows| hold_addresses(rows))
        {
            groups.entry(key).or_default().push(rows);
        }
    }
    let (key, arrays) = groups.pop_first().filter(|_| groups.is_empty())?;
    let is_taken = arrays.len() == 1 || arrays.iter().any(|rows| rows.len() > MAX_ADDRESSES);
    is_taken.then(|| (format!("key {key:?}"), arrays.into_iter().flatten().collect()))
}

/// `true` if an address stands in `item`, apart from arrays of objects.
fn has_own_address(item: &RawValue) -> bool {
    let Some(members) = members(item) else { return has_address(item) };
    let is_own = |key: &str, value| is_name_for_addresses(key) || objects(value).is_none();
    members.iter().any(|(key, value)| is_own(key, value) && has_address(value))
}

fn is_name_for_addresses(key: &str) -> bool {
    header::tier(key) >= NameTier::Related
}

/// `true` if an address stands in one of the first objects.
fn hold_addresses(items: &[&RawValue]) -> bool {
    items.iter().take(LOOKED_AT).any(|item| has_address(item))
}

/// `true` if an address stands in `value`.
fn has_address(value: &RawValue) -> bool {
    let is_short = value.get().len() <= MAX_RECORD;
    let value = is_short.then(|| serde_json::from_str::<Value>(value.get()).ok()).flatten();
    let mut is_found = false;
    if let Some(value) = value {
        leaf("", &value, 0, &mut |_, text| is_found |= looks_like_address(text));
    }
    is_found
}

/// `true` for objects under their ids, as databases export them: each has an address under a key
/// that all of them have.
fn is_map(object: &Members<'_>) -> bool {
    let mut items = object.values().map(|item| members(item));
    let Some(Some(first)) = items.next() else { return false };
    let mut common: Vec<String> = first
        .into_iter()
        .filter(|(_, value)| value.get().starts_with('"') && has_address(value))
        .map(|(key, _)| key)
        .collect();
    for item in items {
        let Some(item) = item else { return false };
        common.retain(|key| item.contains_key(key));
    }
    object.len() > 1 && !common.is_empty()
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
