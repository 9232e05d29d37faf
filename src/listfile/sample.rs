//! Detection from the beginning of a file: format, delimiter, quoting and header.
//!
//! Each delimiter is tried, and the one that makes a column of addresses wins; then the one that
//! gives the most rows the same number of fields, then the one that gives more fields.

use serde_json::Value;

use super::cell::looks_like_address;
use super::charset::TextEncoding;
use super::column::Profile;
use super::header::{self, NameTier};
use super::reading::Reading;
use super::record::{self, Scan, Scanned};
use super::{Dialect, Format, LineEnd, ListFileError, Quotes, ReaderOptions, SNIFF, json, notes};
use crate::address::clean::MAX_ADDRESSES;

/// The number of rows that are looked at.
const ROWS: usize = 1000;

/// The beginning of a file, in working text.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) text: &'a [u8],
    /// `true` if nothing follows it.
    pub(super) is_whole: bool,
    pub(super) encoding: &'a TextEncoding,
}

/// The findings about the beginning.
pub(super) struct Shown {
    pub(super) format: Format,
    pub(super) line_end: LineEnd,
    /// The number of bytes that stand before header and rows.
    pub(super) preamble: usize,
    /// The number of fields in most rows.
    pub(super) width: usize,
    /// The columns, or the paths of a JSON object.
    pub(super) profiles: Vec<Profile>,
    /// For each profile of JSON lines its keys, outermost first.
    pub(super) paths: Vec<Vec<String>>,
    /// For JSON lines the keys of the objects.
    pub(super) keys: Vec<String>,
    /// `true` if every row of the file was looked at.
    pub(super) is_all: bool,
}

impl Sample<'_> {
    /// Finds out what the file is.
    ///
    /// # Errors
    /// [`ListFileError`]: empty, or JSON that is not JSON lines.
    pub(super) fn show(mut self, options: &ReaderOptions) -> Result<Shown, ListFileError> {
        let header = options.header;
        let skipped = match options.is_imported {
            true => self.length_of_records(options.skip_rows),
            false => self.length_of_lines(options.skip_rows),
        };
        self.text = &self.text[skipped..];
        let (mut preamble, named) = self.preamble();
        let forced = if options.is_imported { Some(b',') } else { named };
        if header != Some(false) && skipped == 0 {
            preamble += self.notes(&self.text[preamble..], forced);
        }
        self.text = &self.text[preamble..];
        let preamble = preamble + skipped;
        if self.text.is_empty() {
            return Err(ListFileError::Empty);
        }
        let line_end = self.line_end();
        let shown = if !options.is_imported && self.is_json_lines()? {
            self.json()
        } else {
            let best = self.best(forced, header);
            Shown::of(&best, line_end)
        };
        let is_all = shown.is_all && self.is_whole;
        Ok(Shown { preamble, line_end, is_all, ..shown })
    }

    /// The length of the first lines.
    fn length_of_lines(&self, lines: usize) -> usize {
        let mut length = 0;
        for _ in 0..lines {
            let rest = &self.text[length..];
            // A caller may ask for thousands of millions of lines.
            if rest.is_empty() {
                break;
            }
            let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
            length += end + record::line_end(&rest[end..]);
        }
        length
    }

    /// The length of the first rows of a table that was made of a sheet: a cell may have several
    /// lines, and a row is one all the same.
    fn length_of_records(&self, rows: usize) -> usize {
        let dialect = Dialect { delimiter: b',', quotes: Quotes::Doubled, has_header: false };
        let records = record::records(self.text, dialect, self.is_whole).take(rows);
        records.last().map_or(0, |(at, bounds)| at + bounds.whole)
    }

    /// The length of the notes above the header.
    fn notes(&self, text: &[u8], forced: Option<u8>) -> usize {
        if text.starts_with(b"{") || text.starts_with(b"[") {
            return 0;
        }
        let forced = forced.map(|delimiter| [delimiter]);
        let delimiters = forced.as_ref().map_or(&DELIMITERS[..5], |forced| &forced[..]);
        let decode = |bytes: &[u8]| self.encoding.decode(bytes).into_owned();
        notes::length(text, self.is_whole, delimiters, decode)
    }

    /// Length of the lines at the beginning that are blank, or `sep=;` to Excel, and what
    /// that says.
    fn preamble(&self) -> (usize, Option<u8>) {
        let (mut length, mut forced) = (0, None);
        loop {
            let rest = &self.text[length..];
            let is_end = |b: &u8| matches!(b, b'\r' | b'\n');
            let end = rest.iter().position(is_end).unwrap_or(rest.len());
            let line = &rest[..end];
            let separator = separator(line);
            // A quote without another opens a name that goes on in the next line.
            let is_open = line.iter().fold(false, |is_open, b| is_open != (*b == b'"'));
            let is_blank = !is_open && line.iter().all(|b| b" \t,;|\"".contains(b));
            if end == rest.len() || !is_blank && separator.is_none() {
                // An empty last line has nothing below it: the caller sees that no text is left.
                return (if is_blank { self.text.len() } else { length }, forced);
            }
            forced = separator.or(forced);
            length += end + record::line_end(&rest[end..]);
        }
    }

    fn line_end(&self) -> LineEnd {
        match self.text.iter().position(|b| matches!(b, b'\r' | b'\n')) {
            Some(at) if self.text[at..].starts_with(b"\r\n") => LineEnd::CrLf,
            Some(at) if self.text[at] == b'\r' => LineEnd::Cr,
            _ => LineEnd::Lf,
        }
    }

    /// `true` if the first line is a JSON object, and not a document with all rows in it. One that
    /// is packed is not made into a table.
    fn is_json_lines(&self) -> Result<bool, ListFileError> {
        let text = self.text.trim_ascii_start();
        let line = text.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
        let next = line.get(1..).and_then(|rest| rest.trim_ascii_start().first().copied());
        let is_cut = !self.is_whole && line.len() == text.len();
        let is_alone = self.is_whole && line.len() == text.trim_ascii_end().len();
        let is_object = line.first() == Some(&b'{');
        let entries = is_object.then(|| json::entries(&self.encoding.decode(line))).flatten();
        match line.first() {
            Some(b'{') if is_alone && entries.as_deref().is_some_and(is_envelope) => {
                Err(ListFileError::JsonDocument)
            }
            Some(b'{') if entries.is_some() || is_cut => Ok(true),
            Some(b'{') if matches!(next, None | Some(b'"' | b'}')) => {
                Err(ListFileError::JsonDocument)
            }
            Some(b'[') if matches!(next, None | Some(b'"' | b'{' | b'[')) => {
                Err(ListFileError::JsonDocument)
            }
            _ => Ok(false),
        }
    }

    fn json(&self) -> Shown {
        let mut keys: Vec<String> = Vec::new();
        let mut paths: Vec<Vec<String>> = Vec::new();
        let mut profiles: Vec<Profile> = Vec::new();
        let lines = self.rows(None).0;
        let is_all = lines.len() < ROWS;
        for line in lines {
            let Some(entries) = json::entries(&line[0]) else { continue };
            for (key, _) in &entries {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
            for (path, value) in json::leaves(&entries) {
                let index = paths.iter().position(|known| *known == path).unwrap_or_else(|| {
                    profiles.push(Profile { name: path.join("."), ..Profile::default() });
                    paths.push(path);
                    paths.len() - 1
                });
                profiles[index].count(value);
            }
        }
        let (line_end, format) = (LineEnd::Lf, Format::JsonLines);
        Shown { format, line_end, preamble: 0, width: 1, profiles, paths, keys, is_all }
    }

    /// The reading of the text that makes most sense.
    fn best(&self, forced: Option<u8>, header: Option<bool>) -> Reading {
        let mut plain = Reading::new(None, self.rows(None).0, header);
        let delimiters = DELIMITERS.into_iter().filter(|&delimiter| match forced {
            Some(forced) => forced == delimiter,
            None => match delimiter {
                b'|' | b'^' => self.encoding.keeps_ascii_apart(),
                TILDE => self.encoding.keeps_ascii_apart() && self.names_column_between(TILDE),
                COLON => self.names_column_between(COLON),
                HEADING | UNIT => self.first_line().contains(&delimiter),
                _ => true,
            },
        });
        let mut readings: Vec<Reading> =
            delimiters.map(|delimiter| self.divided(delimiter, header)).collect();
        if forced.is_some()
            && let Some(only) = readings.pop()
        {
            return only;
        }
        // A header makes one column a table; its delimiter is one that stands nowhere.
        let unused = readings.iter().find(|reading| reading.widest() == 1);
        let alone = unused.and_then(|reading| reading.dialect);
        readings.retain(|reading| reading.widest() > 1 && !reading.divides_cells());
        // Nothing is quoted in plain lines: that says as much for them as for the best of the rest.
        plain.well_quoted = readings.iter().map(|r| r.well_quoted).max().unwrap_or(20);
        let mut best = plain;
        for reading in readings {
            if reading.rank() > best.rank() {
                best = reading;
            }
        }
        if best.dialect.is_none() && best.has_header {
            let comma = Dialect { delimiter: b',', quotes: Quotes::Doubled, has_header: true };
            best.dialect = Some(alone.unwrap_or(comma));
        }
        best
    }

    /// `true` if the first line names a column of addresses, and `delimiter` divides its names.
    fn names_column_between(&self, delimiter: u8) -> bool {
        let line = self.encoding.decode(self.first_line());
        let mut names = line.split(char::from(delimiter));
        self.first_line().contains(&delimiter)
            && names.any(|name| header::tier(name) >= NameTier::Qualified)
    }

    fn first_line(&self) -> &[u8] {
        self.text.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default()
    }

    /// The text as `delimiter` divides it. Quotes in quoted fields are doubled unless that leaves
    /// fields that are badly quoted and backslashes leave fewer.
    fn divided(&self, delimiter: u8, header: Option<bool>) -> Reading {
        let dialect = |quotes| Dialect { delimiter, quotes, has_header: false };
        let (doubled, bad) = self.rows(Some(dialect(Quotes::Doubled)));
        if bad > 0 && self.encoding.keeps_ascii_apart() {
            let (escaped, still_bad) = self.rows(Some(dialect(Quotes::Backslash)));
            if still_bad < bad {
                let reading = Reading::new(Some(dialect(Quotes::Backslash)), escaped, header);
                return reading.with_badly_quoted(still_bad);
            }
        }
        Reading::new(Some(dialect(Quotes::Doubled)), doubled, header).with_badly_quoted(bad)
    }

    /// The first rows, as text, and how many of their fields are badly quoted.
    fn rows(&self, dialect: Option<Dialect>) -> (Vec<Vec<String>>, usize) {
        let (mut rows, mut bad) = (Vec::new(), 0);
        let mut rest = self.text;
        while !rest.is_empty() && rows.len() < ROWS {
            // A row that is cut off shows little, unless there is no other.
            let is_only = rows.is_empty() && !rest.iter().any(|b| b"\r\n".contains(b));
            // A quote that runs through a quarter of what is seen is taken for a stray one here,
            // whatever the rows say later: the rows behind it are wanted.
            let is_ended = self.is_whole || is_only;
            let limit = if is_ended { 2 * SNIFF } else { SNIFF / 4 };
            let scan = Scan { dialect, cell: 0, width: 0, limit };
            let Scanned::Record(bounds) = scan.first(rest, is_ended) else { break };
            let content = &rest[..bounds.content];
            rest = &rest[bounds.whole..];
            if content.trim_ascii().is_empty() {
                continue;
            }
            let Some(dialect) = dialect else {
                rows.push(vec![self.encoding.decode(content).into_owned()]);
                continue;
            };
            let fields = || record::fields(content, dialect, bounds.is_stray);
            bad += fields().filter(|f| !record::is_well_quoted(f, dialect.quotes)).count();
            let said = fields().map(|field| record::say(field, dialect, bounds.is_stray));
            rows.push(said.map(|said| self.encoding.decode(&said).into_owned()).collect());
        }
        (rows, bad)
    }
}

/// `true` for an object without an address of its own around an array of more of them than one cell
/// has room for.
fn is_envelope(entries: &[(String, Value)]) -> bool {
    let is_list = |value: &Value| match value {
        Value::Array(items) => items.len() > MAX_ADDRESSES && items.iter().any(has_address),
        _ => false,
    };
    let holds_list = |value: &Value| match value {
        Value::Object(inner) => inner.values().any(is_list),
        value => is_list(value),
    };
    let mut values = entries.iter().map(|(_, value)| value);
    !values.clone().any(|value| value.is_string() && has_address(value)) && values.any(holds_list)
}

/// `true` if an address stands somewhere in `value`.
fn has_address(value: &Value) -> bool {
    match value {
        Value::String(text) => looks_like_address(text),
        Value::Array(items) => items.iter().any(has_address),
        Value::Object(inner) => inner.values().any(has_address),
        _ => false,
    }
}

/// The delimiter that Excel's `sep=;` names, perhaps in quotes.
fn separator(line: &[u8]) -> Option<u8> {
    let bare = line.strip_prefix(b"\"").and_then(|l| l.strip_suffix(b"\"")).unwrap_or(line);
    match bare.split_at_checked(4) {
        Some((key, &[delimiter])) if key.eq_ignore_ascii_case(b"sep=") => {
            DELIMITERS.contains(&delimiter).then_some(delimiter)
        }
        _ => None,
    }
}

const DELIMITERS: [u8; 9] = [b',', b'\t', b';', b'|', b'^', COLON, TILDE, HEADING, UNIT];

/// Stands in too much text to divide fields unless a header says so, or `sep=:`.
const COLON: u8 = b':';

/// May stand in an address, and divides fields under the same conditions.
const TILDE: u8 = b'~';

/// The control character by which Hive divides fields.
const HEADING: u8 = 0x01;

/// The unit separator of ASCII.
const UNIT: u8 = 0x1f;

impl Shown {
    fn of(reading: &Reading, line_end: LineEnd) -> Self {
        let format = reading.dialect.map_or(Format::Plain, Format::Delimited);
        let (paths, keys) = (Vec::new(), Vec::new());
        let profiles = reading.profiles.clone();
        let (width, is_all) = (reading.width, reading.height() < ROWS);
        Self { format, line_end, preamble: 0, width, profiles, paths, keys, is_all }
    }
}
