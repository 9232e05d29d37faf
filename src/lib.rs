//! mailvet: vet an address before you send to it.
//!
//! # The map
//!
//! One crate, a library and the `mailvet` binary. A room imports only rooms on lower floors, and in
//! a room files that touch the world import pure ones, never the reverse.
//!
//! | floor | rooms | what |
//! |---|---|---|
//! | 10 | [`cli`], [`app`], [`config`], [`telemetry`], [`metrics`] | the process |
//! | 9 | [`grpc`] (and [`proto`]) | the door: decode, call, encode |
//! | 8 | [`doctor`] | what mail servers see of us, and we of DNS |
//! | 8 | [`report`] | the page about a list: data to HTML (pure) |
//! | 8 | [`batch`] | durable lists: state and pre-flight (pure), queue, worker |
//! | 7 | [`verifier`] | the only joint |
//! | 6 | [`prober`] | lanes: sessions reused, manners applied |
//! | 5 | [`cache`], [`pacing`], [`access`] | what is remembered; how fast to go; who may call, and how much (both pure) |
//! | 4 | [`verdict`] | the judge (pure) |
//! | 3 | [`smtp`] | the dialogue (pure) and its session |
//! | 2 | [`spf`] | may this address send for that domain (pure) |
//! | 2 | [`dns`] | routes and facts (pure) and the resolver |
//! | 1 | [`address`], [`lists`], [`listfile`] | syntax, names, mailing-list files (pure) |
//! | 0 | [`clock`], [`instruments`], [`readiness`], [`fair`] | the one clock; counters and histograms; what the service waits for; many futures in one task |
//! | - | [`sandbox`] | a small mail world on loopback, for `cli/` and tests only |
//!
//! # One walk
//!
//! Each arrow is one function in one file, and what it carries is plain data:
//!
//! ```text
//! &str -Address::parse-> Address -DnsCache::domain-> DomainFacts { route }
//!      -Prober::probe-> ProbeOutcome { attempts: RecipientAnswer, control }
//!      -verdict::judge-> Judgement -report-> Verification -grpc::convert-> proto::Verification
//! ```
//!
//! [`verifier::Verifier::verify`] is that walk, to be read from top to bottom.
//!
//! # Invariants
//!
//! `tests/architecture` and the lints in `Cargo.toml` and `clippy.toml` hold the first six.
//!
//! 1. Imports run downward.
//! 2. Pure files name no runtime, no network, no environment, no files and no clock: time is an
//!    argument.
//! 3. [`proto`] is named only in [`grpc`] and [`cli`].
//! 4. Only [`config`] reads the environment, and no layer imports it: each part owns its `Config`.
//! 5. There is no code path to DATA, BDAT, VRFY or EXPN.
//! 6. No unsafe code, no unbounded channel, no task without an owner.
//! 7. A negative answer is data, never an `Err`. `Err` means that *we* failed.
//! 8. Only a 5yz to `RCPT TO` about the mailbox, or DNS itself, makes an address undeliverable.
//! 9. A full address stands in no log line: `Debug` and `Display` of [`address::Address`] redact.

pub mod access;
pub mod address;
pub mod app;
pub mod batch;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dns;
pub mod doctor;
pub mod fair;
pub mod grpc;
pub mod instruments;
pub mod listfile;
pub mod lists;
pub mod metrics;
pub mod pacing;
pub mod prober;
pub mod proto;
pub mod readiness;
pub mod report;
pub mod sandbox;
pub mod smtp;
pub mod spf;
pub mod telemetry;
pub mod verdict;
pub mod verifier;
