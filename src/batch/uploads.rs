//! List files as they were uploaded, kept beside their batches until those are deleted.
//!
//! ```text
//! DATA_DIR/uploads/     0700
//!   NAME.part           in arrival, or being made into a table; gone when the process starts anew,
//!                       and hours after it was left behind
//!   ID.list             the list of the batch ID
//!   ID.json             how it is read
//! ```

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::Config;
use crate::campaign::id::BatchId;

const MIB: u64 = 1024 * 1024;

/// Files that are made by and by at a time: each may wait for a batch that runs, and for a caller
/// that reads slowly.
const SCRATCH_PLACES: usize = 8;

/// The folder of uploaded lists. Clones are the same one.
#[derive(Clone, Debug)]
pub struct UploadStore(Arc<UploadFolder>);

#[derive(Debug)]
struct UploadFolder {
    folder: PathBuf,
    /// Largest list, in octets.
    largest: u64,
    /// Most octets of all of them.
    most: u64,
    last: AtomicU64,
    /// Files in arrival, and lists that wait: somebody will keep or drop them.
    spools: Mutex<HashSet<PathBuf>>,
    scratch: Arc<Semaphore>,
}

/// A place for a file that is made by and by; while it is held, it is one of those there are.
#[derive(Debug)]
pub struct ScratchPlace {
    store: UploadStore,
    _permit: OwnedSemaphorePermit,
}

/// An error of the folder of uploads.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The list is longer than is taken.
    #[error("the list is larger than {0} MiB; send it in parts")]
    TooLarge(u64),
    /// There is no room for another list.
    #[error("the service keeps as many lists as it may; delete batches that are over, or wait")]
    NoRoom,
    /// The disk failed, or is full.
    #[error("the list cannot be kept: {0}")]
    Io(#[from] io::Error),
}

/// A file in arrival; dropped, it is removed.
#[derive(Debug)]
pub struct SpoolFile {
    store: UploadStore,
    path: PathBuf,
    file: Option<File>,
    written: u64,
    largest: u64,
}

/// A list that was kept, and how it is read.
#[derive(Debug)]
pub struct StoredList {
    /// The list.
    pub file: File,
    /// The text that was given to [`UploadStore::keep`].
    pub reading: Vec<u8>,
}

impl UploadStore {
    /// Opens the folder in `data_dir`, and makes it if it is not there. What was in arrival when
    /// the last process ended is removed. This waits for the disk.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn open(data_dir: &Path, config: &Config) -> io::Result<Self> {
        let folder = data_dir.join("uploads");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(path)?;
            }
        }
        let (largest, most) = (config.megabytes_per_upload, config.megabytes_of_uploads);
        Ok(Self(Arc::new(UploadFolder {
            folder,
            largest: largest * MIB,
            most: most * MIB,
            last: AtomicU64::new(0),
            spools: Mutex::default(),
            scratch: Arc::new(Semaphore::new(SCRATCH_PLACES)),
        })))
    }

    /// The largest list, in octets.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.0.largest
    }

    /// Begins a file. This waits for the disk.
    ///
    /// # Errors
    /// [`UploadError::NoRoom`] if the files there are take up all that they may.
    pub fn begin(&self) -> Result<SpoolFile, UploadError> {
        if self.octets()? >= self.0.most {
            return Err(UploadError::NoRoom);
        }
        let path = self.next_path();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        self.0.spools.lock().insert(path.clone());
        let (store, largest) = (self.clone(), self.0.largest);
        Ok(SpoolFile { store, path, file: Some(file), written: 0, largest })
    }

    /// A place to make a file at, unless all are taken.
    #[must_use]
    pub fn scratch(&self) -> Option<ScratchPlace> {
        let permit = Arc::clone(&self.0.scratch).try_acquire_owned().ok()?;
        Some(ScratchPlace { store: self.clone(), _permit: permit })
    }

    /// Keeps a file as the list of a batch. This waits for the disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn keep(&self, spool: &SpoolFile, id: &BatchId, reading: &[u8]) -> io::Result<()> {
        let path = self.path(id, "json");
        let mut file = OpenOptions::new();
        let file = file.write(true).create(true).truncate(true).mode(0o600);
        file.open(path)?.write_all(reading)?;
        fs::rename(&spool.path, self.path(id, "list"))
    }

    /// The list of a batch, if one is kept. This waits for the disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn list(&self, id: &BatchId) -> io::Result<Option<StoredList>> {
        match File::open(self.path(id, "list")) {
            Ok(file) => Ok(Some(StoredList { file, reading: fs::read(self.path(id, "json"))? })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The batches that lists are kept of.
    pub(super) fn batches(&self) -> io::Result<Vec<BatchId>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.0.folder)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.split_once('.'));
            found.extend(id.and_then(|(id, _)| BatchId::parse(id)));
        }
        Ok(found)
    }

    /// Removes what is kept of a batch. This waits for the disk.
    pub(super) fn remove(&self, id: &BatchId) {
        for ending in ["list", "json"] {
            match fs::remove_file(self.path(id, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::error!(batch = %id, %error, "its uploaded list cannot be removed");
                }
                _ => {}
            }
        }
    }

    /// Removes the files of arrivals that nobody holds any more and that were last written before
    /// `before`: the disk failed when they were to go. Returns their number. This waits for the
    /// disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn remove_stale(&self, before: SystemTime) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.0.folder)? {
            let entry = entry?;
            let path = entry.path();
            let is_part = path.extension().is_some_and(|extension| extension == "part");
            // One that goes meanwhile is not stale.
            let written = entry.metadata().and_then(|file| file.modified());
            let is_old = written.is_ok_and(|written| written < before);
            if is_part && is_old && !self.0.spools.lock().contains(&path) {
                fs::remove_file(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn next_path(&self) -> PathBuf {
        let number = self.0.last.fetch_add(1, Ordering::Relaxed);
        self.0.folder.join(format!("{number}.part"))
    }

    fn path(&self, id: &BatchId, ending: &str) -> PathBuf {
        self.0.folder.join(format!("{id}.{ending}"))
    }

    /// Octets of all files.
    fn octets(&self) -> io::Result<u64> {
        let mut sum = 0;
        for entry in fs::read_dir(&self.0.folder)? {
            // One that goes meanwhile takes up nothing.
            sum += entry?.metadata().map_or(0, |file| file.len());
        }
        Ok(sum)
    }
}

impl ScratchPlace {
    /// The folder for files without a name.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.store.0.folder
    }

    /// A file without a name, so that it is gone when it is closed. This waits for the disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn file(&self) -> io::Result<File> {
        let path = self.store.next_path();
        let mut file = OpenOptions::new();
        let file = file.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(path)?;
        Ok(file)
    }
}

impl SpoolFile {
    /// Writes octets behind those that are there. This waits for the disk.
    ///
    /// # Errors
    /// [`UploadError::TooLarge`], or the disk's.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), UploadError> {
        self.written += octets.len() as u64;
        if self.written > self.largest {
            return Err(UploadError::TooLarge(self.largest / MIB));
        }
        match &mut self.file {
            Some(file) => Ok(file.write_all(octets)?),
            None => Err(io::Error::other("the file is complete").into()),
        }
    }

    /// The file, for another writer; it writes no more itself.
    ///
    /// # Errors
    /// If it was taken before.
    pub fn take_file(&mut self) -> io::Result<File> {
        self.file.take().ok_or_else(|| io::Error::other("the file is complete"))
    }

    /// Opens the file to read it from its beginning.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn read(&self) -> io::Result<File> {
        File::open(&self.path)
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        // Not there any more if it was kept.
        let _ = fs::remove_file(&self.path);
        self.store.0.spools.lock().remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::SystemTime;

    use super::*;

    fn store(folder: &Path, largest: u64, most: u64) -> UploadStore {
        let config = Config {
            megabytes_per_upload: largest,
            megabytes_of_uploads: most,
            ..Config::default()
        };
        UploadStore::open(folder, &config).unwrap()
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder.join("uploads")).unwrap().count()
    }

    #[test]
    fn a_kept_list_is_there_until_its_batch_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = store(folder.path(), 1, 1);
        let id = BatchId::new(SystemTime::UNIX_EPOCH);
        let mut spool = uploads.begin().unwrap();
        spool.write(b"email\n").unwrap();
        uploads.keep(&spool, &id, b"{}").unwrap();
        drop(uploads);
        let uploads = store(folder.path(), 1, 1);
        let StoredList { mut file, reading } = uploads.list(&id).unwrap().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), reading.as_slice()), ("email\n", &b"{}"[..]));
        assert!(uploads.batches().unwrap().contains(&id));
        uploads.remove(&id);
        assert!(uploads.list(&id).unwrap().is_none());
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn what_was_not_kept_leaves_nothing_and_bounds_hold() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = store(folder.path(), 1, 2);
        let mut first = uploads.begin().unwrap();
        first.write(&vec![b'x'; 1024 * 1024]).unwrap();
        assert!(matches!(first.write(b"x"), Err(UploadError::TooLarge(1))));
        let mut second = uploads.begin().unwrap();
        second.write(&vec![b'x'; 1024 * 1024]).unwrap();
        assert!(matches!(uploads.begin(), Err(UploadError::NoRoom)));
        drop(first);
        assert!(uploads.begin().is_ok());
        drop(second);
        assert_eq!(files(folder.path()), 0);
        std::mem::forget(uploads.begin().unwrap());
        store(folder.path(), 1, 1);
        assert_eq!(files(folder.path()), 0, "the process ended meanwhile");
    }
    #[test]
    fn a_file_that_was_left_behind_goes_after_a_while_and_one_that_somebody_holds_stays() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = store(folder.path(), 1, 1);
        let before = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        let age = |name: &str| {
            let path = folder.path().join("uploads").join(name);
            let file = File::options().append(true).create(true).open(path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        let mut held = uploads.begin().unwrap();
        held.write(b"email\n").unwrap();
        age("0.part");
        age("99.part");
        let id = BatchId::new(SystemTime::UNIX_EPOCH);
        uploads.keep(&uploads.begin().unwrap(), &id, b"{}").unwrap();
        age(&format!("{id}.list"));
        fs::write(folder.path().join("uploads").join("98.part"), "young").unwrap();
        assert_eq!(uploads.remove_stale(before).unwrap(), 1);
        assert_eq!(files(folder.path()), 4, "99.part alone was left behind for long");
        let left = held.read().unwrap().metadata().unwrap().len();
        assert_eq!(left, 6, "a list that waits is whole");
        assert!(uploads.list(&id).unwrap().is_some());
        drop(held);
        assert_eq!(files(folder.path()), 3);
    }
}
