//! [`ListMerger`]: the rows of a list, read again, with their results beside them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader};

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::RowSelection;
use super::list_writer::{ListWriter, MadeFile, PIECE};
use crate::batch::uploads::{StoredList, UploadStore};
use crate::campaign::several;
use crate::exclusion::{ExclusionMark, ExclusionMarks};
use crate::http::csv;
use crate::http::upload::{StoredReading, options, sent_address};
use crate::listfile::{ListFileError, Reader, Row};
use crate::proto::names::enum_name;
use crate::proto::{Action, BatchResult, Reason, Verdict, Verification, from_message};

/// The columns that are appended, under the names that `mailvet list` gives them.
const COLUMNS: [&str; csv::ANSWER.len() + 2] = {
    let mut columns = ["problem"; csv::ANSWER.len() + 2];
    columns.split_at_mut(csv::ANSWER.len()).0.copy_from_slice(&csv::ANSWER);
    columns[csv::ANSWER.len() + 1] = "other_addresses";
    columns
};

/// Rows that are read at a time, if few or none of them go out.
const ROWS_AT_A_TIME: usize = 10_000;

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
    /// The marks of all its addresses.
    marks: ExclusionMarks,
    /// The place among them behind the last one that was left out.
    last_excluded: usize,
    /// The place among them behind the row that was read last.
    place: usize,
    /// The row that was read last.
    row: Row,
    writer: ListWriter,
    /// The results that have come for one row: it may have asked about several addresses.
    answers: Vec<BatchResult>,
    /// The results that have come for the rows behind it.
    results: VecDeque<BatchResult>,
    /// All results have come.
    has_all: bool,
}

/// The rest of a list after some of it was written.
pub(super) enum MergeState {
    /// There may be more rows.
    More(Box<ListMerger>),
    /// There are no more; the file is made that goes out, if there is one.
    Over(Option<MadeFile>),
}

impl ListMerger {
    /// Opens a list. What came as a workbook goes out as one, unless `is_csv`.
    pub(super) fn open(
        kept: StoredList,
        store: UploadStore,
        selection: RowSelection,
        is_csv: bool,
    ) -> Result<Box<Self>, MergeRefusal> {
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
        let marks = reading.exclusion.marks;
        Ok(Box::new(Self {
            name,
            selection,
            reader,
            last_excluded: marks.end(),
            marks,
            place: 0,
            row: Row::default(),
            writer,
            answers: Vec::new(),
            results: VecDeque::new(),
            has_all: false,
        }))
    }

    /// Takes the next results; `None` says that all have come.
    pub(super) fn push(&mut self, results: Option<Vec<BatchResult>>) {
        match results {
            Some(results) => self.results.extend(results),
            None => self.has_all = true,
        }
    }

    /// `true` if nothing can be written before further results have come.
    pub(super) fn needs_results(&mut self) -> bool {
        while let Some(next) = self.results.front() {
            if self.answers.first().is_some_and(|first| number(first) != number(next)) {
                return false;
            }
            self.answers.extend(self.results.pop_front());
        }
        !self.has_all
    }

    /// Writes the next rows, not many more octets than [`PIECE`] of them, and returns those octets.
    pub(super) fn write_piece(mut self: Box<Self>) -> io::Result<(Bytes, MergeState)> {
        let mut is_over = false;
        for _ in 0..ROWS_AT_A_TIME {
            if is_over || self.needs_results() || self.writer.pending() >= PIECE {
                break;
            }
            is_over = !self.write_row()?;
        }
        let octets = self.writer.take();
        let state =
            if is_over { MergeState::Over(self.writer.finish()?) } else { MergeState::More(self) };
        Ok((octets, state))
    }

    /// Writes one row, which the results have come for or none is to come for; `false` if there is
    /// none.
    fn write_row(&mut self) -> io::Result<bool> {
        let has_excluded = self.selection.has_excluded() && self.place < self.last_excluded;
        if self.answers.is_empty() && !self.selection.has_unanswered() && !has_excluded {
            return Ok(false);
        }
        if !self.reader.read(&mut self.row).map_err(io::Error::other)? {
            return self.answers.first().map_or(Ok(false), |answer| Err(misjoined(answer)));
        }
        let marks = self.next_marks();
        let is_answered = self.answers.first().map(number) == Some(self.row.number());
        if !marks.is_empty() && marks.iter().all(|mark| *mark == ExclusionMark::Excluded) {
            if let Some(answer) = self.answers.first().filter(|_| is_answered) {
                return Err(misjoined(answer));
            }
            self.write_excluded().map_err(io::Error::other)?;
        } else if is_answered && !self.row.is_blank() {
            if let Some(other) = self.answers.iter().find(|answer| !is_answer_of(answer, &self.row))
            {
                return Err(misjoined(other));
            }
            let answer = MergedRow::new(&self.row, &marks, std::mem::take(&mut self.answers));
            if self.selection.has(answer.verification.as_ref()) {
                let cells = answer.cells();
                let cells = cells.each_ref().map(String::as_str);
                self.writer.write(&self.row, &cells).map_err(io::Error::other)?;
            }
        } else if self.selection == RowSelection::All
            || self.selection.has_unanswered() && self.row.address().is_some()
        {
            self.write_unanswered().map_err(io::Error::other)?;
        }
        Ok(true)
    }

    /// The marks of the row's addresses; none if nobody was left out of the list.
    fn next_marks(&mut self) -> Vec<ExclusionMark> {
        if self.marks.octets().is_empty() {
            return Vec::new();
        }
        let first = self.place;
        self.place += self.row.addresses().count();
        (first..self.place).map(|place| self.marks.at(place)).collect()
    }

    /// Writes a row that was left out of the batch, with the answer that `mailvet list` gives it.
    fn write_excluded(&mut self) -> Result<(), ListFileError> {
        if !self.selection.has_excluded() {
            return Ok(());
        }
        let verification = Verification {
            verdict: Verdict::Risky.into(),
            action: Action::Suppress.into(),
            reason: Reason::OptedOut.into(),
            address: sent_address(self.row.address().unwrap_or_default()).to_owned(),
            ..Verification::default()
        };
        let answer = MergedRow { verification: Some(verification), others: Vec::new() }.cells();
        self.writer.write(&self.row, &answer.each_ref().map(String::as_str))
    }

    fn write_unanswered(&mut self) -> Result<(), ListFileError> {
        if self.row.is_blank() || self.row.address().is_some() {
            return self.writer.write(&self.row, &[]);
        }
        let problem = COLUMNS.map(|name| if name == "problem" { csv::NO_ADDRESS } else { "" });
        self.writer.write(&self.row, &problem)
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

/// `true` if `result` is about an address of `row`. Another version may have read the list by
/// another column, or from another row on, and a verdict beside somebody else is worse than none.
fn is_answer_of(result: &BatchResult, row: &Row) -> bool {
    let Some(verification) = &result.verification else { return true };
    let mut addresses = row.addresses().map(sent_address);
    verification.input.is_empty()
        || addresses.any(|address| several::is_input_of(&verification.input, address))
}

fn misjoined(result: &BatchResult) -> io::Error {
    io::Error::other(format!(
        "row {} does not hold the address that was verified for it: the list is read otherwise than \
         when it was taken; fetch its results from `StreamBatchResults`",
        result.row_id
    ))
}

/// The answer of a row: that of one of its addresses.
struct MergedRow {
    verification: Option<Verification>,
    /// The further addresses of the row.
    others: Vec<String>,
}

impl MergedRow {
    /// The answer of `row`, whose addresses have these marks, if any of the list have.
    fn new(row: &Row, marks: &[ExclusionMark], results: Vec<BatchResult>) -> Self {
        let mut found: Vec<_> = results.into_iter().filter_map(|it| it.verification).collect();
        let chosen = several::choose(found.iter().map(from_message::verdict));
        let mut verification = chosen.map(|chosen| found.swap_remove(chosen));
        let mut others = Vec::new();
        if let Some(verification) = &mut verification {
            let is_asked = |place: usize| marks.get(place) != Some(&ExclusionMark::Excluded);
            let all = row.addresses().enumerate().filter(|(place, _)| is_asked(*place));
            let all = all.map(|(_, address)| sent_address(address));
            others.extend(all.filter(|it| *it != verification.input).map(str::to_owned));
            // Who is left out is nobody to write to instead.
            if marks.contains(&ExclusionMark::Suggestion) {
                verification.suggestion = None;
            }
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
