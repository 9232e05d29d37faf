//! What only this kind of queue has: its directory, its files, its disk.

mod crash;
mod directory;
mod full;
mod version_0_1;

use tempfile::TempDir;

use super::SqliteQueue;
use crate::batch::queue::Queue;
use crate::queue_tests::{self, Backend};

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

queue_tests::suite!(Scratch::new());
queue_tests::durable!(Scratch::new());
