//! Mail domains that many people have: what mistyped ones are turned to, and what is real and
//! left alone.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::address::provider;

/// Domains that mistyped ones are turned to, the most used first.
pub(super) static TARGETS: LazyLock<Vec<&'static str>> = LazyLock::new(|| section("to").collect());

/// Domains known to be real, targets among them.
pub(super) static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    section("known").chain(TARGETS.iter().copied()).chain(provider::domains()).collect()
});

/// The targets by their skeletons (UTS 39 section 4): what looks the same has the same one.
pub(super) static SKELETONS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    TARGETS
        .iter()
        .rev()
        .map(|domain| (unicode_security::skeleton(domain).collect(), *domain))
        .collect()
});

/// Names so much bigger than their look-alikes that even another real top-level domain is more
/// likely a mistake: `gmail.co`.
pub(super) const GIANTS: &[&str] =
    &["gmail.com", "hotmail.com", "yahoo.com", "outlook.com", "icloud.com"];

fn section(name: &'static str) -> impl Iterator<Item = &'static str> {
    let lines = include_str!("domains.txt").lines();
    lines
        .filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '))
        .flat_map(|domains| domains.split(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::DomainName;

    #[test]
    fn every_popular_domain_is_a_domain_below_a_known_suffix() {
        for domain in KNOWN.iter() {
            let parsed = DomainName::parse(domain).expect(domain);
            assert_eq!(parsed.as_str(), *domain);
            assert!(parsed.has_known_suffix(), "{domain}");
        }
        assert!(TARGETS.len() > 100);
        assert!(GIANTS.iter().all(|giant| TARGETS.contains(giant)));
    }
}
