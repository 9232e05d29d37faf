//! Connections for reading. A few stay open between reads.

use std::cell::RefCell;
use std::path::Path;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use super::error::StoreError;
use super::outcome_dictionary::OutcomeReader;
use super::schema::{self, Reasons};
use crate::campaign::id::BatchId;

/// Connections that stay open while none is used.
const IDLE_READERS: usize = 16;

/// KiB of pages that each keeps.
const CACHE_KIB: u32 = 1024;

/// A connection to one batch's file.
pub(super) struct BatchReader {
    pub(super) id: BatchId,
    pub(super) connection: Connection,
    pub(super) reasons: Reasons,
    pub(super) dictionary: RefCell<OutcomeReader>,
    /// Number of batches forgotten when it was taken.
    taken: u64,
}

/// The connections that nobody uses.
#[derive(Default)]
pub(super) struct ReaderPool(Mutex<IdleReaders>);

#[derive(Default)]
struct IdleReaders {
    /// The one that was longest unused first.
    readers: Vec<BatchReader>,
    forgotten: u64,
}

impl ReaderPool {
    fn idle(&self) -> MutexGuard<'_, IdleReaders> {
        self.0.lock()
    }

    /// A connection to the file at `path`, which is that of `id`.
    pub(super) fn take(&self, id: &BatchId, path: &Path) -> Result<BatchReader, StoreError> {
        let forgotten = {
            let mut idle = self.idle();
            let forgotten = idle.forgotten;
            if let Some(at) = idle.readers.iter().position(|reader| reader.id == *id) {
                let reader = idle.readers.remove(at);
                return Ok(BatchReader { taken: forgotten, ..reader });
            }
            forgotten
        };
        let connection = schema::open(path)?;
        connection.execute_batch(&format!("PRAGMA cache_size = -{CACHE_KIB}"))?;
        let reasons = Reasons::read(&connection)?;
        let dictionary = RefCell::default();
        Ok(BatchReader { id: id.clone(), connection, reasons, dictionary, taken: forgotten })
    }

    /// Takes a connection back. Its batch may be gone by now: then so is the connection.
    pub(super) fn give(&self, reader: BatchReader) {
        let mut idle = self.idle();
        if idle.forgotten == reader.taken {
            idle.readers.push(reader);
            if idle.readers.len() > IDLE_READERS {
                idle.readers.remove(0);
            }
        }
    }

    /// Closes what is open of a batch, so that nothing holds on to its bytes.
    pub(super) fn forget(&self, id: &BatchId) {
        let mut idle = self.idle();
        idle.forgotten += 1;
        idle.readers.retain(|reader| reader.id != *id);
    }
}
