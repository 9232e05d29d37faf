//! Counts of the rows that suppression lists excluded, by what, and what is said of them at the
//! end. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::matcher::ExclusionMatcher;
use crate::campaign::preflight::grouped;

/// Counts of excluded rows.
#[derive(Debug, Default)]
pub struct ExclusionCounts {
    /// Rows that are not asked about since a list has a domain, and no address of theirs.
    by_domain: u64,
    /// Rows that are not asked about by a hash alone.
    by_hash: u64,
    /// Rows with an address at each domain of everybody.
    by_open_domain: BTreeMap<String, u64>,
    /// The numbers of the lists of whose hashes one was of an address.
    matched_lists: BTreeSet<usize>,
}

impl ExclusionCounts {
    /// Counts a row of which `matcher` excludes these addresses; `is_asked`: about others of it.
    pub fn note(&mut self, matcher: &ExclusionMatcher, excluded: &[&str], is_asked: bool) {
        let mut open_domains = BTreeSet::new();
        for (place, address) in excluded.iter().enumerate() {
            let causes = matcher.causes(address);
            let decides = place == 0 && !is_asked && !causes.is_named;
            let (has_domain, has_hash) = (causes.domain.is_some(), !causes.hash_lists.is_empty());
            self.by_domain += u64::from(decides && has_domain);
            self.by_hash += u64::from(decides && !has_domain && has_hash);
            let is_open = |domain: &String| matcher.open_domains().contains(domain);
            open_domains.extend(causes.domain.filter(is_open));
            self.matched_lists.extend(causes.hash_lists);
        }
        for domain in open_domains {
            *self.by_open_domain.entry(domain).or_default() += 1;
        }
    }

    /// The part of the rows that domains and hashes excluded, in brackets; empty if none did.
    #[must_use]
    pub fn shares(&self) -> String {
        let by = |rows: u64, what: &str| (rows > 0).then(|| format!("{} by {what}", grouped(rows)));
        match (by(self.by_domain, "a domain"), by(self.by_hash, "a hash")) {
            (None, None) => String::new(),
            (Some(only), None) | (None, Some(only)) => format!(" ({only})"),
            (Some(domains), Some(hashes)) => format!(" ({domains}, {hashes})"),
        }
    }

    /// Sentences about what an owner of the lists may not have meant.
    #[must_use]
    pub fn notes(&self, matcher: &ExclusionMatcher) -> Vec<String> {
        let mut notes = Vec::new();
        for domain in matcher.open_domains() {
            let rows = self.by_open_domain.get(domain).copied().unwrap_or_default();
            let word = if rows == 1 { "row" } else { "rows" };
            notes.push(format!(
                "@{domain}, where anybody may have an address, excluded {} {word}",
                grouped(rows)
            ));
        }
        for (number, list) in matcher.hash_lists().iter().enumerate() {
            if !self.matched_lists.contains(&number) {
                let hashes = match list.hashes.len() {
                    1 => "the only hash".to_owned(),
                    several => format!("none of the {} hashes", grouped(several as u64)),
                };
                let verb = if list.hashes.len() == 1 { "matched no row" } else { "matched a row" };
                notes.push(format!(
                    "{hashes} of {} {verb}: if they are salted or of another form, nobody was \
                     excluded by it",
                    list.name
                ));
            }
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::super::domains::ExcludedDomain;
    use super::super::hashes::{AddressHash, HashedAddresses};
    use super::*;

    /// MD5 of `jane.doe@acme.test`, and of nothing that a row holds.
    const HASHES: [&str; 2] =
        ["efbd0da1b924f9ca6c60d9f43928b4f3", "0123456789abcdef0123456789ABCDEF"];

    fn matcher(domains: &str, lists: &[(&str, &[&str])]) -> ExclusionMatcher {
        let mut matcher = ExclusionMatcher::default();
        for domain in ExcludedDomain::all_in(domains) {
            matcher.exclude_domain(&domain);
        }
        for (name, cells) in lists {
            let mut hashes = HashedAddresses::default();
            cells.iter().filter_map(|cell| AddressHash::parse(cell)).for_each(|it| hashes.push(it));
            matcher.exclude_hashes(name, hashes);
        }
        matcher
    }

    #[test]
    fn a_list_of_hashes_of_which_none_matched_is_named() {
        let matcher = matcher("", &[("good.csv", &HASHES[..]), ("salted.csv", &HASHES[1..])]);
        let mut counts = ExclusionCounts::default();
        counts.note(&matcher, &["jane.doe@acme.test"], false);
        assert_eq!(counts.shares(), " (1 by a hash)");
        let said = "the only hash of salted.csv matched no row: if they are salted or of another \
                    form, nobody was excluded by it";
        assert_eq!(counts.notes(&matcher), [said]);
        let said = "none of the 2 hashes of good.csv matched a row: ";
        assert!(ExclusionCounts::default().notes(&matcher)[0].starts_with(said));
    }

    #[test]
    fn a_domain_of_everybody_is_named_with_the_rows_that_it_excluded() {
        let matcher = matcher("@gmail.com @acme.test @co.uk", &[]);
        let mut counts = ExclusionCounts::default();
        counts.note(&matcher, &["jane@gmail.com", "bob@gmail.com"], false);
        counts.note(&matcher, &["eve@gmail.com"], true);
        counts.note(&matcher, &["jane@acme.test"], false);
        assert_eq!(counts.shares(), " (2 by a domain)");
        assert_eq!(
            counts.notes(&matcher),
            [
                "@co.uk, where anybody may have an address, excluded 0 rows",
                "@gmail.com, where anybody may have an address, excluded 2 rows",
            ]
        );
    }
}
