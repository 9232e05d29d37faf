//! Files that are not lists: known by their first bytes, or by bytes that no text has.

use super::ListFileError;

/// Beginnings of files that people give by mistake, what they are, and what to do.
const KNOWN: [(&[u8], &str, &str); 14] = [
    (b"PK\x03\x04", "a spreadsheet or another ZIP file", SAVE_SHEET),
    // A workbook that is encrypted is put into the container of the old ones (MS-OFFCRYPTO section
    // 2.3).
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an Excel or Office file that is old or has a password",
        SAVE_SHEET,
    ),
    (b"%PDF-", "a PDF", SAVE_SHEET),
    (b"{\\rtf", "a rich-text document", "save it as plain text, one address a line"),
    (b"SQLite format 3\0", "an SQLite database", EXPORT),
    (b"PAR1\x15", "a Parquet file", EXPORT),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", UNPACK),
    (b"BZh91AY&SY", "a bzip2 file", UNPACK),
    (b"\xfd7zXZ\0", "an xz file", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip file", UNPACK),
    (b"Rar!\x1a\x07", "a RAR file", UNPACK),
    (b"\xff\xfe\0\0", "text in UTF-32", "save it as UTF-8"),
    (b"\0\0\xfe\xff", "text in UTF-32", "save it as UTF-8"),
    (b"\x89PNG", "a picture", PICTURE),
];

/// `true` if `what`, which a list is refused for, may be a table all the same.
pub(super) fn may_be_table(what: &str) -> bool {
    KNOWN.iter().any(|(_, known, remedy)| *known == what && *remedy != PICTURE)
}

const PICTURE: &str = "give a text file with one address a line, or a CSV";
const SAVE_SHEET: &str = "save the sheet as CSV (UTF-8) and give that";
const EXPORT: &str = "export the table as CSV and give that";
const UNPACK: &str = "unpack it and give the file inside (gzip is read as it is)";

/// The two bytes a gzip member begins with (RFC 1952 section 2.3.1) and its one method.
pub(super) const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

/// The kind of file that `head`, its first bytes, is known to begin.
///
/// # Errors
/// [`ListFileError::NotText`] if that is not a list.
pub(super) fn refuse_known(head: &[u8]) -> Result<(), ListFileError> {
    match KNOWN.iter().find(|(magic, _, _)| head.starts_with(magic)) {
        Some(&(_, what, remedy)) => Err(ListFileError::NotText { what, remedy }),
        None => Ok(()),
    }
}

/// Looks for what no list has: NUL and other control characters that divide no fields, or markup.
///
/// # Errors
/// [`ListFileError::NotText`].
pub(super) fn refuse_odd(text: &[u8]) -> Result<(), ListFileError> {
    let mut lines = text.split(|b| matches!(b, b'\r' | b'\n'));
    let first = lines.find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    // Databases divide fields with these, and then the first line has some.
    let dividers: Vec<u8> = [0x01, 0x1f].into_iter().filter(|b| first.contains(b)).collect();
    // Spreadsheets begin CSV with none of these; 0x1a ends files of DOS, 0x1b begins ISO 2022.
    let is_odd =
        |b: &&u8| **b < 0x20 && !b"\t\n\r\x0b\x0c\x1a\x1b".contains(b) && !dividers.contains(b);
    let odd = text.iter().filter(is_odd).count();
    if text.contains(&0) || odd > 8 && odd > text.len() / 100 {
        return Err(ListFileError::NotText { what: "a binary file", remedy: SAVE_SHEET });
    }
    let start = text.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(text.len());
    let begins = text[start..].iter().take(9).map(u8::to_ascii_lowercase).collect::<Vec<_>>();
    let markup: [&[u8]; 5] = [b"<!doctype", b"<html", b"<table", b"<?xml", b"<meta"];
    if markup.iter().any(|m| begins.starts_with(m)) {
        return Err(ListFileError::NotText { what: "a web page or XML", remedy: SAVE_SHEET });
    }
    Ok(())
}
