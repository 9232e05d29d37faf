//! The product as its users meet it: the service over gRPC, the binary, and clients that no one
//! here wrote, all on the sandbox's mail world.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod access;
#[cfg(feature = "external-tests")]
mod addresses;
mod authority;
mod batches;
mod callbacks;
#[cfg(feature = "external-tests")]
mod chaos;
mod command_line;
mod configuration;
mod console;
mod crash;
mod customer;
#[cfg(feature = "external-tests")]
mod deploy;
mod doctor;
mod drain;
#[cfg(feature = "external-tests")]
mod examples;
mod exposure;
mod far;
mod floods;
mod http;
mod limits;
mod list;
mod observe;
mod oddities;
#[cfg(feature = "external-tests")]
mod one_sender;
mod outage;
mod outcome_hooks;
mod outcome_reports;
mod outcomes;
mod posture;
mod process;
mod product;
#[cfg(feature = "external-tests")]
mod python;
mod registration;
#[cfg(feature = "external-tests")]
mod replicas;
#[cfg(feature = "external-tests")]
mod rolling;
mod service;
#[cfg(feature = "external-tests")]
mod shared_evidence;
#[cfg(feature = "external-tests")]
mod shared_limits;
mod shutdown;
mod strangers;
mod tls;
