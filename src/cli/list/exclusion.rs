//! Suppression lists: the addresses that are not to be asked, in whatever column they stand.
//!
//! A list to verify has one column of recipients; in a list of those who want no mail each address
//! is one too many to write to.

mod matcher;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::address::Address;
use crate::address::clean::{Cleaned, clean};
use crate::campaign::preflight::grouped;
use crate::listfile::{Layout, ListFileError, Reader, ReaderOptions, Row, SNIFF};

pub(super) use matcher::ExclusionMatcher;

/// The number of columns that are named.
const NAMED: usize = 5;

/// The number of the first column, as no column is called: a name goes before a number.
const FIRST_COLUMN: &str = "0000001";

/// The fault of a list without an address.
const NO_ADDRESS: &str = "no column holds an e-mail address: give a list with one in each row";

/// The findings about a suppression list. `Display` says them to its owner.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ExclusionSummary {
    /// Addresses, each as often as it stands there.
    addresses: u64,
    /// The columns that hold them, with their names.
    columns: BTreeMap<usize, String>,
    /// Rows with something in them, and no address.
    without: u64,
    /// The number of the first of them, and the line it begins on.
    first_without: Option<(u64, u64)>,
}

/// Takes every address of the list at `path` into `matcher`.
pub(super) fn read_addresses(
    path: &Path,
    is_imported: bool,
    matcher: &mut ExclusionMatcher,
) -> anyhow::Result<ExclusionSummary> {
    // Any column will do: every cell is looked at.
    let column = Some(FIRST_COLUMN.to_owned());
    let options = ReaderOptions { is_imported, column, ..ReaderOptions::default() };
    let mut summary = ExclusionSummary::default();
    let Some(mut reader) = open(path, &options)? else { return Ok(summary) };
    let mut row = Row::default();
    while reader.read(&mut row)? {
        summary.take(reader.layout(), &row, matcher)?;
    }
    anyhow::ensure!(summary.addresses > 0 || summary.without == 0, NO_ADDRESS);
    Ok(summary)
}

/// Takes the addresses of one column of the list at `path` into `matcher`: what a run of version
/// 0.1 left out when it sent its rows, and has to leave out again when it reads their answers.
pub(super) fn read_one_column(
    path: &Path,
    is_imported: bool,
    matcher: &mut ExclusionMatcher,
) -> anyhow::Result<ExclusionSummary> {
    let options =
        ReaderOptions { is_imported, is_known: true, column_rules: 0, ..ReaderOptions::default() };
    let mut summary = ExclusionSummary::default();
    let Some(mut reader) = open(path, &options)? else { return Ok(summary) };
    let mut row = Row::default();
    while reader.read(&mut row)? {
        summary.addresses +=
            row.addresses().map(|address| u64::from(matcher.exclude(address))).sum::<u64>();
    }
    Ok(summary)
}

/// Opens a suppression list; `None` if nobody is on it.
fn open(
    path: &Path,
    options: &ReaderOptions,
) -> anyhow::Result<Option<Reader<io::BufReader<fs::File>>>> {
    let file = fs::File::open(path)?;
    let is_short = file.metadata()?.len() < SNIFF as u64;
    match Reader::open(io::BufReader::new(file), options) {
        // Nobody has unsubscribed yet. A long one may have rows behind its blank lines.
        Err(ListFileError::Empty | ListFileError::HeaderOnly { .. }) if is_short => Ok(None),
        // The first objects are empty. `--column` is for another list.
        Err(ListFileError::UnknownColumn { .. }) => anyhow::bail!(NO_ADDRESS),
        opened => Ok(Some(opened?)),
    }
}

impl ExclusionSummary {
    /// Takes every address of `row` into `matcher`.
    fn take(
        &mut self,
        layout: &Layout,
        row: &Row,
        matcher: &mut ExclusionMatcher,
    ) -> anyhow::Result<()> {
        let cells = layout.cells(row);
        let before = self.addresses;
        for (column, (_, cell)) in cells.iter().enumerate() {
            let cleaned = clean(cell);
            let is_clear = !cleaned.is_cut
                && (!cleaned.others.is_empty() || Address::parse(&cleaned.address).is_ok());
            let mut found = take_all(&cleaned, matcher);
            // In a text that can be read in two ways, or is longer than is read of one, each word
            // with an address is one of them.
            if !is_clear && cell.contains('@') {
                found = found.max(take_words(cell, row, matcher)?);
            }
            if found > 0 && layout.has_header() {
                let name = layout.columns.get(column).map_or("", String::as_str);
                self.columns.entry(column).or_insert_with(|| name.to_owned());
            }
            self.addresses += found;
        }
        if self.addresses == before && cells.iter().any(|(_, cell)| !cell.trim().is_empty()) {
            self.without += 1;
            self.first_without.get_or_insert((row.number(), row.line()));
        }
        Ok(())
    }
}

/// Takes every address among the words of a cell into `matcher`; returns how many there are.
fn take_words(cell: &str, row: &Row, matcher: &mut ExclusionMatcher) -> anyhow::Result<u64> {
    let mut taken = 0;
    for word in cell.split(divides).filter(|word| word.contains('@')) {
        let cleaned = clean(word);
        // Whoever stands in the part that is not read would get mail.
        anyhow::ensure!(
            !cleaned.is_cut,
            "row {}, line {}, has a cell of more than 100 addresses or 4096 bytes, which is not \
             read to its end: put each address on a line of its own",
            row.number(),
            row.line()
        );
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

/// `true` for a sign that stands between addresses.
fn divides(c: char) -> bool {
    c.is_whitespace() || ",;:|<>()[]\"".contains(c)
}

impl fmt::Display for ExclusionSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = if self.addresses == 1 { "address" } else { "addresses" };
        write!(f, "{} {addresses} to exclude", grouped(self.addresses))?;
        for (place, (column, name)) in self.columns.iter().take(NAMED).enumerate() {
            let before = if place == 0 { ", in" } else { " and" };
            write!(f, "{before} column {} {name:?}", column + 1)?;
        }
        if let more @ 1.. = self.columns.len().saturating_sub(NAMED) {
            write!(f, " and {more} more")?;
        }
        let Some((row, line)) = self.first_without else { return Ok(()) };
        let rows = if self.without == 1 { "row has no" } else { "rows have no" };
        write!(
            f,
            "; {} {rows} address, and neither a domain nor a hash excludes anybody (first: row {row}, \
             line {line})",
            grouped(self.without)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::list::rows::{RowPlan, RowQuestion};

    /// The findings about a suppression list, and those of `asked` that it does not exclude.
    fn left<'a>(list: &str, asked: &[&'a str]) -> (String, Vec<&'a str>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), list).unwrap();
        let mut matcher = ExclusionMatcher::default();
        let summary = read_addresses(file.path(), false, &mut matcher).unwrap();
        let plan = RowPlan::new(matcher);
        let is_asked = |address: &&str| {
            let line = format!("{address}\n");
            let mut reader = Reader::open(line.as_bytes(), &ReaderOptions::default()).unwrap();
            let row = reader.next().unwrap().unwrap();
            matches!(plan.question(&row), RowQuestion::Addresses(_))
        };
        (summary.to_string(), asked.iter().copied().filter(is_asked).collect())
    }

    #[test]
    fn whoever_stands_in_any_column_of_a_suppression_list_is_excluded() {
        let four = ["jane@acme.test", "bob@acme.test", "carl@acme.test", "dora@acme.test"];
        let list = "email,email2\njane@acme.test,bob@acme.test\ncarl@acme.test,dora@acme.test\n";
        let said = "4 addresses to exclude, in column 1 \"email\" and column 2 \"email2\"";
        assert_eq!(left(list, &four), (said.to_owned(), vec![]));
        let list = list.replace("email,email2", "Customer Email,Billing Email");
        assert_eq!(left(&list, &four).1, [""; 0]);
        let list = "{\"emails\":[\"jane@acme.test\",\"bob@acme.test\"],\"cc\":{\"a\":\"carl@acme.test\"}}\n";
        assert_eq!(left(list, &four).1, ["dora@acme.test"]);
    }

    #[test]
    fn a_list_is_read_whatever_its_columns_are_called() {
        let list = "Email,1,1\njane@acme.test,bob@acme.test,x\n";
        assert_eq!(left(list, &["jane@acme.test", "bob@acme.test"]).1, [""; 0]);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "{}\n{}\n").unwrap();
        let mut matcher = ExclusionMatcher::default();
        let error = read_addresses(file.path(), false, &mut matcher).unwrap_err();
        assert_eq!(error.to_string(), NO_ADDRESS);
    }

    #[test]
    fn a_long_cell_is_read_to_its_end() {
        let many: Vec<String> = (0..300).map(|n| format!("g{n}@acme.test")).collect();
        let list = format!("email,note\n{},{}\n", many.join(";"), "x y ".repeat(2_000));
        assert_eq!(left(&list, &["g0@acme.test", "g299@acme.test"]).1, [""; 0]);
    }

    #[test]
    fn rows_of_domains_and_hashes_are_counted_and_told() {
        let list = "email\njane@acme.test\n@acme.test\nacme.com\n*@acme.test\n\n\
                    9e26471d35a78862c17e467d87cddedf\n";
        let (said, asked) = left(list, &["jane@acme.test", "bob@acme.test"]);
        assert_eq!(
            said,
            "1 address to exclude, in column 1 \"email\"; 4 rows have no address, and neither a \
             domain nor a hash excludes anybody (first: row 2, line 3)"
        );
        assert_eq!(asked, ["bob@acme.test"]);
        assert_eq!(left("email,name\n,\n,\n", &[]).0, "0 addresses to exclude");
    }

    #[test]
    fn of_a_cell_that_can_be_read_in_two_ways_each_address_is_excluded() {
        let three = ["jane@acme.test", "bob@acme.test", "carl@acme.test"];
        for list in [
            "Email,When\n\"jane@acme.test; Bob bob@acme.test\",1\n",
            "Email,When\n\"Jane jane@acme.test, Bob <bob@acme.test>\",1\n",
            "{\"email\":\"x@acme.test\"}\n{\"email\":\"jane@acme.test bob@acme.test\",}\n",
        ] {
            assert_eq!(left(list, &three).1, ["carl@acme.test"], "{list}");
        }
    }
}
