//! Type names: one name for one thing.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::house::House;

/// Names that stand for the same role in each part that has it, and are qualified where used.
const SHARED: &[&str] = &["Config", "Stats", "Error"];

/// Names that are still used for two things. None may come.
#[rustfmt::skip]
const BEING_RENAMED: &[&str] = &[
    "Answer", "Asked", "At", "Brought", "Call", "Caller", "Calls", "CatchAll", "Checked", "Command",
    "Connection", "Counters", "Counts", "Data", "Depth", "Dialogue", "Domains", "Door", "Effect",
    "Entries", "Entry", "Evidence", "Exchanger", "Expiry", "Exposed", "Fault", "Format", "Found",
    "Held", "Hosts", "Identity", "Idle", "Job", "Json", "Kept", "Kind", "Known", "Lifetimes",
    "Limits", "Line", "Mailbox", "MxRecord", "Opened", "Options", "Outcome", "Page", "Part",
    "Patience", "Peer", "Place", "Profile", "Question", "Read", "Reader", "Reading", "Record",
    "Reply", "Results", "Said", "Sample", "Seat", "Service", "Session", "Shape", "Share", "Shared",
    "Shown", "Stamp", "State", "Step", "Store", "Submission", "Table", "Tally", "Target", "Then",
    "TlsError", "Transaction", "TranscriptLine", "Verdict", "Window", "Wire",
];

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
    let violations: Vec<String> = doubled
        .iter()
        .filter(|(name, _)| !BEING_RENAMED.contains(&name.as_str()))
        .map(|(name, files)| format!("{name}: {}", files.join(", ")))
        .collect();
    println!("names that stand for two things: {}", doubled.len());
    for name in BEING_RENAMED.iter().filter(|name| !doubled.contains_key(**name)) {
        println!("no longer doubled, strike it from the list: {name}");
    }
    assert_none(&violations, "a type name that is used for two things");
}
