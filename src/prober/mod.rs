//! Lanes: many recipients a session, manners per destination.
//!
//! A [`Prober`] is asked about one recipient at a time, by many callers at once. Recipients of any
//! domain that share an exchanger share its sessions; what a session does not answer goes back in
//! the lane; what an exchanger or a domain showed is remembered. It judges nothing: an outcome is
//! what was said.
//!
//! Pure: `lane`, `destination`, `memory`, `reading`, `control`, `evidence`. Shell: [`Prober`], the
//! `walk` over exchangers, a `station` for each destination, a `conversation` for each session.

mod config;
mod control;
mod conversation;
mod destination;
mod dial;
mod egress;
mod evidence;
mod hosts;
mod lane;
mod lanes;
mod memory;
mod reading;
mod station;
mod stats;
mod walk;

pub use config::{Config, Identity, Socks5};
pub use dial::{Connection, Dial, Path, Stream, Tcp};
pub use hosts::Hosts;
pub use lanes::{ProbeRequest, Prober, ProberError, Target};
pub use stats::{Said, Stats};

#[cfg(test)]
mod tests;
