//! Finished files that a run gave their names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::paths;

/// A file that a run put into its place, as it was then: a run that has to be gone on with replaces
/// it, unless somebody changed it since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlacedFile {
    path: PathBuf,
    length: u64,
    modified_at: SystemTime,
}

impl PlacedFile {
    /// The file at `path`.
    pub(super) fn of_path(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        let (length, modified_at) = (found.len(), found.modified()?);
        Ok(Self { path: std::path::absolute(path)?, length, modified_at })
    }
}

/// Does what [`paths::persist`] does; returns the file, unless it is a stream. A pipe that nobody
/// reads blocks, and is written to on a thread of its own, so that an interruption is heard
/// meanwhile. A file has its name in one go: an interruption would leave it there without a record.
pub(super) async fn persist(
    scratch: &Path,
    path: &Path,
    may_replace: bool,
) -> anyhow::Result<Option<PlacedFile>> {
    if paths::is_stream(path) {
        let (scratch, path) = (scratch.to_owned(), path.to_owned());
        let copied = move || paths::persist(&scratch, &path, may_replace);
        tokio::task::spawn_blocking(copied).await??;
        return Ok(None);
    }
    paths::persist(scratch, path, may_replace)?;
    Ok(Some(PlacedFile::of_path(path)?))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::process::Command;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_file_that_somebody_changed_is_not_the_one_that_was_placed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, "rows").unwrap();
        let placed = PlacedFile::of_path(&path).unwrap();
        let kept = serde_json::to_string(&placed).unwrap();
        assert_eq!(serde_json::from_str::<PlacedFile>(&kept).unwrap(), placed);
        assert_eq!(PlacedFile::of_path(&path).unwrap(), placed);
        fs::write(&path, "other rows").unwrap();
        assert_ne!(PlacedFile::of_path(&path).unwrap(), placed);
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_reads_yet_holds_up_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (scratch, pipe) = (folder.path().join("scratch"), folder.path().join("pipe"));
        fs::write(&scratch, "rows").unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut placing = pin!(persist(&scratch, &pipe, false));
        let first = placing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending());
        assert_eq!(fs::read_to_string(&pipe).unwrap(), "rows");
        assert_eq!(placing.await.unwrap(), None);
    }

    #[test]
    fn a_file_is_not_placed_without_its_record_by_whoever_is_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let (scratch, path) = (folder.path().join("scratch"), folder.path().join("out.csv"));
        fs::write(&scratch, "rows").unwrap();
        let placing = pin!(persist(&scratch, &path, false));
        let Poll::Ready(placed) = placing.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it can be given up between the file and its record");
        };
        assert_eq!(placed.unwrap(), Some(PlacedFile::of_path(&path).unwrap()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "rows");
    }
}
