//! A disk that is full, and one that cannot be written to: small ones of memory, in a mount
//! namespace of a process of their own. That needs root.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::batch::queue::{LeaseRequest, Order, Queue, QueueError};
use crate::batch::sqlite::{OpenError, SqliteQueue};
use crate::campaign::progress::State;
use crate::queue_tests::{all, at, lease, list, list_with, read, rows, spec, standing, submit};
use crate::verdict::Reason;

/// Says where the small disk is, to the process that has it.
const CHILD: &str = "MAILVET_TEST_DISK";

#[test]
fn a_full_or_read_only_disk_is_told_and_nothing_is_lost() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the child is told by the test where its disk is"
    )]
    let told = std::env::var(CHILD);
    if let Ok(disk) = told {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(fill(Path::new(&disk)));
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let name = "batch::sqlite::tests::full::a_full_or_read_only_disk_is_told_and_nothing_is_lost";
    let script = "mount -t tmpfs -o size=4m none \"$0\" && \"$1\" \"$2\" --exact --nocapture && \
                  mount -o remount,bind,ro \"$0\" && \"$1\" \"$2\" --exact --nocapture";
    let run = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .arg(scratch.path())
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(CHILD, scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let trouble = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}\n{trouble}");
    assert!(said.contains("the disk was full") && said.contains("the disk was read-only"));
}

async fn fill(disk: &Path) {
    let data = disk.join("data");
    if disk.join("done").exists() {
        let Err(error) = SqliteQueue::open(&data) else { panic!("it was opened") };
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
        assert!(error.to_string().contains(&*data.to_string_lossy()), "{error}");
        println!("the disk was read-only");
        return;
    }
    let queue = SqliteQueue::open(&data).unwrap();
    let doomed = list_with(&queue, spec("you", None), rows("z.example", 0, 5000)).await;
    queue.cancel(&doomed, at(0)).await.unwrap();
    let running = list(&queue, rows("a.example", 0, 400)).await;
    let receiving = submit(&queue, spec("me", None), at(0)).await;
    queue.append(&receiving, None, rows("b.example", 0, 100), at(0)).await.unwrap();
    let leases = lease(&queue, 4, at(0)).await;

    let filler = disk.join("filler");
    fill_up(&filler);
    let bring = |n: usize| queue.complete(leases[n].id, all(&leases[n], Reason::NullMx), at(1));
    let mut kept = 0;
    while kept < leases.len() {
        match bring(kept).await {
            Ok(()) => kept += 1,
            Err(error) => {
                assert!(matches!(error, QueueError::Full { .. }), "{error}");
                assert!(error.to_string().contains(&*data.to_string_lossy()), "{error}");
                break;
            }
        }
    }
    assert!(kept < leases.len(), "the disk was not full");
    let page = rows("b.example", 100, 2000);
    let error = queue.append(&receiving, None, page.clone(), at(0)).await.unwrap_err();
    assert!(matches!(error, QueueError::Full { .. }), "{error}");
    let done = standing(&queue, &running).await.progress.finished_rows();
    assert_eq!(done, kept as u64 * 100, "what was refused is not counted");
    // A batch can be deleted to make room.
    queue.delete(&doomed).await.unwrap();
    fs::remove_file(&filler).unwrap();
    for n in kept..leases.len() {
        bring(n).await.unwrap();
    }
    assert_eq!(standing(&queue, &running).await.state, State::Finished);
    queue.append(&receiving, None, page, at(0)).await.unwrap();
    let batch = queue.seal(&receiving, at(2)).await.unwrap();
    assert_eq!((batch.progress.rows, batch.progress.mailboxes), (2100, 2100));
    drop(queue);
    let queue = SqliteQueue::open(&data).unwrap();
    assert_eq!(read(&queue, &running, Order::Row, 1000).await.len(), 400);
    let asked: usize = queue
        .lease(LeaseRequest { chunks: 99, chunks_per_group: 99, until: at(9) }, at(2))
        .await
        .unwrap()
        .iter()
        .map(|lease| lease.items.len())
        .sum();
    assert_eq!(asked, 2100);
    fs::write(disk.join("done"), "").unwrap();
    println!("the disk was full");
}

/// Writes to a file until there is no room.
fn fill_up(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [64 * 1024, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
