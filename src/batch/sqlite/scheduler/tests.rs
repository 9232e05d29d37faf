use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::batch::sqlite::{SqliteQueue, recovery};
use crate::campaign::progress::State;
use crate::queue_tests::{all, at, list, rows};
use crate::verdict::Reason;

/// A scheduler with a batch of three rows, and the batch's file.
async fn scheduler(scratch: &TempDir) -> (Scheduler, PathBuf) {
    let queue = SqliteQueue::open(scratch.path()).unwrap();
    let id = list(&queue, rows("a.example", 0, 3)).await;
    drop(queue);
    let (shared, running, epoch) = recovery::open(scratch.path()).unwrap();
    let file = shared.directory.batch(&id);
    (Scheduler::new(Arc::new(shared), running, epoch), file)
}

/// Asks for one chunk.
fn ask() -> LeaseRequest {
    LeaseRequest { chunks: 1, chunks_per_group: 1, until: at(60) }
}

/// Brings results for all of a chunk, to a file that has to be opened again.
fn report(scheduler: &mut Scheduler, chunk: &Lease) -> Result<(), QueueError> {
    let (reply, mut answer) = oneshot::channel();
    let known = all(chunk, Reason::NullMx);
    let report = LeaseReport { lease: chunk.id, known, until: None, now: at(1) };
    scheduler.running.iter_mut().for_each(RunningBatch::close);
    scheduler.run_pass(vec![SchedulerJob::Report(report, reply)]);
    answer.try_recv().unwrap()
}

#[tokio::test]
async fn a_report_that_cannot_be_kept_is_told_once_why_and_where() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut scheduler, file) = scheduler(&scratch).await;
    let chunk = scheduler.lease(&ask(), at(0)).unwrap().remove(0);
    let sql = "CREATE TRIGGER odd BEFORE INSERT ON results BEGIN SELECT RAISE(ABORT, 'odd'); END";
    Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let told = report(&mut scheduler, &chunk).unwrap_err().to_string();
    assert_eq!(told.matches("failed").count(), 1, "{told}");
    assert!(told.contains(&*scratch.path().to_string_lossy()), "{told}");
}

#[tokio::test]
async fn a_batch_whose_file_cannot_be_opened_is_worked_on_and_cancelled_once_it_can() {
    let scratch = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(scratch.path()).unwrap();
    let id = list(&queue, rows("a.example", 0, 3)).await;
    drop(queue);
    let (shared, mut running, epoch) = recovery::open(scratch.path()).unwrap();
    let sealed = running.remove(0).batch;
    let file = shared.directory.batch(&id);
    let aside = file.with_extension("aside");
    let mut scheduler = Scheduler::new(Arc::new(shared), running, epoch);
    fs::rename(&file, &aside).unwrap();
    scheduler.run_job(SchedulerJob::Sealed(Box::new(sealed)));
    assert!(scheduler.cancel(&id, at(0)).is_err(), "it is not over, and not said to be");
    assert_eq!(scheduler.next_due(at(0)), Some(at(0) + OPEN_AGAIN));
    fs::rename(&aside, &file).unwrap();
    assert_eq!(scheduler.lease(&ask(), at(2)).unwrap()[0].items.len(), 3);
    assert_eq!(scheduler.cancel(&id, at(3)).unwrap().state, State::Cancelled);
}

#[tokio::test]
async fn results_wait_for_a_file_that_is_away_and_are_kept_once_it_is_back() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut scheduler, file) = scheduler(&scratch).await;
    let chunk = scheduler.lease(&ask(), at(0)).unwrap().remove(0);
    scheduler.running[0].close();
    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).unwrap();
    let away = report(&mut scheduler, &chunk).unwrap_err();
    assert!(matches!(away, QueueError::Unavailable { .. }), "{away}");
    fs::rename(&aside, &file).unwrap();
    report(&mut scheduler, &chunk).unwrap();
    assert_eq!(scheduler.shared.batch(&chunk.batch).unwrap().state, State::Finished);
}

#[tokio::test]
async fn a_batch_whose_file_cannot_be_read_is_named_and_keeps_no_others() {
    let scratch = tempfile::tempdir().unwrap();
    drop(scheduler(&scratch).await);
    let (mut scheduler, file) = scheduler(&scratch).await;
    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).unwrap();
    let leases = scheduler.lease(&LeaseRequest { chunks: 9, ..ask() }, at(0)).unwrap();
    assert_eq!(leases.len(), 1, "the other batch is worked on");
    let told: Vec<bool> = scheduler.running.iter().map(|work| work.is_told_unreadable).collect();
    assert_eq!(told.iter().filter(|told| **told).count(), 1);
    assert_eq!(scheduler.next_due(at(1)), Some(at(1) + OPEN_AGAIN));
    fs::rename(&aside, &file).unwrap();
    assert_eq!(scheduler.lease(&LeaseRequest { chunks: 9, ..ask() }, at(3)).unwrap().len(), 1);
    assert!(scheduler.running.iter().all(|work| !work.is_told_unreadable), "it is there again");
}
