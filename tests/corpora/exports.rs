//! Exports of mail services, CRMs, shops, forms, directories, spreadsheets and address books, made
//! here in their styles: `tests/corpus/exports`. For each `expected.jsonl` has the kind of file (if
//! it is no text by the line), the column of the addresses, and the addresses of each row.

use std::io::Cursor;
use std::path::Path;

use mailvet::listfile::import::{Container, ImportLimits};
use mailvet::listfile::{Reader, ReaderOptions};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    file: String,
    kind: String,
    column: String,
    rows: Vec<Vec<String>>,
}

/// The kind, the column and the addresses that are found in a file, in words.
fn found(bytes: Vec<u8>) -> Result<(String, String, Vec<Vec<String>>), String> {
    let mut input = Cursor::new(bytes);
    let container = Container::detect(&mut input).map_err(|error| error.to_string())?;
    let mut kind = String::new();
    if let Some(container) = container {
        container.name().clone_into(&mut kind);
        let mut table = Vec::new();
        let limits = ImportLimits::default();
        container.convert(input, &mut table, limits).map_err(|error| error.to_string())?;
        input = Cursor::new(table);
    }
    let options = ReaderOptions { is_imported: container.is_some(), ..ReaderOptions::default() };
    let mut reader = Reader::open(input, &options).map_err(|error| error.to_string())?;
    let column = reader.layout().address.name.clone();
    let mut rows = Vec::new();
    for row in reader.by_ref() {
        let row = row.map_err(|error| error.to_string())?;
        if !row.is_blank() {
            let others = row.others().iter().map(String::as_str);
            rows.push(row.address().into_iter().chain(others).map(str::to_owned).collect());
        }
    }
    Ok((kind, column, rows))
}

#[test]
fn the_addresses_of_every_export_are_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/exports");
    let expected = std::fs::read_to_string(folder.join("expected.jsonl")).expect("the answers");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in expected.lines() {
        let Expected { file, kind, column, rows } = serde_json::from_str(line).expect("an answer");
        let bytes = std::fs::read(folder.join(&file)).expect("the export");
        let found = found(bytes);
        count += 1;
        if found != Ok((kind, column, rows)) {
            wrong.push(format!("{file}: {found:?}"));
        }
    }
    assert!(count > 50, "the exports were not found");
    assert!(wrong.is_empty(), "{} of {count}:\n  {}", wrong.len(), wrong.join("\n  "));
}
