//! Folders that end with the command that made them.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::{Builder, TempDir};

/// The remedy where no such folder can be made.
pub(super) const NO_SCRATCH: &str =
    "no folder can be made for what lasts as long as the command: name a place for it in TMPDIR";

/// Makes a folder that only this user can enter: lists and batches lie in it for a while.
pub(super) fn scratch_folder() -> io::Result<TempDir> {
    Builder::new().prefix("mailvet-").permissions(Permissions::from_mode(0o700)).tempdir()
}
