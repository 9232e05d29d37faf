//! What a list file turned out to be: its format, its encoding, its columns.

use std::fmt;

use super::charset::TextEncoding;
use super::{Row, record};

/// What a list file is, found from its first [`SNIFF`](super::SNIFF) bytes. `Display` says it in
/// one line, for the person whose list it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How rows are written.
    pub format: Format,
    /// How characters are written, and how sure that is.
    pub encoding: TextEncoding,
    /// Whether the file was gzip. What [`Writer`](super::Writer) writes is not.
    pub gzip: bool,
    /// How lines end.
    pub line_end: LineEnd,
    /// The columns: the header's names; without a header as many empty names as most rows have
    /// fields; for JSON lines the keys of the first rows; for a plain file one empty name.
    pub columns: Vec<String>,
    /// Where the addresses are.
    pub address: AddressColumn,
    /// What stands before the first row, header excluded: blank lines and Excel's `sep=;`.
    pub(super) preamble: Vec<u8>,
    /// The header as it stands; blank if there is none.
    pub(super) header: Row,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 and its neighbours: fields with a delimiter between them.
    Delimited(Dialect),
    /// One JSON object a line (RFC 8259, UTF-8 or another encoding of the file).
    JsonLines,
    /// One address a line and nothing else, without a header.
    Plain,
}

/// How the fields of a row are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// `,`, tab, `;`, `|`, `^` or `:`.
    pub delimiter: u8,
    /// What double quotes mean.
    pub quotes: Quotes,
    /// Whether the first row names the columns.
    pub has_header: bool,
}

/// What a double quote at the beginning of a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// The field runs to the closing quote; a quote in it is doubled (RFC 4180).
    Doubled,
    /// The same, but a quote in it has a backslash before it (MySQL and friends).
    Backslash,
}

/// How lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`
    Cr,
}

impl LineEnd {
    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
        }
    }
}

/// Where the addresses are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressColumn {
    /// The column's number from 0; for JSON lines 0.
    pub index: usize,
    /// The header's name, or the key (`user.email` for a key in an object); empty if it has none.
    pub name: String,
    /// How it was found.
    pub basis: ColumnBasis,
    /// The keys to follow in a JSON object, outermost first.
    pub(super) path: Vec<String>,
}

/// How the column of addresses was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnBasis {
    /// The caller named it.
    Asked,
    /// It is the only one.
    Only,
    /// Its header is a name for addresses; what it holds does not decide.
    Name,
    /// What it holds are addresses.
    Content,
}

impl Layout {
    /// Whether the first row names the columns.
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

    /// What the fields of `row` say. A line that is not delimited is one field.
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
    /// Whether each line is a row.
    pub(super) fn is_by_line(self) -> bool {
        !matches!(self, Self::Delimited(_))
    }
}

impl Dialect {
    /// Whether this is RFC 4180 to the letter.
    pub(super) fn is_comma(self) -> bool {
        self.delimiter == b',' && self.quotes == Quotes::Doubled
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
