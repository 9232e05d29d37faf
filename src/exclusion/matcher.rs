//! The matcher: which addresses the suppression lists of a run exclude, and by what. Pure.

use std::collections::{BTreeSet, HashSet};

use super::domains::{DomainStanding, ExcludedDomain, ExcludedDomains};
use super::hashes::HashedAddresses;
use super::mailbox_hash::{mailbox_hash, subject_hash};
use crate::address::{Address, DomainName};
use crate::verifier::Subject;

/// All suppression lists of a run: an address or a domain of them costs the eight octets of a hash
/// and their place in a table, a hash its own octets.
#[derive(Debug, Default)]
pub struct ExclusionMatcher {
    addresses: HashSet<u64>,
    /// `true` if an address is excluded as it is spelled alone, whatever else it may be read as.
    is_by_spelling: bool,
    domains: ExcludedDomains,
    /// The domains of everybody among them.
    open_domains: BTreeSet<String>,
    hash_lists: Vec<HashList>,
}

/// A suppression list with hashes.
#[derive(Debug)]
pub(super) struct HashList {
    /// The name that people call it by.
    pub(super) name: String,
    pub(super) hashes: HashedAddresses,
}

/// The causes for which an address is excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ExclusionCauses {
    /// `true` if a list has the address itself.
    pub(super) is_named: bool,
    /// The domain that a list has, if one has it or one above it.
    pub(super) domain: Option<String>,
    /// The numbers of the lists that have a hash of it.
    pub(super) hash_lists: Vec<usize>,
}

impl ExclusionMatcher {
    /// The same matcher, by which an address is excluded as it is spelled alone.
    #[must_use]
    pub fn by_spelling(self) -> Self {
        Self { is_by_spelling: true, ..self }
    }

    /// Takes an address of a suppression list; `false` if the text holds none.
    pub fn exclude(&mut self, address: &str) -> bool {
        let subject = Subject::parse(address);
        // What is no address has a verdict of its own, in whatever column it stands. A run of an
        // older version left it out.
        if subject.address().is_some() || self.is_by_spelling {
            self.addresses.insert(subject_hash(&subject));
        }
        // Of two readings neither gets mail.
        if let Some(likely) = subject.likely() {
            self.addresses.insert(mailbox_hash(&likely.wire_utf8()));
        }
        subject.address().is_some() || subject.likely().is_some()
    }

    /// Takes a domain of a suppression list unless it is there by mistake, and returns its
    /// standing.
    pub(super) fn exclude_domain(&mut self, domain: &ExcludedDomain) -> DomainStanding {
        let standing = domain.standing();
        if standing != DomainStanding::Doubtful {
            self.domains.insert(domain);
        }
        if standing == DomainStanding::OpenToAll {
            self.open_domains.insert(domain.name.as_str().to_owned());
        }
        standing
    }

    /// Takes the hashes of the list that is called `name`.
    pub(super) fn exclude_hashes(&mut self, name: &str, mut hashes: HashedAddresses) {
        hashes.sort();
        self.hash_lists.push(HashList { name: name.to_owned(), hashes });
    }

    /// `true` if it excludes nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.domains.is_empty() && self.hash_lists.is_empty()
    }

    /// `true` if `address` is on a suppression list, or is in the place of one that is: of two
    /// readings neither gets mail.
    #[must_use]
    pub fn is_excluded(&self, address: &str) -> bool {
        !self.is_empty() && self.excludes(&Subject::parse(address))
    }

    /// The same, of an address that is parsed already.
    pub(super) fn excludes(&self, subject: &Subject) -> bool {
        self.holds_mailbox(subject)
            || self.has_domain_of(subject)
            || self.hash_lists_of(subject).next().is_some()
    }

    /// Number of addresses, domains and hashes that it holds.
    pub(super) fn len(&self) -> usize {
        let hashes: usize = self.hash_lists.iter().map(|list| list.hashes.len()).sum();
        self.addresses.len() + self.domains.len() + hashes
    }

    /// All causes for which `address` is excluded.
    pub(super) fn causes(&self, address: &str) -> ExclusionCauses {
        let subject = Subject::parse(address);
        let mut names = names(&subject);
        ExclusionCauses {
            is_named: self.holds_mailbox(&subject),
            domain: names.find_map(|name| self.domains.covering(name)).map(str::to_owned),
            hash_lists: self.hash_lists_of(&subject).collect(),
        }
    }

    /// The domains of everybody that are excluded.
    pub(super) fn open_domains(&self) -> &BTreeSet<String> {
        &self.open_domains
    }

    /// The lists with hashes.
    pub(super) fn hash_lists(&self) -> &[HashList] {
        &self.hash_lists
    }

    /// `true` if a list has the mailbox of `subject`, by any of its readings.
    fn holds_mailbox(&self, subject: &Subject) -> bool {
        let has = |hash| self.addresses.contains(&hash);
        let likely = subject.likely().filter(|_| !self.is_by_spelling);
        has(subject_hash(subject))
            || likely.is_some_and(|likely| has(mailbox_hash(&likely.wire_utf8())))
    }

    fn has_domain_of(&self, subject: &Subject) -> bool {
        !self.domains.is_empty() && names(subject).any(|name| self.domains.covering(name).is_some())
    }

    /// The numbers of the lists that have a hash of `subject`.
    fn hash_lists_of(&self, subject: &Subject) -> impl Iterator<Item = usize> {
        let texts = if self.hash_lists.is_empty() { Vec::new() } else { hashed_texts(subject) };
        let lists = self.hash_lists.iter().enumerate();
        lists
            .filter(move |(_, list)| texts.iter().any(|text| list.hashes.holds(text)))
            .map(|(number, _)| number)
    }
}

/// The address of `subject` and the one that it may stand for: neither gets mail if one is
/// excluded.
fn readings(subject: &Subject) -> impl Iterator<Item = &Address> {
    subject.address().into_iter().chain(subject.likely())
}

/// The domains of both.
fn names(subject: &Subject) -> impl Iterator<Item = &DomainName> {
    readings(subject).filter_map(Address::domain_name)
}

/// The texts that whoever made a hash may have hashed: the address as it is written, and with the
/// ASCII form of its domain, both in lower case.
fn hashed_texts(subject: &Subject) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !texts.contains(&text) {
            texts.push(text);
        }
    };
    // What is no address has a verdict of its own.
    if subject.address().is_some() {
        add(subject.text().trim().to_lowercase());
        add(subject.asked().to_lowercase());
    }
    for address in readings(subject) {
        add(address.wire_utf8().to_lowercase());
        add(format!("{}@{}", address.local(), address.domain()).to_lowercase());
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exclusion::hashes::AddressHash;

    /// SHA-256 of `info@bücher.test` and of `info@xn--bcher-kva.test`.
    const BOOKS: [&str; 2] = [
        "70253d1c3661f33dd1e1eb8e172b44b9e0587281b5bdf7da4187576bdef7ad6b",
        "317c227c67edca35db0f106d963bc9c0808048290c6d08d4e2deb931d29ecfa7",
    ];

    fn matcher_of_domains(cells: &[&str]) -> ExclusionMatcher {
        let mut matcher = ExclusionMatcher::default();
        for domain in cells.iter().flat_map(|cell| ExcludedDomain::all_in(cell)) {
            matcher.exclude_domain(&domain);
        }
        matcher
    }

    fn matcher_of_hashes(cells: &[&str]) -> ExclusionMatcher {
        let mut matcher = ExclusionMatcher::default();
        let mut hashes = HashedAddresses::default();
        cells.iter().filter_map(|cell| AddressHash::parse(cell)).for_each(|it| hashes.push(it));
        matcher.exclude_hashes("f.csv", hashes);
        matcher
    }

    #[test]
    fn a_domain_excludes_every_address_at_it_however_it_is_written() {
        let matcher = matcher_of_domains(&["@acme.test", "@b\u{fc}cher.test"]);
        for address in [
            "jane@acme.test",
            "Jane Doe <jane@ACME.test>",
            "info@b\u{fc}cher.test",
            "info@xn--bcher-kva.test",
            // Of two readings neither gets mail.
            "Jane jane@acme.test",
        ] {
            assert!(matcher.is_excluded(address), "{address}");
        }
        for address in ["jane@mail.acme.test", "jane@acme.test.example", "acme.test", "@acme.test"]
        {
            assert!(!matcher.is_excluded(address), "{address}");
        }
    }

    #[test]
    fn a_free_provider_is_excluded_where_it_is_marked_and_not_where_it_is_bare() {
        assert!(matcher_of_domains(&["gmail.com", "co.uk"]).is_empty());
        let matcher = matcher_of_domains(&["@gmail.com"]);
        assert!(matcher.is_excluded("jane@gmail.com") && !matcher.is_excluded("jane@acme.test"));
        assert!(matcher.open_domains().contains("gmail.com"));
    }

    #[test]
    fn a_hash_excludes_the_address_as_written_and_with_the_ascii_form_of_its_domain() {
        for hash in BOOKS {
            let matcher = matcher_of_hashes(&[hash]);
            assert!(matcher.is_excluded("Info@B\u{fc}cher.test"), "{hash}");
            assert!(matcher.is_excluded(" info@b\u{fc}cher.test"), "{hash}");
            assert!(!matcher.is_excluded("sales@b\u{fc}cher.test"), "{hash}");
        }
    }

    #[test]
    fn an_address_is_told_with_every_cause_for_which_it_is_excluded() {
        let mut matcher = matcher_of_hashes(&BOOKS);
        let by_hash = matcher.causes("info@b\u{fc}cher.test");
        assert_eq!(by_hash, ExclusionCauses { hash_lists: vec![0], ..ExclusionCauses::default() });
        assert!(matcher.exclude("info@b\u{fc}cher.test"));
        for domain in ExcludedDomain::all_in("@*.b\u{fc}cher.test") {
            matcher.exclude_domain(&domain);
        }
        let causes = matcher.causes("info@b\u{fc}cher.test");
        let domain = Some("xn--bcher-kva.test".to_owned());
        assert_eq!(causes, ExclusionCauses { is_named: true, domain, hash_lists: vec![0] });
        assert_eq!(matcher.causes("jane@acme.test"), ExclusionCauses::default());
    }
}
