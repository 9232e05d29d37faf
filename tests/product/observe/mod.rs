//! What the running service tells those who run it: metrics, readiness, traces, logs; and that none
//! of it holds an address. The binary runs as it does in production, on the sandbox's mail world.

mod collector;
mod dashboard;
mod late;
mod metrics;
mod panics;
mod privacy;
mod readiness;
mod traces;
