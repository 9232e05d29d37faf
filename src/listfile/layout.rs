//! The layout of a list file: its format, its encoding, its columns.

use std::fmt;

use super::charset::TextEncoding;
use super::{Dialect, LineEnd, Row, record};

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
    /// The text before the first row, header excluded: blank lines and Excel's `sep=;`.
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

    /// `row` with `address` as the whole text of its cell. Rows that have no such cell, with a
    /// stray quote, or of JSON stay as they are.
    #[must_use]
    pub fn with_address(&self, row: &Row, address: &str) -> Row {
        let mut changed = row.clone();
        let content = &row.bytes[..row.shape.content];
        let mut text = Vec::new();
        self.encoding.encode(address, &mut text);
        let (start, end) = match (self.format, row.shape.cell) {
            (Format::Plain, _) if !row.is_blank() => (0, content.len()),
            (Format::Delimited(dialect), Some(cell)) if !row.shape.is_stray => {
                let said = std::mem::take(&mut text);
                record::quote(&said, dialect, &mut text);
                cell
            }
            _ => return changed,
        };
        changed.bytes.splice(start..end, text.iter().copied());
        let moved = |at: usize| at + text.len() - (end - start);
        changed.shape.content = moved(row.shape.content);
        changed.shape.whole = moved(row.shape.whole);
        changed.shape.surplus = row.shape.surplus.map(moved);
        changed.shape.cell = Some((start, start + text.len()));
        changed
    }

    /// The text of the fields of `row`. A line that is not delimited is one field.
    pub(super) fn fields(&self, row: &Row) -> Vec<String> {
        let content = &row.bytes[..row.shape.content];
        let Format::Delimited(dialect) = self.format else {
            return vec![self.encoding.decode(content).into_owned()];
        };
        record::fields(content, dialect, row.shape.is_stray)
            .map(|field| record::say(field, dialect, row.shape.is_stray))
            .map(|said| self.encoding.decode(&said).into_owned())
            .collect()
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
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gzip = if self.gzip { ", gzip" } else { "" };
        write!(f, "{}, {}{gzip}; addresses in {}", self.format, self.encoding, self.address)
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
            _ => "bar",
        };
        let header = if dialect.has_header { "with a header" } else { "without a header" };
        write!(f, "{divided}-separated {header}")
    }
}

impl fmt::Display for AddressColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "column {}", self.index + 1)?;
        } else {
            f.write_str("key")?;
        }
        if !self.name.is_empty() {
            write!(f, " {:?}", self.name)?;
        }
        f.write_str(match self.basis {
            ColumnBasis::Asked => "",
            ColumnBasis::Only => " (the only one)",
            ColumnBasis::Name => " (by its name)",
            ColumnBasis::Content => " (by its content)",
        })
    }
}
