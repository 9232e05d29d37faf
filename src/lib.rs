//! mailvet: vet an address before you send to it.
//!
//! # The map
//!
//! One crate, a library and the `mailvet` binary. A room imports only rooms of lower floors, or of
//! its own floor where the architecture test allows it; that test lists every edge. Inside a room,
//! files that do I/O import pure ones, never the reverse.
//!
//! | floor | rooms | contents |
//! |---|---|---|
//! | 11 | [`cli`], [`app`], [`config`], [`telemetry`], [`metrics`] | the process |
//! | 10 | [`grpc`], [`http`], [`proto`] | the service: decode, call, encode; JSON over HTTP |
//! | 10 | [`console`] | the page for people, made of the service's own answers |
//! | 9 | [`batch`], [`doctor`] | durable lists: queue and worker; diagnosis of this host |
//! | 9 | [`outcomes`], [`callbacks`] | reports on real mail; who is told of a batch's end |
//! | 8 | [`report`] | data to page (pure) |
//! | 8 | [`exclusion`] | suppression lists: who is not to be asked (pure) |
//! | 7 | [`verifier`] | one verification from end to end |
//! | 6 | [`prober`] | scheduler (pure) and SMTP sessions |
//! | 6 | [`cluster`] | replicas behind one egress address: who asks which destination |
//! | 6 | [`http_client`], [`registration`] | outbound HTTP; what registries say of domains |
//! | 6 | [`posture`] | what strict senders meet at a domain: MTA-STS, DANE; parking |
//! | 5 | [`cache`], [`pacing`] | lifetimes of answers; rate and concurrency limits (pure) |
//! | 5 | [`access`], [`campaign`] | keys and quotas (pure); pre-flight and progress (pure) |
//! | 4 | [`verdict`] | facts and replies to a verdict (pure) |
//! | 3 | [`smtp`], [`egress`] | dialogue, replies and their meaning (pure); sockets and proxies |
//! | 2 | [`dns`], [`spf`] | routes and facts (pure), resolver; SPF evaluation (pure) |
//! | 1 | [`address`], [`lists`], [`listfile`] | syntax, lists of names, mailing-list files (pure) |
//! | 0 | [`clock`], [`instruments`], [`readiness`], [`fair`] | clocks, counters, fairness |
//! | 0 | [`pem_faults`], [`toml_reader`] | errors that quote no secret |
//! | - | [`sandbox`] | a small mail world on loopback, for `cli/` and tests only |
//!
//! # One walk
//!
//! Each arrow is one function in one file and carries plain data:
//!
//! ```text
//! &str -Address::parse-> Address -DnsCache::domain-> DomainFacts { route }
//!      -Prober::probe-> ProbeOutcome { attempts: RecipientAnswer, control }
//!      -verdict::judge-> Judgement -report-> Verification -grpc::convert-> proto::Verification
//! ```
//!
//! [`verifier::Verifier::verify`] reads as that walk from top to bottom.
//!
//! # Invariants
//!
//! `tests/architecture` and the lints in `Cargo.toml` and `clippy.toml` hold the first six.
//!
//! 1. Imports run downward along the allowed edges; files form no circle but through a parent.
//! 2. Pure files name no runtime, no network, no environment, no files and no clock: time is an
//!    argument.
//! 3. [`proto`] is named only in [`grpc`], [`http`], [`console`] and [`cli`].
//! 4. Only [`config`] reads the environment, and no layer imports it: each part owns its `Config`.
//! 5. There is no code path to DATA, BDAT, VRFY or EXPN.
//! 6. No unsafe code, no unbounded channel, no task without an owner.
//! 7. A negative answer is data, never an `Err`. `Err` means that *we* failed.
//! 8. Only a 5yz to `RCPT TO` about the mailbox, or DNS itself, makes an address undeliverable.
//! 9. A full address stands in no log line: `Debug` and `Display` of [`address::Address`] redact.
//!
//! # As a library
//!
//! The items at the crate's root are its public interface: [`Verifier::builder`] is where to begin.
//! The modules are the parts of the program. They are public for its tests and benchmarks, and
//! change without notice. With `default-features = false` the gRPC server, SQLite, the command line
//! and OpenTelemetry are left out.
//!
//! ```
//! # #[cfg(feature = "sandbox")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mailvet::sandbox::{Sandbox, World};
//! use mailvet::{Reason, Verdict, Verifier};
//!
//! // A small mail world on loopback. Without these three settings the internet is asked.
//! let sandbox = Sandbox::start(World::built_in()?).await?;
//! let verifier = Verifier::builder()
//!     .helo_name("probe.example.com")
//!     .name_server(sandbox.nameserver())
//!     .smtp_port(sandbox.smtp_port())
//!     .allow_network(sandbox.network())
//!     .build()?;
//!
//! let verification = verifier.verify("nobody@acme.test").await;
//! assert_eq!(verification.judgement.verdict, Verdict::Undeliverable);
//! assert_eq!(verification.judgement.reason, Reason::MailboxNotFound);
//!
//! verifier.close().await;
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sandbox"))]
//! # fn main() {}
//! ```

pub use address::{SyntaxError, SyntaxErrorKind};
pub use verdict::{Action, CatchAll, DecisionStage, Judgement, Policy, Reason, Traits, Verdict};
pub use verifier::{
    BuildError, Builder, DEFAULT_TIME_LIMIT, Depth, DialogueLine, Evidence, Options, Subject,
    Verification, Verifier,
};

#[cfg(feature = "server")]
pub mod access;
pub mod address;
#[cfg(feature = "cli")]
pub mod app;
pub mod batch;
pub mod cache;
#[cfg(feature = "server")]
pub mod callbacks;
pub mod campaign;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
#[cfg(feature = "server")]
pub mod cluster;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "server")]
pub mod console;
pub mod dns;
#[cfg(feature = "cli")]
pub mod doctor;
pub mod egress;
#[cfg(feature = "server")]
pub mod exclusion;
pub mod fair;
#[cfg(feature = "server")]
pub mod grpc;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod http_client;
pub mod instruments;
#[cfg(feature = "server")]
pub mod listfile;
pub mod lists;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod outcomes;
pub mod pacing;
pub mod pem_faults;
pub mod posture;
pub mod prober;
#[cfg(feature = "server")]
pub mod proto;
#[cfg(test)]
mod queue_tests;
pub mod readiness;
pub mod registration;
#[cfg(feature = "server")]
pub mod report;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod smtp;
#[cfg(feature = "cli")]
pub mod spf;
#[cfg(feature = "cli")]
pub mod telemetry;
pub mod toml_reader;
pub mod verdict;
pub mod verifier;
