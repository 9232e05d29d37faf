//! [`Reader`]: rows in order, in flat memory.

use std::io::Read;

use super::{Findings, Layout, ListFileError, MAX_RECORD, Row};

/// What the caller knows better than the file shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The encoding's name (WHATWG Encoding Standard labels: `utf-8`, `latin1`, `shift_jis`).
    pub encoding: Option<String>,
    /// The address column: its name, or its number from 1; for JSON lines a key, or keys with
    /// dots between them.
    pub column: Option<String>,
    /// Whether the first row is a header. Default: what the content shows.
    pub header: Option<bool>,
    /// The longest record taken, in bytes.
    pub max_record: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { encoding: None, column: None, header: None, max_record: MAX_RECORD }
    }
}

/// Reads the rows of a list file.
pub struct Reader<R> {
    input: R,
}

impl<R: Read> Reader<R> {
    /// Looks at the beginning of `input` and finds out what it is.
    ///
    /// # Errors
    /// [`ListFileError`]: not a list file, empty, or without a column of addresses.
    pub fn open(input: R, options: &Options) -> Result<Self, ListFileError> {
        let _ = (input, options);
        unimplemented!()
    }

    /// What the file is.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        unimplemented!()
    }

    /// What was out of the ordinary so far.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        unimplemented!()
    }

    /// Reads the next row into `row`, whose buffers are used again; `false` at the end.
    ///
    /// # Errors
    /// [`ListFileError`]: the source failed, or a record is too long or not in its encoding.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, ListFileError> {
        let _ = (&self.input, row);
        unimplemented!()
    }
}

/// The rows one by one. After an error there is no more.
impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Row, ListFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        unimplemented!()
    }
}
