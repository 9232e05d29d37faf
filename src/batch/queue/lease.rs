//! Work that is given out and comes back.

use std::fmt;
use std::time::SystemTime;

use crate::batch::outcome::Outcome;
use crate::campaign::id::BatchId;
use crate::campaign::spec::BatchOptions;

/// The most items in a chunk.
pub const CHUNK: usize = 100;

/// The name of a lease. No two leases of one queue ever have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub u64);

/// A request for chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Most chunks to lease.
    pub chunks: usize,
    /// Most chunks of one group of one batch that may be out at a time, those already out
    /// included.
    pub chunks_per_group: usize,
    /// The time at which the leases end by themselves.
    pub until: SystemTime,
}

/// A chunk, for one worker and for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// The batch it is of.
    pub batch: BatchId,
    /// The caller whose batch it is.
    pub owner: String,
    /// The options of its batch.
    pub options: BatchOptions,
    /// The time at which open items become UNKNOWN.
    pub deadline: Option<SystemTime>,
    /// The group of its items.
    pub group: String,
    /// Those of its items that have no result yet, in the order of their first rows.
    pub items: Vec<LeaseItem>,
}

/// One mailbox to be asked about.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaseItem {
    /// Its number within the batch.
    pub number: u64,
    /// The address, as the first of its rows spells it.
    pub address: String,
    /// The latest time of a consent of its rows, if one of them has any.
    pub consented_at: Option<SystemTime>,
    /// The time of its server's first "not now".
    pub waiting_since: Option<SystemTime>,
    /// The result so far; set with `waiting_since`.
    pub provisional: Option<Outcome>,
}

impl fmt::Debug for LeaseItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseItem").field("number", &self.number).finish_non_exhaustive()
    }
}

/// An item and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemOutcome {
    /// [`LeaseItem::number`].
    pub item: u64,
    /// Its outcome.
    pub outcome: Outcome,
}
