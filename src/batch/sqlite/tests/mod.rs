//! What only this kind of queue has: its directory, its files, its disk.

mod crash;
mod directory;
mod full;
mod version_0_1;

use tempfile::TempDir;

use super::SqliteQueue;
use crate::batch::conformance::{self, Backend};
use crate::batch::queue::Queue;

/// A data directory that vanishes with it.
pub(super) struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> SqliteQueue {
        SqliteQueue::open(self.0.path()).unwrap()
    }
}

impl Backend for Scratch {
    fn open(&self) -> Box<dyn Queue> {
        Box::new(Scratch::open(self))
    }
}

conformance::suite!(Scratch::new());
conformance::durable!(Scratch::new());
