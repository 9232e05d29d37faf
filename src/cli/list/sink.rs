//! The file that rows are written to: text, packed or not, or a workbook.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::args::FormatArg;
use super::columns::{KEYS, NAMES, RowAnswer};
use crate::listfile::{Format, Layout, ListFileError, Output, Row, WorkbookWriter, Writer};
use crate::report::ReportFileKind;

/// Takes rows with their appended values.
pub(super) enum Sink {
    Text(Box<Writer<Packed>>),
    Json(Box<Writer<Packed>>),
    Workbook(Box<WorkbookWriter>, Packed),
}

impl Sink {
    /// The sink of `output`: a workbook if the format or the ending of the output says so. Its rows
    /// stand in `folder` until it is finished: the system's folder for such may be memory.
    pub(super) fn new(
        format: Option<FormatArg>,
        output: &Path,
        file: Packed,
        layout: &Layout,
        folder: &Path,
    ) -> Result<Self, ListFileError> {
        let ending = output.extension().map(|ending| ending.to_ascii_lowercase());
        let format = match ending {
            Some(ending) if format.is_none() && ending == "xlsx" => Some(FormatArg::Xlsx),
            _ => format,
        };
        let output = match format {
            None => Output::Same,
            Some(FormatArg::Csv) => Output::Csv,
            Some(FormatArg::Jsonl) => Output::JsonLines,
            Some(FormatArg::Xlsx) => {
                let writer = WorkbookWriter::in_folder(folder, layout, &NAMES)?;
                return Ok(Self::Workbook(Box::new(writer), file));
            }
        };
        let is_json = output == Output::JsonLines
            || output == Output::Same && layout.format == Format::JsonLines;
        if is_json {
            let writer = Writer::new(file, layout, output, &KEYS)?.with_json_values();
            return Ok(Self::Json(Box::new(writer)));
        }
        Ok(Self::Text(Box::new(Writer::new(file, layout, output, &NAMES)?)))
    }

    /// Writes one row with its answer.
    pub(super) fn write(&mut self, row: &Row, answer: &RowAnswer) -> Result<(), ListFileError> {
        let values = answer.values.each_ref().map(String::as_str);
        match self {
            Self::Text(writer) => writer.write(row, &values),
            Self::Json(writer) => {
                let values = answer.to_json();
                let values =
                    values.map_err(|error| ListFileError::Write(io::Error::other(error)))?;
                writer.write(row, &values.each_ref().map(String::as_str))
            }
            Self::Workbook(writer, _) => writer.write(row, &values),
        }
    }

    /// Writes a blank line, if the format has such.
    pub(super) fn write_blank(&mut self, row: &Row) -> Result<(), ListFileError> {
        match self {
            Self::Text(writer) | Self::Json(writer) => writer.write(row, &[]),
            Self::Workbook(writer, _) => writer.write(row, &[]),
        }
    }

    /// Writes what is left, and gives the file back.
    pub(super) fn finish(self) -> Result<Packed, ListFileError> {
        match self {
            Self::Text(writer) | Self::Json(writer) => writer.finish(),
            Self::Workbook(writer, mut file) => {
                writer.finish(&mut file)?;
                Ok(file)
            }
        }
    }
}

/// A file that was written under a name of its own beside its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenFile {
    /// Its present place.
    pub(super) scratch: PathBuf,
    /// The place it belongs to.
    pub(super) path: PathBuf,
    /// The kind of its rows.
    pub(super) kind: ReportFileKind,
    /// Number of its rows.
    pub(super) rows: u64,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listfile::{Reader, ReaderOptions};

    #[test]
    fn a_workbook_stands_in_the_folder_of_its_run_until_it_is_finished() {
        let run = tempfile::tempdir().unwrap();
        let list = &b"email\njane@acme.test\n"[..];
        let reader = Reader::open(list, &ReaderOptions::default()).unwrap();
        let sink_in = |folder: &Path| {
            let file = Packed::create(&run.path().join("output-0"), Path::new("out.xlsx")).unwrap();
            Sink::new(None, Path::new("out.xlsx"), file, reader.layout(), folder)
        };
        assert!(sink_in(run.path()).is_ok());
        assert!(sink_in(&run.path().join("nowhere")).is_err());
    }
}
