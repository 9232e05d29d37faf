//! Lists that are not text by the line: made into CSV (RFC 4180, UTF-8) that a
//! [`Reader`](super::Reader) takes.
//!
//! XLSX and ODS workbooks (the sheet with the most addresses), ZIP archives of text lists, cards
//! and entries (each row with the name of its file behind it), vCards (RFC 6350), LDIF (RFC 2849),
//! JSON documents, recipients as they are pasted out of a message.
//! What a hostile file may cost is bounded: [`ImportLimits`], and [`MAX_COLUMNS`] columns.

mod archive;
mod cards;
mod document;
mod metered;
mod recipients;
mod repeats;
mod shared_strings;
mod spreadsheet;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use super::charset::TextEncoding;
use super::{ListFileError, MAX_RECORD};

/// Number of bytes at the beginning of a file that say what it is.
const HEAD: usize = 64 * 1024;

/// The longest first line that may be one of JSON lines: a record, its line end, and the beginning
/// of the next one.
const LONGEST_LINE: usize = MAX_RECORD + 3;

/// Limits on what one file may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// The most that is unpacked, or comes out, in bytes. Default: 2 GiB.
    pub unpacked: u64,
    /// The largest document, row or card that is held in memory as a whole, in bytes. Default:
    /// 256 MiB.
    pub document: u64,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { unpacked: 2 * 1024 * 1024 * 1024, document: 256 * 1024 * 1024 }
    }
}

/// The most columns a table comes out with: as many as a sheet of XLSX or ODS may have.
pub const MAX_COLUMNS: usize = 16_384;

/// A kind of file that is made into CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// An XLSX workbook.
    Xlsx,
    /// An ODS workbook.
    Ods,
    /// A ZIP archive of text lists.
    Zip,
    /// vCards.
    Vcard,
    /// LDIF.
    Ldif,
    /// A JSON array, or an object around one.
    Json,
    /// Addresses with commas or semicolons between them, and nothing else.
    Recipients,
}

impl Container {
    /// `true` for workbooks, which come back as one.
    #[must_use]
    pub fn is_workbook(self) -> bool {
        matches!(self, Self::Xlsx | Self::Ods)
    }
}

/// The part of a file that was taken. `Display` says it in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The kind of file.
    pub container: Container,
    /// The sheet, the files or the key that the rows come from; empty if there is no choice.
    pub part: String,
    /// `true` if something was left out that may hold addresses too; `part` names it.
    pub is_partial: bool,
    /// The rows, header excluded.
    pub rows: u64,
}

/// An error of a file that could not be made into CSV.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could not be read, or the CSV not be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is damaged, or not what it looks like.
    #[error("this {kind} cannot be read ({why}); save it as CSV (UTF-8) and give that")]
    Damaged {
        /// The kind of file.
        kind: &'static str,
        /// The fault.
        why: String,
    },
    /// It needs a password.
    #[error("this {kind} is protected by a password; save it without one")]
    Protected {
        /// The kind of file.
        kind: &'static str,
    },
    /// It unpacks to more than is taken.
    #[error("this {kind} holds more than {limit} MiB unpacked; save it as CSV and give that")]
    TooLarge {
        /// The kind of file.
        kind: &'static str,
        /// The limit, in MiB.
        limit: u64,
    },
    /// It holds more of something than is taken.
    #[error("this {kind} holds more than {limit} {what}; give its files one by one")]
    TooMany {
        /// The kind of file.
        kind: &'static str,
        /// The limit.
        limit: usize,
        /// The name of what there is too much of.
        what: &'static str,
    },
    /// A list in it cannot be read.
    #[error("{name:?} in this {kind} cannot be read ({why}); take it out and give it by itself")]
    Member {
        /// The kind of file.
        kind: &'static str,
        /// The name of the list.
        name: String,
        /// The fault.
        why: String,
    },
    /// The name given for the encoding means nothing.
    #[error("{0}")]
    Encoding(ListFileError),
    /// It holds no list.
    #[error("this {kind} holds no list: no {wanted}")]
    NoList {
        /// The kind of file.
        kind: &'static str,
        /// The name that was looked for.
        wanted: &'static str,
    },
}

impl Container {
    /// The container that `input` is; `None` for a list that is read as it is. The position is
    /// the beginning afterwards.
    ///
    /// # Errors
    /// The input could not be read.
    pub fn detect<R: Read + Seek>(input: &mut R) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        input.seek(SeekFrom::Start(0))?;
        input.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let mut is_whole = head.len() < HEAD;
        if !is_whole && is_line_of_json(&head) {
            // The first of many lines, or a document without a line end: its end tells.
            input.by_ref().take((LONGEST_LINE - HEAD) as u64).read_to_end(&mut head)?;
            is_whole = head.len() < LONGEST_LINE;
            if !is_whole && is_line_of_json(&head) {
                input.seek(SeekFrom::Start(0))?;
                return Ok(Some(Self::Json));
            }
        }
        input.seek(SeekFrom::Start(0))?;
        if head.starts_with(b"PK\x03\x04") {
            return Ok(Some(archive::kind(input)?));
        }
        let utf16 = TextEncoding::utf16(&head);
        let text = match &utf16 {
            Some((encoding, mark)) => encoding.decode_beginning(&head[*mark..]),
            None => String::from_utf8_lossy(without_mark(&head)),
        };
        let text = text.trim_start();
        if let Some(cards) = cards::kind(&head) {
            return Ok(Some(cards));
        }
        if recipients::is_recipients(text, is_whole) {
            return Ok(Some(Self::Recipients));
        }
        Ok(document::is_document(text, is_whole).then_some(Self::Json))
    }

    /// The name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xlsx => "XLSX workbook",
            Self::Ods => "ODS workbook",
            Self::Zip => "ZIP archive",
            Self::Vcard => "vCard file",
            Self::Ldif => "LDIF file",
            Self::Json => "JSON document",
            Self::Recipients => "list of recipients",
        }
    }

    /// Writes what `input` holds as CSV, within `limits`.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn convert<R: BufRead + Seek, W: Write>(
        self,
        input: R,
        output: W,
        limits: ImportLimits,
    ) -> Result<Imported, ImportError> {
        self.convert_encoded(None, input, output, limits)
    }

    /// As [`convert`](Self::convert); `encoding` is the name of the one that the text is in, where
    /// the file does not say that itself (a workbook does). Default: what the bytes show.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn convert_encoded<R: BufRead + Seek, W: Write>(
        self,
        encoding: Option<&str>,
        mut input: R,
        output: W,
        limits: ImportLimits,
    ) -> Result<Imported, ImportError> {
        input.seek(SeekFrom::Start(0))?;
        let encoding = encoding.map(TextEncoding::named).transpose();
        let encoding = encoding.map_err(ImportError::Encoding)?;
        let mut table = BoundedTable::new(self.name(), output, limits, encoding);
        let part = match self {
            Self::Xlsx => spreadsheet::xlsx(input, &mut table)?,
            Self::Ods => spreadsheet::ods(input, &mut table)?,
            Self::Zip => archive::convert(input, &mut table)?,
            Self::Vcard => cards::vcards(input, &mut table)?,
            Self::Ldif => cards::ldif(input, &mut table)?,
            Self::Json => document::convert(input, &mut table)?,
            Self::Recipients => recipients::convert(input, &mut table)?,
        };
        let is_partial = table.is_partial;
        let rows = table.finish()?;
        Ok(Imported { container: self, part, is_partial, rows })
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.container.name())?;
        if !self.part.is_empty() {
            write!(f, ", {}", self.part)?;
        }
        Ok(())
    }
}

/// A file's bytes without a byte order mark and space before them.
fn without_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
}

/// `true` if a file begins with an object of JSON, and nothing stands below its first line.
fn is_line_of_json(head: &[u8]) -> bool {
    let text = without_mark(head).trim_ascii_end();
    text.starts_with(b"{") && !text.iter().any(|b| matches!(b, b'\r' | b'\n'))
}

/// Writes rows as CSV, within bounds.
struct BoundedTable<W> {
    kind: &'static str,
    limits: ImportLimits,
    /// The encoding of the text, if the caller named one.
    encoding: Option<TextEncoding>,
    out: W,
    /// `true` if a part of the file that may hold addresses was left out.
    is_partial: bool,
    rows: u64,
    written: u64,
}

impl<W: Write> BoundedTable<W> {
    fn new(
        kind: &'static str,
        out: W,
        limits: ImportLimits,
        encoding: Option<TextEncoding>,
    ) -> Self {
        Self { kind, limits, encoding, out, is_partial: false, rows: 0, written: 0 }
    }

    /// The text of a document, which is held in memory as a whole.
    fn read_text(&self, input: impl Read) -> Result<String, ImportError> {
        let mut bytes = Vec::new();
        input.take(self.limits.document + 1).read_to_end(&mut bytes)?;
        self.check_held(bytes.len() as u64)?;
        let found = TextEncoding::utf16(&bytes).filter(|_| self.encoding.is_none());
        match self.encoding.map(|encoding| (encoding, 0)).or(found) {
            None => String::from_utf8(bytes)
                .map_err(|_| self.damaged("it is not UTF-8, and no --encoding says what it is")),
            Some((encoding, mark)) => encoding
                .decode_valid(&bytes[mark..])
                .map(Cow::into_owned)
                .ok_or_else(|| self.damaged(format_args!("it is not {}", encoding.name()))),
        }
    }

    /// Writes one row; the first is the header.
    fn row<S: AsRef<str>>(&mut self, cells: &[S]) -> Result<(), ImportError> {
        let mut line = String::new();
        for (index, cell) in cells.iter().take(MAX_COLUMNS).enumerate() {
            if index > 0 {
                line.push(',');
            }
            let cell = cell.as_ref();
            if cell.contains(['"', ',', '\n', '\r']) || cells.len() == 1 && cell.is_empty() {
                line.push('"');
                line += &cell.replace('"', "\"\"");
                line.push('"');
            } else {
                line += cell;
            }
        }
        line.push('\n');
        self.written += line.len() as u64;
        if self.written > self.limits.unpacked {
            return Err(self.too_large(self.limits.unpacked));
        }
        self.rows += 1;
        Ok(self.out.write_all(line.as_bytes())?)
    }

    /// Writes a blank line, which is no row.
    fn blank_row(&mut self) -> Result<(), ImportError> {
        self.written += 1;
        if self.written > self.limits.unpacked {
            return Err(self.too_large(self.limits.unpacked));
        }
        Ok(self.out.write_all(b"\n")?)
    }

    fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.rows.saturating_sub(1))
    }

    /// Refuses what is held in memory at a time, in bytes, if it is more than a document may be.
    fn check_held(&self, held: u64) -> Result<(), ImportError> {
        let limit = self.limits.document;
        if held > limit { Err(self.too_large(limit)) } else { Ok(()) }
    }

    fn too_large(&self, limit: u64) -> ImportError {
        ImportError::TooLarge { kind: self.kind, limit: limit / (1024 * 1024) }
    }

    fn too_many(&self, limit: usize, what: &'static str) -> ImportError {
        ImportError::TooMany { kind: self.kind, limit, what }
    }

    fn member(&self, name: &str, why: impl fmt::Display) -> ImportError {
        ImportError::Member { kind: self.kind, name: name.to_owned(), why: why.to_string() }
    }

    fn damaged(&self, why: impl fmt::Display) -> ImportError {
        ImportError::Damaged { kind: self.kind, why: why.to_string() }
    }
}
