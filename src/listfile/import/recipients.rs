//! Recipients as people paste them out of a message: addresses with commas or semicolons between
//! them, several on a line. One row each, with the text it stands in.

use std::io::{BufRead, Write};

use super::{BoundedTable, ImportError};
use crate::address::Address;
use crate::address::clean::clean;

/// `true` if `text`, the beginning of a file or all of it, is nothing but addresses, and some line
/// holds several. A table has something else beside them.
pub(super) fn is_recipients(text: &str, is_whole: bool) -> bool {
    if text.starts_with(['{', '[']) {
        return false;
    }
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let is_cut = !is_whole;
    if is_cut && lines.len() > 1 {
        lines.pop();
    }
    if is_table(&lines) {
        return false;
    }
    let mut most = 0;
    for line in &lines {
        let mut pieces = pieces(line);
        if is_cut && lines.len() == 1 {
            pieces.pop();
        }
        if !pieces.iter().all(|piece| is_recipient(piece)) {
            return false;
        }
        most = most.max(pieces.len());
    }
    most > 1
}

/// `true` if several lines all have the same few addresses with commas between them, and nothing
/// else: columns without a header. People put a space behind a comma, programs none.
fn is_table(lines: &[&str]) -> bool {
    let fields = |line: &str| line.split(',').count();
    let width = lines.first().map_or(0, |line| fields(line));
    let is_bare = |line: &str| line.split(',').all(|field| Address::parse(field).is_ok());
    lines.len() > 1
        && (2..=5).contains(&width)
        && lines.iter().all(|line| fields(line) == width && is_bare(line))
}

/// Writes each recipient as a row.
pub(super) fn convert<R: BufRead, W: Write>(
    input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    let text = table.read_text(input)?;
    table.row(&["Email Address"])?;
    for line in text.trim_start_matches('\u{feff}').lines() {
        for piece in pieces(line) {
            table.row(&[piece])?;
        }
    }
    Ok(String::new())
}

/// The recipients of a line: divided by semicolons, and by commas where there are none or all that
/// they divide is recipients. What stands in quotes or angle brackets divides nothing.
fn pieces(line: &str) -> Vec<&str> {
    let by_semicolon = divided(line, ';');
    if by_semicolon.len() <= 1 {
        return divided(line, ',');
    }
    let by_both = by_semicolon.iter().flat_map(|piece| {
        let by_comma = divided(piece, ',');
        let are_recipients = by_comma.iter().all(|piece| is_recipient(piece));
        if are_recipients { by_comma } else { vec![*piece] }
    });
    by_both.collect()
}

fn divided(line: &str, delimiter: char) -> Vec<&str> {
    let (mut is_quoted, mut is_bracketed) = (false, false);
    let pieces = line.split(|c| {
        match c {
            '"' => is_quoted = !is_quoted,
            '<' if !is_quoted => is_bracketed = true,
            '>' => is_bracketed = false,
            _ => {}
        }
        c == delimiter && !is_quoted && !is_bracketed
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

fn is_recipient(piece: &str) -> bool {
    let cleaned = clean(piece);
    piece.contains('@') && cleaned.others.is_empty() && Address::parse(&cleaned.address).is_ok()
}
