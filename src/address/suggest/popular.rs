//! Mail domains that many people have: what mistyped ones are turned to, and what is real and
//! left alone.

use std::sync::LazyLock;

use foldhash::{HashMap, HashSet};

use super::MISTYPED_COM;
use crate::address::provider;

/// A domain that mistyped ones are turned to.
#[derive(Clone, Copy, Debug)]
pub(super) struct PopularDomain<'a> {
    pub(super) whole: &'a str,
    /// Before its first dot, and behind it.
    pub(super) name: &'a str,
    pub(super) suffix: &'a str,
    /// One of [`GIANTS`].
    pub(super) is_giant: bool,
}

impl<'a> PopularDomain<'a> {
    /// `None` for what has no dot.
    pub(super) fn cut(whole: &'a str) -> Option<Self> {
        let (name, suffix) = whole.split_once('.')?;
        Some(Self { whole, name, suffix, is_giant: GIANTS.contains(&whole) })
    }
}

/// Domains that mistyped ones are turned to, the most used first.
pub(super) static TARGETS: LazyLock<Vec<PopularDomain<'static>>> =
    LazyLock::new(|| section("to").filter_map(PopularDomain::cut).collect());

/// The targets that a domain below an existing suffix can be turned to, by that suffix: those below
/// it, and the giants.
static ON_SUFFIX: LazyLock<HashMap<&'static str, Vec<PopularDomain<'static>>>> =
    LazyLock::new(|| {
        let suffixes = TARGETS.iter().map(|target| target.suffix);
        suffixes.chain([""]).map(|suffix| (suffix, reachable_from(suffix))).collect()
    });

/// The targets that a domain below this existing suffix can be turned to, the most used first.
pub(super) fn on_suffix(suffix: &str) -> &'static [PopularDomain<'static>] {
    ON_SUFFIX.get(suffix).unwrap_or_else(|| &ON_SUFFIX[""])
}

fn reachable_from(suffix: &str) -> Vec<PopularDomain<'static>> {
    TARGETS.iter().copied().filter(|target| target.is_giant || target.suffix == suffix).collect()
}

/// Domains known to be real: targets, providers, and the built-in list of free ones among them.
pub(super) static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    section("known")
        .chain(TARGETS.iter().map(|target| target.whole))
        .chain(provider::domains())
        .chain(free_providers())
        .collect()
});

/// The domains of the built-in list of free providers, but for those that a hand makes out of a
/// giant's: `hotmail.co` is real, and still more likely a mistake.
pub(super) fn free_providers() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("../../lists/data/free.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).filter(|name| {
        let slip = MISTYPED_COM.iter().find_map(|suffix| name.strip_suffix(suffix));
        slip.is_none_or(|start| !GIANTS.contains(&format!("{start}com").as_str()))
    })
}

/// The targets by their skeletons (UTS 39 section 4): what looks the same has the same one.
pub(super) static SKELETONS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    TARGETS
        .iter()
        .rev()
        .map(|target| (unicode_security::skeleton(target.whole).collect(), target.whole))
        .collect()
});

/// The skeletons of the ASCII characters. That of a text of them is theirs, one after the other:
/// there is nothing in them to compose.
pub(super) static ASCII_SKELETONS: LazyLock<[String; 128]> = LazyLock::new(|| {
    std::array::from_fn(|code| {
        let character = char::from(u8::try_from(code).unwrap_or(0));
        unicode_security::skeleton(character.encode_utf8(&mut [0; 4])).collect()
    })
});

/// Names so much bigger than their look-alikes that even another real top-level domain is more
/// likely a mistake: `gmail.co`.
pub(super) const GIANTS: &[&str] =
    &["gmail.com", "hotmail.com", "yahoo.com", "outlook.com", "icloud.com"];

/// `true` for the name of a giant, below whatever suffix: `yahoo` in `yahoo.fr`.
pub(super) fn is_name_of_giant(name: &str) -> bool {
    GIANTS.iter().any(|giant| giant.split('.').next() == Some(name))
}

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
    fn the_skeleton_of_ascii_is_that_of_its_characters() {
        for pair in 0..128_u16 * 128 {
            let [first, second] = [pair / 128, pair % 128].map(|code| u8::try_from(code).unwrap());
            let text = String::from_utf8(vec![first, second]).unwrap();
            let whole: String = unicode_security::skeleton(&text).collect();
            let parts = [first, second].map(|byte| ASCII_SKELETONS[usize::from(byte)].as_str());
            assert_eq!(parts.concat(), whole);
        }
    }

    #[test]
    fn every_popular_domain_is_a_domain_below_a_known_suffix() {
        for domain in KNOWN.iter() {
            let parsed = DomainName::parse(domain).expect(domain);
            assert_eq!(parsed.as_str(), *domain);
            assert!(parsed.has_known_suffix(), "{domain}");
        }
        assert!(TARGETS.len() > 100);
        let giants = TARGETS.iter().filter(|target| target.is_giant);
        assert_eq!(giants.count(), GIANTS.len());
    }
}
