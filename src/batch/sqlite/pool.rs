//! Connections for reading. A few stay open between reads.

use std::cell::RefCell;
use std::path::Path;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use super::common::Read;
use super::error::Fault;
use super::schema::{self, Reasons};
use crate::campaign::id::BatchId;

/// How many connections stay open while nobody reads.
const IDLE: usize = 16;

/// KiB of pages that each keeps.
const CACHE: u32 = 1024;

/// A connection to one batch's file.
pub(super) struct Reader {
    pub(super) id: BatchId,
    pub(super) connection: Connection,
    pub(super) reasons: Reasons,
    pub(super) known: RefCell<Read>,
    /// How many batches had been forgotten when it was taken.
    taken: u64,
}

/// The connections that nobody uses.
#[derive(Default)]
pub(super) struct Pool(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    /// The one that was longest unused first.
    readers: Vec<Reader>,
    forgotten: u64,
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.lock()
    }

    /// A connection to the file at `path`, which is that of `id`.
    pub(super) fn take(&self, id: &BatchId, path: &Path) -> Result<Reader, Fault> {
        let forgotten = {
            let mut idle = self.idle();
            let forgotten = idle.forgotten;
            if let Some(at) = idle.readers.iter().position(|reader| reader.id == *id) {
                let reader = idle.readers.remove(at);
                return Ok(Reader { taken: forgotten, ..reader });
            }
            forgotten
        };
        let connection = schema::open(path)?;
        connection.execute_batch(&format!("PRAGMA cache_size = -{CACHE}"))?;
        let reasons = Reasons::read(&connection)?;
        let known = RefCell::default();
        Ok(Reader { id: id.clone(), connection, reasons, known, taken: forgotten })
    }

    /// Takes a connection back. Its batch may be gone by now: then so is the connection.
    pub(super) fn give(&self, reader: Reader) {
        let mut idle = self.idle();
        if idle.forgotten == reader.taken {
            idle.readers.push(reader);
            if idle.readers.len() > IDLE {
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
