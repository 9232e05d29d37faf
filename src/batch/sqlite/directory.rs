//! The data directory: who may read it, who has it, which files it holds.
//!
//! ```text
//! DATA_DIR/            0700
//!   lock               held while a process uses the directory
//!   catalog.db         the accepted batches: whose, how they stand, when they ended
//!   batches/ID.db      one batch: its rows, chunks and results
//!   batches/ID.db.damaged  a file that could not be read; put a whole copy back as ID.db
//!   batches/ID.intake  only while rows come in: which mailboxes and groups were met
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::layout::CATALOG;
use crate::campaign::id::BatchId;

/// Endings of the files that SQLite puts beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A data directory that this process has for itself.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    batches: PathBuf,
    /// Open, never read: the process that holds its lock has the directory.
    lock: File,
}

impl Directory {
    /// Takes the directory, and makes it if it is not there.
    pub(super) fn take(root: &Path) -> Result<Self, OpenError> {
        let batches = root.join("batches");
        for folder in [root, &batches] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .and_then(|()| close_to_others(folder))
                .map_err(|error| OpenError::of_io(folder, error))?;
        }
        let path = root.join("lock");
        let lock = create(&path).map_err(|error| OpenError::of_io(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(root.to_owned())),
            Err(TryLockError::Error(error)) => return Err(OpenError::of_io(&path, error)),
        }
        Ok(Self { root: root.to_owned(), batches, lock })
    }

    /// The directory, as errors name it.
    pub(super) fn place(&self) -> String {
        self.root.display().to_string()
    }

    pub(super) fn catalog(&self) -> PathBuf {
        self.root.join(CATALOG)
    }

    pub(super) fn batch(&self, id: &BatchId) -> PathBuf {
        self.batches.join(format!("{id}.db"))
    }

    pub(super) fn intake(&self, id: &BatchId) -> PathBuf {
        self.batches.join(format!("{id}.intake"))
    }

    /// The bytes that a batch's files take up.
    pub(super) fn bytes(&self, id: &BatchId) -> u64 {
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let batch = self.batch(id);
        let log = with_ending(&batch, "-wal");
        size(&batch) + size(&log) + size(&self.intake(id)) + size(&self.damaged(id))
    }

    /// The place of a batch's file that was set aside because it is damaged.
    pub(super) fn damaged(&self, id: &BatchId) -> PathBuf {
        self.batches.join(format!("{id}.db.damaged"))
    }

    /// Sets a batch's file aside, with its log: what can be read of it may still be wanted.
    pub(super) fn set_aside(&self, id: &BatchId) -> io::Result<PathBuf> {
        let (from, to) = (self.batch(id), self.damaged(id));
        for ending in BESIDE {
            match fs::rename(with_ending(&from, ending), with_ending(&to, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&from, &to)?;
        self.sync()?;
        Ok(to)
    }

    /// The batches there are files of, and what an intake left.
    pub(super) fn batches(&self) -> io::Result<(Vec<BatchId>, Vec<PathBuf>)> {
        let (mut batches, mut others) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.batches)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let (stem, rest) = name.split_once('.').unwrap_or((&name, ""));
            match (BatchId::parse(stem), rest) {
                (Some(id), "db") => batches.push(id),
                (Some(_), rest) if rest.starts_with("intake") => others.push(path.clone()),
                _ => {}
            }
        }
        Ok((batches, others))
    }

    /// Makes the names of the batches' files durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.batches)?.sync_all()
    }

    /// The same for what is there from the first start on.
    pub(super) fn sync_root(&self) -> io::Result<()> {
        File::open(&self.root)?.sync_all()
    }

    /// Takes the bytes out of a batch's files; an empty one stays.
    pub(super) fn empty(&self, id: &BatchId) -> io::Result<()> {
        match OpenOptions::new().write(true).truncate(true).open(self.batch(id)) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        remove_beside(&self.batch(id))
    }

    /// Removes a batch's files.
    pub(super) fn remove(&self, id: &BatchId) -> io::Result<()> {
        remove(&self.intake(id))?;
        remove(&self.damaged(id))?;
        remove(&self.batch(id))
    }
}

impl Drop for Directory {
    /// Gives the directory back at once: a child process that is just being started has a copy of
    /// every open file, and with it the lock, until its program begins.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the lock of the data directory ends with the process");
        }
    }
}

/// Makes the file at `path`, for its owner only; one that is there stays.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Removes a file of SQLite's and what it put beside it.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    remove_beside(path)?;
    remove_one(path)
}

fn remove_beside(path: &Path) -> io::Result<()> {
    for ending in BESIDE {
        remove_one(&with_ending(path, ending))?;
    }
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Takes a folder's permissions for others away, and says so. One of another owner stays as it is:
/// its files are for this user only, whatever the folder allows.
fn close_to_others(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let folder_name = folder.display();
    match fs::set_permissions(folder, Permissions::from_mode(0o700)) {
        Ok(()) => tracing::warn!(
            "{folder_name} could be entered by other users (mode {mode:04o}); it is for its owner \
             only now (mode 0700)"
        ),
        Err(error) => tracing::warn!(
            %error,
            "{folder_name} can be entered by other users (mode {mode:04o}) and belongs to another \
             user: have its owner run `chmod 0700`, or name another data directory"
        ),
    }
    Ok(())
}

fn remove_one(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_given_back_though_a_child_that_is_being_started_has_its_lock_too() {
        let root = tempfile::tempdir().unwrap();
        let held = Directory::take(root.path()).unwrap();
        let copy = held.lock.try_clone().unwrap();
        assert!(matches!(Directory::take(root.path()), Err(OpenError::InUse(_))));
        drop(held);
        Directory::take(root.path()).unwrap();
        drop(copy);
    }
}
