//! Circles of files: none, but between a parent module and what is below it.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::house::House;
use crate::modules::Modules;

/// The circles of files in which no file is the parent of another's module.
fn knots(house: &House) -> Vec<Vec<String>> {
    let modules = Modules::of(house);
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let of: BTreeMap<&str, Vec<String>> =
        modules.sources().map(|source| (source.name.as_str(), source.module())).collect();
    for source in modules.sources() {
        let here = source.module();
        let others = modules.targets(source).into_iter().filter(|target| {
            let there = &of[target];
            !here.starts_with(there) && !there.starts_with(&here)
        });
        edges.insert(&source.name, others.collect());
    }
    circles(&edges)
}

/// The groups of two or more names that all reach each other.
fn circles(edges: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|name| (*name, reach(edges, name))).collect();
    let mut found = BTreeSet::new();
    for (name, there) in &reached {
        let circle: Vec<String> = there
            .iter()
            .filter(|other| reached[**other].contains(name))
            .map(|other| (*other).to_owned())
            .collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reach<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = edges[from].iter().copied().collect();
    while let Some(name) = next.pop() {
        if seen.insert(name) {
            next.extend(edges[name].iter().copied());
        }
    }
    seen
}

#[test]
fn no_circle_of_files_but_through_a_parent_module() {
    let violations: Vec<String> = knots(House::get()).iter().map(|knot| knot.join(" ")).collect();
    assert_none(&violations, "files that import each other: give what both need a file below both");
}

#[test]
fn a_circle_is_found_and_one_through_a_parent_is_none() {
    use crate::source::Source;
    let house = House {
        sources: vec![
            Source::parse("a/mod.rs", "mod b; mod c; mod d; use b::One; struct Parent;"),
            Source::parse("a/b.rs", "use super::c::Two; use super::Parent; struct One;"),
            Source::parse("a/c.rs", "use super::One; struct Two;"),
            Source::parse("a/d.rs", "use super::{One, Parent};"),
        ],
    };
    assert_eq!(knots(&house), [["a/b.rs", "a/c.rs"]]);
}
