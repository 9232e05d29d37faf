//! Claims about the crates this one is built from: their licences, and the ones it must not use.

use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than their notice. A crate must offer at least one of them, and
/// of licences joined by AND all of them.
const ACCEPTED: [&str; 11] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
];

/// Crates under a licence that is not accepted, and why they stay.
const EXCEPTIONS: [(&str, &str, &str); 2] = [
    (
        "fast_chemail",
        "MPL-2.0",
        "comes with mailchecker's list; linked unmodified and never called",
    ),
    ("ascii_utils", "MPL-2.0", "needed by fast_chemail alone"),
];

/// Crates that must not be in the tree, and why.
const BANNED: [(&str, &str); 7] = [
    ("openssl", "TLS is rustls on ring; a system library would break the static binary"),
    ("openssl-sys", "as openssl"),
    ("native-tls", "as openssl"),
    ("aws-lc-rs", "a second TLS provider makes rustls refuse to choose one"),
    ("aws-lc-sys", "as aws-lc-rs"),
    ("rustls-openssl", "as aws-lc-rs"),
    ("protobuf-src", "protoc is not needed: protox compiles the protos"),
];

/// The packages that a build on this machine uses, tests and benchmarks included.
fn packages() -> Vec<Value> {
    let host = Command::new(env!("CARGO")).args(["-vV"]).output().expect("cargo runs");
    let host = String::from_utf8_lossy(&host.stdout);
    let host =
        host.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let used: Vec<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("a list of nodes")
        .iter()
        .filter_map(|node| node["id"].as_str())
        .collect();
    let all = metadata["packages"].as_array().expect("a list of packages");
    all.iter()
        .filter(|package| package["id"].as_str().is_some_and(|id| used.contains(&id)))
        .cloned()
        .collect()
}

/// Whether the SPDX `expression` can be met with accepted licences alone. `/` is an old spelling of
/// OR.
fn is_accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let text = words.join(" ");
    // AND binds closer than OR, except where parentheses say otherwise; treating every AND as the
    // outer operator asks for more, never for less.
    text.split(" AND ").all(|term| term.split(" OR ").any(|name| ACCEPTED.contains(&name.trim())))
}

#[test]
fn every_crate_has_a_permissive_licence_or_a_written_exception() {
    let offenders: Vec<String> = packages()
        .iter()
        .filter(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            let licence = package["license"].as_str().unwrap_or_default();
            let excepted = EXCEPTIONS.iter().any(|(n, l, _)| *n == name && *l == licence);
            !is_accepted(licence) && !excepted
        })
        .map(|package| {
            format!("{} {}: {}", package["name"], package["version"], package["license"])
        })
        .collect();
    assert!(offenders.is_empty(), "not permissive:\n{}", offenders.join("\n"));
}

#[test]
fn every_exception_is_still_needed() {
    let packages = packages();
    for (name, licence, _) in EXCEPTIONS {
        let is_there = packages.iter().any(|p| p["name"] == name && p["license"] == licence);
        assert!(is_there, "{name} ({licence}) is no longer in the tree; take it off the list");
    }
}

#[test]
fn no_banned_crate_is_in_the_tree() {
    for package in packages() {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let ban = BANNED.iter().find(|(banned, _)| *banned == name);
        assert!(ban.is_none(), "{name} is in the tree: {}", ban.map_or("", |(_, why)| why));
    }
}

#[test]
fn licences_joined_by_and_must_all_be_accepted() {
    assert!(is_accepted("MIT OR GPL-3.0"));
    assert!(is_accepted("MIT/Apache-2.0"));
    assert!(is_accepted("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_accepted("MIT AND GPL-3.0"));
    assert!(!is_accepted("MPL-2.0"));
    assert!(!is_accepted(""));
}

#[test]
fn the_changelog_has_a_section_for_this_version() {
    let changelog = concat!(env!("CARGO_MANIFEST_DIR"), "/CHANGELOG.md");
    let changelog = std::fs::read_to_string(changelog).expect("a changelog");
    let version = env!("CARGO_PKG_VERSION");
    assert!(changelog.contains(&format!("\n## {version}")), "no section {version}");
}
