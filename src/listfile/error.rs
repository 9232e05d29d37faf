//! Why a list file cannot be read or written: each error names the place and the remedy.

use std::fmt;
use std::io;

use super::ConsentFault;

/// Why a list file could not be read or written. Messages are for the person whose list it is; the
/// caller puts the file's name before them.
#[derive(Debug, thiserror::Error)]
pub enum ListFileError {
    /// The source could not be read.
    #[error("reading stopped after row {row}: {source}")]
    Read {
        /// The last data row that was read, 0 if none.
        row: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The gzip data does not unpack.
    #[error(
        "the gzip data is damaged or cut off after row {row} ({source}); \
         fetch the file again, or unpack it yourself and give the unpacked file"
    )]
    Gzip {
        /// The last data row that was read, 0 if none.
        row: u64,
        /// Its fault.
        source: io::Error,
    },
    /// There is no byte, or nothing but blank lines in the first [`SNIFF`](super::SNIFF) bytes.
    #[error("the file is empty: give a file with at least one address")]
    Empty,
    /// There is a header and nothing below it.
    #[error(
        "the file has a header ({}) and no rows below it: give a file with at least one address",
        Listed(columns)
    )]
    HeaderOnly {
        /// The names in the header.
        columns: Vec<String>,
    },
    /// It is not a text file.
    #[error("this is {what}, not a text file; {remedy}")]
    NotText {
        /// Its kind, with the article.
        what: &'static str,
        /// The remedy.
        remedy: &'static str,
    },
    /// The name given for the encoding means nothing.
    #[error(
        "no encoding is called {label:?}; give a name such as utf-8, utf-16le, windows-1252, \
         iso-8859-2, shift_jis or gbk"
    )]
    UnknownEncoding {
        /// The value that was asked for.
        label: String,
    },
    /// The bytes are not what the encoding allows, and they could not be written back.
    #[error(
        "line {line} (row {row}) is not valid {encoding}: give the right encoding with --encoding, \
         or save the file as UTF-8"
    )]
    Malformed {
        /// The data row, from 1; 0 is the header.
        row: u64,
        /// The line, from 1.
        line: u64,
        /// The encoding that was found or given.
        encoding: &'static str,
    },
    /// A record is longer than the limit.
    #[error(
        "row {row}, which begins on line {line}, is longer than {limit} bytes: \
         look for a missing line end or a quote that is never closed there"
    )]
    RecordTooLong {
        /// The data row, from 1; 0 is the header.
        row: u64,
        /// The line it begins on, from 1.
        line: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The whole file is one JSON document, not one object a line.
    #[error(
        "this is a JSON document, not JSON lines: write one object on each line \
         (jq -c '.[]' does that to an array)"
    )]
    JsonDocument,
    /// No column holds addresses.
    #[error("no column holds e-mail addresses; name it with --column: {}", Listed(columns))]
    NoAddressColumn {
        /// The columns there are.
        columns: Vec<String>,
    },
    /// Several columns hold addresses, and nothing makes one of them the better choice.
    #[error(
        "{} hold e-mail addresses alike; choose one with --column, or several with commas: {}",
        Listed(candidates),
        Listed(columns)
    )]
    AmbiguousColumn {
        /// The columns that are equally good.
        candidates: Vec<String>,
        /// All columns.
        columns: Vec<String>,
    },
    /// The column with a name for addresses is empty as far as it was looked at, and another one,
    /// with addresses, may be about somebody else.
    #[error(
        "no address is in the first rows of {named}, and {filled} has some; choose one with \
         --column: {}",
        Listed(columns)
    )]
    UnfilledColumn {
        /// The column with the name.
        named: String,
        /// The column with addresses.
        filled: String,
        /// All columns.
        columns: Vec<String>,
    },
    /// The column asked for is not there.
    #[error("there is no column {asked:?}; choose one with {option}: {}", Listed(columns))]
    UnknownColumn {
        /// The value that was asked for.
        asked: String,
        /// The option that it was asked for with.
        option: &'static str,
        /// The columns there are.
        columns: Vec<String>,
    },
    /// Several columns have the name asked for.
    #[error("{} columns are called {asked:?}; give the number of one: {}", numbers.len(), Listed(columns))]
    DuplicateColumn {
        /// The value that was asked for.
        asked: String,
        /// Their numbers, from 1.
        numbers: Vec<usize>,
        /// All columns, each with its number.
        columns: Vec<String>,
    },
    /// The time of a consent is not read.
    #[error("row {row}, line {line}: {}", fault.sentence(text))]
    Consent {
        /// The data row, from 1.
        row: u64,
        /// The line it begins on, from 1.
        line: u64,
        /// What the cell says.
        text: String,
        /// Its fault.
        fault: ConsentFault,
    },
    /// The output could not be written.
    #[error("writing failed: {0}; make room or choose another place with --output")]
    Write(#[source] io::Error),
}

/// The longest cell that a message shows, in characters.
const LONGEST_CELL: usize = 40;

impl ConsentFault {
    /// The fault of a cell that says `text`, and the remedy.
    fn sentence(self, text: &str) -> String {
        // Whoever names the wrong column does not want its addresses in a message.
        let is_shown = text.chars().count() <= LONGEST_CELL && !text.contains('@');
        let cell = if is_shown { format!("{text:?}") } else { "the cell".to_owned() };
        match self {
            Self::Ambiguous(day_first, month_first) => format!(
                "{cell} may be {day_first} or {month_first}: nobody can tell; write the column \
                 as YYYY-MM-DD"
            ),
            Self::NoTime => format!(
                "{cell} is no time of a consent; write it as 2025-04-03 or 2025-04-03T12:00:00Z, \
                 leave it empty, or name another column with --consent-column"
            ),
            Self::TooEarly => {
                format!("{cell} is before 1970, when nobody consented to mail; leave it empty")
            }
        }
    }
}

/// The number of columns a message lists.
const SHOWN: usize = 30;

/// Columns as a message lists them.
struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there are none");
        }
        for (index, name) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}
