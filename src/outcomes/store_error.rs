//! Errors of the store of outcomes.

use std::io;
use std::path::PathBuf;

/// Why outcomes cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeStoreError {
    /// A file cannot be used.
    #[error("{} cannot be used ({reason}): let this user read and write it, or name another file with outcomes.file", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        reason: io::Error,
    },
    /// The key is gone: without it no address is found.
    #[error("{} is missing: put it back, or remove {} too to start anew", key.display(), store.display())]
    NoKey {
        /// The file of the key.
        key: PathBuf,
        /// The file of the outcomes.
        store: PathBuf,
    },
    /// It was written by a later mailvet.
    #[error("{} is of version {found}, and this mailvet knows version {known}: use the newer mailvet", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The last version that is known.
        known: i64,
    },
    /// The database failed.
    #[error("{} cannot be used: {reason}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The database's words.
        reason: String,
    },
}

#[cfg(feature = "sqlite")]
impl OutcomeStoreError {
    pub(super) fn of_io(path: &std::path::Path, reason: io::Error) -> Self {
        Self::File { path: path.to_owned(), reason }
    }
}
