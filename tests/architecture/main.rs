//! The house rules that can be checked: imports run downward, pure files stay pure, the wire format
//! stays at the door, one file reads the environment. Reads tokens, not text, so that a comment or a
//! string never counts.

mod dependencies;
mod house;
mod paths;
mod source;

use house::{Floor, House};
use source::Source;

fn house() -> House {
    House::read()
}

fn assert_none(violations: &[String], rule: &str) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

#[test]
fn imports_run_downward() {
    let house = house();
    let mut violations = Vec::new();
    for source in &house.sources {
        let here = house.floor(source.room());
        for path in source.crate_paths() {
            let room = &path[0];
            if room == source.room() || !house.is_room(room) {
                continue;
            }
            let there = house.floor(room);
            if there >= here && source.room() != "lib" {
                violations.push(format!("{} ({here}) names crate::{room} ({there})", source.name));
            }
        }
    }
    assert_none(&violations, "a layer may import only lower numbers");
}

#[test]
fn every_room_has_a_floor() {
    let house = house();
    let homeless: Vec<String> = house
        .sources
        .iter()
        .filter(|source| house.floor(source.room()) == Floor::UNKNOWN)
        .map(|source| format!("{} is on no floor", source.name))
        .collect();
    assert_none(&homeless, "every file lives on a floor");
    assert!(house.sources.len() > 40, "the sources were not found");
}

#[test]
fn pure_files_do_no_io_and_have_no_clock() {
    const IMPURE: [&str; 9] = [
        "tokio",
        "tokio_rustls",
        "tokio_util",
        "hickory_resolver",
        "hickory_server",
        "tonic",
        "rand",
        "rcgen",
        "moka",
    ];
    const IMPURE_STD: [&str; 5] = ["env", "fs", "process", "thread", "net"];
    let house = house();
    let mut violations = Vec::new();
    for source in house.pure() {
        for path in source.paths() {
            let first = path[0].as_str();
            if IMPURE.contains(&first) {
                violations.push(format!("{} names {first}", source.name));
            }
            if first == "std" && path.len() > 1 && IMPURE_STD.contains(&path[1].as_str()) {
                let data = ["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr"];
                let plain_data = path[1] == "net" && path.len() > 2 && data.contains(&&*path[2]);
                if !plain_data {
                    violations.push(format!("{} names {}", source.name, path.join("::")));
                }
            }
            if first == "crate" && path.get(1).is_some_and(|room| room == "clock") {
                violations.push(format!("{} names the clock: take `now` instead", source.name));
            }
        }
    }
    assert_none(&violations, "pure files name no runtime, no network, no clock");
}

#[test]
fn pure_files_do_not_import_the_shell_beside_them() {
    let house = house();
    let mut violations = Vec::new();
    for source in house.pure().filter(|source| !source.is_module_head()) {
        for path in source.paths() {
            let inner = match path[0].as_str() {
                "super" => path.get(1),
                "crate" if path.get(1).is_some_and(|room| room == source.room()) => path.get(2),
                _ => None,
            };
            if let Some(file) = inner
                && house.is_shell(&format!("{}/{file}.rs", source.room()))
            {
                violations.push(format!("{} names {}", source.name, path.join("::")));
            }
        }
    }
    assert_none(&violations, "I/O files import pure ones, never the reverse");
}

#[test]
fn the_wire_format_stays_at_the_door() {
    let house = house();
    let violations: Vec<String> = house
        .sources
        .iter()
        .filter(|source| !["grpc", "cli", "proto", "lib"].contains(&source.room()))
        .filter(|source| source.crate_paths().iter().any(|path| path[0] == "proto"))
        .map(|source| source.name.clone())
        .collect();
    assert_none(&violations, "crate::proto is named only in grpc/ and cli/");
}

#[test]
fn only_config_reads_the_environment() {
    let house = house();
    let violations: Vec<String> = house
        .sources
        .iter()
        .filter(|source| source.room() != "config")
        .filter(|source| {
            source.paths().iter().any(|path| path.len() > 1 && path[0] == "std" && path[1] == "env")
        })
        .map(|source| source.name.clone())
        .collect();
    assert_none(&violations, "only config.rs reads the environment");
}

#[test]
fn no_layer_imports_the_configuration() {
    let house = house();
    let violations: Vec<String> = house
        .sources
        .iter()
        .filter(|source| !["cli", "app", "main", "config", "lib"].contains(&source.room()))
        .filter(|source| source.crate_paths().iter().any(|path| path[0] == "config"))
        .map(|source| source.name.clone())
        .collect();
    assert_none(&violations, "each part owns its own Config");
}

#[test]
fn only_the_command_line_and_tests_use_the_sandbox() {
    let house = house();
    let violations: Vec<String> = house
        .sources
        .iter()
        .filter(|source| !["cli", "sandbox", "lib"].contains(&source.room()))
        .filter(|source| source.crate_paths().iter().any(|path| path[0] == "sandbox"))
        .map(|source| source.name.clone())
        .collect();
    assert_none(&violations, "only cli/ and tests use the sandbox");
}

#[test]
fn there_is_no_code_path_to_a_message() {
    const FORBIDDEN: [&str; 4] = ["DATA", "BDAT", "VRFY", "EXPN"];
    let house = house();
    let mut violations = Vec::new();
    for source in house.sources.iter().filter(|s| ["smtp", "prober"].contains(&s.room())) {
        for literal in source.literals() {
            let said = literal.trim_matches(['"', 'b', '\\', 'r', 'n', ' ']);
            if FORBIDDEN.iter().any(|c| said == *c || said.starts_with(&format!("{c} "))) {
                violations.push(format!("{} says {literal}", source.name));
            }
        }
    }
    assert_none(&violations, "the probe never issues DATA, BDAT, VRFY or EXPN");
}

#[test]
fn the_reader_of_sources_sees_what_it_should() {
    let source = Source::parse(
        "verdict/x.rs",
        "use crate::{dns::Route, smtp}; // crate::batch\n\
         fn f() { let s = \"crate::cli\"; crate::address::parse(s); super::g(); std::env::var(s); }\n\
         #[cfg(test)] mod tests { use tokio::time; }",
    );
    let rooms: Vec<String> = source.crate_paths().iter().map(|path| path[0].clone()).collect();
    assert_eq!(rooms, ["dns", "smtp", "address"]);
    let paths = source.paths();
    assert!(paths.iter().any(|path| path[..2] == ["std", "env"]));
    assert!(paths.iter().any(|path| path[..2] == ["super", "g"]));
    assert!(!paths.iter().any(|path| path[0] == "tokio"), "test modules do not count");
    assert_eq!(source.literals(), ["\"crate::cli\""]);
}

#[test]
fn what_is_measured_gets_its_names_in_one_place() {
    let house = house();
    let mut violations = Vec::new();
    for source in &house.sources {
        for path in source.paths() {
            let crates = ["prometheus_client", "opentelemetry_otlp", "opentelemetry_sdk"];
            let is_allowed = match path[0].as_str() {
                "prometheus_client" => source.room() == "metrics",
                name if crates.contains(&name) => source.room() == "telemetry",
                // Whose trace a call continues is said at the door.
                "opentelemetry" => source.room() == "telemetry" || source.name == "grpc/calls.rs",
                _ => true,
            };
            if !is_allowed {
                violations.push(format!("{} names {}", source.name, path[0]));
            }
        }
    }
    assert_none(&violations, "layers count, and know nobody who measures");
}
