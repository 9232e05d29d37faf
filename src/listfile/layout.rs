//! The layout of a list file: its format, its encoding, its columns.

use std::fmt;

use serde_json::Value;

use super::charset::TextEncoding;
use super::{Dialect, LineEnd, Remedies, Row, json, opt_out, record};
use crate::address::clean::clean;

/// The layout of a list file, found from its first [`SNIFF`](super::SNIFF) bytes. `Display` says it
/// in one line, for the person whose list it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The format of the rows.
    pub format: Format,
    /// The character encoding, and the confidence in it.
    pub encoding: TextEncoding,
    /// `true` if the file was gzip. What [`Writer`](super::Writer) writes is not.
    pub gzip: bool,
    /// The line ending.
    pub line_end: LineEnd,
    /// The columns: the header's names; without a header as many empty names as most rows have
    /// fields; for JSON lines the keys of the first rows; for a plain file one empty name.
    pub columns: Vec<String>,
    /// The column of the addresses.
    pub address: AddressColumn,
    /// Further columns of addresses, if the caller named several.
    pub more_addresses: Vec<AddressColumn>,
    /// Columns that hold addresses too and are not read, if the caller named none.
    pub passed_over: Vec<AddressColumn>,
    /// The column of the times of consents, if the caller named one.
    pub consents: Option<AddressColumn>,
    /// `true` if it is a table that [`import`](super::import) made of something else.
    pub(super) is_imported: bool,
    /// For JSON lines the names of the keys with values in the first rows, those in objects too.
    pub(super) leaves: Vec<String>,
    /// The text before the first row, header excluded: blank lines, notes, and Excel's `sep=;`.
    pub(super) preamble: Vec<u8>,
    /// The header as it stands; blank if there is none.
    pub(super) header: Row,
}

/// The format of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 and its neighbours: fields with a delimiter between them.
    Delimited(Dialect),
    /// One JSON object a line (RFC 8259, UTF-8 or another encoding of the file).
    JsonLines,
    /// One address a line and nothing else, without a header.
    Plain,
}

/// The column of the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressColumn {
    /// The column's number from 0; for JSON lines 0.
    pub index: usize,
    /// The header's name, or the key (`user.email` for a key in an object); empty if it has none.
    pub name: String,
    /// The basis on which it was found.
    pub basis: ColumnBasis,
    /// The keys to follow in a JSON object, outermost first.
    pub(super) path: Vec<String>,
}

/// The basis on which the column of addresses was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnBasis {
    /// The caller named it.
    Asked,
    /// It is the only one.
    Only,
    /// Its header is a name for addresses; what it holds does not decide.
    Name,
    /// Its cells are addresses.
    Content,
}

impl Layout {
    /// `true` if the first row names the columns.
    #[must_use]
    pub fn has_header(&self) -> bool {
        matches!(self.format, Format::Delimited(Dialect { has_header: true, .. }))
    }

    /// `row` with nothing but an address in each cell of addresses: `address` where that is one of
    /// the cell's own, else the cell's first. Cells without one stay as they are, and so do rows
    /// with a stray quote and lines that are no JSON.
    #[must_use]
    pub fn with_address(&self, row: &Row, address: &str) -> Row {
        let mut changed = row.clone();
        let content = &row.bytes[..row.bounds.content];
        if row.is_blank() || row.bounds.is_stray {
            return changed;
        }
        match self.format {
            Format::Plain => {
                let text = self.encoding.decode(content).into_owned();
                self.put(&mut changed, (0, content.len()), &text, address, None);
            }
            Format::Delimited(dialect) => {
                let mut columns: Vec<usize> =
                    self.address_columns().map(|column| column.index).collect();
                columns.sort_unstable();
                let spans = record::spans(content, dialect);
                // From the last to the first, so that the places of the others stay.
                for (start, end) in columns.iter().rev().filter_map(|index| spans.get(*index)) {
                    let said = record::say(&content[*start..*end], dialect, false);
                    let text = self.encoding.decode(&said).into_owned();
                    self.put(&mut changed, (*start, *end), &text, address, Some(dialect));
                }
            }
            Format::JsonLines => self.put_in_object(&mut changed, address),
        }
        changed
    }

    /// The columns that by their names say who wants no mail, as a message names them. They are
    /// read for nothing.
    #[must_use]
    pub fn opt_out_columns(&self) -> Vec<String> {
        let is_by_key = self.format == Format::JsonLines;
        let names = self.columns.iter().enumerate().filter(|(_, name)| opt_out::is_opt_out(name));
        names
            .map(|(index, name)| match is_by_key {
                true => format!("key {name:?}"),
                false => format!("column {} {name:?}", index + 1),
            })
            .collect()
    }

    /// The layout in one line, for a reader who has these remedies.
    #[must_use]
    pub fn describe(&self, remedies: &Remedies) -> String {
        LayoutWords(self, remedies).to_string()
    }

    fn write_words(&self, f: &mut fmt::Formatter<'_>, remedies: &Remedies) -> fmt::Result {
        let gzip = if self.gzip { ", gzip" } else { "" };
        let encoding = self.encoding.describe(remedies);
        write!(f, "{}, {encoding}{gzip}; addresses in {}", self.format, self.address)?;
        self.more_addresses.iter().try_for_each(|column| write!(f, " and {column}"))?;
        self.passed_over.iter().try_for_each(|column| {
            f.write_str("; ")?;
            column.write_place(f)?;
            write!(f, " holds addresses too, and {}", remedies.columns)
        })
    }

    /// The names of the columns that a caller may choose from, by their numbers: for JSON lines
    /// keys in objects too (`user.email`).
    #[must_use]
    pub fn choices(&self) -> &[String] {
        match self.format {
            Format::JsonLines => &self.leaves,
            Format::Delimited(_) | Format::Plain => &self.columns,
        }
    }

    /// The number of a column of addresses among the [choices](Self::choices), from 1.
    #[must_use]
    pub fn number_of(&self, column: &AddressColumn) -> Option<usize> {
        let place = match self.format {
            Format::JsonLines => self.leaves.iter().position(|name| *name == column.name)?,
            Format::Delimited(_) | Format::Plain => column.index,
        };
        Some(place + 1)
    }

    /// Every column of addresses.
    pub(super) fn address_columns(&self) -> impl Iterator<Item = &AddressColumn> {
        std::iter::once(&self.address).chain(&self.more_addresses)
    }

    /// The text of all cells of addresses of a row, as one cell would hold it.
    pub(super) fn addresses_in(&self, row: &Row) -> String {
        let fields = self.fields(row);
        let cells = self.address_columns().filter_map(|column| fields.get(column.index));
        let filled: Vec<&str> =
            cells.map(String::as_str).filter(|cell| !cell.trim().is_empty()).collect();
        filled.join("; ")
    }

    /// The text of all addresses of an object, as one cell would hold it.
    ///
    /// # Errors
    /// The line is not one JSON object.
    pub(super) fn addresses_in_object(
        &self,
        line: &str,
    ) -> Result<Option<String>, serde_json::Error> {
        let mut all = json::string_at(line, &self.address.path)?;
        for column in &self.more_addresses {
            if let Some(more) = json::string_at(line, &column.path)? {
                all = Some(all.map_or_else(|| more.clone(), |all| format!("{all}; {more}")));
            }
        }
        Ok(all)
    }

    /// The text of the cell with the time of a consent; empty if there is no such cell.
    pub(super) fn consent_in(&self, row: &Row) -> String {
        let Some(column) = &self.consents else { return String::new() };
        let content = &row.bytes[..row.bounds.content];
        match self.format {
            Format::JsonLines => json::text_at(&self.encoding.decode(content), &column.path),
            Format::Plain => self.encoding.decode(content).into_owned(),
            Format::Delimited(dialect) => {
                let is_stray = row.bounds.is_stray;
                let field = record::fields(content, dialect, is_stray).nth(column.index);
                let said = field.map(|field| record::say(field, dialect, is_stray));
                said.map(|said| self.encoding.decode(&said).into_owned()).unwrap_or_default()
            }
        }
    }

    /// Every cell of `row` with the keys above it, and its text: of a JSON object every string in
    /// it, of a line that is none the line. Keys have dots between them, and elements of an array
    /// none of their own; a cell that is no string of an object has no keys.
    #[must_use]
    pub fn cells(&self, row: &Row) -> Vec<(String, String)> {
        let fields = self.fields(row);
        if self.format == Format::JsonLines
            && let Some(entries) = fields.first().and_then(|line| json::entries(line))
        {
            let mut found = Vec::new();
            entries.into_iter().for_each(|(key, value)| take_strings(&key, value, &mut found));
            return found;
        }
        fields.into_iter().map(|field| (String::new(), field)).collect()
    }

    /// Puts the address of a cell that says `text` in its place.
    fn put(
        &self,
        row: &mut Row,
        (start, end): (usize, usize),
        text: &str,
        address: &str,
        dialect: Option<Dialect>,
    ) {
        let Some(cleaned) = address_of(text, address) else { return };
        let mut said = Vec::new();
        self.encoding.encode(&cleaned, &mut said);
        let mut field = Vec::new();
        match dialect {
            Some(dialect) => record::quote(&said, dialect, &mut field),
            None => field = said,
        }
        row.bytes.splice(start..end, field.iter().copied());
        let moved = |at: usize| if at >= end { at + field.len() - (end - start) } else { at };
        row.bounds.content = moved(row.bounds.content);
        row.bounds.whole = moved(row.bounds.whole);
        row.bounds.surplus = row.bounds.surplus.map(moved);
        row.bounds.cell = None;
    }

    /// Puts the addresses of an object in the places of their strings.
    fn put_in_object(&self, row: &mut Row, address: &str) {
        let content = &row.bytes[..row.bounds.content];
        if !self.encoding.is_valid(content) {
            return;
        }
        let mut line = self.encoding.decode(content).into_owned();
        for column in self.address_columns() {
            let cleaned = |text: &str| address_of(text, address);
            if let Some(changed) = json::replace_at(&line, &column.path, cleaned) {
                line = changed;
            }
        }
        if !self.encoding.holds(&line) {
            return;
        }
        let mut bytes = Vec::new();
        self.encoding.encode(&line, &mut bytes);
        let length = bytes.len();
        bytes.extend_from_slice(&row.bytes[row.bounds.content..]);
        row.bounds.whole = bytes.len();
        row.bounds.content = length;
        row.bytes = bytes;
    }

    /// The text of the fields of `row`. A line that is not delimited is one field.
    pub(super) fn fields(&self, row: &Row) -> Vec<String> {
        let content = &row.bytes[..row.bounds.content];
        let Format::Delimited(dialect) = self.format else {
            return vec![self.encoding.decode(content).into_owned()];
        };
        record::fields(content, dialect, row.bounds.is_stray)
            .map(|field| record::say(field, dialect, row.bounds.is_stray))
            .map(|said| self.encoding.decode(&said).into_owned())
            .collect()
    }
}

/// The address that a cell which says `text` has: `chosen` if it is one of its own, else its first.
fn address_of(text: &str, chosen: &str) -> Option<String> {
    let cleaned = clean(text);
    let is_own = cleaned.address == chosen || cleaned.others.iter().any(|other| other == chosen);
    let address = if is_own { chosen.to_owned() } else { cleaned.address.into_owned() };
    (!address.is_empty()).then_some(address)
}

/// Takes every string in `value`, which stands under `keys`.
fn take_strings(keys: &str, value: Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((keys.to_owned(), text)),
        Value::Array(items) => items.into_iter().for_each(|item| take_strings(keys, item, found)),
        Value::Object(inner) => inner
            .into_iter()
            .for_each(|(key, item)| take_strings(&format!("{keys}.{key}"), item, found)),
        _ => {}
    }
}

impl Format {
    /// `true` if each line is a row.
    pub(super) fn is_by_line(self) -> bool {
        !matches!(self, Self::Delimited(_))
    }
}

impl AddressColumn {
    /// Not known yet.
    pub(super) fn unknown() -> Self {
        Self { index: 0, name: String::new(), basis: ColumnBasis::Only, path: Vec::new() }
    }

    fn write_place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "column {}", self.index + 1)?;
        } else {
            f.write_str("key")?;
        }
        if self.name.is_empty() { Ok(()) } else { write!(f, " {:?}", self.name) }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_words(f, &Remedies::OPTIONS)
    }
}

/// A layout in words for a reader who has these remedies.
struct LayoutWords<'a>(&'a Layout, &'a Remedies);

impl fmt::Display for LayoutWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_words(f, self.1)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dialect = match self {
            Self::JsonLines => return f.write_str("JSON lines"),
            Self::Plain => return f.write_str("one address a line"),
            Self::Delimited(dialect) => dialect,
        };
        let divided = match dialect.delimiter {
            b',' => "comma",
            b'\t' => "tab",
            b';' => "semicolon",
            b'^' => "caret",
            b':' => "colon",
            b'~' => "tilde",
            control if control.is_ascii_control() => "control-character",
            _ => "bar",
        };
        let header = if dialect.has_header { "with a header" } else { "without a header" };
        write!(f, "{divided}-separated {header}")
    }
}

impl fmt::Display for AddressColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_place(f)?;
        f.write_str(match self.basis {
            ColumnBasis::Asked => "",
            ColumnBasis::Only => " (the only one)",
            ColumnBasis::Name => " (by its name)",
            ColumnBasis::Content => " (by its content)",
        })
    }
}
