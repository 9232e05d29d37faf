//! The findings about a suppression list, and how they are said to its owner. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::domains::{DomainStanding, ExcludedDomain};
use crate::campaign::preflight::grouped;

/// The number of columns, or of domains, that are named.
const NAMED: usize = 5;

/// The findings about a suppression list. `Display` says them to its owner.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ExclusionSummary {
    /// Addresses, each as often as it stands there.
    pub(super) addresses: u64,
    /// Domains, each as often as it stands there.
    pub(super) domains: u64,
    /// Hashes, each as often as it stands there.
    pub(super) hashes: u64,
    /// The columns that hold them, with their names.
    pub(super) columns: BTreeMap<usize, String>,
    /// Columns with a name for domains that exclude nobody, since they stand beside addresses or
    /// hashes of them.
    pub(super) beside: Vec<String>,
    /// Some of the domains of everybody that are excluded.
    open: BTreeSet<String>,
    /// Some of those that are not, for they may be there by mistake.
    doubtful: BTreeSet<String>,
    /// Rows with something in them that excludes nobody.
    without: u64,
    /// The number of the first of them, and the line it begins on.
    first_without: Option<(u64, u64)>,
}

impl ExclusionSummary {
    /// Number of addresses, domains and hashes.
    pub(super) fn taken(&self) -> u64 {
        self.addresses + self.domains + self.hashes
    }

    /// `true` if every row with something in it excludes somebody, or some do.
    pub(super) fn is_list(&self) -> bool {
        self.taken() > 0 || self.without == 0
    }

    /// Counts a domain with this standing.
    pub(super) fn note_domain(&mut self, domain: &ExcludedDomain, standing: DomainStanding) {
        let named = match standing {
            DomainStanding::Held => None,
            DomainStanding::OpenToAll => Some(&mut self.open),
            DomainStanding::Doubtful => Some(&mut self.doubtful),
        };
        // One more than is named shows that there are more.
        if let Some(named) = named.filter(|named| named.len() <= NAMED) {
            named.insert(domain.name.as_str().to_owned());
        }
        self.domains += u64::from(standing != DomainStanding::Doubtful);
    }

    /// `true` if there is a domain that may be there by mistake.
    pub(super) fn has_doubtful(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// What to do about domains that may be there by mistake, if there are any.
    pub(super) fn doubtful_sentence(&self) -> Option<String> {
        (!self.doubtful.is_empty()).then(|| {
            format!(
                "nobody is excluded at {}, where anybody may have an address: write it with an @ \
                 before it if everybody is meant",
                listed(&self.doubtful)
            )
        })
    }

    /// Notes the column of something to exclude.
    pub(super) fn note_column(&mut self, number: usize, name: &str) {
        self.columns.entry(number).or_insert_with(|| name.to_owned());
    }

    /// Counts a row, by its number and its line, that excludes nobody.
    pub(super) fn note_without(&mut self, place: (u64, u64)) {
        self.without += 1;
        self.first_without.get_or_insert(place);
    }
}

impl fmt::Display for ExclusionSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to exclude", self.counts())?;
        for (place, (column, name)) in self.columns.iter().take(NAMED).enumerate() {
            let before = if place == 0 { ", in" } else { " and" };
            write!(f, "{before} column {} {name:?}", column + 1)?;
        }
        if let more @ 1.. = self.columns.len().saturating_sub(NAMED) {
            write!(f, " and {more} more")?;
        }
        if !self.open.is_empty() {
            let domains = listed(&self.open);
            write!(f, "; everybody is excluded at {domains}, where anybody may have an address")?;
        }
        if let Some(sentence) = self.doubtful_sentence() {
            write!(f, "; {sentence}")?;
        }
        for column in &self.beside {
            write!(
                f,
                "; {column} stands beside addresses or hashes of them, and its domains exclude \
                 nobody: write @example.com to exclude one"
            )?;
        }
        let Some((row, line)) = self.first_without else { return Ok(()) };
        let rows = if self.without == 1 { "row has" } else { "rows have" };
        write!(
            f,
            "; {} {rows} no address, and no domain or hash that is clear (first: row {row}, line \
             {line}): @example.com is a domain wherever it stands",
            grouped(self.without)
        )
    }
}

impl ExclusionSummary {
    /// The numbers of addresses, domains and hashes; of addresses also if there is none of all.
    fn counts(&self) -> String {
        let kinds = [
            (self.addresses, "address", "addresses"),
            (self.domains, "domain", "domains"),
            (self.hashes, "hash", "hashes"),
        ];
        let said = |(number, one, several): (u64, &str, &str)| {
            format!("{} {}", grouped(number), if number == 1 { one } else { several })
        };
        let mut parts: Vec<String> =
            kinds.into_iter().filter(|(number, ..)| *number > 0).map(said).collect();
        match parts.pop() {
            None => said(kinds[0]),
            Some(last) if parts.is_empty() => last,
            Some(last) => format!("{} and {last}", parts.join(", ")),
        }
    }
}

/// The first of `names`, and a word for more.
fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let more = if names.len() > NAMED { " and more" } else { "" };
    format!("{}{more}", shown.join(", "))
}
