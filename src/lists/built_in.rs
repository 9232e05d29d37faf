//! The built-in lists.
//!
//! Our own are the files in `data/`, in the format users write. The disposable domains come from
//! the crate `mailchecker`, corrected by `data/disposable.txt`. All are packed once, on first use.

use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

use super::file::ListEntries;
use super::kind::{ListKind, ListSource, Origin};
use super::layers::pack;
use super::name_set::NameSet;

/// The crate the disposable domains come from: name, version, licence, and the day it was
/// published, from the registry's index.
const CRATE: &str = "mailchecker";
const CRATE_VERSION: &str = "6.0.21";
const CRATE_LICENCE: &str = "MIT";
const CRATE_DATE: &str = "2026-07-19";

/// Our names, packed, and where they come from.
pub(super) struct BuiltIn {
    sets: [NameSet; ListKind::ALL.len()],
    pub(super) sources: Vec<ListSource>,
}

/// The one copy in this process.
pub(super) static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(BuiltIn::read);

impl BuiltIn {
    fn read() -> Self {
        let mut sources = Vec::new();
        let sets = ListKind::ALL.map(|kind| {
            let entries = entries(kind);
            if kind == ListKind::Disposable {
                sources.push(crate_source());
            }
            sources.push(ListSource {
                kind,
                origin: Origin::BuiltIn,
                licence: entries.licence.clone(),
                date: entries.date.clone(),
                count: entries.added.len(),
                removed: entries.removed.len(),
            });
            if kind == ListKind::Disposable {
                disposable(&entries)
            } else {
                pack(kind, &entries.added)
            }
        });
        Self { sets, sources }
    }

    /// Our names of one kind.
    pub(super) fn of(&self, kind: ListKind) -> &NameSet {
        &self.sets[kind as usize]
    }

    /// The heap size of the built-in names, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.sets.iter().map(NameSet::heap_bytes).sum()
    }
}

fn crate_source() -> ListSource {
    ListSource {
        kind: ListKind::Disposable,
        origin: Origin::Crate { name: CRATE, version: CRATE_VERSION },
        licence: Some(CRATE_LICENCE.to_owned()),
        date: Some(CRATE_DATE.to_owned()),
        count: mailchecker::blacklist().len(),
        removed: 0,
    }
}

/// The crate's names and our additions, less what we take out. A name is taken out alone: the
/// subdomains the crate lists by name stay.
fn disposable(ours: &ListEntries) -> NameSet {
    let removed: HashSet<&str> = ours.removed.iter().map(String::as_str).collect();
    let theirs = mailchecker::blacklist();
    let theirs = theirs.iter().copied().filter(|name| !removed.contains(name));
    NameSet::new(theirs.chain(ours.added.iter().map(String::as_str)))
}

/// The entries of the built-in file of one kind.
fn entries(kind: ListKind) -> ListEntries {
    let text = match kind {
        ListKind::Role => include_str!("data/role.txt"),
        ListKind::Free => include_str!("data/free.txt"),
        ListKind::Disposable => include_str!("data/disposable.txt"),
        ListKind::DisposableExchangers => include_str!("data/disposable_exchangers.txt"),
        ListKind::Relay => include_str!("data/relay.txt"),
    };
    ListEntries::parse(kind, Path::new(kind.name()), text)
        .expect("the text is part of the program, and every test that asks a list reads it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_named_is_the_crate_built_in() {
        let lock = include_str!("../../Cargo.lock");
        let named = format!("name = \"{CRATE}\"\nversion = \"{CRATE_VERSION}\"");
        assert!(lock.contains(&named), "say version and date of the new {CRATE} in {}", file!());
    }

    #[test]
    fn the_crates_names_are_in_the_form_we_look_up() {
        let odd = |name: &&str| {
            !name.contains('.')
                || !name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        };
        assert_eq!(mailchecker::blacklist().into_iter().find(odd), None);
    }

    #[test]
    fn every_line_of_our_files_does_something() {
        let theirs: HashSet<&str> = mailchecker::blacklist().into_iter().collect();
        let ours = entries(ListKind::Disposable);
        for name in &ours.added {
            assert!(!theirs.contains(name.as_str()), "{name} is in {CRATE} already");
        }
        for name in &ours.removed {
            assert!(theirs.contains(name.as_str()), "{name} is not in {CRATE}");
        }
        for kind in ListKind::ALL.into_iter().filter(|&kind| kind != ListKind::Disposable) {
            assert_eq!(entries(kind).removed, Vec::<String>::new(), "{}", kind.name());
        }
    }

    #[test]
    fn each_of_our_files_says_its_licence_and_date() {
        for kind in ListKind::ALL {
            let entries = entries(kind);
            assert!(entries.licence.is_some() && entries.date.is_some(), "{}", kind.name());
        }
    }

    #[test]
    fn a_name_that_covers_subdomains_is_no_public_suffix() {
        for kind in [ListKind::Relay, ListKind::DisposableExchangers] {
            for name in entries(kind).added {
                assert!(psl::domain_str(&name).is_some(), "{name} covers nothing below it");
            }
        }
    }

    #[test]
    fn our_own_lists_do_not_contradict_each_other() {
        let names = |kind| entries(kind).added.into_iter().collect::<HashSet<_>>();
        let (free, relay) = (names(ListKind::Free), names(ListKind::Relay));
        let disposable = names(ListKind::Disposable);
        assert_eq!(free.intersection(&relay).next(), None);
        assert_eq!(free.intersection(&disposable).next(), None);
        assert_eq!(relay.intersection(&disposable).next(), None);
        for name in names(ListKind::DisposableExchangers) {
            assert!(!free.contains(&name) && !relay.contains(&name), "{name}");
        }
    }
}
