//! [`Writer`]: the rows of a list file, written back with columns appended.
//!
//! A row's bytes are copied and the new fields put behind them, before the line end: fields that
//! were quoted stay quoted, and delimiter, line ends, blank lines, byte order mark, encoding and a
//! missing last line end stay as they were. Without appended columns the text comes out as it went
//! in. The exceptions, all so that appended columns stand under their names:
//!
//! - a row with too few fields is padded with empty ones;
//! - of a row with too many, the surplus moves behind the appended columns;
//! - of a row with a stray quote, the fields are quoted anew;
//! - a plain file becomes CSV, with a header whose first name is `address`.
//!
//! A file without a header gets none. A gzip file is written unpacked: wrap the output to pack it.
//!
//! An appended character that the file's encoding does not have is not lost: the domain of an
//! address takes its A-label form (RFC 5890), any other is written `\u{1f600}`, in JSON
//! `\ud83d\ude00`. An appended value that a spreadsheet would take for a formula (it begins with
//! `=`, `+`, `-`, `@`, tab or CR) gets a `'` before it in delimited files. A table's own fields are
//! never touched; text that was no table (lines, JSON, a workbook's cells) becomes one here, and
//! gets that `'` too, unless it is a number such as `-1.5` or `+49 (30) 12-34`.

use std::borrow::Cow;
use std::io::Write;

use super::charset::TextEncoding;
use super::convert::{self, ObjectTable, Objects};
use super::json::MemberValue;
use super::{Dialect, Format, Layout, LineEnd, ListFileError, Quotes, Row, json, names, record};
use crate::address::Address;

/// The format to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// The format of the input; a plain file becomes CSV with a header.
    #[default]
    Same,
    /// Comma-separated (RFC 4180), in the encoding of the input. Of JSON lines each key of the
    /// first rows is a column; keys that come later are kept in a last column, `other`, as JSON.
    Csv,
    /// One JSON object a line, in UTF-8. Fields are strings under their column's name, or under
    /// `column_3` if it has none. Blank lines are left out.
    JsonLines,
}

/// Writes rows back. Each row is one small write: give it a buffered output.
pub struct Writer<W> {
    out: W,
    layout: Layout,
    form: RowForm,
    encoding: TextEncoding,
    line_end: LineEnd,
    names: Vec<String>,
    has_json_values: bool,
    buffer: Vec<u8>,
    recoded: Vec<u8>,
}

/// The form in which rows are written.
enum RowForm {
    /// A table's bytes with fields behind them.
    Append(Dialect),
    /// A table's fields with commas between them.
    Recode,
    /// A line as the first field of a table.
    Plain,
    /// An object's bytes with keys behind them.
    Keys,
    /// Fields as objects.
    Objects(Objects),
    /// Objects as a table.
    Table(ObjectTable),
}

const COMMA: Dialect = Dialect { delimiter: b',', quotes: Quotes::Doubled, has_header: true };

impl<W: Write> Writer<W> {
    /// Begins a file for the rows of a [`Reader`](super::Reader) with this `layout`: byte order
    /// mark, header, with `columns` appended. A name that the input has already gets `mailvet_`
    /// before it, and then a number behind it; of JSON lines, what the first rows have counts.
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn new(
        out: W,
        layout: &Layout,
        output: Output,
        columns: &[&str],
    ) -> Result<Self, ListFileError> {
        let form = match (output, layout.format) {
            (Output::Same, Format::Delimited(dialect)) => RowForm::Append(dialect),
            (Output::Csv, Format::Delimited(dialect)) if dialect.is_comma() => {
                RowForm::Append(dialect)
            }
            (Output::Csv, Format::Delimited(_)) => RowForm::Recode,
            (Output::Same, Format::Plain) if columns.is_empty() => RowForm::Append(COMMA),
            (Output::Same | Output::Csv, Format::Plain) => RowForm::Plain,
            (Output::Same | Output::JsonLines, Format::JsonLines) => RowForm::Keys,
            (Output::JsonLines, _) => RowForm::Objects(Objects::new(layout)),
            (Output::Csv, Format::JsonLines) => RowForm::Table(ObjectTable::new(layout)),
        };
        let (names, encoding) = match &form {
            RowForm::Objects(objects) => {
                (names::distinct(objects.keys(), columns), TextEncoding::UTF_8)
            }
            RowForm::Plain => (names::distinct(&[ADDRESS.to_owned()], columns), layout.encoding),
            _ => (names::distinct(&layout.columns, columns), layout.encoding),
        };
        let line_end = match form {
            RowForm::Objects(_) => LineEnd::Lf,
            _ => layout.line_end,
        };
        let (buffer, recoded) = (Vec::new(), Vec::new());
        let layout = layout.clone();
        let has_json_values = false;
        let mut writer =
            Self { out, layout, form, encoding, line_end, names, has_json_values, buffer, recoded };
        writer.begin()?;
        Ok(writer)
    }

    /// Takes the values of appended columns for JSON, and leaves out those that are empty: for
    /// files of objects.
    #[must_use]
    pub fn with_json_values(mut self) -> Self {
        self.has_json_values = true;
        self
    }

    /// The names of the appended columns as they stand in the file.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// Writes `row` with `values`, one for each appended column; missing ones are empty, so a row
    /// without an answer gets `&[]`. A blank line is written as it is.
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn write(&mut self, row: &Row, values: &[&str]) -> Result<(), ListFileError> {
        self.buffer.clear();
        let content = &row.bytes[..row.bounds.content];
        let tail = &row.bytes[row.bounds.content..];
        match &self.form {
            RowForm::Objects(_) if row.is_blank() => return Ok(()),
            _ if row.is_blank() => self.buffer.extend_from_slice(&row.bytes),
            RowForm::Append(_) | RowForm::Keys if self.names.is_empty() => {
                self.buffer.extend_from_slice(&row.bytes);
            }
            RowForm::Keys if row.bounds.is_stray => self.buffer.extend_from_slice(&row.bytes),
            RowForm::Keys => {
                let members = members(&self.names, values, self.has_json_values).into_iter();
                json::append(content, members, &self.encoding, &mut self.buffer);
                self.buffer.extend_from_slice(tail);
            }
            RowForm::Objects(objects) => {
                let fields = self.layout.fields(row);
                let members = members(&self.names, values, self.has_json_values);
                objects.write(&fields, &members, &mut self.buffer);
                self.buffer.extend_from_slice(self.line_end.bytes());
            }
            RowForm::Append(dialect) if !row.bounds.is_stray && !self.has_live_text(row) => {
                self.append(*dialect, row, values);
            }
            RowForm::Append(dialect) => self.compose(*dialect, row, values),
            RowForm::Recode => self.compose(COMMA, row, values),
            RowForm::Plain => {
                convert::plain_field(content, &self.encoding, &mut self.buffer);
                let (names, encoding) = (self.names.len(), self.encoding);
                append_values(COMMA, names, values, &encoding, &mut self.buffer);
                self.buffer.extend_from_slice(tail);
            }
            RowForm::Table(table) => {
                let line = self.layout.encoding.decode(content);
                let (cells, other) = table.cells(&line);
                self.cells(&cells, values, &other);
                self.buffer.extend_from_slice(tail);
            }
        }
        self.emit()
    }

    /// Flushes, and gives the output back.
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn finish(mut self) -> Result<W, ListFileError> {
        self.out.flush().map_err(ListFileError::Write)?;
        Ok(self.out)
    }

    /// Byte order mark, what stands before the rows, and the header.
    fn begin(&mut self) -> Result<(), ListFileError> {
        if self.encoding.byte_order_mark {
            self.encoding.encode("\u{feff}", &mut self.buffer);
            self.emit()?;
        }
        self.buffer.clear();
        if !matches!(self.form, RowForm::Objects(_) | RowForm::Recode) {
            match self.layout.is_imported {
                true => convert::notes(&self.layout.preamble, &self.encoding, &mut self.buffer),
                false => self.buffer.extend_from_slice(&self.layout.preamble),
            }
            self.emit()?;
        }
        let names = self.names.clone();
        let named: Vec<&str> = names.iter().map(String::as_str).collect();
        if self.layout.has_header() && !matches!(self.form, RowForm::Objects(_)) {
            let header = self.layout.header.clone();
            return self.write(&header, &named);
        }
        self.buffer.clear();
        match &self.form {
            RowForm::Plain => self.cells(&[ADDRESS.to_owned()], &named, ""),
            RowForm::Table(table) => {
                let (keys, other) = table.header(&names);
                self.cells(&keys, &named, &other);
            }
            _ => return Ok(()),
        }
        self.buffer.extend_from_slice(self.line_end.bytes());
        self.emit()
    }

    /// The row's bytes with `values` behind the last field that has a column.
    fn append(&mut self, dialect: Dialect, row: &Row, values: &[&str]) {
        let content = &row.bytes[..row.bounds.content];
        let end = row.bounds.surplus.unwrap_or(content.len());
        self.buffer.extend_from_slice(&content[..end]);
        let missing = self.layout.columns.len().saturating_sub(row.bounds.fields);
        self.buffer.extend(std::iter::repeat_n(dialect.delimiter, missing));
        append_values(dialect, self.names.len(), values, &self.encoding, &mut self.buffer);
        self.buffer.extend_from_slice(&content[end..]);
        self.buffer.extend_from_slice(&row.bytes[row.bounds.content..]);
    }

    /// `true` if a field of a table that was none before would come alive in a spreadsheet.
    fn has_live_text(&self, row: &Row) -> bool {
        self.layout.is_imported
            && self.layout.fields(row).iter().any(|field| convert::is_live(field))
    }

    /// The row's fields quoted anew, with `values` behind the last one that has a column.
    fn compose(&mut self, dialect: Dialect, row: &Row, values: &[&str]) {
        let content = &row.bytes[..row.bounds.content];
        let is_stray = row.bounds.is_stray;
        let width = self.layout.columns.len();
        let Format::Delimited(from) = self.layout.format else { return };
        let mut fields = record::fields(content, from, is_stray);
        for index in 0..width {
            if index > 0 {
                self.buffer.push(dialect.delimiter);
            }
            let said = record::say(fields.next().unwrap_or_default(), from, is_stray);
            record::quote(&self.harmless(said), dialect, &mut self.buffer);
        }
        append_values(dialect, self.names.len(), values, &self.encoding, &mut self.buffer);
        for field in fields {
            self.buffer.push(dialect.delimiter);
            let said = record::say(field, from, is_stray);
            record::quote(&self.harmless(said), dialect, &mut self.buffer);
        }
        self.buffer.extend_from_slice(&row.bytes[row.bounds.content..]);
    }

    /// A field's text, harmless in a table that was none before.
    fn harmless<'a>(&self, said: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        if self.layout.is_imported { convert::harmless(said, &self.encoding) } else { said }
    }

    /// Cells of a table that is new, with `values` behind them and `other` last (if there is one).
    fn cells(&mut self, cells: &[String], values: &[&str], other: &str) {
        let mut text = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.buffer.push(b',');
            }
            text.clear();
            if convert::is_live(cell) {
                text.push(b'\'');
            }
            self.encoding.encode(cell, &mut text);
            record::quote(&text, COMMA, &mut self.buffer);
        }
        append_values(COMMA, self.names.len(), values, &self.encoding, &mut self.buffer);
        if matches!(self.form, RowForm::Table(_)) {
            text.clear();
            if convert::is_live(other) {
                text.push(b'\'');
            }
            self.encoding.encode(other, &mut text);
            self.buffer.push(b',');
            record::quote(&text, COMMA, &mut self.buffer);
        }
    }

    /// Writes the buffer out, in UTF-16 if the file is.
    fn emit(&mut self) -> Result<(), ListFileError> {
        self.recoded.clear();
        let bytes = match self.encoding.recode(&self.buffer, &mut self.recoded) {
            true => &self.recoded,
            false => &self.buffer,
        };
        self.out.write_all(bytes).map_err(ListFileError::Write)
    }
}

/// The names of the appended columns with their values; JSON values that are empty are left out.
fn members<'a>(
    names: &'a [String],
    values: &[&'a str],
    has_json_values: bool,
) -> Vec<(&'a str, MemberValue<'a>)> {
    let value = |index: usize| values.get(index).copied().unwrap_or_default();
    let pairs = names.iter().enumerate().map(|(index, name)| (name.as_str(), value(index)));
    if has_json_values {
        let pairs = pairs.filter(|(_, value)| !value.is_empty());
        return pairs.map(|(name, value)| (name, MemberValue::Raw(value))).collect();
    }
    pairs.map(|(name, value)| (name, MemberValue::Text(value))).collect()
}

/// The name of the addresses' column where the input has none.
const ADDRESS: &str = "address";

/// Appends `count` fields, each with a delimiter before it.
fn append_values(
    dialect: Dialect,
    count: usize,
    values: &[&str],
    encoding: &TextEncoding,
    into: &mut Vec<u8>,
) {
    let mut text = Vec::new();
    for index in 0..count {
        into.push(dialect.delimiter);
        let value = values.get(index).copied().unwrap_or_default();
        if is_formula(value) {
            text.push(b'\'');
        }
        encoding.encode(&writable(value, encoding), &mut text);
        record::quote(&text, dialect, into);
        text.clear();
    }
}

/// `true` for a value that a spreadsheet would take for a formula.
#[must_use]
pub fn is_formula(value: &str) -> bool {
    value.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// `value` in characters the encoding has, if it is an address and has such a form.
fn writable<'a>(value: &'a str, encoding: &TextEncoding) -> Cow<'a, str> {
    if encoding.holds(value) {
        return Cow::Borrowed(value);
    }
    let Ok(address) = Address::parse(value) else { return Cow::Borrowed(value) };
    Cow::Owned(format!("{}@{}", address.local(), address.domain()))
}
