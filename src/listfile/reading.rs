//! The beginning of a file as one delimiter makes rows of it, and how much sense that makes.

use super::column::Profile;
use super::header::{self, NameTier};
use super::{Dialect, cell};
use crate::address::Address;
use crate::address::clean::clean;

/// The rows as one delimiter makes them.
pub(super) struct Reading {
    pub(super) dialect: Option<Dialect>,
    rows: Vec<Vec<String>>,
    pub(super) has_header: bool,
    pub(super) profiles: Vec<Profile>,
    pub(super) width: usize,
    /// Rows without a badly quoted field, in twentieths.
    pub(super) well_quoted: usize,
}

impl Reading {
    pub(super) fn new(
        dialect: Option<Dialect>,
        rows: Vec<Vec<String>>,
        asked: Option<bool>,
    ) -> Self {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut profiles = vec![Profile::default(); columns];
        for row in rows.iter().skip(1) {
            row.iter().zip(&mut profiles).for_each(|(cell, profile)| profile.count(cell));
        }
        let has_header = asked.unwrap_or_else(|| is_header(&rows, &profiles));
        if let Some(first) = rows.first() {
            for (cell, profile) in first.iter().zip(&mut profiles) {
                if has_header {
                    cell.trim().clone_into(&mut profile.name);
                } else {
                    profile.count(cell);
                }
            }
        }
        let width = match rows.first() {
            Some(first) if has_header => first.len(),
            _ => usual_width(&rows),
        };
        let dialect = dialect.map(|dialect| Dialect { has_header, ..dialect });
        Self { dialect, rows, has_header, profiles, width, well_quoted: 20 }
    }

    pub(super) fn with_badly_quoted(mut self, fields: usize) -> Self {
        let all = self.rows.len().max(1);
        self.well_quoted = (all - fields.min(all)) * 20 / all;
        self
    }

    /// The number of rows, the header among them.
    pub(super) fn height(&self) -> usize {
        self.rows.len()
    }

    /// The number of fields of the widest row.
    pub(super) fn widest(&self) -> usize {
        self.profiles.len()
    }

    /// `true` if what it divides are the cells of one column, which a spreadsheet left without
    /// quotes since its own delimiter is another: the header has one name, or some rows are one
    /// address, and others are several. Undivided, each must begin with the same address.
    pub(super) fn divides_cells(&self) -> bool {
        let Some(dialect) = self.dialect else { return false };
        let is_address = |row: &Vec<String>| row.len() == 1 && cell::looks_like_address(&row[0]);
        let has_one_column = match self.has_header {
            true => self.width == 1,
            false => self.rows.iter().any(is_address),
        };
        if !has_one_column {
            return false;
        }
        let delimiter = char::from(dialect.delimiter).to_string();
        let mut has_several = false;
        for row in self.rows.iter().filter(|row| row.len() > 1) {
            let line = row.join(&delimiter);
            let (first, whole) = (clean(&row[0]), clean(&line));
            let mut rest = row[1..].iter().filter(|cell| !cell.trim().is_empty());
            let is_other = !first.is_empty() && first.address != whole.address;
            if is_other || !self.has_header && !rest.all(|cell| cell::looks_like_address(cell)) {
                return false;
            }
            has_several |= whole.others.len() > first.others.len();
        }
        has_several
    }

    /// The higher the better: a column with addresses, rows that are well quoted (a delimiter that
    /// stands inside quoted fields cuts them), rows with an address in the best column, rows of the
    /// usual width (all in twentieths), and that width.
    pub(super) fn rank(&self) -> (bool, usize, usize, usize, usize) {
        let all = self.rows.len().max(1);
        let addresses = self.profiles.iter().map(|profile| profile.addresses).max().unwrap_or(0);
        let usual = usual_width(&self.rows);
        let even = self.rows.iter().filter(|row| row.len() == usual).count();
        // Lines are all alike when nothing divides them: that says little.
        let even = if self.dialect.is_some() { even * 20 / all } else { 10 };
        (addresses > 0, self.well_quoted, addresses * 20 / all, even, usual)
    }
}

impl Profile {
    /// Takes a cell of the column in.
    pub(super) fn count(&mut self, cell: &str) {
        self.filled += usize::from(!cell.trim().is_empty());
        let is_address = cell::looks_like_address(cell);
        self.addresses += usize::from(is_address);
        self.alone += usize::from(is_address && Address::parse(cell.trim()).is_ok());
        self.mentions += usize::from(!is_address && cell::mentions_address(cell));
    }
}

/// The number of fields most rows have; of two the larger.
fn usual_width(rows: &[Vec<String>]) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for row in rows {
        *counts.entry(row.len()).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|&(width, count)| (count, width)).map_or(0, |(width, _)| width)
}

/// `true` if the first row names the columns: it holds no address and nothing like one but for an
/// example in a name, and either a known name or another kind of thing than the rows below it.
fn is_header(rows: &[Vec<String>], below: &[Profile]) -> bool {
    let Some(first) = rows.first() else { return false };
    if first.iter().any(|cell| header::names_somebody(cell)) {
        return false;
    }
    if first.iter().any(|cell| header::tier(cell) >= NameTier::Qualified) {
        return true;
    }
    let best = below.iter().enumerate().max_by_key(|(_, profile)| profile.addresses);
    // A name that speaks of e-mail, or one that speaks of addresses over some.
    let is_named = |(cell, profile): (&String, &Profile)| {
        header::tier(cell) == NameTier::Related
            && (profile.addresses > 0 || header::fold(cell).contains("mail"))
    };
    if first.len() > 1 && first.iter().zip(below).any(is_named) {
        return true;
    }
    match best {
        Some((index, profile)) if profile.addresses > 0 => {
            first.get(index).is_some_and(|cell| !cell.trim().is_empty())
                && (profile.addresses * 2 >= profile.filled || stands_over_numbers(rows))
        }
        _ => first.len() > 1 && first.iter().all(|cell| !cell.trim().is_empty()),
    }
}

/// `true` if each cell of the first row is a word of its own, and one of them stands over cells
/// without a letter: numbers, dates or prices.
fn stands_over_numbers(rows: &[Vec<String>]) -> bool {
    let Some((first, below)) = rows.split_first() else { return false };
    let is_word = |cell: &str| cell.contains(char::is_alphabetic);
    let is_name =
        |(column, cell): (usize, &String)| is_word(cell) && !first[..column].contains(cell);
    let is_over_numbers = |column: usize| {
        let cells = below.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim());
        let filled = cells.clone().filter(|cell| !cell.is_empty()).count();
        filled > 1 && cells.into_iter().all(|cell| !is_word(cell))
    };
    first.iter().enumerate().all(is_name) && (0..first.len()).any(is_over_numbers)
}
