//! Mailing-list files: read row by row, written back the same with columns appended. Pure.
//!
//! [`Reader::open`] looks at the first [`SNIFF`] bytes and finds out what the file is (gzip,
//! encoding, delimiter, quoting, header, the column with the addresses): its [`Layout`]. It then
//! gives [`Row`]s in order, in flat memory. [`Writer`] takes those rows back and copies their
//! bytes; what it appends is all that changes. A file can be read twice, once to submit the
//! addresses and once to write the answers: the same bytes give the same rows.
//!
//! Nothing is lost: rows with too few or too many fields, blank lines, bytes that are not valid in
//! the file's encoding and lines that are not JSON are kept as they are and counted ([`Findings`]).
//! What cannot be kept is a [`ListFileError`] that names the row and the remedy.
//!
//! Workbooks, archives, cards and JSON documents are made into CSV first ([`import`]).
//!
//! Files are not opened here, addresses are not judged here, and a gzip file is not packed again.
//!
//! ```text
//! bytes -source-> working text -window, record-> Row -cell-> address
//!            charset, magic        layout, column       writer -> bytes
//! ```

mod cell;
mod charset;
mod column;
mod consent;
mod convert;
mod dialect;
mod error;
mod findings;
mod header;
pub mod import;
mod json;
mod layout;
mod magic;
mod names;
mod notes;
mod opt_out;
mod options;
mod reader;
mod reading;
mod record;
mod remedies;
mod row;
mod sample;
mod source;
mod window;
mod workbook;
mod writer;

pub use charset::{EncodingBasis, TextEncoding};
pub use consent::{ConsentFault, read_consent};
pub use dialect::{Dialect, LineEnd, Quotes};
pub use error::ListFileError;
pub use findings::{Findings, Tally};
pub use layout::{AddressColumn, ColumnBasis, Format, Layout};
pub use options::ReaderOptions;
pub use reader::Reader;
pub use remedies::Remedies;
pub use row::Row;
pub use workbook::WorkbookWriter;
pub use writer::{Output, Writer, is_formula};

/// The number of bytes that are looked at to find out what a file is (of a gzip file, unpacked
/// bytes).
pub const SNIFF: usize = 256 * 1024;

/// The longest record taken, in bytes of working text, unless [`ReaderOptions`] says otherwise.
pub const MAX_RECORD: usize = 1024 * 1024;

/// The number of the rules by which a column of addresses is found. By those of number 0 a column
/// of vendors that was the fuller one was taken beside one of customers.
pub const COLUMN_RULES: u32 = 1;

#[cfg(test)]
mod tests;
