//! The state of the queue in memory.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use super::memory_batch::MemoryBatch;
use crate::batch::queue::{LeaseId, Notification, NotificationId, QueueError};
use crate::campaign::id::BatchId;
use crate::campaign::progress::State;

/// The batches and what is under way.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) batches: BTreeMap<BatchId, MemoryBatch>,
    pub(super) outbox: BTreeMap<NotificationId, Notification>,
    pub(super) leases: HashMap<LeaseId, (BatchId, usize)>,
    pub(super) last_lease: u64,
    /// Position at which the next turn begins.
    pub(super) turn: Option<BatchId>,
}

impl Inner {
    pub(super) fn kept(&mut self, id: &BatchId) -> Result<&mut MemoryBatch, QueueError> {
        self.batches.get_mut(id).ok_or_else(|| QueueError::NoSuchBatch(id.clone()))
    }

    pub(super) fn receiving(&mut self, id: &BatchId) -> Result<&mut MemoryBatch, QueueError> {
        let kept = self.kept(id)?;
        if kept.batch.state == State::Receiving {
            return Ok(kept);
        }
        let (id, state) = (id.clone(), kept.batch.state.name());
        Err(QueueError::WrongState { id, state, remedy: "make a new batch" })
    }

    /// Ends the leases whose time is over.
    pub(super) fn expire(&mut self, now: SystemTime) {
        for chunk in self.batches.values_mut().flat_map(|kept| &mut kept.chunks) {
            if !chunk.is_out(now) {
                chunk.out = None;
            }
        }
    }

    /// The lease, if it is not over.
    pub(super) fn out(
        &mut self,
        lease: LeaseId,
        now: SystemTime,
    ) -> Result<(BatchId, usize), QueueError> {
        self.expire(now);
        let (batch, chunk) = self.leases.get(&lease).cloned().ok_or(QueueError::LeaseLost)?;
        match self.kept(&batch)?.chunks[chunk].out {
            Some((out, until)) if out == lease && until > now => Ok((batch, chunk)),
            _ => Err(QueueError::LeaseLost),
        }
    }
}
