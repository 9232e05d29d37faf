//! Opening a data directory, however the process before us ended.
//!
//! - A file without a line in the catalog is of a batch that was never accepted: it goes.
//! - A batch whose file has it as over is over, whatever the catalog says.
//! - A deletion that was begun is carried out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::catalog::Catalog;
use super::directory::{self, Directory};
use super::error::{OpenError, StoreError};
use super::running::RunningBatch;
use super::schema;
use super::shared::SharedStore;
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;

/// Opens the directory at `root`: what is shared, the batches that run, and how often it was
/// opened.
pub(super) fn open(root: &Path) -> Result<(SharedStore, Vec<RunningBatch>, u64), OpenError> {
    let directory = Directory::take(root)?;
    let path = directory.catalog();
    let wrong = |fault: StoreError| match fault {
        StoreError::Sql(error) => OpenError::of(&path, &error),
        StoreError::File(error) => OpenError::of_io(root, error),
        other => OpenError::damaged(path.clone(), other.to_string()),
    };
    let (files, leftovers) = directory.batches().map_err(|error| wrong(error.into()))?;
    if !path.exists() && !files.is_empty() {
        return Err(OpenError::NoCatalog(path));
    }
    let catalog = Catalog::open(&path)?;
    directory.sync_root().map_err(|error| wrong(error.into()))?;
    let epoch = catalog.epoch;
    for leftover in leftovers {
        directory::remove(&leftover).map_err(|error| wrong(error.into()))?;
    }
    given_up(&directory, &catalog).map_err(wrong)?;
    let known: BTreeSet<BatchId> = catalog.names().map_err(wrong)?.into_iter().collect();
    for id in files.iter().filter(|id| !known.contains(*id)) {
        directory.remove(id).map_err(|error| wrong(error.into()))?;
    }
    let is_missing =
        |id: &&BatchId| !directory.batch(id).exists() && !directory.damaged(id).exists();
    if let Some(id) = known.iter().find(is_missing) {
        return Err(OpenError::Missing(directory.batch(id)));
    }
    let unfinished = catalog.running().map_err(wrong)?;
    let mut running = Vec::new();
    for batch in unfinished {
        let id = batch.id.clone();
        if !directory.batch(&id).exists() {
            say_damaged(&directory, &id, "it was set aside before");
            continue;
        }
        let mut work = match resume(&directory, batch) {
            Ok(work) => work,
            Err(OpenError::Damaged { reason, .. }) => {
                directory.set_aside(&id).map_err(|error| wrong(error.into()))?;
                say_damaged(&directory, &id, &reason);
                continue;
            }
            Err(error) => return Err(error),
        };
        if work.batch.state.is_over() {
            catalog.end(&work.batch).map_err(wrong)?;
        } else {
            work.close();
            running.push(work);
        }
    }
    running.sort_by(|a, b| a.batch.id.cmp(&b.batch.id));
    let shared = SharedStore::new(directory, catalog);
    for work in &running {
        shared.publish(&work.batch);
    }
    Ok((shared, running, epoch))
}

/// Says which batch is not worked on because its file is damaged, and what can be done.
fn say_damaged(directory: &Directory, id: &BatchId, reason: &str) {
    tracing::error!(
        batch = %id,
        file = %directory.damaged(id).display(),
        reason,
        "the file of a batch is damaged and was set aside; the other batches go on. Put a whole \
         copy in its old place and start again, or delete the batch"
    );
}

/// Removes the batches whose file is empty: their deletion was begun, or they were given up by
/// hand.
fn given_up(directory: &Directory, catalog: &Catalog) -> Result<(), StoreError> {
    for id in catalog.names()? {
        let emptied = fs::metadata(directory.batch(&id)).is_ok_and(|file| file.len() == 0);
        if emptied {
            catalog.remove(&id)?;
        }
    }
    Ok(())
}

fn resume(directory: &Directory, batch: Batch) -> Result<RunningBatch, OpenError> {
    let path = directory.batch(&batch.id);
    let newer = |found| OpenError::Newer { path: path.clone(), found, known: schema::VERSION };
    let version = schema::open(&path).and_then(|connection| schema::version(&connection));
    match version {
        Ok(found) if found > schema::VERSION => return Err(newer(found)),
        Ok(_) => {}
        Err(error) => return Err(OpenError::of(&path, &error)),
    }
    RunningBatch::open(batch, &path).map_err(|fault| match fault {
        StoreError::Sql(error) => OpenError::of(&path, &error),
        StoreError::File(error) => OpenError::of_io(&path, error),
        other => OpenError::damaged(path.clone(), other.to_string()),
    })
}
