//! The file with the API keys.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file_watch::FileWatch;
use crate::access::{Keys, KeysError};

/// The largest file taken, in octets: some thousands of keys.
const LARGEST: u64 = 1024 * 1024;

/// Why the keys cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("the API keys in {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is too large to be one.
    #[error("{} is larger than 1 MiB, which no file of API keys is", .0.display())]
    TooLarge(PathBuf),
    /// The file says something that is not a list of keys.
    #[error("the API keys in {} are not valid: {source}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: KeysError,
    },
}

/// The file, and when it was last looked at.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    watched: FileWatch,
}

impl KeyFile {
    /// Reads the file. Blocks on the file system.
    pub(super) fn open(path: &Path) -> Result<(Self, Keys), KeyFileError> {
        let watched = FileWatch::new(vec![path.to_owned()]);
        let keys = read(path)?;
        Ok((Self { path: path.to_owned(), watched }, keys))
    }

    /// The keys, if the file has changed. Blocks on the file system.
    pub(super) fn read_if_changed(&self) -> Result<Option<Keys>, KeyFileError> {
        if !self.watched.has_changed() {
            return Ok(None);
        }
        let keys = read(&self.path);
        if matches!(keys, Err(KeyFileError::Read { .. })) {
            // It is what it was to be; that it could not be read may pass.
            self.watched.look_again();
        }
        keys.map(Some)
    }
}

fn read(path: &Path) -> Result<Keys, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > LARGEST {
        return Err(KeyFileError::TooLarge(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    Keys::parse(&text).map_err(|source| KeyFileError::Wrong { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_read_is_read_again_though_it_changed_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        fs::write(&path, "").unwrap();
        let (file, _) = KeyFile::open(&path).unwrap();
        assert!(file.read_if_changed().unwrap().is_none());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        for _ in 0..3 {
            assert!(matches!(file.read_if_changed(), Err(KeyFileError::Read { .. })));
        }
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "key").unwrap();
        assert!(matches!(file.read_if_changed(), Err(KeyFileError::Wrong { .. })));
        assert!(file.read_if_changed().unwrap().is_none(), "it is wrong until it is changed");
    }
}
