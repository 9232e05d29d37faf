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
    #[error("{} is missing: put it back, or remove {store} too to start anew", key.display())]
    NoKey {
        /// The file of the key.
        key: PathBuf,
        /// The place of the outcomes.
        store: String,
    },
    /// The key is not the one that the outcomes were kept under.
    #[error("{} is not the key of the outcomes in {store}: name the right file with outcomes.key_file", key.display())]
    OtherKey {
        /// The file of the key.
        key: PathBuf,
        /// The place of the outcomes.
        store: String,
    },
    /// Outcomes that come from another store were kept under another key.
    #[error(
        "they were kept under another key, by which no address is found here: name the key of the store that they come from with outcomes.key_file"
    )]
    ForeignKey,
    /// The key is in a file that the configuration does not name.
    #[error("the key of the outcomes in {store} is kept in a file: name it with outcomes.key_file")]
    KeyElsewhere {
        /// The place of the outcomes.
        store: String,
    },
    /// It holds something, and no outcomes.
    #[cfg(feature = "sqlite")]
    #[error("{} is no database of outcomes: name another file with outcomes.file", .0.display())]
    Foreign(PathBuf),
    /// It was written by a later mailvet.
    #[error(
        "{store} is of version {found}, and this mailvet knows version {known}: use the newer mailvet"
    )]
    Newer {
        /// The place of the outcomes.
        store: String,
        /// Its version.
        found: i64,
        /// The last version that is known.
        known: i64,
    },
    /// The database failed.
    #[error("{store} cannot be used: {reason}")]
    Database {
        /// The place of the outcomes.
        store: String,
        /// The database's words.
        reason: String,
    },
    /// The database did not answer a look-up.
    #[error("{0}")]
    LookUp(String),
    /// The process ends.
    #[error("the process is ending")]
    Stopped,
    /// The database cannot be reached.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Connect(#[from] crate::batch::postgres::PostgresError),
}

impl OutcomeStoreError {
    #[cfg(feature = "sqlite")]
    pub(super) fn of_io(path: &std::path::Path, reason: io::Error) -> Self {
        Self::File { path: path.to_owned(), reason }
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn of_database(store: &impl ToString, reason: &impl ToString) -> Self {
        Self::Database { store: store.to_string(), reason: reason.to_string() }
    }
}
