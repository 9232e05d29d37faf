//! Suppression lists: who is not to be asked, in whatever column it stands.
//!
//! A list to verify has one column of recipients; in a list of those who want no mail each address
//! is one too many to write to. Such a list may hold whole domains and hashes of addresses too. The
//! whole column tells what a bare domain or a row of hexadecimal digits in it is, and a list that
//! has a column of either is read once more for it. Files are not opened here.

mod counts;
mod domains;
mod error;
mod hashes;
mod mailbox_hash;
mod marks;
mod matcher;
mod summary;
mod survey;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

use crate::address::Address;
use crate::address::clean::{Cleaned, clean};
use crate::listfile::{Layout, ListFileError, Reader, ReaderOptions, Row, SNIFF};

pub use counts::ExclusionCounts;
use domains::{DomainForm, DomainStanding, ExcludedDomain};
pub use error::ExclusionError;
use hashes::{AddressHash, HashedAddresses};
pub use mailbox_hash::mailbox_hash;
pub use marks::{ExclusionMark, ExclusionMarker, ExclusionMarks};
pub use matcher::ExclusionMatcher;
pub use summary::ExclusionSummary;
use survey::{ColumnKey, ColumnRoles, ColumnSurvey, ListCell};

/// The number of the first column, as no column is called: a name goes before a number.
const FIRST_COLUMN: &str = "0000001";

/// The rules by which a suppression list is read: those of the version that sent the rows, which
/// left the same ones out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExclusionRules {
    /// The addresses of one column: version 0.1.
    OneColumn,
    /// The addresses of every column, and neither domains nor hashes.
    Addresses,
    /// All that is known here.
    All,
}

/// Limits on what suppression lists may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExclusionLimits {
    /// The most octets of text that are read of a packed list. Default: no limit.
    pub unpacked: u64,
    /// The most addresses, domains and hashes of all lists. Default: no limit.
    pub entries: usize,
}

impl Default for ExclusionLimits {
    fn default() -> Self {
        Self { unpacked: u64::MAX, entries: usize::MAX }
    }
}

/// A suppression list that is to be read.
#[derive(Clone, Copy, Debug)]
pub struct ExclusionList<'a> {
    /// The name that people call it by.
    pub name: &'a str,
    /// Its octets, as they are kept.
    pub octets: u64,
    /// `true` if it is a table that was made of the list.
    pub is_imported: bool,
    /// The limits on it, and on those before it.
    pub limits: ExclusionLimits,
}

impl ExclusionList<'_> {
    /// Takes what the list excludes into `matcher`. `open` gives its octets from the beginning,
    /// each time that it is called.
    ///
    /// # Errors
    /// [`ExclusionError`]: it is no list, excludes nobody, or could not be read to its end.
    pub fn read_into<R: Read>(
        self,
        open: impl Fn() -> io::Result<R>,
        rules: ExclusionRules,
        matcher: &mut ExclusionMatcher,
    ) -> Result<ExclusionSummary, ExclusionError> {
        if rules == ExclusionRules::OneColumn {
            return self.read_one_column(&open, matcher);
        }
        // Any column will do: every cell is looked at.
        let column = Some(FIRST_COLUMN.to_owned());
        let options =
            ReaderOptions { is_imported: self.is_imported, column, ..ReaderOptions::default() };
        let mut reading = ListReading::new(rules, self.limits, matcher);
        let Some(reader) = self.open(&open, &options, rules)? else {
            return Ok(ExclusionSummary::default());
        };
        let mut layout = reading.read(reader)?;
        if reading.decide_columns()
            && let Some(reader) = self.open(&open, &options, rules)?
        {
            layout = reading.read(reader)?;
        }
        let summary = reading.finish(self.name, &layout);
        match summary.doubtful_sentence() {
            _ if summary.is_list() => Ok(summary),
            Some(sentence) => Err(ExclusionError::Doubtful(sentence)),
            None => Err(ExclusionError::NoEntry),
        }
    }

    /// Takes the addresses of one column into `matcher`: what a run of version 0.1 left out when it
    /// sent its rows, and has to leave out again when it reads their answers.
    fn read_one_column<R: Read>(
        self,
        open: &impl Fn() -> io::Result<R>,
        matcher: &mut ExclusionMatcher,
    ) -> Result<ExclusionSummary, ExclusionError> {
        let options = ReaderOptions {
            is_imported: self.is_imported,
            is_known: true,
            column_rules: 0,
            ..ReaderOptions::default()
        };
        let mut summary = ExclusionSummary::default();
        let rules = ExclusionRules::OneColumn;
        let Some(mut reader) = self.open(open, &options, rules)? else { return Ok(summary) };
        let mut row = Row::default();
        while reader.read(&mut row)? {
            summary.addresses +=
                row.addresses().map(|address| u64::from(matcher.exclude(address))).sum::<u64>();
        }
        Ok(summary)
    }

    /// Opens the list; `None` if nobody is on it.
    fn open<R: Read>(
        self,
        open: &impl Fn() -> io::Result<R>,
        options: &ReaderOptions,
        rules: ExclusionRules,
    ) -> Result<Option<Reader<R>>, ExclusionError> {
        let is_short = self.octets < SNIFF as u64;
        match Reader::open(open()?, options) {
            // One row of a domain or a hash has no `@` by which it is told from a header. To an
            // older version nobody was on such a list.
            Err(ListFileError::HeaderOnly { columns })
                if rules == ExclusionRules::All && survey::is_row(&columns) =>
            {
                let options = ReaderOptions { header: Some(false), ..options.clone() };
                Ok(Some(Reader::open(open()?, &options)?))
            }
            // Nobody has unsubscribed yet. A long one may have rows behind its blank lines.
            Err(ListFileError::Empty | ListFileError::HeaderOnly { .. }) if is_short => Ok(None),
            // The first objects are empty. `--column` is for another list.
            Err(ListFileError::UnknownColumn { .. }) => Err(ExclusionError::NoEntry),
            opened => Ok(Some(opened?)),
        }
    }
}

/// A suppression list that is being read.
struct ListReading<'m> {
    /// The columns of domains and hashes, as far as they are known; `None` if addresses alone are
    /// taken.
    roles: Option<ColumnRoles>,
    /// The columns so far, while it is not known which hold domains and hashes.
    survey: Option<ColumnSurvey>,
    limits: ExclusionLimits,
    matcher: &'m mut ExclusionMatcher,
    hashes: HashedAddresses,
    summary: ExclusionSummary,
    /// `true` if what was taken for a header excludes somebody, or seems to: it is the first row.
    is_header_row: bool,
}

impl<'m> ListReading<'m> {
    fn new(
        rules: ExclusionRules,
        limits: ExclusionLimits,
        matcher: &'m mut ExclusionMatcher,
    ) -> Self {
        let is_all = rules == ExclusionRules::All;
        Self {
            roles: is_all.then(ColumnRoles::default),
            survey: is_all.then(ColumnSurvey::default),
            limits,
            matcher,
            hashes: HashedAddresses::default(),
            summary: ExclusionSummary::default(),
            is_header_row: false,
        }
    }

    /// Takes everything to exclude in a list, as far as its columns are known, and returns its
    /// layout. What was taken before is taken again.
    fn read<R: Read>(&mut self, mut reader: Reader<R>) -> Result<Layout, ExclusionError> {
        self.summary = ExclusionSummary::default();
        self.take_header(reader.layout());
        let mut row = Row::default();
        while reader.read(&mut row)? {
            self.take_row(reader.layout(), &row)?;
            let ExclusionLimits { unpacked, entries } = self.limits;
            if reader.layout().gzip && reader.octets() > unpacked {
                return Err(ExclusionError::TooLarge { limit: unpacked / (1024 * 1024) });
            }
            if self.matcher.len() + self.hashes.len() > entries {
                return Err(ExclusionError::TooMany { most: entries as u64 });
            }
        }
        Ok(reader.layout().clone())
    }

    /// Decides which columns hold domains and which hashes, once the list was read; `true` if any
    /// does, so that there is more to take in it.
    fn decide_columns(&mut self) -> bool {
        let Some(survey) = self.survey.take() else { return false };
        let roles = survey.decide();
        let has_more = !roles.domains.is_empty() || !roles.hashes.is_empty();
        self.roles = Some(roles);
        has_more
    }

    /// Takes the domains and hashes of what was taken for a header.
    fn take_header(&mut self, layout: &Layout) {
        if let Some(survey) = &mut self.survey {
            survey.note_header(layout);
        }
        let cells = survey::header_cells(layout);
        let taken = cells.iter().map(|cell| self.take_domains(cell) + self.take_hash(cell));
        let is_taken = taken.sum::<u64>() > 0;
        self.is_header_row = is_taken || self.summary.has_doubtful();
    }

    /// The number of `row` and its line, as people count them.
    fn place(&self, row: &Row) -> (u64, u64) {
        (row.number() + u64::from(self.is_header_row), row.line())
    }

    /// The name of a column; empty if it has none.
    fn column_name<'l>(&self, layout: &'l Layout, number: usize) -> &'l str {
        if self.is_header_row { "" } else { survey::numbered_column(layout, number) }
    }

    /// Takes everything to exclude in `row`.
    fn take_row(&mut self, layout: &Layout, row: &Row) -> Result<(), ExclusionError> {
        let cells = survey::cells(layout, row);
        if let Some(survey) = &mut self.survey {
            survey.note_row(layout, row, &cells);
        }
        let (before, addresses) = (self.summary.taken(), self.summary.addresses);
        let place = self.place(row);
        for cell in &cells {
            // A file may hold millions of hashes, and none is an address.
            if self.roles.is_some() && AddressHash::parse(&cell.text).is_some() {
                continue;
            }
            let taken = take_addresses(&cell.text, place, self.matcher)?;
            self.summary.addresses += taken;
            self.note_column(layout, &cell.column, taken);
        }
        // A hash beside an address is of that address, or the number of something.
        let has_address = self.summary.addresses > addresses;
        for cell in &cells {
            let mut taken = self.take_domains(cell);
            if !has_address {
                taken += self.take_hash(cell);
            }
            self.note_column(layout, &cell.column, taken);
        }
        let is_filled = |cell: &ListCell| {
            !cell.text.trim().is_empty() && !survey::is_heading(layout, row, &cell.text)
        };
        if self.summary.taken() == before && cells.iter().any(is_filled) {
            self.summary.note_without(place);
        }
        Ok(())
    }

    /// Takes the domains of a cell; returns how many there are.
    fn take_domains(&mut self, cell: &ListCell) -> u64 {
        let Some(roles) = &self.roles else { return 0 };
        let mut taken = 0;
        for domain in ExcludedDomain::all_in(&cell.text) {
            if domain.form == DomainForm::Bare && !roles.domains.contains(&cell.column) {
                continue;
            }
            let standing = self.matcher.exclude_domain(&domain);
            self.summary.note_domain(&domain, standing);
            taken += u64::from(standing != DomainStanding::Doubtful);
        }
        taken
    }

    /// Takes the hash of a cell; returns how many there are.
    fn take_hash(&mut self, cell: &ListCell) -> u64 {
        let is_hashes = self.roles.as_ref().is_some_and(|it| it.hashes.contains(&cell.column));
        let Some(hash) = AddressHash::parse(&cell.text).filter(|_| is_hashes) else { return 0 };
        self.hashes.push(hash);
        self.summary.hashes += 1;
        1
    }

    /// Notes the column of what was taken.
    fn note_column(&mut self, layout: &Layout, column: &ColumnKey, taken: u64) {
        if taken > 0 && layout.has_header() && !self.is_header_row {
            self.summary.note_column(column.0, survey::numbered_column(layout, column.0));
        }
    }

    /// The findings about the list, which is called `name`.
    fn finish(mut self, name: &str, layout: &Layout) -> ExclusionSummary {
        for (number, keys) in self.roles.iter().flat_map(|roles| &roles.beside) {
            let label = match (keys.as_str(), self.column_name(layout, *number)) {
                ("", "") => format!("column {}", number + 1),
                ("", name) => format!("column {} {name:?}", number + 1),
                (keys, _) => format!("key {keys:?}"),
            };
            self.summary.beside.push(label);
        }
        if self.summary.hashes > 0 {
            self.matcher.exclude_hashes(name, self.hashes);
        }
        self.summary
    }
}

/// Takes every address of a cell into `matcher`; returns how many there are. `place`: the number
/// and the line of its row.
fn take_addresses(
    cell: &str,
    place: (u64, u64),
    matcher: &mut ExclusionMatcher,
) -> Result<u64, ExclusionError> {
    let cleaned = clean(cell);
    let is_clear =
        !cleaned.is_cut && (!cleaned.others.is_empty() || Address::parse(&cleaned.address).is_ok());
    let found = take_all(&cleaned, matcher);
    // In a text that can be read in two ways, or is longer than is read of one, each word with an
    // address is one of them.
    if is_clear || !cell.contains('@') {
        return Ok(found);
    }
    Ok(found.max(take_words(cell, place, matcher)?))
}

/// Takes every address among the words of a cell into `matcher`; returns how many there are.
fn take_words(
    cell: &str,
    (row, line): (u64, u64),
    matcher: &mut ExclusionMatcher,
) -> Result<u64, ExclusionError> {
    let mut taken = 0;
    for word in cell.split(domains::divides).filter(|word| word.contains('@')) {
        let cleaned = clean(word);
        if cleaned.is_cut {
            return Err(ExclusionError::LongCell { row, line });
        }
        taken += take_all(&cleaned, matcher);
    }
    Ok(taken)
}

/// Takes every address of a text into `matcher`; returns how many there are.
fn take_all(cleaned: &Cleaned<'_>, matcher: &mut ExclusionMatcher) -> u64 {
    // `*@acme.test` is a whole domain to those who export it, and no mailbox of theirs.
    let is_one = |address: &&str| !address.is_empty() && !address.starts_with("*@");
    let first = Some(&*cleaned.address).filter(is_one);
    let all = first.into_iter().chain(cleaned.others.iter().map(String::as_str));
    all.map(|address| u64::from(matcher.exclude(address))).sum()
}
