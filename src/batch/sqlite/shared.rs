//! State shared by the threads of a store: the directory, the catalog, and the batches that
//! are not over.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::{Mutex, MutexGuard};

use super::catalog::Catalog;
use super::directory::Directory;
use super::error::StoreError;
use super::pool::ReaderPool;
use crate::batch::queue::{QueueError, Usage};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Batch, State};

/// State shared by the threads.
pub(super) struct SharedStore {
    pub(super) directory: Directory,
    pub(super) readers: ReaderPool,
    catalog: Mutex<Catalog>,
    /// The batches that are receiving or running, and those the catalog does not know to be over.
    live: Mutex<BTreeMap<BatchId, Batch>>,
    /// The batches that are being removed.
    leaving: Mutex<BTreeSet<BatchId>>,
}

impl SharedStore {
    pub(super) fn new(directory: Directory, catalog: Catalog) -> Self {
        Self {
            directory,
            readers: ReaderPool::default(),
            catalog: Mutex::new(catalog),
            live: Mutex::default(),
            leaving: Mutex::default(),
        }
    }

    /// The catalog. A thread that fell over while it had it left no half-done work: SQLite saw to
    /// that.
    pub(super) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock()
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<BatchId, Batch>> {
        self.live.lock()
    }

    fn leaving(&self) -> MutexGuard<'_, BTreeSet<BatchId>> {
        self.leaving.lock()
    }

    /// `true` if a batch is gone, or being removed.
    pub(super) fn is_gone(&self, id: &BatchId) -> bool {
        self.leaving().contains(id)
            || matches!(self.batch(id), Err(StoreError::Caller(QueueError::NoSuchBatch(_))))
    }

    /// A batch that is not over, as it stands.
    pub(super) fn standing(&self, id: &BatchId) -> Option<Batch> {
        self.live().get(id).cloned()
    }

    /// The batches that are worked on.
    pub(super) fn running(&self) -> Vec<Batch> {
        let is_running = |batch: &&Batch| batch.state == State::Running;
        self.live().values().filter(is_running).cloned().collect()
    }

    /// Publishes the state of a batch.
    pub(super) fn publish(&self, batch: &Batch) {
        self.live().insert(batch.id.clone(), batch.clone());
    }

    /// A batch is over, and the catalog knows; or it is gone.
    pub(super) fn retire(&self, id: &BatchId) {
        self.live().remove(id);
    }

    /// A batch as it stands, also one whose file was set aside.
    pub(super) fn known(&self, id: &BatchId) -> Result<Batch, StoreError> {
        self.standing(id).map_or_else(|| self.recorded(id), Ok)
    }

    /// A batch as it stands.
    pub(super) fn batch(&self, id: &BatchId) -> Result<Batch, StoreError> {
        if let Some(batch) = self.standing(id) {
            return Ok(batch);
        }
        let batch = self.recorded(id)?;
        // The scheduler has every batch that runs, but for those it could not open.
        if !batch.state.is_over() && self.directory.damaged(id).exists() {
            return Err(StoreError::Unexpected("the batch's file is damaged and was set aside"));
        }
        Ok(batch)
    }

    /// A batch as the catalog has it.
    fn recorded(&self, id: &BatchId) -> Result<Batch, StoreError> {
        let found = self.catalog().batch(id)?;
        Ok(found.ok_or_else(|| QueueError::NoSuchBatch(id.clone()))?)
    }

    /// The batch that `owner` submitted under `request_id`.
    pub(super) fn requested(
        &self,
        owner: &str,
        request_id: &str,
    ) -> Result<Option<Batch>, StoreError> {
        let is_it = |batch: &&Batch| {
            batch.spec.owner == owner && batch.spec.request_id.as_deref() == Some(request_id)
        };
        if let Some(batch) = self.live().values().find(is_it) {
            return Ok(Some(batch.clone()));
        }
        self.catalog().requested(owner, request_id)
    }

    /// What the batches of `owner` take up.
    pub(super) fn usage(&self, owner: &str) -> Result<Usage, StoreError> {
        let mut ids: BTreeSet<BatchId> = self.catalog().names_of(owner)?.into_iter().collect();
        let live = self.live();
        ids.extend(live.values().filter(|b| b.spec.owner == owner).map(|b| b.id.clone()));
        drop(live);
        let bytes = ids.iter().map(|id| self.directory.bytes(id)).sum();
        Ok(Usage { batches: ids.len(), bytes })
    }

    /// The batches of `owner` older than `before`, the newest first.
    pub(super) fn batches(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, StoreError> {
        let listed = self.catalog().of_owner(owner, before, limit)?;
        let mut found: BTreeMap<BatchId, Batch> =
            listed.into_iter().map(|batch| (batch.id.clone(), batch)).collect();
        let live = self.live();
        let older = live.values().filter(|batch| before.is_none_or(|before| batch.id < *before));
        for batch in older.filter(|batch| batch.spec.owner == owner) {
            found.insert(batch.id.clone(), batch.clone());
        }
        Ok(found.into_values().rev().take(limit).collect())
    }

    /// Removes everything of a batch, for good. Its file is emptied first: that needs no room, so
    /// that there is room for the rest, and if it ends there, the next start goes on.
    pub(super) fn remove(&self, id: &BatchId) -> Result<(), StoreError> {
        self.leaving().insert(id.clone());
        let removed = self.empty_and_remove(id);
        self.leaving().remove(id);
        removed
    }

    fn empty_and_remove(&self, id: &BatchId) -> Result<(), StoreError> {
        self.readers.forget(id);
        self.directory.empty(id)?;
        self.catalog().remove(id)?;
        self.retire(id);
        self.directory.remove(id)?;
        self.directory.sync()?;
        Ok(())
    }
}
