//! The error that keeps the service from running.

use std::io;

use super::config::NoRoom;
use super::keys::KeyFileError;
use super::tls::TlsError;
use crate::access::UnprotectedListener;
use crate::http::BadEntry;

/// An error that keeps the service from running.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It would be open to every machine.
    #[error(transparent)]
    Exposed(#[from] UnprotectedListener),
    /// A limit lets nothing through.
    #[error(transparent)]
    Limits(#[from] NoRoom),
    /// An origin that may call, or a name of the service, is none.
    #[error(transparent)]
    Http(#[from] BadEntry),
    /// The API keys cannot be taken.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// TLS cannot be offered.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The listener does not say where it listens.
    #[error("the listening socket cannot be used: {0}")]
    Listener(#[from] io::Error),
    /// The descriptors for reflection could not be read.
    #[error("server reflection could not be set up: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC transport failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}
