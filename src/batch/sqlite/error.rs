//! Errors of the store: when it is opened, and while it is used.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi;

use super::layout::CATALOG;
use crate::batch::queue::QueueError;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file is in the way.
    #[error("{} is not a directory: name another data directory, or move the file away", .0.display())]
    NotADirectory(PathBuf),
    /// Nothing can be written there.
    #[error("{} cannot be written to ({reason}): let this user write there, or name another data directory", path.display())]
    NotWritable {
        /// The directory or the file.
        path: PathBuf,
        /// The error of the operating system.
        reason: io::Error,
    },
    /// Another process has it.
    #[error("the data directory {} is in use by another process: stop that one, or name another data directory", .0.display())]
    InUse(PathBuf),
    /// It was written by a later mailvet.
    #[error("{} is of version {found}, and this mailvet knows version {known}: use the newer mailvet, or name another data directory", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The last version that is known.
        known: i64,
    },
    /// It is damaged.
    #[error("{} is damaged ({reason}): put a copy of it back, or {remedy}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        reason: String,
        /// The alternative to putting a copy back.
        remedy: &'static str,
    },
    /// A batch that was accepted has no file.
    #[error("{} is missing: put it back; or, to give its batch up, put an empty file in its place", .0.display())]
    Missing(PathBuf),
    /// There are batches, and nothing tells whose.
    #[error("{} is missing, and there are batches: put it back, or move the data directory away to start anew", .0.display())]
    NoCatalog(PathBuf),
    /// The disk is full.
    #[error("the disk of {} is full: make room, then start again; nothing is lost", .0.display())]
    Full(PathBuf),
    /// The machine failed to read it: that says nothing of what is in it.
    #[error("{} cannot be read now ({reason}): see to its disk, then start again; if the disk has lost it, put a copy of it back, or {remedy}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the store.
        reason: String,
        /// The alternative to putting a copy back.
        remedy: &'static str,
    },
}

impl OpenError {
    /// Classifies `error`, met with the file at `path` when a store is opened.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        if is_full(error) {
            return Self::Full(path);
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::NotWritable { path, reason: io::Error::other(error.to_string()) }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse(path),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Unreadable { remedy: remedy(&path), path, reason: error.to_string() },
            _ => Self::damaged(path, error.to_string()),
        }
    }

    /// The file at `path` is not what it should be.
    pub(super) fn damaged(path: PathBuf, reason: String) -> Self {
        Self::Damaged { remedy: remedy(&path), path, reason }
    }

    /// The same for what the file system says.
    pub(super) fn of_io(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Self::NotADirectory(path.to_owned())
            }
            kind if is_no_room(kind) => Self::Full(path.to_owned()),
            _ => Self::NotWritable { path: path.to_owned(), reason: error },
        }
    }
}

/// The remedy if the file at `path` cannot be had back.
fn remedy(path: &Path) -> &'static str {
    if path.ends_with(CATALOG) {
        "move the data directory away to start anew"
    } else {
        "put an empty file in its place to give its batch up"
    }
}

/// `true` if `error` says that the disk is full. The index of the log is made longer in its own
/// way, which has its own code.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}

/// An error inside the store, before it is mapped for the caller.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// An error to return to the caller unchanged.
    #[error(transparent)]
    Caller(#[from] QueueError),
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Unexpected(&'static str),
}

impl StoreError {
    /// The error for the caller; `place` is the data directory.
    pub(super) fn into_queue_error(self, place: &str) -> QueueError {
        let place = place.to_owned();
        match self {
            Self::Caller(error) => error,
            Self::Sql(error) if is_full(&error) => QueueError::Full { place },
            Self::File(error) if is_no_room(error.kind()) => QueueError::Full { place },
            other => QueueError::Broken { place, reason: other.to_string() },
        }
    }

    /// The error for a worker that brings results: they are worth another try if the trouble is
    /// the disk's and may pass. A quota of the disk that is used up comes as such a trouble too.
    pub(super) fn into_report_error(self, place: &str) -> QueueError {
        match self {
            Self::Sql(error) if may_pass(&error) => {
                QueueError::Unavailable { place: place.to_owned(), reason: error.to_string() }
            }
            other => other.into_queue_error(place),
        }
    }
}

/// `true` if the file system says that there is no room: on the disk, or for this user.
fn is_no_room(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// `true` if the same may succeed in a moment: the disk or the volume is away, or memory is short.
fn may_pass(error: &rusqlite::Error) -> bool {
    !is_full(error)
        && matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::OutOfMemory
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
            )
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error of SQLite with this code.
    fn said(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn a_disk_that_fails_to_read_a_file_does_not_make_it_damaged() {
        let path = Path::new("/data/batches/x.db");
        for code in [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_FSTAT, ffi::SQLITE_NOMEM] {
            let error = OpenError::of(path, &said(code));
            assert!(matches!(error, OpenError::Unreadable { .. }), "{error}");
            assert!(error.to_string().contains("put an empty file in its place"), "{error}");
            let error = OpenError::of(Path::new("/data/catalog.db"), &said(code)).to_string();
            assert!(error.contains("move the data directory away"), "{error}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_ERROR] {
            let error = OpenError::of(path, &said(code));
            assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        }
        let error = OpenError::of(path, &said(ffi::SQLITE_IOERR_SHMSIZE));
        assert!(matches!(error, OpenError::Full(_)), "{error}");
    }

    #[test]
    fn results_are_brought_again_after_a_trouble_of_the_disk_that_may_pass() {
        let report = |code: i32| StoreError::from(said(code)).into_report_error("/data");
        for code in [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_CANTOPEN] {
            let error = report(code);
            assert!(matches!(error, QueueError::Unavailable { .. }), "{error}");
        }
        assert!(matches!(report(ffi::SQLITE_FULL), QueueError::Full { .. }));
        assert!(matches!(report(ffi::SQLITE_CORRUPT), QueueError::Broken { .. }));
    }

    #[test]
    fn a_quota_of_the_disk_that_is_used_up_is_a_full_disk() {
        let error = || io::Error::from(io::ErrorKind::QuotaExceeded);
        assert!(matches!(OpenError::of_io(Path::new("/data"), error()), OpenError::Full(_)));
        let told = StoreError::from(error()).into_queue_error("/data");
        assert!(matches!(told, QueueError::Full { .. }), "{told}");
    }
}
