//! Things with one home: the wire format, the environment, the configuration, the sandbox, the
//! names of metrics; and what the prober never says.

use crate::assert_none;
use crate::house::House;
use crate::source::Source;

/// The product files outside `rooms` of which `is_so` holds.
fn outside(rooms: &[&str], is_so: impl Fn(&Source) -> bool) -> Vec<String> {
    let house = House::get();
    let elsewhere = house.product().filter(|source| !rooms.contains(&source.room()));
    elsewhere.filter(|source| is_so(source)).map(|source| source.name.clone()).collect()
}

fn names_room(source: &Source, room: &str) -> bool {
    source.crate_paths().any(|path| path[0] == room)
}

#[test]
fn the_wire_format_stays_at_the_door() {
    let rooms = ["grpc", "http", "console", "cli", "proto", "lib"];
    let violations = outside(&rooms, |source| names_room(source, "proto"));
    assert_none(&violations, "crate::proto is named only in grpc/, http/, console/ and cli/");
}

#[test]
fn only_config_reads_the_environment() {
    let violations = outside(&["config"], |source| {
        source.paths.iter().any(|path| path.len() > 1 && path[0] == "std" && path[1] == "env")
    });
    assert_none(&violations, "only config.rs reads the environment");
}

#[test]
fn no_layer_imports_the_configuration() {
    let rooms = ["cli", "app", "main", "config", "lib"];
    let violations = outside(&rooms, |source| names_room(source, "config"));
    assert_none(&violations, "each part owns its own Config");
}

#[test]
fn only_the_command_line_and_tests_use_the_sandbox() {
    let rooms = ["cli", "sandbox", "lib"];
    let violations = outside(&rooms, |source| names_room(source, "sandbox"));
    assert_none(&violations, "only cli/ and tests use the sandbox");
}

#[test]
fn there_is_no_code_path_to_a_message() {
    const FORBIDDEN: [&str; 4] = ["DATA", "BDAT", "VRFY", "EXPN"];
    let house = House::get();
    let mut violations = Vec::new();
    for source in house.sources.iter().filter(|s| ["smtp", "egress", "prober"].contains(&s.room()))
    {
        for literal in &source.literals {
            let said = literal.trim_matches(['"', 'b', '\\', 'r', 'n', ' ']);
            if FORBIDDEN.iter().any(|c| said == *c || said.starts_with(&format!("{c} "))) {
                violations.push(format!("{} says {literal}", source.name));
            }
        }
    }
    assert_none(&violations, "the probe never issues DATA, BDAT, VRFY or EXPN");
}

#[test]
fn metric_and_trace_libraries_have_one_home() {
    let house = House::get();
    let mut violations = Vec::new();
    for source in &house.sources {
        for path in &source.paths {
            let is_allowed = match path[0].as_str() {
                "prometheus_client" => source.room() == "metrics",
                "opentelemetry_otlp" | "opentelemetry_sdk" => source.room() == "telemetry",
                // The door continues the caller's trace.
                "opentelemetry" => {
                    source.room() == "telemetry" || source.name == "grpc/trace_context.rs"
                }
                _ => true,
            };
            if !is_allowed {
                violations.push(format!("{} names {}", source.name, path[0]));
            }
        }
    }
    assert_none(&violations, "layers count, and know nobody who measures");
}
