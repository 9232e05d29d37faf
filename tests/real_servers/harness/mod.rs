//! Starts mail servers that no one here wrote, each on a loopback address of its own, and ends them
//! with the test that started them.
//!
//! `tests/run` downloads the servers; they are never installed (see `fetch` and `inside`).

mod builder;
mod corpus;
mod dialogue;
mod dns;
mod exim;
mod loopback;
mod network;
mod opensmtpd;
mod place;
mod postfix;
mod postgrey;
mod process;

pub(crate) use corpus::{Label, Stage, saw};
pub(crate) use dialogue::{Dialogue, Reply, answer_to};
pub(crate) use dns::Dns;
pub(crate) use exim::Exim;
pub(crate) use loopback::next_address;
pub(crate) use network::in_a_network_of_its_own;
pub(crate) use opensmtpd::OpenSmtpd;
pub(crate) use postfix::{Postfix, Visit};
pub(crate) use postgrey::Postgrey;
