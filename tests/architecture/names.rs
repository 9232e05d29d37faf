//! Type names: one name for one thing.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::house::House;

/// Names that stand for the same role in each part that has it, and are qualified where used.
const SHARED: &[&str] = &["Config", "Stats", "Error"];

fn doubled() -> BTreeMap<String, Vec<String>> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in House::get().product() {
        for name in &source.type_names {
            places.entry(name.clone()).or_default().push(source.name.clone());
        }
    }
    places.retain(|name, files| files.len() > 1 && !SHARED.contains(&name.as_str()));
    places
}

#[test]
fn no_type_name_stands_for_two_things() {
    let doubled = doubled();
    let violations: Vec<String> =
        doubled.iter().map(|(name, files)| format!("{name}: {}", files.join(", "))).collect();
    println!("names that stand for two things: {}", doubled.len());
    assert_none(&violations, "a type name that is used for two things");
}
