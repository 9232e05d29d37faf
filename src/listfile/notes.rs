//! Notes above the header: titles, comments, what a program says of its export.

use super::header::{self, NameTier};
use super::{Dialect, Quotes, record};

/// The number of lines that are looked through for a header.
const LINES: usize = 40;

/// The longest name that is taken for a column's, in bytes.
const LONGEST_NAME: usize = 60;

/// The length of the notes that `text` begins with: the lines above the first one that names a
/// column of addresses, if they have fewer fields than it, or are comments. `decode` turns bytes
/// into text.
pub(super) fn length(text: &[u8], delimiters: &[u8], decode: impl Fn(&[u8]) -> String) -> usize {
    let lines: Vec<(usize, &[u8])> = lines(text).take(LINES).collect();
    let comments = lines.iter().take_while(|(_, line)| is_comment(line, &decode)).count();
    delimiters
        .iter()
        .filter_map(|&delimiter| below(&lines, delimiter, &decode))
        .max()
        .or_else(|| lines.get(comments).map(|(start, _)| *start))
        .unwrap_or(0)
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

/// The place where the header begins, as `delimiter` divides the lines; `None` if it is the first
/// line, or none is.
fn below(
    lines: &[(usize, &[u8])],
    delimiter: u8,
    decode: &impl Fn(&[u8]) -> String,
) -> Option<usize> {
    let dialect = Dialect { delimiter, quotes: Quotes::Doubled, has_header: false };
    let (mut widest, mut is_grouped) = (0, false);
    for (start, line) in lines {
        let cells: Vec<String> = record::fields(line, dialect, false)
            .map(|field| decode(&record::say(field, dialect, false)))
            .collect();
        // A spreadsheet pads each row to the width of the widest.
        let width = cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |i| i + 1);
        let cells = &cells[..width];
        let is_noted = is_comment(line, decode) || width == 0;
        let is_row = cells.iter().any(|cell| cell.contains('@') && !header::has_example(cell));
        if !is_noted && is_row {
            return None;
        }
        let best = cells.iter().map(|cell| tier(cell)).max().unwrap_or_default();
        let is_header = match best {
            NameTier::Address => width > widest || widest <= 1 && width == 1,
            NameTier::Qualified | NameTier::Related => width > widest && width > 1,
            NameTier::Other => false,
        };
        // Names of groups, with gaps between them, stand above those of the columns.
        let has_gaps = cells.iter().any(|cell| cell.trim().is_empty());
        let is_below_groups =
            is_grouped && !has_gaps && width >= widest && best >= NameTier::Qualified;
        if is_below_groups || is_header && !is_noted && !(has_gaps && best == NameTier::Related) {
            return (*start > 0).then_some(*start);
        }
        if !is_noted {
            is_grouped |= has_gaps;
            widest = widest.max(width);
        }
    }
    None
}

fn tier(cell: &str) -> NameTier {
    let cell = header::without_example(cell);
    let is_name = cell.len() <= LONGEST_NAME && !cell.contains(['.', '!']);
    if is_name { header::tier(cell) } else { NameTier::Other }
}
