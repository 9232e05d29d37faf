//! Layers of a list: the user's file decides first, then the built-in names.
//!
//! A list that covers subdomains is asked from the name itself upwards; the longest listed name
//! decides. It stops at the registrable domain, so that a listed public suffix (people do list
//! `co.cc`) does not take every domain below it.

use super::file::ListEntries;
use super::kind::ListKind;
use super::name_set::NameSet;
use super::normal_form;

/// The additions and removals of one of the user's files.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) added: NameSet,
    pub(super) removed: NameSet,
}

impl Layer {
    pub(super) fn new(kind: ListKind, entries: &ListEntries) -> Self {
        Self { added: pack(kind, &entries.added), removed: pack(kind, &entries.removed) }
    }

    /// The file's decision about exactly this name.
    fn exact(&self, name: &str) -> Option<bool> {
        if self.removed.contains(name) {
            Some(false)
        } else {
            self.added.contains(name).then_some(true)
        }
    }
}

/// The names of a list of `kind`, in every form they are looked up in.
pub(super) fn pack(kind: ListKind, names: &[String]) -> NameSet {
    if kind == ListKind::Role {
        let forms: Vec<String> = names.iter().flat_map(|name| normal_form::forms(name)).collect();
        NameSet::new(forms.iter().map(String::as_str))
    } else {
        NameSet::new(names.iter().map(String::as_str))
    }
}

/// One list: the built-in names with the user's layer on top.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    pub(super) user: Option<&'a Layer>,
    pub(super) built_in: &'a NameSet,
}

impl List<'_> {
    /// `Some(true)` if the list holds exactly `name`, `Some(false)` if the user removed it.
    pub(super) fn exact(&self, name: &str) -> Option<bool> {
        self.user
            .and_then(|user| user.exact(name))
            .or_else(|| self.built_in.contains(name).then_some(true))
    }

    /// `true` if the list covers `domain`, by its own name or a parent's.
    pub(super) fn covers(&self, domain: &str) -> bool {
        self.user_decision(domain).unwrap_or_else(|| self.is_built_in(domain))
    }

    /// The user's decision about `domain` or its nearest listed parent.
    pub(super) fn user_decision(&self, domain: &str) -> Option<bool> {
        let user = self.user?;
        nearest(domain, |name| user.exact(name))
    }

    /// `true` if the built-in names cover `domain`.
    pub(super) fn is_built_in(&self, domain: &str) -> bool {
        nearest(domain, |name| self.built_in.contains(name).then_some(())).is_some()
    }
}

/// The first decision about `domain` and its parents, up to the registrable domain.
fn nearest<T>(domain: &str, decide: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut name = domain;
    loop {
        // A single label is on no list.
        let dot = name.bytes().position(|byte| byte == b'.')?;
        if let Some(decision) = decide(name) {
            return reaches(name, domain).then_some(decision);
        }
        name = &name[dot + 1..];
    }
}

/// `true` if `name`, which is `domain` or a parent of it, is not above its registrable domain.
/// Called only for a listed name: most domains are on no list, and the public suffix list costs
/// more.
fn reaches(name: &str, domain: &str) -> bool {
    name.len() == domain.len()
        || psl::domain_str(domain).is_some_and(|registrable| name.len() >= registrable.len())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// The rule as one would write it down: every parent that is not above the registrable domain.
    fn naive(listed: &HashSet<&str>, domain: &str) -> bool {
        let registrable = psl::domain_str(domain).unwrap_or(domain);
        let labels: Vec<&str> = domain.split('.').collect();
        (0..labels.len())
            .map(|skipped| labels[skipped..].join("."))
            .filter(|name| name.ends_with(registrable))
            .any(|name| listed.contains(name.as_str()))
    }

    proptest! {
        #[test]
        fn parents_are_found_as_a_plain_search_finds_them(
            listed in prop::collection::vec("([ab]\\.){0,3}(com|co\\.uk|github\\.io|b\\.ck)", 0..12),
            domain in "([ab]\\.){0,4}(com|co\\.uk|uk|github\\.io|b\\.ck|ck)",
        ) {
            // A single label is no domain a list can hold.
            let names: HashSet<&str> =
                listed.iter().map(String::as_str).filter(|name| name.contains('.')).collect();
            let set = NameSet::new(names.iter().copied());
            let list = List { user: None, built_in: &set };
            prop_assert_eq!(list.covers(&domain), naive(&names, &domain));
        }
    }

    #[test]
    fn a_listed_public_suffix_takes_nobody_below_it() {
        let set = NameSet::new(["co.uk", "github.io"]);
        let list = List { user: None, built_in: &set };
        assert!(list.covers("co.uk"));
        assert!(!list.covers("example.co.uk"));
        assert!(!list.covers("somebody.github.io"));
    }

    #[test]
    fn the_longest_name_in_the_users_file_decides() {
        let entries = ListEntries {
            added: vec!["example.com".to_owned(), "c.b.example.com".to_owned()],
            removed: vec!["b.example.com".to_owned()],
            ..ListEntries::default()
        };
        let user = Layer::new(ListKind::Disposable, &entries);
        let set = NameSet::new(["x.b.example.com"]);
        let list = List { user: Some(&user), built_in: &set };
        assert!(list.covers("a.example.com"));
        assert!(!list.covers("a.b.example.com"));
        assert!(!list.covers("x.b.example.com"), "the user's parent name outranks ours");
        assert!(list.covers("d.c.b.example.com"));
    }
}
