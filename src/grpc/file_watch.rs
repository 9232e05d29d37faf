//! Detects changes of files by time and size.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use parking_lot::Mutex;

/// A few files and their state at the last look.
#[derive(Debug)]
pub(super) struct FileWatch {
    paths: Vec<PathBuf>,
    seen: Mutex<Vec<Stamp>>,
}

/// Modification time and size of a file; `None` while it does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<(Option<SystemTime>, u64)>);

impl FileWatch {
    /// Looks at the files. To be done before they are read: what changes meanwhile is then noticed.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let seen = Mutex::new(look_at(&paths));
        Self { paths, seen }
    }

    /// Returns whether a file came, went or changed its time or size since the last look. Blocks
    /// on the file system.
    pub(super) fn has_changed(&self) -> bool {
        let now = look_at(&self.paths);
        let mut seen = self.seen.lock();
        let changed = *seen != now;
        *seen = now;
        changed
    }

    /// Has the next look tell of a change whatever it sees: what changed could not be read.
    pub(super) fn look_again(&self) {
        self.seen.lock().clear();
    }
}

fn look_at(paths: &[PathBuf]) -> Vec<Stamp> {
    // Followed through links: a mounted secret is often a folder of them.
    let stamp = |path: &PathBuf| {
        Stamp(fs::metadata(path).ok().map(|meta| (meta.modified().ok(), meta.len())))
    };
    paths.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "one").unwrap();
        let watched = FileWatch::new(vec![a.clone(), b.clone()]);
        assert!(!watched.has_changed());
        fs::write(&a, "other").unwrap();
        assert!(watched.has_changed() && !watched.has_changed());
        fs::write(&b, "came").unwrap();
        assert!(watched.has_changed() && !watched.has_changed());
        fs::remove_file(&a).unwrap();
        assert!(watched.has_changed() && !watched.has_changed());
        watched.look_again();
        assert!(watched.has_changed() && !watched.has_changed());
    }
}
