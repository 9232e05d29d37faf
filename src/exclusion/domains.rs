//! Whole domains on a suppression list: how a cell names them, and the set of them. Pure.

use std::collections::HashSet;

use super::mailbox_hash::text_hash;
use crate::address::{Address, DomainName};
use crate::lists::Lists;

/// The signs that stand between the labels of a name (RFC 3490 section 3.1).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// The form in which a cell names a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DomainForm {
    /// `@example.com` or `*@example.com`: its addresses are meant, whatever it is.
    Marked,
    /// `*.example.com` or `.example.com`: no web site is written like this.
    Above,
    /// `example.com`, which may be a web site.
    Bare,
}

/// The standing of a domain that is to be excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DomainStanding {
    /// It has a holder, and the addresses at it are of his.
    Held,
    /// A free provider or a public suffix, written so that nothing else can be meant.
    OpenToAll,
    /// A free provider or a public suffix, which may be there by mistake: it excludes nobody.
    Doubtful,
}

/// A domain that a cell names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExcludedDomain {
    pub(super) name: DomainName,
    pub(super) form: DomainForm,
    /// `true` if the domains below it are meant too.
    has_subdomains: bool,
}

impl ExcludedDomain {
    /// The domain that a word names; `None` if it names none.
    fn parse(word: &str) -> Option<Self> {
        let marked = word.strip_prefix("*@").or_else(|| word.strip_prefix('@'));
        let rest = marked.unwrap_or(word);
        let above = rest.strip_prefix("*.").or_else(|| rest.strip_prefix('.'));
        let text = above.unwrap_or(rest);
        // Most words of a list are addresses or hashes: they are told apart without parsing.
        if text.contains('@') || marked.is_none() && !text.contains(DOTS) {
            return None;
        }
        let name = DomainName::parse(text).ok()?;
        let has_dot = name.as_str().contains('.');
        // `@acme` is an account of a social network, `12.50` a price.
        let is_name = has_dot || marked.is_some() && name.has_known_suffix();
        if !is_name || !name.tld().contains(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let form = match (marked, above) {
            (Some(_), _) => DomainForm::Marked,
            (None, Some(_)) => DomainForm::Above,
            (None, None) => DomainForm::Bare,
        };
        // No address is at a web server, and its owner would take it for excluded.
        if form == DomainForm::Bare && name.as_str().starts_with("www.") {
            return None;
        }
        Some(Self { name, form, has_subdomains: above.is_some() })
    }

    /// The domains that a cell names; none if anything stands in it that is neither a domain of the
    /// same form nor an address. `jane.doe @acme.test` names no domain.
    pub(super) fn all_in(cell: &str) -> Vec<Self> {
        let (mut found, mut others) = (Vec::<Self>::new(), Vec::new());
        if !cell.contains('@') && !cell.contains(DOTS) {
            return found;
        }
        for word in cell.split(divides).filter(|word| !word.is_empty()) {
            match Self::parse(word) {
                Some(domain) if found.first().is_some_and(|it| it.form != domain.form) => {
                    return Vec::new();
                }
                Some(domain) => found.push(domain),
                None => others.push(word),
            }
        }
        // Beside an address only a mark says that a domain is meant.
        let is_marked = found.first().is_some_and(|it| it.form == DomainForm::Marked);
        let is_clear = is_marked && others.iter().all(|word| Address::parse(word).is_ok());
        if !others.is_empty() && !is_clear || is_marked && is_torn(cell) {
            found.clear();
        }
        found
    }

    /// The standing of the domain, by its form and by the built-in list of free providers.
    pub(super) fn standing(&self) -> DomainStanding {
        // Nobody holds a suffix: a registry gives out the names below it.
        let is_open =
            self.name.organisational().is_none() || Lists::built_in().is_free_provider(&self.name);
        match (is_open, self.form) {
            (false, _) => DomainStanding::Held,
            (true, DomainForm::Marked) => DomainStanding::OpenToAll,
            (true, DomainForm::Above | DomainForm::Bare) => DomainStanding::Doubtful,
        }
    }
}

/// `true` for a sign that stands between addresses, or between domains.
pub(super) fn divides(c: char) -> bool {
    c.is_whitespace() || ",;:|<>()[]\"".contains(c)
}

/// `true` if an `@` that begins a word is the one of an address: behind a quoted local part, as in
/// `"jane@home.test"@acme.test`, or in the route of `<@relay.test:jane@acme.test>`.
fn is_torn(cell: &str) -> bool {
    cell.match_indices('@').any(|(at, _)| {
        let mut before = cell[..at].chars().rev();
        let (touching, beyond) = (before.next(), before.next());
        let is_behind = touching.is_some_and(|c| "\">)]".contains(c))
            && beyond.is_some_and(|c| !c.is_whitespace() && !",;:|<([".contains(c));
        let rest = &cell[at + 1..];
        let behind_name = rest.find(divides).map_or("", |end| &rest[end..]);
        let next = behind_name.strip_prefix(':').and_then(|it| it.split(divides).next());
        let has_mailbox = next.is_some_and(|it| !it.starts_with("*@") && it.find('@') > Some(0));
        is_behind || touching.is_none_or(divides) && has_mailbox
    })
}

/// The domains of all suppression lists: each costs the eight octets of its hash.
#[derive(Debug, Default)]
pub(super) struct ExcludedDomains {
    /// Every domain.
    exact: HashSet<u64>,
    /// Those of them whose subdomains are meant too.
    above: HashSet<u64>,
}

impl ExcludedDomains {
    /// Takes a domain, whatever its standing.
    pub(super) fn insert(&mut self, domain: &ExcludedDomain) {
        let hash = text_hash(domain.name.as_str());
        self.exact.insert(hash);
        if domain.has_subdomains {
            self.above.insert(hash);
        }
    }

    /// `true` if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    /// Number of domains.
    pub(super) fn len(&self) -> usize {
        self.exact.len()
    }

    /// The domain by which an address at `name` is excluded: it or one above it.
    pub(super) fn covering<'n>(&self, name: &'n DomainName) -> Option<&'n str> {
        let name = name.as_str();
        if self.exact.contains(&text_hash(name)) {
            return Some(name);
        }
        if self.above.is_empty() {
            return None;
        }
        let dots = name.match_indices('.');
        dots.map(|(at, _)| &name[at + 1..]).find(|above| self.above.contains(&text_hash(above)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The domains that a cell names, each with the form it is written in.
    fn named(cell: &str) -> Vec<(String, DomainForm)> {
        let all = ExcludedDomain::all_in(cell).into_iter();
        all.map(|domain| (domain.name.to_string(), domain.form)).collect()
    }

    fn set(cells: &[&str]) -> ExcludedDomains {
        let mut domains = ExcludedDomains::default();
        for cell in cells {
            ExcludedDomain::all_in(cell).iter().for_each(|domain| domains.insert(domain));
        }
        domains
    }

    fn has(domains: &ExcludedDomains, name: &str) -> bool {
        domains.covering(&DomainName::parse(name).unwrap()).is_some()
    }

    #[test]
    fn a_domain_is_known_in_each_form_that_people_write() {
        use DomainForm::{Above, Bare, Marked};
        for (cell, form) in [
            ("@Acme.test", Marked),
            (" *@acme.test ", Marked),
            ("<@acme.test>", Marked),
            ("@*.acme.test", Marked),
            ("*.acme.test", Above),
            (".acme.test", Above),
            ("acme.test", Bare),
            ("ACME.test.", Bare),
        ] {
            assert_eq!(named(cell), [("acme.test".to_owned(), form)], "{cell}");
        }
        for cell in ["@b\u{fc}cher.test", "@xn--bcher-kva.test"] {
            assert_eq!(named(cell), [("xn--bcher-kva.test".to_owned(), Marked)], "{cell}");
        }
        for cell in [
            "@a.test; @b.test",
            "\"@a.test\",\"@b.test\"",
            "[\"@a.test\", \"@b.test\"]",
            "<@a.test> <@b.test>",
            "@a.test:*@b.test",
            "jane@a.test:bob@a.test,@a.test,@b.test",
        ] {
            assert_eq!(named(cell).len(), 2, "{cell}");
        }
        assert_eq!(named("jane@a.test, @b.test"), [("b.test".to_owned(), Marked)]);
    }

    #[test]
    fn what_only_looks_like_a_domain_is_none() {
        for cell in [
            "",
            "acme",
            "@acme",
            "jane@acme.test",
            "jane.doe @acme.test",
            "jane @acme.test",
            "jane@acme .test",
            "jane@a.test, b.test",
            "www.acme.test",
            "https://acme.test",
            "acme.test/shop",
            "12.50",
            "@[192.0.2.1]",
            "follow @acme.test now",
            // Addresses whose local part is quoted, or that have a route.
            "\"jane@home.test\"@acme.test",
            "<jane@home.test>@acme.test",
            "\"\"@acme.test",
            "<@relay.test:jane@acme.test>",
            "@a.test,@b.test:jane@acme.test",
            "Acme Inc.",
        ] {
            assert!(named(cell).is_empty(), "{cell}");
        }
    }

    #[test]
    fn subdomains_are_covered_only_where_they_are_written() {
        let domains = set(&["@a.test", "*.b.test", ".c.test"]);
        assert!(has(&domains, "a.test") && !has(&domains, "mail.a.test"));
        for name in ["b.test", "mail.b.test", "x.y.b.test", "c.test", "mail.c.test"] {
            assert!(has(&domains, name), "{name}");
        }
        assert!(!has(&domains, "ab.test") && !has(&domains, "test"));
    }

    #[test]
    fn a_domain_is_one_in_either_form_of_an_international_name() {
        let domains = set(&["@b\u{fc}cher.test"]);
        assert!(has(&domains, "xn--bcher-kva.test") && has(&domains, "B\u{dc}CHER.test"));
    }

    #[test]
    fn a_provider_or_a_suffix_is_meant_only_where_it_is_marked() {
        use DomainStanding::{Doubtful, Held, OpenToAll};
        for (cell, standing) in [
            ("gmail.com", Doubtful),
            ("*.gmail.com", Doubtful),
            ("co.uk", Doubtful),
            (".co.uk", Doubtful),
            ("@gmail.com", OpenToAll),
            ("*@co.uk", OpenToAll),
            ("@com", OpenToAll),
            ("acme.test", Held),
            ("acme.co.uk", Held),
        ] {
            assert_eq!(ExcludedDomain::all_in(cell)[0].standing(), standing, "{cell}");
        }
    }
}
