//! The folder of a run that is being begun: whoever is interrupted meanwhile leaves nothing.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::Mutex;

use super::folder;
use super::job::Job;
use crate::cli::interruption::Interruption;

/// The folder that a run makes, shared by the thread that fills it and the one that gives it up.
#[derive(Clone, Debug, Default)]
pub(super) struct NewFolder(Arc<Mutex<NewFolderState>>);

#[derive(Debug, Default)]
enum NewFolderState {
    #[default]
    NotMade,
    Made(PathBuf),
    GivenUp,
}

impl NewFolder {
    /// Makes the folder, unless it was given up before.
    pub(super) fn create(&self, folder: &Path) -> anyhow::Result<()> {
        // Held meanwhile: a folder is either known here when it is given up, or never made.
        let mut state = self.0.lock();
        anyhow::ensure!(!matches!(*state, NewFolderState::GivenUp), "interrupted");
        fs::DirBuilder::new().mode(0o700).create(folder).with_context(|| {
            format!(
                "{} cannot be made, where a run keeps what it needs to go on: name an \
                     --output in a folder that can be written, or run it in one",
                folder.display()
            )
        })?;
        *state = NewFolderState::Made(folder.to_owned());
        Ok(())
    }

    /// Removes the folder if it was made; it is not made any more.
    fn give_up(&self) {
        let state = std::mem::replace(&mut *self.0.lock(), NewFolderState::GivenUp);
        if let NewFolderState::Made(folder) = state {
            folder::remove_folder(&folder);
        }
    }
}

/// Begins a run, or goes on with one, on a thread of its own: a list may come from a pipe that
/// nobody writes to, and reading a large one takes its time. What `begin` made is removed if it is
/// interrupted.
pub(super) async fn begin_interruptibly<F>(
    begin: F,
    interruption: &mut Interruption,
) -> anyhow::Result<Job>
where
    F: FnOnce(&NewFolder) -> anyhow::Result<Job> + Send + 'static,
{
    let made = NewFolder::default();
    let filled = made.clone();
    let beginning = tokio::task::spawn_blocking(move || begin(&filled));
    let begun = tokio::select! {
        begun = beginning => begun?,
        () = interruption.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    begun.inspect_err(|_| made.give_up())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_given_up_is_gone_and_is_not_made_afterwards() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let folder = NewFolder::default();
        folder.create(&at("run")).unwrap();
        fs::write(at("run").join("input-0"), "jane@acme.test\n").unwrap();
        folder.give_up();
        assert!(!at("run").exists());
        let nowhere = NewFolder::default().create(&at("nowhere/run")).unwrap_err().to_string();
        assert!(nowhere.contains("nowhere/run cannot be made"), "{nowhere}");
        assert!(nowhere.contains("--output"), "{nowhere}");
        let error = folder.create(&at("later")).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
        assert!(!at("later").exists());
    }
}
