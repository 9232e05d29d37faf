//! Reads the lists folder and takes up changed files while the process runs.
//!
//! The only file here that touches the file system. It starts no task and waits for nothing: the
//! owner of the [`ListsHandle`] calls [`ListsHandle::reload_if_changed`] at intervals
//! ([`Config::poll_interval`]), where blocking on the file system is allowed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};

use super::kind::ListKind;
use super::{Config, ListError, ListFile, Lists, MAX_FILE};

/// The lists in force, and the folder they are refreshed from.
///
/// Readers take a snapshot with [`current`](Self::current). A read lock held for one `Arc` clone is
/// enough for that: it is taken once for an address, and written once for a changed file.
#[derive(Debug)]
pub struct ListsHandle {
    dir: Option<PathBuf>,
    current: RwLock<Lists>,
    /// The state of the folder when it was last read, with or without success.
    seen: Mutex<Folder>,
}

/// The `.txt` files of the folder, with what changes when they do.
type Folder = BTreeMap<PathBuf, FileStamp>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// The result of [`ListsHandle::reload_if_changed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// No file changed since it was last read.
    Unchanged,
    /// The files were read again, and [`ListsHandle::current`] has the new lists.
    Reloaded,
}

impl ListsHandle {
    /// Reads the folder of `config`, if it names one. Blocks on the file system.
    ///
    /// # Errors
    /// The [`ListError`] of the first file that cannot be taken: a process should not start with
    /// lists other than its operator wrote.
    pub fn open(config: &Config) -> Result<Self, ListError> {
        let (folder, lists) = match &config.dir {
            None => (Folder::new(), Lists::built_in()),
            Some(dir) => {
                let folder = look_at(dir)?;
                let lists = Lists::with_files(&read(&folder)?)?;
                (folder, lists)
            }
        };
        Ok(Self { dir: config.dir.clone(), current: RwLock::new(lists), seen: Mutex::new(folder) })
    }

    /// The lists in force: a snapshot that stays the same while the caller holds it.
    #[must_use]
    pub fn current(&self) -> Lists {
        self.current.read().clone()
    }

    /// Reads the folder again if a file came, went or changed its time or size. Blocks on the file
    /// system.
    ///
    /// # Errors
    /// The [`ListError`] of the first file that cannot be taken; the lists in force stay as they
    /// are. A file with a mistake is reported once, then when it changes again; what the system
    /// would not let us read is reported, and tried again, each time.
    pub fn reload_if_changed(&self) -> Result<Reload, ListError> {
        let Some(dir) = &self.dir else { return Ok(Reload::Unchanged) };
        let mut seen = self.seen.lock();
        let folder = look_at(dir)?;
        if *seen == folder {
            return Ok(Reload::Unchanged);
        }
        let lists = read(&folder).and_then(|files| Lists::with_files(&files));
        if !matches!(lists, Err(ListError::Read { .. })) {
            *seen = folder;
        }
        *self.current.write() = lists?;
        Ok(Reload::Reloaded)
    }
}

/// The `.txt` files in `dir`, hidden ones aside. A file that vanishes meanwhile is not there.
fn look_at(dir: &Path) -> Result<Folder, ListError> {
    let failed = |source| ListError::Read { path: dir.to_owned(), source };
    let mut folder = Folder::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        // Followed through links: a mounted configuration is often a folder of them.
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => {
                let stamp = FileStamp { modified: meta.modified().ok(), bytes: meta.len() };
                folder.insert(path, stamp);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ListError::Read { path, source }),
        }
    }
    Ok(folder)
}

/// Reads the files of the folder.
fn read(folder: &Folder) -> Result<Vec<ListFile>, ListError> {
    let read_one = |(path, stamp): (&PathBuf, &FileStamp)| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let kind =
            ListKind::of_file(name).ok_or_else(|| ListError::UnknownFile { path: path.clone() })?;
        let text = read_text(path)?;
        Ok(ListFile { kind, path: path.clone(), text, modified: stamp.modified })
    };
    folder.iter().map(read_one).collect()
}

/// The text of a file of at most [`MAX_FILE`] bytes.
fn read_text(path: &Path) -> Result<String, ListError> {
    let failed = |source| ListError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        let bytes = fs::metadata(path).map_err(failed)?.len();
        return Err(ListError::TooLarge { path: path.to_owned(), bytes });
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        ListError::NotUtf8 { path: path.to_owned(), line }
    })
}
