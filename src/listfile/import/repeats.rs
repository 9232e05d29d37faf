//! The size an ODS workbook has in memory: a cell, a row and a space may say how often they are
//! there, so that a few bytes may stand for millions of cells.

use std::io::{BufReader, Read, Seek, SeekFrom, Write};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::{BoundedTable, ImportError, MAX_COLUMNS};

/// The most rows of a sheet, of XLSX too.
pub(super) const MAX_ROWS: u64 = 1_048_576;

/// The bytes of a document for each of which one cell is taken. Most cells are written in more; but
/// those of a wide sheet with gaps are hardly written at all, and take memory.
const BYTES_OF_CELL: u64 = 8;

/// Refuses a workbook whose sheets have more cells, or more text in them, than a document of the
/// largest size has without repeats.
pub(super) fn check<R: Read + Seek, W: Write>(
    input: &mut R,
    table: &BoundedTable<W>,
) -> Result<(), ImportError> {
    let mut archive = ZipArchive::new(&mut *input).map_err(|error| table.damaged(error))?;
    let content = archive.by_name("content.xml").map_err(|error| table.damaged(error))?;
    let mut xml = quick_xml::Reader::from_reader(BufReader::new(content));
    xml.config_mut().expand_empty_elements = true;
    let (mut sheets, mut open, mut buffer) = (UnfoldedSheets::default(), 0_u64, Vec::new());
    loop {
        let event = xml.read_event_into(&mut buffer).map_err(|error| table.damaged(error))?;
        match event {
            Event::Start(start) => {
                open += 1;
                if sheets.open(&start).map_err(|error| table.damaged(error))? == CellPlace::Wrong {
                    let why = "a cell or a row of it does not stand where it belongs";
                    return Err(table.damaged(why));
                }
            }
            Event::End(end) => {
                open = open.saturating_sub(1);
                sheets.close(end.name().0);
            }
            Event::Text(text) => sheets.write(text.len() as u64),
            Event::GeneralRef(reference) => sheets.write(reference.len() as u64),
            // Calamine waits without end for a sheet to be closed.
            Event::Eof if open > 0 => return Err(table.damaged("it ends too soon")),
            Event::Eof => break,
            _ => {}
        }
        table.check_held(sheets.text())?;
        table.check_held(sheets.cells().saturating_mul(BYTES_OF_CELL))?;
        buffer.clear();
    }
    drop(xml);
    drop(archive);
    input.seek(SeekFrom::Start(0))?;
    Ok(())
}

/// The place of an element.
#[derive(PartialEq, Eq)]
enum CellPlace {
    Right,
    /// A row within a row, a cell within a cell, or one outside of a row.
    Wrong,
}

/// The sheets so far, with every repeat written out.
#[derive(Default)]
struct UnfoldedSheets {
    /// Cells of the sheets before this one.
    cells: u64,
    /// Bytes of text of all rows before this one.
    text: u64,
    /// Rows of this sheet, to the last that is not empty.
    rows: u64,
    /// Empty rows behind them.
    empty_rows: u64,
    /// Cells of its longest row.
    width: u64,
    row: Option<UnfoldedRow>,
}

/// A row that is not over.
struct UnfoldedRow {
    repeats: u64,
    /// Its cells.
    width: u64,
    /// Its cells, to the last that is not empty.
    filled: u64,
    /// Bytes of text of all its cells.
    text: u64,
    cell: Option<UnfoldedCell>,
}

/// A cell that is not over.
struct UnfoldedCell {
    repeats: u64,
    is_empty: bool,
    text: u64,
}

impl UnfoldedSheets {
    /// The bytes of text so far.
    fn text(&self) -> u64 {
        let row = self.row.as_ref().map_or(0, |row| {
            let cell = row.cell.as_ref().map_or(0, |cell| cell.text.saturating_mul(cell.repeats));
            row.text.saturating_add(cell).saturating_mul(row.repeats)
        });
        self.text.saturating_add(row)
    }

    /// The cells so far: every sheet is a rectangle.
    fn cells(&self) -> u64 {
        self.cells.saturating_add(self.rows.saturating_mul(self.width))
    }

    /// Begins an element.
    fn open(&mut self, start: &BytesStart<'_>) -> quick_xml::Result<CellPlace> {
        let mut is_nested = false;
        match start.name().0 {
            "table:table-row" => {
                is_nested = self.row.is_some();
                let repeats = repeats(start, "table:number-rows-repeated")?.min(MAX_ROWS);
                self.row = Some(UnfoldedRow { repeats, width: 0, filled: 0, text: 0, cell: None });
            }
            "table:table-cell" | "table:covered-table-cell" => {
                let Some(row) = &mut self.row else { return Ok(CellPlace::Wrong) };
                is_nested = row.cell.is_some();
                row.cell = Some(UnfoldedCell::from_start(start)?);
            }
            "text:s" => self.write(repeats(start, "text:c")?),
            "text:p" | "text:tab" | "text:line-break" => self.write(1),
            _ => {}
        }
        Ok(if is_nested { CellPlace::Wrong } else { CellPlace::Right })
    }

    /// Adds so many bytes to the cell that is open, if there is one.
    fn write(&mut self, bytes: u64) {
        if let Some(cell) = self.row.as_mut().and_then(|row| row.cell.as_mut()) {
            cell.text = cell.text.saturating_add(bytes);
        }
    }

    /// Ends the element of this name.
    fn close(&mut self, name: &str) {
        match name {
            "table:table-cell" | "table:covered-table-cell" => {
                if let Some(row) = &mut self.row {
                    row.close_cell();
                }
            }
            "table:table-row" => self.close_row(),
            "table:table" => {
                self.cells = self.cells();
                (self.rows, self.empty_rows, self.width) = (0, 0, 0);
            }
            _ => {}
        }
    }

    fn close_row(&mut self) {
        self.text = self.text();
        let Some(row) = self.row.take() else { return };
        if row.filled > 0 {
            // Nothing is kept of the empty rows above the first.
            let above = if self.rows > 0 { self.empty_rows } else { 0 };
            self.rows = self.rows.saturating_add(above).saturating_add(row.repeats);
            self.width = self.width.max(row.filled);
            self.empty_rows = 0;
        } else {
            self.empty_rows = self.empty_rows.saturating_add(row.repeats);
        }
    }
}

impl UnfoldedRow {
    fn close_cell(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        self.width = self.width.saturating_add(cell.repeats).min(MAX_COLUMNS as u64);
        if !cell.is_empty {
            self.filled = self.width;
        }
        self.text = self.text.saturating_add(cell.text.saturating_mul(cell.repeats));
    }
}

impl UnfoldedCell {
    fn from_start(start: &BytesStart<'_>) -> quick_xml::Result<Self> {
        let repeats = repeats(start, "table:number-columns-repeated")?.min(MAX_COLUMNS as u64);
        let mut cell = Self { repeats, is_empty: true, text: 0 };
        for attribute in start.attributes() {
            let attribute = attribute?;
            let name = attribute.key.0;
            if name.starts_with("office:") || name == "table:formula" {
                cell.is_empty = false;
                cell.text = cell.text.saturating_add(attribute.value.len() as u64);
            }
        }
        Ok(cell)
    }
}

/// The number in this attribute; 1 if there is none.
fn repeats(start: &BytesStart<'_>, name: &str) -> quick_xml::Result<u64> {
    let Some(attribute) = start.try_get_attribute(name)? else { return Ok(1) };
    let value = attribute.normalized_value(XmlVersion::Implicit1_0)?;
    Ok(value.trim().parse().unwrap_or(1))
}
