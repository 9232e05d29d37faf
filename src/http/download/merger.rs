//! [`ListMerger`]: the rows of a list, read again, with their results beside them.

use std::fs::File;
use std::io::{self, BufReader};

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::RowSelection;
use super::list_writer::{ListWriter, MadeFile};
use crate::batch::uploads::{StoredList, UploadStore};
use crate::campaign::several;
use crate::http::csv;
use crate::http::upload::{StoredReading, options, sent_address};
use crate::listfile::{ListFileError, Reader, Row};
use crate::proto::names::enum_name;
use crate::proto::{BatchResult, Verification, from_message};

/// The columns that are appended, under the names that `mailvet list` gives them.
const COLUMNS: [&str; csv::ANSWER.len() + 2] = {
    let mut columns = ["problem"; csv::ANSWER.len() + 2];
    columns.split_at_mut(csv::ANSWER.len()).0.copy_from_slice(&csv::ANSWER);
    columns[csv::ANSWER.len() + 1] = "other_addresses";
    columns
};

/// The reason for which a list is not opened.
#[derive(Debug)]
pub(super) enum MergeRefusal {
    /// Too many workbooks are being made.
    Busy,
    /// The disk, or the list.
    Failed(io::Error),
}

impl From<io::Error> for MergeRefusal {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<ListFileError> for MergeRefusal {
    fn from(error: ListFileError) -> Self {
        Self::Failed(io::Error::other(error))
    }
}

/// A list between its rows and its results.
pub(super) struct ListMerger {
    name: String,
    selection: RowSelection,
    reader: Reader<BufReader<File>>,
    writer: ListWriter,
    /// The results that have come for one row: it may have asked about several addresses.
    answers: Vec<BatchResult>,
}

impl ListMerger {
    /// Opens a list. What came as a workbook goes out as one, unless `is_csv`.
    pub(super) fn open(
        kept: StoredList,
        store: UploadStore,
        selection: RowSelection,
        is_csv: bool,
    ) -> Result<Self, MergeRefusal> {
        let reading = StoredReading::decode(&kept.reading)?;
        let reader = Reader::open(BufReader::new(kept.file), &options(&reading.request))?;
        let layout = reader.layout();
        let writer = if reading.is_workbook && !is_csv {
            let place = store.scratch().ok_or(MergeRefusal::Busy)?;
            ListWriter::workbook(layout, &COLUMNS, place)?
        } else {
            ListWriter::table(layout, &COLUMNS)?
        };
        let name = reading.request.filename;
        Ok(Self { name, selection, reader, writer, answers: Vec::new() })
    }

    /// Writes the rows whose results are complete: all before that of the last of these results.
    pub(super) fn merge(mut self, results: Vec<BatchResult>) -> io::Result<(Self, Bytes)> {
        for result in results {
            if self.answers.first().is_some_and(|first| number(first) != number(&result)) {
                self.write_answered().map_err(io::Error::other)?;
            }
            self.answers.push(result);
        }
        let octets = self.writer.take();
        Ok((self, octets))
    }

    /// Writes the rows that are left, and makes the file if there is one to make.
    pub(super) fn finish(mut self) -> io::Result<(Bytes, Option<MadeFile>)> {
        self.write_rest().map_err(io::Error::other)?;
        let octets = self.writer.take();
        Ok((octets, self.writer.finish()?))
    }

    fn write_rest(&mut self) -> Result<(), ListFileError> {
        self.write_answered()?;
        let mut row = Row::default();
        while self.selection == RowSelection::All && self.reader.read(&mut row)? {
            self.write_unanswered(&row)?;
        }
        Ok(())
    }

    /// Writes the row that the results have come for, and those before it.
    fn write_answered(&mut self) -> Result<(), ListFileError> {
        let answers = std::mem::take(&mut self.answers);
        let Some(number) = answers.first().map(number) else { return Ok(()) };
        let mut row = Row::default();
        while self.reader.read(&mut row)? {
            if row.number() == number && !row.is_blank() {
                let answer = MergedRow::new(&row, answers);
                if self.selection.has(answer.verification.as_ref()) {
                    let cells = answer.cells();
                    self.writer.write(&row, &cells.each_ref().map(String::as_str))?;
                }
                return Ok(());
            }
            if self.selection == RowSelection::All {
                self.write_unanswered(&row)?;
            }
        }
        Ok(())
    }

    fn write_unanswered(&mut self, row: &Row) -> Result<(), ListFileError> {
        if row.is_blank() || row.address().is_some() {
            return self.writer.write(row, &[]);
        }
        let problem = COLUMNS.map(|name| if name == "problem" { csv::NO_ADDRESS } else { "" });
        self.writer.write(row, &problem)
    }

    pub(super) fn content_type(&self) -> &'static str {
        self.writer.kind().0
    }

    /// A file name for whoever saves it (RFC 6266).
    pub(super) fn disposition(&self) -> String {
        let stem = self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem);
        let stem = if stem.is_empty() { "list" } else { stem };
        let name = utf8_percent_encode(stem, NON_ALPHANUMERIC);
        let part = match self.selection {
            RowSelection::All => "vetted",
            RowSelection::Clean | RowSelection::Review | RowSelection::Suppress => {
                self.selection.name()
            }
        };
        let ending = self.writer.kind().1;
        format!("attachment; filename*=UTF-8''{name}.{part}.{ending}")
    }
}

/// The row of a result: each address is asked about under the number of its row.
fn number(result: &BatchResult) -> u64 {
    result.row_id.parse().unwrap_or_default()
}

/// The answer of a row: that of one of its addresses.
struct MergedRow {
    verification: Option<Verification>,
    /// The further addresses of the row.
    others: Vec<String>,
}

impl MergedRow {
    fn new(row: &Row, results: Vec<BatchResult>) -> Self {
        let mut found: Vec<_> = results.into_iter().filter_map(|it| it.verification).collect();
        let chosen = several::choose(found.iter().map(from_message::verdict));
        let mut verification = chosen.map(|chosen| found.swap_remove(chosen));
        let mut others = Vec::new();
        if let Some(verification) = &mut verification {
            let all = row.addresses().map(sent_address);
            others.extend(all.filter(|it| *it != verification.input).map(str::to_owned));
            // The service saw the address, and not what stood around it in the row.
            let flags = verification.flags.get_or_insert_default();
            flags.cleaned |= row.is_cleaned();
            flags.several |= !others.is_empty();
        }
        Self { verification, others }
    }

    /// The values of [`COLUMNS`].
    fn cells(&self) -> [String; COLUMNS.len()] {
        let mut cells: [String; COLUMNS.len()] = Default::default();
        let Some(verification) = &self.verification else { return cells };
        let answer = csv::answer(verification);
        for (cell, value) in cells.iter_mut().zip(answer) {
            *cell = value;
        }
        let [.., problem, others] = &mut cells;
        if let Some(error) = &verification.syntax_error {
            *problem = enum_name(error.kind().as_str_name(), "SYNTAX_ERROR_KIND_");
        }
        *others = self.others.join(" ");
        cells
    }
}
