//! The file that rows are written to: text, packed or not, or a workbook.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::args::FormatArg;
use super::columns::NAMES;
use super::job::Job;
use crate::listfile::{Layout, ListFileError, Output, Row, WorkbookWriter, Writer};

/// Takes rows with their appended values.
pub(super) enum Sink {
    Text(Box<Writer<Packed>>),
    Workbook(Box<WorkbookWriter>, Packed),
}

impl Sink {
    /// The sink of `job`: a workbook if the format or the ending of the output says so.
    pub(super) fn new(job: &Job, file: Packed, layout: &Layout) -> Result<Self, ListFileError> {
        let ending = job.output.extension().map(|ending| ending.to_ascii_lowercase());
        let format = match ending {
            Some(ending) if job.format.is_none() && ending == "xlsx" => Some(FormatArg::Xlsx),
            _ => job.format,
        };
        let output = match format {
            None => Output::Same,
            Some(FormatArg::Csv) => Output::Csv,
            Some(FormatArg::Jsonl) => Output::JsonLines,
            Some(FormatArg::Xlsx) => {
                return Ok(Self::Workbook(Box::new(WorkbookWriter::new(layout, &NAMES)?), file));
            }
        };
        Ok(Self::Text(Box::new(Writer::new(file, layout, output, &NAMES)?)))
    }

    /// Writes one row.
    pub(super) fn write(&mut self, row: &Row, values: &[&str]) -> Result<(), ListFileError> {
        match self {
            Self::Text(writer) => writer.write(row, values),
            Self::Workbook(writer, _) => writer.write(row, values),
        }
    }

    /// Writes what is left, and gives the file back.
    pub(super) fn finish(self) -> Result<Packed, ListFileError> {
        match self {
            Self::Text(writer) => writer.finish(),
            Self::Workbook(writer, mut file) => {
                writer.finish(&mut file)?;
                Ok(file)
            }
        }
    }
}

/// A file that is packed if its name says so.
pub(super) enum Packed {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Packed {
    /// Creates `scratch`, which becomes `named`.
    pub(super) fn create(scratch: &Path, named: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(scratch)?);
        let is_gzip = named.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        Ok(match is_gzip {
            true => Self::Gzip(Box::new(GzEncoder::new(file, Compression::default()))),
            false => Self::Plain(file),
        })
    }

    /// Packs what is left, and puts it on the disk.
    pub(super) fn finish(self) -> io::Result<()> {
        let mut file = match self {
            Self::Plain(file) => file,
            Self::Gzip(packing) => packing.finish()?,
        };
        file.flush()?;
        file.get_ref().sync_all()
    }
}

impl io::Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(packing) => packing.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(packing) => packing.flush(),
        }
    }
}
