//! What the room promises, over real bytes.

use std::io::{self, Read};

use super::*;

mod bounds;
mod columns;
mod converting;
mod encodings;
mod formats;
mod notes;
mod records;
mod round_trip;
mod writing;

fn open(bytes: &[u8]) -> Reader<&[u8]> {
    Reader::open(bytes, &ReaderOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(bytes: &[u8]) -> String {
    match Reader::open(bytes, &ReaderOptions::default()) {
        Ok(reader) => panic!("it was read as {}", reader.layout()),
        Err(error) => error.to_string(),
    }
}

fn with_column(bytes: &[u8], column: &str) -> Result<Layout, ListFileError> {
    let options = ReaderOptions { column: Some(column.to_owned()), ..ReaderOptions::default() };
    Ok(Reader::open(bytes, &options)?.layout().clone())
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    open(bytes).collect::<Result<_, _>>().unwrap()
}

/// The addresses of all rows, `-` where there is none.
fn addresses(bytes: &[u8]) -> Vec<String> {
    rows(bytes).iter().map(|row| row.address().unwrap_or("-").to_owned()).collect()
}

fn findings(bytes: &[u8]) -> Findings {
    let mut reader = open(bytes);
    while reader.read(&mut Row::default()).unwrap() {}
    *reader.findings()
}

const COLUMNS: [&str; 2] = ["verdict", "code"];

/// The file written back with `verdict` and `code` appended.
fn written(bytes: &[u8]) -> Vec<u8> {
    written_as(bytes, Output::Same, &COLUMNS, &["risky", "250"])
}

/// The file with `values` appended to every row that has an address.
fn written_as(bytes: &[u8], output: Output, columns: &[&str], values: &[&str]) -> Vec<u8> {
    rewrite(bytes, output, columns, values, &ReaderOptions::default())
}

fn rewrite(
    input: impl Read,
    output: Output,
    columns: &[&str],
    values: &[&str],
    options: &ReaderOptions,
) -> Vec<u8> {
    let mut reader = Reader::open(input, options).unwrap_or_else(|error| panic!("{error}"));
    let mut writer = Writer::new(Vec::new(), reader.layout(), output, columns).unwrap();
    let mut row = Row::default();
    while reader.read(&mut row).unwrap() {
        let values = if row.address().is_some() { values } else { &[] };
        writer.write(&row, values).unwrap();
    }
    writer.finish().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A source that gives a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(into.len()).min(self.0.len());
        into[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}
