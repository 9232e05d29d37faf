//! [`WorkbookWriter`]: rows as an XLSX workbook. Every cell is text: nothing becomes a formula, a
//! number or a date.

use std::io::{self, Write};
use std::path::Path;

use rust_xlsxwriter::{Workbook, XlsxError};

use super::convert::ObjectTable;
use super::{Format, Layout, ListFileError, Row, names, record};

/// The most rows of a sheet, header included.
const MAX_ROWS: u32 = 1_048_576;

/// The most characters of a cell, in units of UTF-16.
const MAX_CELL: usize = 32_767;

/// The most columns of a sheet.
const MAX_COLUMNS: usize = 16_384;

/// Writes rows into the one sheet of a workbook, in flat memory, below the notes that stood above
/// them. Of JSON lines each key of the first rows is a column; what has none is in a last one,
/// `other`, as in [`Output::Csv`](super::Output::Csv).
pub struct WorkbookWriter {
    book: Workbook,
    layout: Layout,
    table: Option<ObjectTable>,
    /// Number of columns that are appended.
    appended: usize,
    next: u32,
}

impl WorkbookWriter {
    /// Begins a workbook for the rows of a [`Reader`](super::Reader) with this `layout`, with
    /// `columns` appended under names of their own.
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn new(layout: &Layout, columns: &[&str]) -> Result<Self, ListFileError> {
        Self::begin(Workbook::new(), layout, columns)
    }

    /// As [`new`](Self::new); until it is finished, its rows stand in a file without a name in
    /// `folder`.
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn in_folder(
        folder: &Path,
        layout: &Layout,
        columns: &[&str],
    ) -> Result<Self, ListFileError> {
        let mut book = Workbook::new();
        book.set_tempdir(folder).map_err(failed)?;
        Self::begin(book, layout, columns)
    }

    fn begin(mut book: Workbook, layout: &Layout, columns: &[&str]) -> Result<Self, ListFileError> {
        book.add_worksheet_with_constant_memory().map_err(failed)?;
        let table = (layout.format == Format::JsonLines).then(|| ObjectTable::new(layout));
        let (layout, appended) = (layout.clone(), columns.len());
        let mut header = match layout.format {
            Format::Plain => vec!["address".to_owned()],
            _ => layout.columns.clone(),
        };
        header.truncate(MAX_COLUMNS);
        let names = names::distinct(&header, columns);
        let other = table.as_ref().map(|table| table.header(&names).1);
        header.extend(names.into_iter().chain(other));
        let mut writer = Self { book, layout, table, appended, next: 0 };
        writer.notes()?;
        writer.cells(&header)?;
        Ok(writer)
    }

    /// Writes `row` with `values`, one for each appended column; missing ones are empty. Blank
    /// lines are left out.
    ///
    /// # Errors
    /// [`ListFileError::Write`]: also of more rows than a sheet has.
    pub fn write(&mut self, row: &Row, values: &[&str]) -> Result<(), ListFileError> {
        if row.is_blank() {
            return Ok(());
        }
        let mut cells = self.layout.fields(row);
        let mut other = None;
        if let Some(table) = &self.table {
            let (keyed, rest) = table.cells(cells.first().map_or("", String::as_str));
            (cells, other) = (keyed, Some(rest));
        }
        let width = self.layout.columns.len().max(1);
        cells.resize(width.max(cells.len()), String::new());
        let surplus = cells.split_off(width);
        cells.extend(values.iter().map(|value| (*value).to_owned()));
        cells.resize(width + self.appended, String::new());
        cells.extend(surplus.into_iter().chain(other));
        self.cells(&cells)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn finish(mut self, out: impl Write + Send) -> Result<(), ListFileError> {
        self.book.save_to_writer(out).map_err(failed)
    }

    /// Writes what stands above the header, but for blank lines and what tells the delimiter.
    fn notes(&mut self) -> Result<(), ListFileError> {
        let text = self.layout.encoding.decode(&self.layout.preamble).into_owned();
        // A cell of a note may have several lines.
        let lines: Vec<(&str, bool)> = match self.layout.format {
            Format::Delimited(dialect) => record::records(text.as_bytes(), dialect, true)
                .map(|(at, bounds)| (&text[at..at + bounds.content], bounds.is_stray))
                .collect(),
            Format::JsonLines | Format::Plain => {
                text.split(['\r', '\n']).map(|line| (line, false)).collect()
            }
        };
        for (line, is_stray) in lines.into_iter().filter(|(line, _)| !line.trim().is_empty()) {
            if line.trim_matches('"').to_ascii_lowercase().starts_with("sep=") {
                continue;
            }
            let cells = match self.layout.format {
                Format::Delimited(dialect) => record::fields(line.as_bytes(), dialect, is_stray)
                    .map(|field| record::say(field, dialect, is_stray))
                    .map(|said| String::from_utf8_lossy(&said).into_owned())
                    .collect(),
                Format::JsonLines | Format::Plain => vec![line.to_owned()],
            };
            self.cells(&cells)?;
        }
        Ok(())
    }

    fn cells(&mut self, cells: &[String]) -> Result<(), ListFileError> {
        if self.next == MAX_ROWS {
            let error = io::Error::other("a sheet holds no more than 1,048,576 rows; write CSV");
            return Err(ListFileError::Write(error));
        }
        let is_imported = self.layout.is_imported;
        let sheet = self.book.worksheet_from_index(0).map_err(failed)?;
        for (column, cell) in cells.iter().take(MAX_COLUMNS).enumerate() {
            if cell.is_empty() {
                continue;
            }
            let column = u16::try_from(column).unwrap_or(u16::MAX);
            match number(cell).filter(|_| is_imported) {
                Some(number) => sheet.write_number(self.next, column, number),
                None => sheet.write_string(self.next, column, beginning(cell)),
            }
            .map_err(failed)?;
        }
        self.next += 1;
        Ok(())
    }
}

/// The number that a cell of a workbook held, if it is written as it would be: `007` is none.
fn number(cell: &str) -> Option<f64> {
    let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
    // As many digits as a cell shows without an exponent.
    number.filter(|number| cell.len() <= 11 && number.to_string() == cell)
}

/// As much of a text as a cell holds.
fn beginning(text: &str) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > MAX_CELL
    });
    end.map_or(text, |(end, _)| &text[..end])
}

fn failed(error: XlsxError) -> ListFileError {
    ListFileError::Write(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::listfile::import::{Container, ImportLimits};
    use crate::listfile::{Reader, ReaderOptions};

    /// A list as CSV again, of the workbook that was made of it with these further cells a row.
    fn there_and_back(list: &str, columns: &[&str], cells: &[&str]) -> String {
        let mut reader = Reader::open(list.as_bytes(), &ReaderOptions::default()).unwrap();
        let mut writer = WorkbookWriter::new(reader.layout(), columns).unwrap();
        let mut row = Row::default();
        while reader.read(&mut row).unwrap() {
            writer.write(&row, cells).unwrap();
        }
        let (mut bytes, mut csv) = (Vec::new(), Vec::new());
        writer.finish(&mut bytes).unwrap();
        Container::Xlsx.convert(Cursor::new(bytes), &mut csv, ImportLimits::default()).unwrap();
        String::from_utf8(csv).unwrap()
    }

    #[test]
    fn a_sheet_of_two_thousand_columns_is_read_with_all_of_them() {
        let header: Vec<String> = (0..2_000).map(|n| format!("c{n}")).collect();
        let list = format!("email,{}\njane@acme.test{}\n", header.join(","), ",v".repeat(2_000));
        assert_eq!(there_and_back(&list, &[], &[]), list);
    }

    #[test]
    fn the_notes_above_the_header_are_above_it_in_the_workbook_too() {
        let list = "sep=;\nCustomers of May\n\nid;email\n1;jane@acme.test\n";
        let wanted = "Customers of May\nid,email,verdict\n1,jane@acme.test,risky\n";
        assert_eq!(there_and_back(list, &["verdict"], &["risky"]), wanted);
    }

    #[test]
    fn a_note_of_two_lines_in_one_cell_is_one_cell_of_the_workbook() {
        let list = "\"As of May,\nall regions\",x\nid,email,name\n1,jane@acme.test,Jane\n";
        assert_eq!(there_and_back(list, &[], &[]), list);
    }

    #[test]
    fn a_text_is_cut_where_a_cell_ends_whatever_its_characters_are() {
        assert_eq!(beginning(&"a".repeat(40_000)).len(), MAX_CELL);
        assert_eq!(beginning(&"\u{1F600}".repeat(20_000)).chars().count(), MAX_CELL / 2);
        assert_eq!(beginning("short"), "short");
    }

    #[test]
    fn what_was_a_number_in_a_workbook_is_one_again_and_no_zeros_before_it_are_lost() {
        assert_eq!(
            ["12.5", "-3", "49301234567"].map(number),
            [12.5, -3.0, 49_301_234_567.0].map(Some)
        );
        assert_eq!(["007", "1e3", "12,5", "+49", "inf", "493012345678"].map(number), [None; 6]);
    }

    #[test]
    fn a_workbook_holds_what_a_table_would_and_no_formula() {
        let list = b"id;email;x\n007;jane@acme.test;=1+1\n2;john@acme.test\n3;k@acme.test;a;b\n";
        let mut reader = Reader::open(&list[..], &ReaderOptions::default()).unwrap();
        let mut writer = WorkbookWriter::new(reader.layout(), &["verdict"]).unwrap();
        let mut row = Row::default();
        while reader.read(&mut row).unwrap() {
            writer.write(&row, &["risky"]).unwrap();
        }
        let mut bytes = Vec::new();
        writer.finish(&mut bytes).unwrap();
        let mut csv = Vec::new();
        let limits = ImportLimits::default();
        Container::Xlsx.convert(Cursor::new(bytes), &mut csv, limits).unwrap();
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            "id,email,x,verdict\n007,jane@acme.test,=1+1,risky\n2,john@acme.test,,risky\n\
             3,k@acme.test,a,risky,b\n"
        );
    }

    #[test]
    fn a_key_that_comes_late_is_in_the_workbook_too() {
        let mut list = "{\"email\":\"jane@acme.test\"}\n".repeat(1_099);
        list += "{\"email\":\"john@acme.test\",\"city\":\"Bern\"}\nno object\n";
        let mut reader = Reader::open(list.as_bytes(), &ReaderOptions::default()).unwrap();
        let mut writer = WorkbookWriter::new(reader.layout(), &["verdict"]).unwrap();
        let mut row = Row::default();
        while reader.read(&mut row).unwrap() {
            let values = if row.address().is_some() { &["risky"][..] } else { &[] };
            writer.write(&row, values).unwrap();
        }
        let (mut bytes, mut csv) = (Vec::new(), Vec::new());
        writer.finish(&mut bytes).unwrap();
        Container::Xlsx.convert(Cursor::new(bytes), &mut csv, ImportLimits::default()).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert!(csv.starts_with("email,verdict,other\njane@acme.test,risky\n"), "{csv:.80}");
        let last = "\njohn@acme.test,risky,\"{\"\"city\"\":\"\"Bern\"\"}\"\n,,no object\n";
        assert!(csv.ends_with(last), "{csv}");
    }
}
