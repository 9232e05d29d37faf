//! Which columns of a suppression list hold domains, and which hashes. Pure.
//!
//! A bare domain is one to exclude only where it is clear that domains are meant: in an export of
//! contacts it is the web site or the employer of somebody, and to exclude it would take all his
//! colleagues along. The rule is in `docs/lists.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::domains::{DomainForm, ExcludedDomain};
use super::hashes::AddressHash;
use crate::address::clean::clean;
use crate::listfile::{Format, Layout, Row};

/// The number of columns that are told apart: an object may have any number of keys.
const MOST_COLUMNS: usize = 1000;

/// A column: its number, or the keys of an object that lead to it.
pub(super) type ColumnKey = (usize, String);

/// A cell of a suppression list.
pub(super) struct ListCell {
    pub(super) column: ColumnKey,
    pub(super) text: String,
}

/// The cells of a row.
pub(super) fn cells(layout: &Layout, row: &Row) -> Vec<ListCell> {
    let is_by_key = layout.format == Format::JsonLines;
    let cells = layout.cells(row).into_iter().enumerate();
    cells
        .map(|(number, (keys, text))| ListCell {
            column: (if is_by_key { 0 } else { number }, keys),
            text,
        })
        .collect()
}

/// The cells of the header, if there is one. It may be the first row of a list without one: in a
/// table of domains or hashes no cell has an `@` by which a row is told from a header.
pub(super) fn header_cells(layout: &Layout) -> Vec<ListCell> {
    if !layout.has_header() {
        return Vec::new();
    }
    let names = layout.columns.iter().enumerate();
    names
        .map(|(number, name)| ListCell { column: (number, String::new()), text: name.clone() })
        .collect()
}

/// `true` if `names` are a row with something to exclude, and no names of columns. An export
/// without rows has names such as `user.mail` and `created.at` too.
pub(super) fn is_row(names: &[String]) -> bool {
    let contents: Vec<CellContent> = names.iter().map(|name| content(name)).collect();
    let is_certain = |it: &CellContent| matches!(it, CellContent::Hash | CellContent::MarkedDomain);
    let bare = contents.iter().filter(|it| matches!(it, CellContent::BareDomain { .. })).count();
    let is_known = contents.contains(&CellContent::BareDomain { is_known: true });
    contents.iter().any(is_certain) || bare == 1 && is_known
}

/// The columns that hold what is to be excluded beside addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ColumnRoles {
    /// The columns in which a bare domain is one to exclude.
    pub(super) domains: BTreeSet<ColumnKey>,
    /// The columns of hashes.
    pub(super) hashes: BTreeSet<ColumnKey>,
    /// Columns with a name for domains that exclude nobody: they tell of the addresses beside them.
    pub(super) beside: BTreeSet<ColumnKey>,
}

/// Counts of the cells of a suppression list, column by column.
#[derive(Debug, Default)]
pub(super) struct ColumnSurvey {
    columns: BTreeMap<ColumnKey, CellCounts>,
}

/// Counts of the cells of one column.
#[derive(Clone, Debug, Default)]
struct CellCounts {
    /// `true` if it is called a name for domains.
    is_headed: bool,
    filled: u64,
    addresses: u64,
    /// Cells of bare domains.
    domains: u64,
    /// Cells of domains under a suffix that is known, bare or not: `jane.doe` is under none.
    known_domains: u64,
    /// Cells of bare domains in whose rows an address, or the hash of one, stands too.
    beside_address: u64,
    hashes: u64,
}

/// The content of a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CellContent {
    Empty,
    Address,
    /// `is_known`: under suffixes that are known.
    BareDomain {
        is_known: bool,
    },
    MarkedDomain,
    Hash,
    Other,
}

impl ColumnSurvey {
    /// Counts the cells of the header, if it has any beside names.
    pub(super) fn note_header(&mut self, layout: &Layout) {
        for cell in header_cells(layout) {
            match content(&cell.text) {
                found @ (CellContent::BareDomain { .. } | CellContent::Hash) => {
                    self.count(&cell.column, found, false);
                }
                _ if is_domain_name(&cell.text) => self.head(&cell.column),
                _ => {}
            }
        }
    }

    /// Counts the cells of `row`.
    pub(super) fn note_row(&mut self, layout: &Layout, row: &Row, cells: &[ListCell]) {
        let contents: Vec<CellContent> = cells.iter().map(|cell| content(&cell.text)).collect();
        let has_address = cells.iter().zip(&contents).any(|(cell, found)| match found {
            CellContent::Address => true,
            CellContent::Hash => !is_record_id(column_name(layout, &cell.column)),
            _ => false,
        });
        for (cell, found) in cells.iter().zip(contents) {
            if is_heading(layout, row, &cell.text) {
                if is_domain_name(&cell.text) {
                    self.head(&cell.column);
                }
                continue;
            }
            self.count(&cell.column, found, has_address);
        }
    }

    /// The columns that hold what is to be excluded.
    pub(super) fn decide(&self) -> ColumnRoles {
        let addresses: u64 = self.columns.values().map(|counts| counts.addresses).sum();
        let mut roles = ColumnRoles::default();
        let mut by_content = Vec::new();
        for (column, counts) in &self.columns {
            if counts.is_nearly_all(counts.hashes) {
                roles.hashes.insert(column.clone());
            }
            // Of columns that nothing but their cells speak for, there is one, and no other has
            // addresses.
            let is_alone = counts.addresses == addresses && counts.beside_address == 0;
            if counts.domains > 0 && counts.is_headed && counts.beside_address > 0 {
                roles.beside.insert(column.clone());
            } else if counts.domains > 0 && counts.is_headed {
                roles.domains.insert(column.clone());
            } else if counts.domains > 0 && is_alone && counts.is_nearly_all(counts.known_domains) {
                by_content.push(column);
            }
        }
        if let [only] = by_content[..]
            && roles.domains.is_empty()
        {
            roles.domains.insert(only.clone());
        }
        roles
    }

    /// Notes that a column is called a name for domains.
    fn head(&mut self, column: &ColumnKey) {
        if let Some(counts) = self.counts(column) {
            counts.is_headed = true;
        }
    }

    fn count(&mut self, column: &ColumnKey, content: CellContent, is_beside_address: bool) {
        let Some(counts) = self.counts(column) else { return };
        counts.filled += u64::from(content != CellContent::Empty);
        match content {
            CellContent::Empty | CellContent::Other => {}
            CellContent::Address => counts.addresses += 1,
            CellContent::Hash => counts.hashes += 1,
            CellContent::MarkedDomain => counts.known_domains += 1,
            CellContent::BareDomain { is_known } => {
                counts.domains += 1;
                counts.known_domains += u64::from(is_known);
                counts.beside_address += u64::from(is_beside_address);
            }
        }
    }

    /// The counts of a column; `None` if there are too many.
    fn counts(&mut self, column: &ColumnKey) -> Option<&mut CellCounts> {
        if self.columns.len() >= MOST_COLUMNS && !self.columns.contains_key(column) {
            return None;
        }
        let fresh = || CellCounts {
            is_headed: column.1.rsplit('.').next().is_some_and(is_domain_name),
            ..CellCounts::default()
        };
        Some(self.columns.entry(column.clone()).or_insert_with(fresh))
    }
}

impl CellCounts {
    /// `true` if nine of ten cells that are not empty are among `counted`.
    fn is_nearly_all(&self, counted: u64) -> bool {
        counted > 0 && counted * 10 >= self.filled * 9
    }
}

fn content(text: &str) -> CellContent {
    if text.trim().is_empty() {
        return CellContent::Empty;
    }
    if text.contains(['@', '\u{ff20}']) {
        let address = clean(text).address;
        let is_domain = address.starts_with('@') || address.starts_with("*@");
        if !address.is_empty() && !is_domain {
            return CellContent::Address;
        }
    }
    if AddressHash::parse(text).is_some() {
        return CellContent::Hash;
    }
    let domains = ExcludedDomain::all_in(text);
    match domains.first().map(|domain| domain.form) {
        // `jane (at) acme.test` excludes her, and stands for an address here too.
        None if text.contains(['(', '[', '{']) && clean(text).likely.is_some() => {
            CellContent::Address
        }
        None => CellContent::Other,
        Some(DomainForm::Marked | DomainForm::Above) => CellContent::MarkedDomain,
        Some(DomainForm::Bare) => CellContent::BareDomain {
            is_known: domains.iter().all(|domain| domain.name.has_known_suffix()),
        },
    }
}

/// `true` for a cell of the first row, above domains or hashes, that names its column: a reader
/// that looks for addresses takes it for a row.
pub(super) fn is_heading(layout: &Layout, row: &Row, text: &str) -> bool {
    row.number() == 1
        && !layout.has_header()
        && layout.format != Format::JsonLines
        && (is_domain_name(text) || is_hash_name(text))
}

/// Names of columns of domains, folded; in English whatever ends in one.
const ENDINGS: [&str; 4] = ["domain", "domains", "domainname", "domainnames"];

/// The same in other languages.
const FOREIGN: [&str; 14] = [
    "domäne",
    "domänen",
    "domaene",
    "domaenen",
    "domaine",
    "domaines",
    "dominio",
    "dominios",
    "domini",
    "domínio",
    "domínios",
    "domein",
    "domeinen",
    "домен",
];

/// `true` for the name of a column of domains: `Domain`, `blocked_domains`, `Domain name`.
fn is_domain_name(name: &str) -> bool {
    let is_word = !name.contains(['.', '@']);
    is_word && {
        let folded = folded(name);
        ENDINGS.iter().any(|ending| folded.ends_with(ending)) || FOREIGN.contains(&&*folded)
    }
}

/// The name of a column; of an object the last of its keys.
fn column_name<'n>(layout: &'n Layout, (number, keys): &'n ColumnKey) -> &'n str {
    match layout.format {
        Format::JsonLines => keys.rsplit('.').next().unwrap_or_default(),
        _ => numbered_column(layout, *number),
    }
}

/// The name of the column with this number; empty if it has none.
pub(super) fn numbered_column(layout: &Layout, number: usize) -> &str {
    layout.columns.get(number).map_or("", String::as_str)
}

/// `true` for the name of a column that numbers records, `id`, `sys_id` or `UUID`: some systems
/// write numbers of as many hexadecimal digits as a hash has.
fn is_record_id(name: &str) -> bool {
    let folded = folded(name);
    folded.ends_with("id") && !folded.contains("mail") && !is_hash_name(name)
}

/// `true` for the name of a column of hashes: `md5`, `email_sha256`, `Hashed Email`.
fn is_hash_name(name: &str) -> bool {
    let is_word = !name.contains(['.', '@']);
    is_word && {
        let folded = folded(name);
        ["md5", "sha1", "sha256", "hash"].iter().any(|kind| folded.contains(kind))
    }
}

/// Letters and digits, in lower case.
fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listfile::{Reader, ReaderOptions};

    /// The numbers of the columns of domains, of hashes, and of domains beside addresses.
    fn roles(list: &str) -> String {
        let column = Some("0000001".to_owned());
        let options = ReaderOptions { column, ..ReaderOptions::default() };
        let mut reader = Reader::open(list.as_bytes(), &options).unwrap();
        let mut survey = ColumnSurvey::default();
        survey.note_header(reader.layout());
        let mut row = Row::default();
        while reader.read(&mut row).unwrap() {
            survey.note_row(reader.layout(), &row, &cells(reader.layout(), &row));
        }
        let ColumnRoles { domains, hashes, beside } = survey.decide();
        let numbers = |columns: BTreeSet<ColumnKey>| -> Vec<usize> {
            columns.into_iter().map(|column| column.0).collect()
        };
        format!("{:?} {:?} {:?}", numbers(domains), numbers(hashes), numbers(beside))
    }

    #[test]
    fn a_column_of_domains_is_known_by_its_name_or_by_its_cells() {
        for list in [
            "domain\nacme.test\nAcme\n",
            "Domain,Reason\nacme.test,competitor\n",
            "Blocked domains,Reason\nacme.test,competitor\n",
            "acme.com\nacme.de\nb\u{fc}cher.de\n",
            "@acme.test\nacme.de\n*.acme.com\n",
            "mail.de\nacme.de\n",
            "acme.com,competitor\nacme.de,customer\n",
            "{\"domain\":\"acme.test\",\"why\":\"competitor\"}\n",
            "website,name\nacme.com,Acme\nacme.de,Acme\n",
        ] {
            assert_eq!(roles(list), "[0] [] []", "{list}");
        }
    }

    #[test]
    fn a_web_site_beside_addresses_is_no_domain_to_exclude() {
        for list in [
            "email,website\njane@acme.com,acme.com\nbob@acme.com,acme.com\n,acme.de\n",
            "{\"email\":\"jane@acme.com\",\"site\":\"acme.com\"}\n",
            // Either may be meant.
            "site,registrar\nacme.com,acme.net\nacme.de,acme.org\n",
            // Names of people, and too few domains.
            "user\njane.doe\njohn.smith\n",
            "jane@acme.com\nacme.com\n",
        ] {
            assert_eq!(roles(list), "[] [] []", "{list}");
        }
        let list = "email,domain\njane@acme.com,acme.com\n,acme.de\n";
        assert_eq!(roles(list), "[] [] [1]");
        let list = "email,domain\njane (at) acme.com,acme.com\nbob[at]acme.com,acme.com\n";
        assert_eq!(roles(list), "[] [] [1]", "spelled out");
        let list = "email,domain\njane@acme.com,\n,acme.de\n";
        assert_eq!(roles(list), "[1] [] []", "each row has the one or the other");
    }

    #[test]
    fn a_domain_beside_the_hash_of_an_address_is_that_of_somebody_and_not_beside_a_number() {
        let hash = "0123456789abcdef".repeat(2);
        let rows = format!("{hash},acme.com\n{hash},acme.de\n");
        assert_eq!(roles(&format!("email_md5,domain\n{rows}")), "[] [0] [1]");
        assert_eq!(roles(&format!("email_md5,site\n{rows}")), "[] [0] []");
        assert_eq!(roles(&format!("sys_id,domain\n{rows}")), "[1] [0] []");
        let object = format!("{{\"email_id\":\"{hash}\",\"domain\":\"acme.com\"}}\n");
        assert_eq!(roles(&object), "[] [0] [0]");
    }

    #[test]
    fn a_column_of_hashes_is_known_by_its_cells() {
        let (md5, sha1) = ("0123456789abcdef".repeat(2), "0123456789".repeat(4));
        for list in [
            format!("{md5}\n{md5}\n"),
            format!("md5\n{md5}\n{sha1}\n"),
            format!("email\n{sha1}\n"),
            format!("{md5},2024\n{sha1},2025\n"),
        ] {
            assert_eq!(roles(&list), "[] [0] []", "{list}");
        }
        let list = format!("id,note\n1,{md5}\n2,word\n");
        assert_eq!(roles(&list), "[] [] []");
    }
}
