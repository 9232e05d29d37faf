//! The door: decode, call, encode. It decides nothing: who may call, and how much, is decided by
//! [`crate::access`].

pub mod config;
pub mod server;

mod checked;
mod connection;
mod convert;
mod deadline;
mod gate;
mod keys;
mod listener;
mod refusal;
mod request;
mod service;
mod tls;
mod watched;

pub use config::Config;
pub use server::serve;
pub use tls::{TlsError, certificates};
