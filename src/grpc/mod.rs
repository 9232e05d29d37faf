//! The door: decode, call, encode. It decides nothing: who may call, and how much, is decided by
//! [`crate::access`].

pub mod calls;
pub mod config;
pub mod server;

mod batch;
mod callers;
mod check;
mod checked;
mod connection;
mod convert;
mod deadline;
mod door;
mod gate;
mod health;
mod keys;
mod listener;
mod refusal;
mod request;
mod service;
mod tls;
mod trace_context;
mod watched;

pub use calls::{Calls, MethodStats};
pub use check::problems;
pub use config::Config;
pub use server::{Rooms, serve, serve_within};
pub use tls::{TlsError, certificates};

use tonic::{Request, Status};

use crate::access::Caller;

/// Who calls. The gate has said so.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("the caller is not known"))
}
