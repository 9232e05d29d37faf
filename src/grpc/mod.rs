//! The door: decode, call, encode. It decides nothing.

pub mod server;

mod batch;
mod convert;
mod deadline;
mod request;
mod service;

pub use server::{Config, Rooms, serve, serve_within};
