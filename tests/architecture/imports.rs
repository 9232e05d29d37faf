//! Imports between rooms: along the allow-list, downward, as the table in `src/lib.rs` says.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::edges::{EDGES, SIBLINGS};
use crate::house::House;

/// The files at the root that are no rooms.
const ROOTS: [&str; 2] = ["lib", "main"];

/// The floor of the rooms that stand beside the house: whatever it is, nothing is above it.
const BESIDE: u32 = 99;

/// The edges that the files of the house really have, each with one file that has it.
fn present(house: &House) -> BTreeMap<(String, String), String> {
    let mut edges = BTreeMap::new();
    for source in house.product().filter(|source| !ROOTS.contains(&source.room())) {
        for path in source.crate_paths() {
            if path[0] != source.room() && house.is_room(&path[0]) {
                let edge = (source.room().to_owned(), path[0].clone());
                edges.entry(edge).or_insert_with(|| source.name.clone());
            }
        }
    }
    edges
}

/// Each room's floor, from the table in the documentation of the crate.
fn table() -> BTreeMap<String, u32> {
    let text = include_str!("../../src/lib.rs");
    let mut floors = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = line.split(" | ");
        let (Some(floor), Some(rooms)) = (cells.next(), cells.next()) else { continue };
        let floor = if floor.trim() == "-" {
            BESIDE
        } else {
            match floor.trim().parse() {
                Ok(floor) => floor,
                Err(_) => continue,
            }
        };
        for room in rooms.split("[`").skip(1).filter_map(|rest| rest.split('`').next()) {
            let before = floors.insert(room.to_owned(), floor);
            assert!(before.is_none(), "src/lib.rs names {room} on two floors");
        }
    }
    floors
}

#[test]
fn rooms_import_only_along_the_allowed_edges() {
    let violations: Vec<String> = present(House::get())
        .into_iter()
        .filter(|((from, to), _)| {
            !EDGES.iter().any(|(room, may)| room == from && may.contains(&to.as_str()))
        })
        .map(|((from, to), file)| format!("{from} -> {to} (in {file})"))
        .collect();
    assert_none(&violations, "an import that is not in tests/architecture/edges.rs");
}

#[test]
fn no_edge_is_allowed_that_is_not_needed() {
    let house = House::get();
    let present = present(house);
    let mut unneeded = Vec::new();
    for (from, may) in EDGES {
        for to in *may {
            if !present.contains_key(&((*from).to_owned(), (*to).to_owned())) {
                unneeded.push(format!("{from} -> {to}"));
            }
        }
    }
    assert_none(&unneeded, "an edge that is allowed and that nothing uses");
}

#[test]
fn every_file_lives_in_a_room_of_the_plan() {
    let house = House::get();
    let homeless: Vec<String> = house
        .product()
        .filter(|source| !ROOTS.contains(&source.room()))
        .filter(|source| !EDGES.iter().any(|(room, _)| *room == source.room()))
        .map(|source| source.name.clone())
        .collect();
    assert_none(&homeless, "a file in a room that tests/architecture/edges.rs does not name");
    assert!(house.sources.len() > 40, "the sources were not found");
}

#[test]
fn the_table_in_lib_rs_names_each_room_once_and_imports_never_go_up_in_it() {
    let floors = table();
    let listed: BTreeSet<&str> = floors.keys().map(String::as_str).collect();
    let planned: BTreeSet<&str> = EDGES.iter().map(|(room, _)| *room).collect();
    assert_eq!(
        listed, planned,
        "the rooms in the table in src/lib.rs and tests/architecture/edges.rs"
    );
    let mut violations = Vec::new();
    for (from, may) in EDGES {
        for to in *may {
            let is_demo = (*from, *to) == ("cli", "sandbox");
            if floors[*to] > floors[*from] && !is_demo {
                violations.push(format!("{from} -> {to}"));
            }
        }
    }
    assert_none(&violations, "an edge that goes up in the table of src/lib.rs");
}

#[test]
fn no_rooms_import_each_other_in_a_circle() {
    let mut standing: Vec<(&str, &[&str])> = EDGES.to_vec();
    loop {
        let free: Vec<&str> = standing
            .iter()
            .filter(|(_, may)| !may.iter().any(|to| standing.iter().any(|(room, _)| room == to)))
            .map(|(room, _)| *room)
            .collect();
        if free.is_empty() {
            break;
        }
        standing.retain(|(room, _)| !free.contains(room));
    }
    let circle: Vec<&str> = standing.iter().map(|(room, _)| *room).collect();
    assert!(circle.is_empty(), "in a circle, or above one: {circle:?}");
}

#[test]
fn siblings_do_not_know_each_other() {
    for (from, may) in EDGES.iter().filter(|(room, _)| SIBLINGS.contains(room)) {
        let known: Vec<&&str> = may.iter().filter(|room| SIBLINGS.contains(room)).collect();
        assert!(known.is_empty(), "{from} knows {known:?}");
    }
}
