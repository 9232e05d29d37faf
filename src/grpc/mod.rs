//! The gRPC service: decode, call, encode. It decides nothing: callers and quotas are
//! [`crate::access`]'s affair.

pub mod calls;
pub mod config;
pub mod server;

mod accuracy;
mod arrivals;
mod auth_layer;
mod batch;
mod call_room;
mod callbacks;
mod callers;
mod check;
mod client_certificate;
mod connection;
mod content_type;
mod convert;
mod credential_files;
mod deadline;
mod ending;
mod enums;
mod file_watch;
mod head_limit;
mod health;
mod hook_arrivals;
mod hooks;
mod keys;
mod listener;
mod message_limit;
mod metered;
mod outcomes;
mod posture;
mod reflection;
mod refusal;
mod reply;
mod request;
mod round_trip;
mod send_history;
mod serve_error;
mod service;
mod service_names;
mod shared_limits;
mod tls;
mod trace_context;

pub use calls::{Calls, MethodStats};
pub use check::problems;
pub use config::Config;
pub use convert::verification;
pub use health::LIVENESS;
pub use serve_error::ServeError;
pub use server::{Services, serve, serve_within};
pub use tls::{TlsError, certificates};

use tonic::{Request, Status};

use crate::access::Caller;

/// The caller that the auth layer attached to the request.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("the caller is not known"))
}
