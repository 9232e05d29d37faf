//! Workbooks: the sheet that holds the most addresses. An XLSX sheet is read cell by cell.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};

use calamine::{
    Data, DataRef, ExcelDateTime, Ods, Range, Reader as _, Sheet, SheetVisible, Style, Xlsx,
    open_workbook_from_rs,
};

use zip::ZipArchive;
use zip::result::ZipError;

use super::metered::{MeteredInput, OctetCount};
use super::{BoundedTable, ImportError, MAX_COLUMNS, archive, repeats, shared_strings};
use crate::listfile::cell::looks_like_address;

/// Bytes of the manifest of a workbook that are looked at.
const MAX_MANIFEST: u64 = 1024 * 1024;

/// The number of rows of a sheet that are looked at to choose one.
const LOOKED_AT: u32 = 500;

/// The most sheets of a workbook: each is searched for among all others.
const MAX_SHEETS: usize = 1000;

/// Writes the sheet of an XLSX workbook; returns its name.
pub(super) fn xlsx<R: BufRead + Seek, W: Write>(
    input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    let (mut book, sheets) = open_xlsx(input, table)?;
    let hidden = hidden(book.sheets_metadata());
    let no_sheet = ImportError::NoList { kind: table.kind, wanted: "sheet in it" };
    let Some(ChosenSheet { name, mut part, is_only }) = chosen(sheets, &hidden) else {
        return Err(no_sheet);
    };
    let has_open_formulas = has_open_formulas(&mut book, &name);
    table.is_partial = !is_only || has_open_formulas;
    part += if has_open_formulas { OPEN_FORMULAS } else { "" };
    let mut cells = book.worksheet_cells_reader(&name).map_err(|error| table.damaged(error))?;
    let digits: Vec<usize> = cells.styles().iter().map(least_digits).collect();
    let (mut row, mut held): (Vec<String>, u64) = (Vec::new(), 0);
    let (mut at, mut is_above): (Option<u32>, bool) = (None, true);
    while let Some((cell, style)) =
        cells.next_cell_with_style_id().map_err(|error| table.damaged(error))?
    {
        let (number, column) = cell.get_position();
        if u64::from(number) >= repeats::MAX_ROWS {
            return Err(table.damaged("a cell of it stands in a row that no sheet has"));
        }
        if at != Some(number) {
            if at.is_some() {
                table.row(&row)?;
            }
            // Above the first address a line is a row of the sheet, for those who count them.
            is_above = is_above && !row.iter().any(|cell| looks_like_address(cell));
            if is_above {
                let next = at.map_or(0, |at| at.saturating_add(1));
                (next..number).try_for_each(|_| table.blank_row())?;
            }
            row.clear();
            held = 0;
            at = Some(number);
        }
        let column = column as usize;
        if column >= MAX_COLUMNS {
            continue;
        }
        let digits = digits.get(style).copied().unwrap_or_default();
        let text = padded(text_of(cell.get_value()), cell.get_value(), digits);
        if !text.is_empty() {
            // One shared text may stand in every cell of the row.
            held += text.len() as u64;
            table.check_held(held)?;
            row.resize((column + 1).max(row.len()), String::new());
            row[column] = text.into_owned();
        }
    }
    if at.is_some() {
        table.row(&row)?;
    }
    Ok(part)
}

/// The sheets of a workbook, each with the number of addresses in its first rows.
type AddressesBySheet = Vec<(String, usize)>;

/// An XLSX workbook.
type MeteredXlsx<R> = Xlsx<MeteredInput<R>>;

/// Opens an XLSX workbook; its sheets are returned too, each with the number of addresses in its
/// first rows.
fn open_xlsx<R: Read + Seek, W: Write>(
    mut input: R,
    table: &BoundedTable<W>,
) -> Result<(MeteredXlsx<R>, AddressesBySheet), ImportError> {
    let is_held = |name: &str| !name.starts_with("xl/worksheets/") || shared_strings::is_part(name);
    let parts = archive::check(&mut input, table, is_held)?;
    shared_strings::check(&mut input, table)?;
    let all = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.unpacked));
    let unpacked = OctetCount::default();
    let input = MeteredInput::unpacked(input, parts, unpacked.clone());
    let mut book: MeteredXlsx<R> = open_workbook_from_rs(input).map_err(|error| match error {
        calamine::XlsxError::Password => ImportError::Protected { kind: table.kind },
        error => table.damaged(error),
    })?;
    let most = unpacked.get().saturating_add(all);
    let sheets = addresses_by_sheet(&mut book, table, || unpacked.get() > most)?;
    Ok((book, sheets))
}

/// The sheets of a workbook, each with the number of addresses in its first rows. `is_too_much`
/// says whether more was unpacked for them than there is in all parts: each sheet has its own.
fn addresses_by_sheet<R: Read + Seek, W: Write>(
    book: &mut Xlsx<R>,
    table: &BoundedTable<W>,
    is_too_much: impl Fn() -> bool,
) -> Result<AddressesBySheet, ImportError> {
    let names = book.sheet_names();
    check_number(&names, table)?;
    let mut sheets = Vec::new();
    for name in names {
        if is_too_much() {
            return Err(table.damaged("several of its sheets are one and the same"));
        }
        let Ok(mut cells) = book.worksheet_cells_reader(&name) else { continue };
        let (mut addresses, mut looked_at) = (0, 0);
        while let Ok(Some(cell)) = cells.next_cell() {
            let text = text_of(cell.get_value());
            looked_at += text.len() as u64;
            if cell.get_position().0 >= LOOKED_AT || looked_at > table.limits.document {
                break;
            }
            addresses += usize::from(looks_like_address(&text));
        }
        sheets.push((name, addresses));
    }
    Ok(sheets)
}

/// Refuses a workbook of very many sheets.
fn check_number<W: Write>(names: &[String], table: &BoundedTable<W>) -> Result<(), ImportError> {
    if names.len() > MAX_SHEETS {
        return Err(table.damaged(format_args!("it has more than {MAX_SHEETS} sheets")));
    }
    Ok(())
}

/// The words for formulas without results, and the remedy.
const OPEN_FORMULAS: &str = " without what its formulas show, which are not calculated: open the \
                             workbook in a spreadsheet program and save it there";

/// `true` if a formula in the first rows of a sheet has no result. The library that wrote the
/// workbook calculates none; a spreadsheet program does when it opens it, and shows the results.
fn has_open_formulas<R: Read + Seek>(book: &mut Xlsx<R>, name: &str) -> bool {
    let Ok(mut cells) = book.worksheet_cells_reader(name) else { return false };
    while let Ok(Some(cell)) = cells.next_cell_with_formula_metadata() {
        if cell.pos.0 >= LOOKED_AT {
            break;
        }
        if cell.formula.is_some() && matches!(cell.value, DataRef::Empty) {
            return true;
        }
    }
    false
}

/// Writes the sheet of an ODS workbook; returns its name.
pub(super) fn ods<R: BufRead + Seek, W: Write>(
    mut input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    archive::check(&mut input, table, |_| true)?;
    if is_encrypted(&mut input).map_err(|error| table.damaged(error))? {
        return Err(ImportError::Protected { kind: table.kind });
    }
    repeats::check(&mut input, table)?;
    let mut book: Ods<R> = open_workbook_from_rs(input).map_err(|error| match error {
        calamine::OdsError::Password => ImportError::Protected { kind: table.kind },
        error => table.damaged(error),
    })?;
    let count = |range: &Range<Data>| {
        let rows = range.rows().take(LOOKED_AT as usize).flatten();
        rows.filter(|cell| looks_like_address(&data_text(cell))).count()
    };
    let hidden = hidden(book.sheets_metadata());
    let names = book.sheet_names();
    check_number(&names, table)?;
    // They come in the order of their names, and a person sees them as they stand in the workbook.
    let mut sheets: HashMap<String, Range<Data>> = book.worksheets().into_iter().collect();
    let counted = |name: String| {
        let addresses = sheets.get(&name).map_or(0, count);
        (name, addresses)
    };
    let counts = names.into_iter().map(counted).collect();
    let no_sheet = || ImportError::NoList { kind: table.kind, wanted: "sheet in it" };
    let ChosenSheet { name, part, is_only } = chosen(counts, &hidden).ok_or_else(no_sheet)?;
    let range = sheets.remove(&name).ok_or_else(no_sheet)?;
    table.is_partial = !is_only;
    let empty = range.start().map_or(0, |(row, _)| row);
    (0..empty).try_for_each(|_| table.blank_row())?;
    for cells in range.rows() {
        let mut row: Vec<String> = cells.iter().map(data_text).collect();
        let used = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
        row.truncate(used.min(MAX_COLUMNS));
        table.row(&row)?;
    }
    Ok(part)
}

/// `true` if the manifest of an ODS workbook says that its content is encrypted.
fn is_encrypted<R: Read + Seek>(input: &mut R) -> Result<bool, ZipError> {
    let mut manifest = String::new();
    match ZipArchive::new(&mut *input)?.by_name("META-INF/manifest.xml") {
        Ok(file) => file.take(MAX_MANIFEST).read_to_string(&mut manifest)?,
        Err(_) => 0,
    };
    input.seek(SeekFrom::Start(0))?;
    Ok(manifest.contains("encryption-data"))
}

/// The names of the sheets that nobody sees.
fn hidden(sheets: &[Sheet]) -> Vec<String> {
    let hidden = sheets.iter().filter(|sheet| sheet.visible != SheetVisible::Visible);
    hidden.map(|sheet| sheet.name.clone()).collect()
}

/// The sheet that is taken.
struct ChosenSheet {
    name: String,
    /// The words for it and for those that are left out.
    part: String,
    /// `true` if no other holds addresses.
    is_only: bool,
}

/// The sheet with the most addresses; a hidden one only if no other has any.
fn chosen(sheets: AddressesBySheet, hidden: &[String]) -> Option<ChosenSheet> {
    let rank = |(name, addresses): &(String, usize)| {
        (*addresses > 0 && !hidden.contains(name), *addresses)
    };
    // Of several alike the first.
    let best = sheets.iter().rev().max_by_key(|sheet| rank(sheet))?.0.clone();
    let others = sheets.iter().filter(|(name, addresses)| *name != best && *addresses > 0);
    let others: Vec<String> = others
        .map(|(name, _)| match hidden.contains(name) {
            true => format!("{name:?} (hidden)"),
            false => format!("{name:?}"),
        })
        .collect();
    let mut part = format!("sheet {best:?}");
    if !others.is_empty() {
        part += &format!(" and not {}, with addresses too", others.join(", "));
    }
    Some(ChosenSheet { name: best, part, is_only: others.is_empty() })
}

/// A cell as text.
fn text_of<'c>(cell: &'c DataRef<'_>) -> Cow<'c, str> {
    match cell {
        DataRef::SharedString(text) => Cow::Borrowed(*text),
        other => Cow::Owned(data_text(&Data::from(other.clone()))),
    }
}

/// The most digits that a number is filled up to.
const MAX_DIGITS: usize = 32;

/// The least digits that a number is shown with: of a cell whose format is `00000`, five.
fn least_digits(style: &Style) -> usize {
    let format = style.number_format.as_ref().map_or("", |format| format.format_code.as_str());
    let is_filled = format.len() <= MAX_DIGITS && format.bytes().all(|b| b == b'0');
    if is_filled { format.len() } else { 0 }
}

/// The text of a number with the zeros before it that a sheet shows: those of a postcode.
fn padded<'c>(text: Cow<'c, str>, cell: &DataRef<'_>, digits: usize) -> Cow<'c, str> {
    let is_number = matches!(cell, DataRef::Int(_) | DataRef::Float(_));
    let is_whole = text.bytes().all(|b| b.is_ascii_digit());
    match is_number && is_whole && text.len() < digits {
        true => Cow::Owned(format!("{text:0>digits$}")),
        false => text,
    }
}

fn data_text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) => text.clone(),
        Data::DateTime(time) => date_text(*time),
        Data::DurationIso(text) => duration_text(text),
        Data::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        other => other.to_string(),
    }
}

/// A date as ISO 8601 writes it; without a time of day if that is midnight. A time of day is a part
/// of a day, and no date: it and a span of time are hours, minutes and seconds.
fn date_text(time: ExcelDateTime) -> String {
    let days = time.as_f64();
    if (0.0..1.0).contains(&days) || time.is_duration() && days >= 0.0 {
        return clock_text(days);
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (hour, minute, second) {
        _ if time.is_duration() => time.to_string(),
        (0, 0, 0) => date,
        _ => format!("{date} {hour:02}:{minute:02}:{second:02}"),
    }
}

/// A number of days as hours, minutes and seconds, rounded to the second.
fn clock_text(days: f64) -> String {
    let seconds = (days * 86_400.0).round();
    let hours = (seconds / 3600.0).floor();
    let rest = seconds - hours * 3600.0;
    let minutes = (rest / 60.0).floor();
    format!("{hours:02.0}:{minutes:02.0}:{:02.0}", rest - minutes * 60.0)
}

/// A time of day or a span of time of ODS, `PT10H30M00S`, as its sheet shows it; another text as it
/// is.
fn duration_text(text: &str) -> String {
    let parts = || {
        let (hours, rest) = text.strip_prefix("PT")?.split_once('H')?;
        let (minutes, rest) = rest.split_once('M')?;
        // Of a part of a second the sheet shows nothing.
        let seconds = rest.strip_suffix('S')?.split('.').next()?;
        let parts = [hours, minutes, seconds];
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        parts.into_iter().all(is_number).then_some(parts)
    };
    match parts() {
        Some([hours, minutes, seconds]) => format!("{hours:0>2}:{minutes:0>2}:{seconds:0>2}"),
        None => text.to_owned(),
    }
}
