//! The form in which a list goes out: rows as they are written, or a workbook once it is made.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::batch::uploads::ScratchPlace;
use crate::listfile::{Format, Layout, ListFileError, Output, Row, WorkbookWriter, Writer};

/// The media type of a table.
pub(super) const CSV: &str = "text/csv";

/// The media type of a workbook.
pub(super) const WORKBOOK: &str =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Octets that are sent at a time; of a table a row more.
pub(super) const PIECE: usize = 128 * 1024;

/// Writes rows.
pub(super) enum ListWriter {
    Table(Box<Writer<PendingOctets>>, PendingOctets, Format),
    Workbook(Box<WorkbookWriter>, ScratchPlace),
}

impl ListWriter {
    /// Begins a table in the list's own format.
    pub(super) fn table(layout: &Layout, columns: &[&str]) -> Result<Self, ListFileError> {
        let written = PendingOctets::default();
        let writer = Writer::new(written.clone(), layout, Output::Same, columns)?;
        Ok(Self::Table(Box::new(writer), written, layout.format))
    }

    /// Begins a workbook, kept at `place` until it is complete.
    pub(super) fn workbook(
        layout: &Layout,
        columns: &[&str],
        place: ScratchPlace,
    ) -> Result<Self, ListFileError> {
        let writer = WorkbookWriter::in_folder(place.folder(), layout, columns)?;
        Ok(Self::Workbook(Box::new(writer), place))
    }

    pub(super) fn write(&mut self, row: &Row, values: &[&str]) -> Result<(), ListFileError> {
        match self {
            Self::Table(writer, ..) => writer.write(row, values),
            Self::Workbook(writer, _) => writer.write(row, values),
        }
    }

    /// Number of octets that wait to be taken.
    pub(super) fn pending(&self) -> usize {
        match self {
            Self::Table(_, written, _) => written.0.lock().len(),
            Self::Workbook(..) => 0,
        }
    }

    /// The octets that were written since the last time.
    pub(super) fn take(&mut self) -> Bytes {
        match self {
            Self::Table(_, written, _) => std::mem::take(&mut *written.0.lock()).into(),
            Self::Workbook(..) => Bytes::new(),
        }
    }

    /// Makes the file that goes out when all rows are written, if there is one.
    pub(super) fn finish(self) -> io::Result<Option<MadeFile>> {
        match self {
            Self::Table(..) => Ok(None),
            Self::Workbook(writer, place) => {
                let mut file = BufWriter::new(place.file()?);
                writer.finish(&mut file).map_err(io::Error::other)?;
                let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.rewind()?;
                Ok(Some(MadeFile { file, _place: place }))
            }
        }
    }

    /// The media type, and the ending of a file name.
    pub(super) fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Table(_, _, Format::JsonLines) => ("application/x-ndjson", "jsonl"),
            Self::Table(_, _, Format::Delimited(_) | Format::Plain) => (CSV, "csv"),
            Self::Workbook(..) => (WORKBOOK, "xlsx"),
        }
    }
}

/// A complete file on its way out. Its place is taken until it is gone.
pub(super) struct MadeFile {
    file: File,
    _place: ScratchPlace,
}

impl MadeFile {
    /// The next piece; empty at the end.
    pub(super) fn next_piece(&mut self) -> io::Result<Bytes> {
        let mut piece = Vec::with_capacity(PIECE);
        (&self.file).take(PIECE as u64).read_to_end(&mut piece)?;
        Ok(piece.into())
    }
}

/// Octets that were written and not sent yet.
#[derive(Clone, Default)]
pub(super) struct PendingOctets(Arc<Mutex<Vec<u8>>>);

impl Write for PendingOctets {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
