//! What the running service tells those who run it: metrics, readiness, traces, logs; and that none
//! of it holds an address. The binary runs as it does in production, on the sandbox's mail world.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod collector;
mod dashboard;
mod late;
mod metrics;
mod panics;
mod privacy;
mod readiness;
mod service;
mod traces;
