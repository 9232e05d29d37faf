use std::fs;

use super::*;
use crate::batch::sqlite::{SqliteQueue, recovery};
use crate::campaign::progress::State;
use crate::queue_tests::{at, list, rows};

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
    assert_eq!(scheduler.next_due(at(0)).unwrap(), Some(at(0) + OPEN_AGAIN));
    fs::rename(&aside, &file).unwrap();
    let ask = LeaseRequest { chunks: 1, chunks_per_group: 1, until: at(60) };
    assert_eq!(scheduler.lease(&ask, at(2)).unwrap()[0].items.len(), 3);
    assert_eq!(scheduler.cancel(&id, at(3)).unwrap().state, State::Cancelled);
}
