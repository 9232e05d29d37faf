//! Gathers what workers bring back, so that what waits for the disk waits together: all reports for
//! one batch that have come meanwhile are one transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use super::commit::ReportedBatch;
use super::draft::WorkerReport;
use super::engine::Engine;
use crate::batch::queue::{LeaseId, QueueError};

/// Reports of one pass.
const REPORTS_PER_PASS: usize = 64;

/// A report, and the way back to who brought it.
pub(super) struct QueuedReport {
    pub(super) report: WorkerReport,
    pub(super) reply: oneshot::Sender<Result<(), QueueError>>,
}

/// Works until nobody can bring anything any more.
pub(super) async fn run(engine: Arc<Engine>, mut jobs: mpsc::Receiver<QueuedReport>) {
    let mut waiting: Vec<QueuedReport> = Vec::new();
    loop {
        if waiting.is_empty() {
            match jobs.recv().await {
                Some(first) => waiting.push(first),
                None => return,
            }
        }
        while waiting.len() < REPORTS_PER_PASS
            && let Ok(job) = jobs.try_recv()
        {
            waiting.push(job);
        }
        // Two for one lease come one after the other.
        let mut leases = HashSet::new();
        let (now, later): (Vec<QueuedReport>, Vec<QueuedReport>) =
            waiting.into_iter().partition(|job| leases.insert(job.report.lease));
        waiting = later;
        pass(&engine, now).await;
    }
}

/// Writes reports of different leases.
async fn pass(engine: &Engine, jobs: Vec<QueuedReport>) {
    let leases: Vec<LeaseId> = jobs.iter().map(|job| job.report.lease).collect();
    let batches = match engine.retried(|| engine.batches_of(&leases)).await {
        Ok(batches) => batches,
        Err(error) => return refuse(jobs.into_iter().map(|job| job.reply), &error),
    };
    let mut by_batch: BTreeMap<i64, (ReportedBatch, Vec<QueuedReport>)> = BTreeMap::new();
    for job in jobs {
        match batches.get(&job.report.lease) {
            Some((of, group)) => {
                let (of, jobs) = by_batch.entry(of.n).or_insert_with(|| (of.clone(), Vec::new()));
                of.add(*group);
                jobs.push(job);
            }
            None => drop(job.reply.send(Err(QueueError::LeaseLost))),
        }
    }
    join_all(by_batch.into_values().map(|(of, jobs)| commit(engine, of, jobs))).await;
}

/// Writes the reports for one batch. If it is not known whether a transaction was carried out, it
/// is begun again: a lease that is over then tells.
async fn commit(engine: &Engine, of: ReportedBatch, jobs: Vec<QueuedReport>) {
    let (reports, replies): (Vec<WorkerReport>, Vec<_>) =
        jobs.into_iter().map(|job| (job.report, job.reply)).unzip();
    match engine.retried(|| engine.commit(&of, &reports)).await {
        Ok(alive) => {
            for (reply, is_alive) in replies.into_iter().zip(alive) {
                let _ = reply.send(if is_alive { Ok(()) } else { Err(QueueError::LeaseLost) });
            }
        }
        Err(error) => refuse(replies, &error),
    }
}

/// Answers all who waited for the same.
fn refuse(
    replies: impl IntoIterator<Item = oneshot::Sender<Result<(), QueueError>>>,
    error: &QueueError,
) {
    for reply in replies {
        let _ = reply.send(Err(error.clone()));
    }
}
