//! Which file a path of a file leads to, through re-exports.

use std::collections::{BTreeMap, BTreeSet};

use crate::house::House;
use crate::source::Source;

/// A path through more re-exports than this is taken as it stands.
const MOST_HOPS: u32 = 16;

/// The modules of the house that have a file, with what their `use` items bring into scope.
pub(crate) struct Modules<'a> {
    files: BTreeMap<Vec<String>, &'a Source>,
    imports: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl<'a> Modules<'a> {
    pub(crate) fn of(house: &'a House) -> Self {
        let files: BTreeMap<_, _> =
            house.product().map(|source| (source.module(), source)).collect();
        let imports = files
            .iter()
            .map(|(module, source)| {
                let names = source.imports.iter();
                let names = names.map(|import| (import.name.clone(), import.path.clone()));
                (module.clone(), names.collect())
            })
            .collect();
        Self { files, imports }
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &'a Source> {
        self.files.values().copied()
    }

    /// The other files that define what this one names.
    pub(crate) fn targets(&self, source: &Source) -> BTreeSet<&'a str> {
        let here = source.module();
        let imported = source.imports.iter().map(|import| &import.path);
        source
            .paths
            .iter()
            .chain(imported)
            .filter_map(|path| self.resolve(&here, path, MOST_HOPS))
            .map(|module| self.files[&module].name.as_str())
            .filter(|name| *name != source.name)
            .collect()
    }

    /// The module with a file in which the thing at `path`, as said in `here`, is defined.
    fn resolve(&self, here: &[String], path: &[String], hops: u32) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(Vec::new(), rest, hops),
            "self" => self.descend(here.to_vec(), rest, hops),
            "super" => {
                let (_, parent) = here.split_last()?;
                match rest.first().is_some_and(|next| next == "super") {
                    true => self.resolve(parent, rest, hops),
                    false => self.descend(parent.to_vec(), rest, hops),
                }
            }
            name => {
                let is_known = self.files.contains_key(&below(here, name))
                    || self.imports.get(here).is_some_and(|names| names.contains_key(name));
                // A `use` of a crate brings its own name into scope: `use tokio;`.
                let is_itself = self.imports.get(here).and_then(|names| names.get(name))
                    == Some(&vec![name.to_owned()]);
                match is_known && !is_itself {
                    true => self.descend(here.to_vec(), path, hops),
                    false => None,
                }
            }
        }
    }

    fn descend(&self, at: Vec<String>, rest: &[String], hops: u32) -> Option<Vec<String>> {
        let Some((next, after)) = rest.split_first() else { return Some(at) };
        let child = below(&at, next);
        if self.files.contains_key(&child) {
            return self.descend(child, after, hops);
        }
        let Some(path) = self.imports.get(&at).and_then(|names| names.get(next)) else {
            return Some(at);
        };
        let path: Vec<String> = path.iter().chain(after).cloned().collect();
        self.resolve(&at, &path, hops.checked_sub(1)?)
    }
}

fn below(module: &[String], name: &str) -> Vec<String> {
    let mut child = module.to_vec();
    child.push(name.to_owned());
    child
}

#[test]
fn a_path_leads_to_the_file_that_defines_the_name() {
    let house = House {
        sources: vec![
            Source::parse("a/mod.rs", "mod b; mod c; pub use b::{One, d::Two as Deux};"),
            Source::parse("a/b.rs", "mod d; struct One;"),
            Source::parse("a/b/d.rs", "use super::super::c::three; struct Two;"),
            Source::parse("a/c.rs", "use super::{Deux, One}; use crate::a::Four; fn three() {}"),
            Source::parse(
                "e.rs",
                "use crate::a::{self, One}; fn f() { a::c::three(); tokio::g(); }",
            ),
        ],
    };
    let modules = Modules::of(&house);
    let targets = |name: &str| {
        let source = house.sources.iter().find(|source| source.name == name).unwrap();
        modules.targets(source).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(targets("a/mod.rs"), ["a/b.rs", "a/b/d.rs"]);
    assert_eq!(targets("a/b/d.rs"), ["a/c.rs"]);
    assert_eq!(targets("a/c.rs"), ["a/b.rs", "a/b/d.rs", "a/mod.rs"]);
    assert_eq!(targets("e.rs"), ["a/b.rs", "a/c.rs", "a/mod.rs"]);
}
