//! Notes above the header: titles, comments, what a program says of its export.

use super::header::{self, NameTier};
use super::{Dialect, Quotes, record};

/// The number of records that are looked through for a header.
const LINES: usize = 40;

/// The longest name that is taken for a column's, in bytes.
const LONGEST_NAME: usize = 60;

/// The length of the notes that `text` begins with: the records above the first one that names a
/// column of addresses, if they have fewer fields than it, or are comments. `is_whole` says that
/// nothing follows the text; `decode` turns bytes into text.
pub(super) fn length(
    text: &[u8],
    is_whole: bool,
    delimiters: &[u8],
    decode: impl Fn(&[u8]) -> String,
) -> usize {
    let tables: Vec<Vec<NoteRecord<'_>>> =
        delimiters.iter().map(|&delimiter| records(text, is_whole, delimiter)).collect();
    // What begins in the midst of a quoted field, by whatever divides it, is a part of that field:
    // `"Your<line break>E-Mail"` is one name.
    let is_in_field = |at: usize| tables.iter().flatten().any(|record| record.contains(at));
    let headers = tables.iter().filter_map(|records| below(records, &decode));
    if let Some(start) = headers.filter(|start| !is_in_field(*start)).max() {
        return start;
    }
    let lines: Vec<(usize, &[u8])> = lines(text).take(LINES).collect();
    let comments = lines.iter().take_while(|(_, line)| is_comment(line, &decode)).count();
    lines.get(comments).map_or(0, |(start, _)| *start)
}

/// One of the first records of a text, as a delimiter makes them.
struct NoteRecord<'t> {
    start: usize,
    content: &'t [u8],
    dialect: Dialect,
    /// `true` if its quotes are plain characters.
    is_stray: bool,
}

impl NoteRecord<'_> {
    /// Its cells, as text, up to the last one with something in it: a spreadsheet pads each row to
    /// the width of the widest.
    fn cells(&self, decode: &impl Fn(&[u8]) -> String) -> Vec<String> {
        let mut cells: Vec<String> = record::fields(self.content, self.dialect, self.is_stray)
            .map(|field| decode(&record::say(field, self.dialect, self.is_stray)))
            .collect();
        let filled = cells.iter().rposition(|cell| !cell.trim().is_empty());
        cells.truncate(filled.map_or(0, |last| last + 1));
        cells
    }

    /// `true` if the byte with this number is behind its first one.
    fn contains(&self, at: usize) -> bool {
        self.start < at && at < self.start + self.content.len()
    }
}

/// The first records of `text` as `delimiter` divides it.
fn records(text: &[u8], is_whole: bool, delimiter: u8) -> Vec<NoteRecord<'_>> {
    let dialect = Dialect { delimiter, quotes: Quotes::Doubled, has_header: false };
    let records = record::records(text, dialect, is_whole).map(|(start, bounds)| NoteRecord {
        start,
        content: &text[start..start + bounds.content],
        dialect,
        is_stray: bounds.is_stray,
    });
    records.take(LINES).collect()
}

/// The lines of `text` and where each begins.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
        let line = (at, &rest[..end]);
        at += end + record::line_end(&rest[end..]);
        Some(line)
    })
}

/// A comment that is no header: `# exported on Monday`, `#TYPE System.Object`.
fn is_comment(line: &[u8], decode: &impl Fn(&[u8]) -> String) -> bool {
    let Some(rest) = line.strip_prefix(b"#") else { return false };
    let text = decode(rest);
    // `#,First name,E-mail` names a column `#`.
    if text.starts_with([',', ';', '\t', '|']) {
        return false;
    }
    let mut names = text.split([',', ';', '\t', '|']);
    text.starts_with(char::is_whitespace)
        || !text.contains('@') && !names.any(|name| tier(name) >= NameTier::Qualified)
}

/// The place where the header begins; `None` if it is the first record, or none is.
fn below(records: &[NoteRecord<'_>], decode: &impl Fn(&[u8]) -> String) -> Option<usize> {
    let (mut widest, mut is_grouped, mut has_value) = (0, false, false);
    for (place, record) in records.iter().enumerate() {
        let cells = record.cells(decode);
        let width = cells.len();
        let is_noted = is_comment(record.content, decode) || width == 0;
        let is_row = cells.iter().any(|cell| header::names_somebody(cell));
        if !is_noted && is_row {
            return None;
        }
        let best = cells.iter().map(|cell| tier(cell)).max().unwrap_or_default();
        let is_header = match best {
            NameTier::Address => {
                width > widest
                    || widest <= 1 && width == 1
                    || width == widest
                        && has_value
                        && stands_over_address(&cells, &records[place + 1..], decode)
            }
            NameTier::Qualified | NameTier::Related => width > widest && width > 1,
            NameTier::Other => false,
        };
        // Names of groups, with gaps between them, stand above those of the columns.
        let has_gaps = cells.iter().any(|cell| cell.trim().is_empty());
        let is_below_groups =
            is_grouped && !has_gaps && width >= widest && best >= NameTier::Qualified;
        if is_below_groups || is_header && !is_noted && !(has_gaps && best == NameTier::Related) {
            return (record.start > 0).then_some(record.start);
        }
        if !is_noted {
            is_grouped |= has_gaps;
            has_value |= cells.iter().any(|cell| !cell.trim().is_empty() && !is_word(cell));
            widest = widest.max(width);
        }
    }
    None
}

/// `true` if `cells` are words of which one names the addresses that begin in the next record. A
/// record of as many cells above it, with a date or a number among them, is a note:
/// `Exported,2024-05-01`.
fn stands_over_address(
    cells: &[String],
    next: &[NoteRecord<'_>],
    decode: &impl Fn(&[u8]) -> String,
) -> bool {
    let Some(below) = next.first().map(|record| record.cells(decode)) else { return false };
    let is_over = |(name, cell): (&String, &String)| {
        tier(name) == NameTier::Address && header::names_somebody(cell)
    };
    cells.iter().all(|cell| is_word(cell)) && cells.iter().zip(&below).any(is_over)
}

fn is_word(cell: &str) -> bool {
    cell.contains(char::is_alphabetic)
}

fn tier(cell: &str) -> NameTier {
    let cell = header::without_example(cell);
    let is_name = cell.len() <= LONGEST_NAME && !cell.contains(['.', '!']);
    if is_name { header::tier(cell) } else { NameTier::Other }
}
