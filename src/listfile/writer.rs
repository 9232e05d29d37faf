//! [`Writer`]: the rows of a list file, written back with columns appended.

use std::io::Write;

use super::{Layout, ListFileError, Row};

/// The format to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// The format of the input; a plain file becomes CSV with a header.
    #[default]
    Same,
    /// Comma-separated (RFC 4180).
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// Writes rows back.
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Begins a file laid out like `layout`: byte order mark, header with `columns` appended. A
    /// name the input has already gets `mailvet_` before it.
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn new(
        out: W,
        layout: &Layout,
        output: Output,
        columns: &[&str],
    ) -> Result<Self, ListFileError> {
        let _ = (layout, output, columns);
        Ok(Self { out })
    }

    /// The names of the appended columns as they stand in the file.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &[]
    }

    /// Writes `row` with `values`, one for each appended column; missing ones are empty (a row
    /// without an address gets `&[]`).
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn write(&mut self, row: &Row, values: &[&str]) -> Result<(), ListFileError> {
        let _ = (&mut self.out, row, values);
        unimplemented!()
    }

    /// Flushes, and gives the output back.
    ///
    /// # Errors
    /// [`ListFileError::Write`].
    pub fn finish(self) -> Result<W, ListFileError> {
        Ok(self.out)
    }
}
