//! The plan of the house: which room may import which. One room a line, from the ground up.
//!
//! The floors are in the table of `src/lib.rs`, and a test holds the two together.

/// Each room, and the rooms that its files may name. Every edge is needed: remove those that are
/// not.
#[rustfmt::skip]
pub(crate) const EDGES: &[(&str, &[&str])] = &[
    // 0
    ("clock", &[]),
    ("instruments", &[]),
    ("readiness", &[]),
    ("fair", &[]),
    ("pem_faults", &[]),
    ("toml_reader", &[]),
    // 1
    ("address", &[]),
    ("lists", &["address"]),
    ("listfile", &["address"]),
    // 2
    ("dns", &["address", "clock", "instruments"]),
    ("spf", &["address", "dns"]),
    // 3
    ("smtp", &["address", "clock"]),
    ("egress", &["clock", "smtp"]),
    // 4
    ("verdict", &["dns", "smtp"]),
    // 5
    ("cache", &["address", "clock", "dns", "instruments"]),
    ("pacing", &[]),
    ("access", &["address", "toml_reader"]),
    ("campaign", &["verdict"]),
    // 6
    ("prober", &["address", "cache", "clock", "dns", "egress", "instruments", "pacing", "smtp"]),
    ("cluster", &["clock", "pem_faults", "prober", "smtp"]),
    ("http_client", &["address", "cache", "clock", "egress", "pem_faults", "smtp"]),
    ("registration", &["address", "cache", "clock", "http_client", "instruments", "smtp"]),
    ("posture", &["address", "cache", "clock", "dns", "http_client", "pem_faults", "prober", "smtp"]),
    // 7
    ("verifier", &["address", "cache", "clock", "dns", "instruments", "lists", "posture", "prober", "registration", "smtp", "verdict"]),
    // 8
    ("report", &["address", "campaign", "verdict"]),
    ("exclusion", &["address", "campaign", "listfile", "lists", "verifier"]),
    // 9
    ("batch", &["access", "address", "campaign", "clock", "cluster", "fair", "instruments", "pem_faults", "prober", "registration", "smtp", "verdict", "verifier"]),
    ("callbacks", &["batch", "cache", "campaign", "clock", "http_client", "smtp", "verdict"]),
    ("doctor", &["address", "clock", "dns", "egress", "registration", "smtp", "spf"]),
    ("outcomes", &["address", "batch", "cache", "callbacks", "campaign", "clock", "http_client", "instruments", "listfile", "smtp", "verdict", "verifier"]),
    // 10
    ("proto", &["campaign", "report", "verdict"]),
    ("http", &["batch", "campaign", "exclusion", "listfile", "proto"]),
    ("console", &["address", "batch", "campaign", "clock", "exclusion", "http", "listfile", "proto", "report", "verdict", "verifier"]),
    ("grpc", &["access", "address", "batch", "cache", "callbacks", "campaign", "clock", "console", "dns", "fair", "http", "instruments", "lists", "outcomes", "pem_faults", "posture", "proto", "readiness", "registration", "smtp", "verdict", "verifier"]),
    // 11
    ("telemetry", &[]),
    ("metrics", &["batch", "cache", "dns", "grpc", "instruments", "outcomes", "prober", "readiness", "registration", "verdict", "verifier"]),
    ("config", &["batch", "cache", "callbacks", "campaign", "cluster", "dns", "doctor", "grpc", "lists", "metrics", "outcomes", "posture", "prober", "registration", "smtp", "telemetry", "toml_reader", "verdict", "verifier"]),
    ("app", &["access", "batch", "cache", "callbacks", "campaign", "clock", "cluster", "config", "dns", "grpc", "lists", "metrics", "outcomes", "posture", "prober", "readiness", "registration", "smtp", "telemetry", "verifier"]),
    ("cli", &["access", "address", "app", "batch", "campaign", "clock", "config", "dns", "doctor", "egress", "exclusion", "grpc", "listfile", "lists", "metrics", "outcomes", "posture", "proto", "registration", "report", "sandbox", "smtp", "spf", "telemetry", "verdict", "verifier"]),
    // Beside the house: a mail world on loopback.
    ("sandbox", &["address", "clock"]),
];

/// Rooms of one floor that do not know each other.
pub(crate) const SIBLINGS: [&str; 4] = ["cache", "pacing", "access", "campaign"];
