//! The data directory.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::task::JoinSet;

use super::Scratch;
use crate::batch::queue::{Order, Queue, QueueError};
use crate::batch::sqlite::{OpenError, READERS, SqliteQueue};
use crate::campaign::id::BatchId;
use crate::campaign::progress::State;
use crate::queue_tests::{all, at, known, lease_one, list, read, rows, spec, standing, submit};
use crate::verdict::Reason;

fn refused(path: &Path) -> OpenError {
    let Err(error) = SqliteQueue::open(path) else { panic!("it was opened") };
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    error
}

/// All files below a directory.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn holds(path: &Path, words: &str) -> bool {
    files(path).iter().any(|file| {
        let bytes = fs::read(file).unwrap();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    })
}

fn file_of(scratch: &Scratch, id: &BatchId) -> PathBuf {
    scratch.0.path().join(format!("batches/{id}.db"))
}

#[tokio::test]
async fn only_the_owner_may_read_what_is_kept() {
    let scratch = Scratch::new();
    let root = scratch.0.path().join("deep/data");
    let queue = SqliteQueue::open(&root).unwrap();
    let id = list(&queue, rows("a.example", 0, 3)).await;
    submit(&queue, spec("me", None), at(0)).await;
    let chunk = lease_one(&queue, at(0)).await;
    queue.release_until(chunk.id, at(9), Vec::new(), at(0)).await.unwrap();
    assert_eq!(standing(&queue, &id).await.state, State::Running);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join("batches")), 0o700);
    let found = files(&root);
    assert!(found.len() > 5, "{found:?}");
    for file in found {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn the_name_of_the_directory_need_not_be_utf_8() {
    let scratch = Scratch::new();
    let root = scratch.0.path().join(OsStr::from_bytes(b"d\xe9p\xf4t"));
    let queue = SqliteQueue::open(&root).unwrap();
    let id = list(&queue, rows("a.example", 0, 3)).await;
    submit(&queue, spec("me", None), at(0)).await;
    assert!(files(&root).iter().any(|file| file.extension().is_some_and(|end| end == "intake")));
    drop(queue);
    assert_eq!(standing(&SqliteQueue::open(&root).unwrap(), &id).await.progress.rows, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_while_a_batch_is_deleted_is_told_that_it_is_gone() {
    let scratch = Scratch::new();
    let queue = Arc::new(scratch.open());
    for _ in 0..20 {
        let id = list(&*queue, rows("a.example", 0, 300)).await;
        let mut readers = JoinSet::new();
        for _ in 0..2 {
            let (queue, id) = (Arc::clone(&queue), id.clone());
            readers.spawn(async move {
                loop {
                    if let Err(error) = queue.groups(&id, 5).await {
                        return error;
                    }
                }
            });
        }
        queue.groups(&id, 5).await.unwrap();
        queue.delete(&id).await.unwrap();
        while let Some(error) = readers.join_next().await {
            let error = error.unwrap();
            assert!(matches!(&error, QueueError::NoSuchBatch(gone) if *gone == id), "{error}");
        }
    }
}

#[tokio::test]
async fn a_directory_has_one_process_at_a_time() {
    let scratch = Scratch::new();
    let queue = scratch.open();
    assert!(matches!(refused(scratch.0.path()), OpenError::InUse(_)));
    drop(queue);
    scratch.open();
}

#[test]
fn a_file_is_no_data_directory() {
    let scratch = Scratch::new();
    let file = scratch.0.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(refused(&file), OpenError::NotADirectory(_)));
}

#[tokio::test]
async fn what_a_later_version_wrote_is_left_alone() {
    let scratch = Scratch::new();
    let id = list(&scratch.open(), rows("a.example", 0, 3)).await;
    let version = |path: &Path, version| {
        let file = Connection::open(path).unwrap();
        file.pragma_update(None, "user_version", version).unwrap();
    };
    for path in [scratch.0.path().join("catalog.db"), file_of(&scratch, &id)] {
        version(&path, 2);
        assert!(matches!(refused(scratch.0.path()), OpenError::Newer { found: 2, .. }));
        version(&path, 1);
    }
    assert_eq!(standing(&scratch.open(), &id).await.progress.rows, 3);
}

#[tokio::test]
async fn a_reason_of_a_later_version_keeps_no_batch_from_being_read_and_worked_on() {
    let scratch = Scratch::new();
    let queue = scratch.open();
    let ended = list(&queue, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&queue, at(1)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(1)).await.unwrap();
    let runs = list(&queue, rows("b.example", 0, 3)).await;
    let chunk = lease_one(&queue, at(2)).await;
    let first = vec![known(chunk.items[0].number, Reason::NullMx)];
    queue.complete(chunk.id, first, at(2)).await.unwrap();
    drop(queue);
    let rename = |path: &Path, sql: &str| Connection::open(path).unwrap().execute_batch(sql);
    let catalog = "UPDATE batches SET progress = replace(progress, 'null_mx', 'of_tomorrow')";
    rename(&scratch.0.path().join("catalog.db"), catalog).unwrap();
    for id in [&ended, &runs] {
        let batch = "UPDATE reasons SET name = 'of_tomorrow' WHERE name = 'null_mx';
            UPDATE meta SET finished = replace(finished, 'null_mx', 'of_tomorrow');
            UPDATE outcomes SET outcome = replace(outcome, 'null_mx', 'of_tomorrow')";
        rename(&file_of(&scratch, id), batch).unwrap();
    }
    let queue = scratch.open();
    for (id, count, state) in [(&ended, 3, State::Finished), (&runs, 1, State::Running)] {
        let batch = standing(&queue, id).await;
        let finished = BTreeMap::from([(Reason::ProtocolError, count as u64)]);
        assert_eq!((batch.state, batch.progress.finished), (state, finished));
        let found = read(&queue, id, Order::Completion, 9).await;
        let reasons: Vec<Reason> = found.iter().map(|row| row.outcome.reason()).collect();
        assert_eq!(reasons, vec![Reason::ProtocolError; count]);
    }
    assert_eq!(queue.batches("me", None, 9).await.unwrap().len(), 2);
    let chunk = lease_one(&queue, at(3)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(3)).await.unwrap();
    assert_eq!(standing(&queue, &runs).await.state, State::Finished);
}

#[tokio::test]
async fn a_damaged_catalog_is_named() {
    let scratch = Scratch::new();
    let id = list(&scratch.open(), rows("a.example", 0, 3)).await;
    let path = scratch.0.path().join("catalog.db");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "not what it was".repeat(500)).unwrap();
    let error = refused(scratch.0.path());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    fs::write(&path, whole).unwrap();
    assert_eq!(standing(&scratch.open(), &id).await.progress.rows, 3);
}

#[tokio::test]
async fn the_database_of_another_program_is_no_catalog() {
    let scratch = Scratch::new();
    let catalog = scratch.0.path().join("catalog.db");
    Connection::open(&catalog).unwrap().execute_batch("CREATE TABLE contacts (name TEXT)").unwrap();
    let error = refused(scratch.0.path()).to_string();
    assert!(error.contains("it is the database of another program"), "{error}");
    let tables = "SELECT count(*) FROM sqlite_master";
    let tables: i64 =
        Connection::open(&catalog).unwrap().query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1, "nothing was made in it");
}

#[tokio::test]
async fn a_damaged_batch_is_set_aside_and_the_others_go_on() {
    let scratch = Scratch::new();
    let queue = scratch.open();
    let damaged = list(&queue, rows("a.example", 0, 3)).await;
    let whole = list(&queue, rows("b.example", 0, 2)).await;
    drop(queue);
    let path = file_of(&scratch, &damaged);
    let copy = fs::read(&path).unwrap();
    fs::write(&path, "not what it was".repeat(500)).unwrap();
    for _ in 0..2 {
        let queue = scratch.open();
        let error = queue.batch(&damaged).await.unwrap_err().to_string();
        assert!(error.contains("damaged and was set aside"), "{error}");
        assert!(!path.exists() && path.with_extension("db.damaged").exists());
        assert_eq!(lease_one(&queue, at(1)).await.batch, whole);
    }
    // A whole copy in the old place is worked on.
    fs::write(&path, copy).unwrap();
    let queue = scratch.open();
    assert_eq!(standing(&queue, &damaged).await.state, State::Running);
    drop(queue);
    fs::write(&path, "not what it was".repeat(500)).unwrap();
    let queue = scratch.open();
    queue.delete(&damaged).await.unwrap();
    let gone = queue.batch(&damaged).await.unwrap_err();
    assert!(matches!(gone, QueueError::NoSuchBatch(_)), "{gone}");
    assert!(!path.with_extension("db.damaged").exists());
}

#[tokio::test]
async fn a_directory_that_others_may_enter_is_closed_to_them() {
    let scratch = Scratch::new();
    let root = scratch.0.path();
    drop(scratch.open());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in [root.to_owned(), root.join("batches")] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        drop(scratch.open());
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
}

#[tokio::test]
async fn a_missing_file_is_named_and_an_empty_one_gives_the_batch_up() {
    let scratch = Scratch::new();
    let id = list(&scratch.open(), rows("a.example", 0, 3)).await;
    let path = file_of(&scratch, &id);
    let aside = scratch.0.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    let error = refused(scratch.0.path());
    assert!(matches!(&error, OpenError::Missing(missing) if *missing == path), "{error}");
    fs::rename(&aside, &path).unwrap();
    assert_eq!(standing(&scratch.open(), &id).await.progress.rows, 3);
    fs::write(&path, "").unwrap();
    let gone = scratch.open().batch(&id).await.unwrap_err();
    assert!(matches!(gone, QueueError::NoSuchBatch(_)), "{gone}");
    assert!(!path.exists());
}

#[tokio::test]
async fn batches_are_not_thrown_away_with_their_catalog() {
    let scratch = Scratch::new();
    let id = list(&scratch.open(), rows("a.example", 0, 3)).await;
    fs::remove_file(scratch.0.path().join("catalog.db")).unwrap();
    assert!(matches!(refused(scratch.0.path()), OpenError::NoCatalog(_)));
    assert!(file_of(&scratch, &id).exists());
}

#[tokio::test]
async fn nothing_of_a_deleted_batch_stays_on_the_disk() {
    let scratch = Scratch::new();
    let root = scratch.0.path();
    let queue = scratch.open();
    let mut wish = spec("me", Some("tellingrequest"));
    wish.display_name = "tellingname".to_owned();
    let id = submit(&queue, wish, at(0)).await;
    queue.append(&id, None, rows("telling.example", 0, 500), at(0)).await.unwrap();
    queue.seal(&id, at(0)).await.unwrap();
    let chunk = lease_one(&queue, at(0)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
    queue.groups(&id, 3).await.unwrap();
    for words in ["telling.example", "tellingname", "tellingrequest"] {
        assert!(holds(root, words), "{words} was there");
    }
    queue.delete(&id).await.unwrap();
    for words in ["telling.example", "tellingname", "tellingrequest"] {
        assert!(!holds(root, words), "{words} is still there");
    }
    let left = fs::read_dir(root.join("batches")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_batch_whose_file_has_it_as_over_is_over() {
    let scratch = Scratch::new();
    let queue = scratch.open();
    let id = list(&queue, rows("a.example", 0, 1)).await;
    let chunk = lease_one(&queue, at(1)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(2)).await.unwrap();
    let batch = standing(&queue, &id).await;
    drop(queue);
    // As if the process had ended before the catalog was told.
    let catalog = Connection::open(scratch.0.path().join("catalog.db")).unwrap();
    let changed = catalog.execute("UPDATE batches SET state = 'running', ended_at = NULL", []);
    assert_eq!(changed.unwrap(), 1);
    drop(catalog);
    let queue = scratch.open();
    assert_eq!(standing(&queue, &id).await, batch);
    assert_eq!(queue.ended_before(at(9), 9).await.unwrap(), [id]);
}

/// Number of files of the directory that this process has open.
fn open_files(scratch: &Scratch) -> usize {
    let root = fs::canonicalize(scratch.0.path()).unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
        let target = fs::read_link(entry.as_ref().unwrap().path());
        target.is_ok_and(|target| target.starts_with(&root))
    });
    open.count()
}

#[tokio::test]
async fn a_hundred_batches_that_get_no_page_keep_few_files_open() {
    let scratch = Scratch::new();
    let queue = scratch.open();
    let first = submit(&queue, spec("me", None), at(0)).await;
    for _ in 1..100 {
        submit(&queue, spec("me", None), at(0)).await;
    }
    let open = open_files(&scratch);
    assert!(open < 40, "{open}");
    queue.append(&first, None, rows("a.example", 0, 3), at(0)).await.unwrap();
    assert_eq!(queue.seal(&first, at(1)).await.unwrap().progress.rows, 3);
}

#[tokio::test]
async fn a_hundred_running_batches_keep_few_files_open() {
    let scratch = Scratch::new();
    let queue = scratch.open();
    for n in 0..100 {
        list(&queue, rows(&format!("d{n}.example"), 0, 2)).await;
    }
    let mut left = 100;
    while left > 0 {
        let chunk = lease_one(&queue, at(1)).await;
        queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(1)).await.unwrap();
        left -= 1;
        assert!(open_files(&scratch) < 120, "with {left} left");
    }
    assert_eq!(queue.ended_before(at(9), 999).await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_caller_that_went_away_while_it_waited_costs_no_scan() {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use futures_util::FutureExt as _;

    let scratch = Scratch::new();
    let queue = scratch.open();
    let (release, held): (Vec<_>, Vec<_>) = (0..READERS).map(|_| mpsc::channel::<()>()).unzip();
    let busy = held.into_iter().map(|held| {
        Box::pin(queue.read(move |_| {
            let _released = held.recv();
            Ok(())
        }))
    });
    let mut busy: Vec<_> = busy.collect();
    for one in &mut busy {
        assert!(one.now_or_never().is_none(), "it is held");
    }
    let has_run = Arc::new(AtomicBool::new(false));
    let is_run = Arc::clone(&has_run);
    let scan = queue.read(move |_| {
        is_run.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert!(scan.now_or_never().is_none(), "it waits");
    drop(release);
    for one in busy {
        one.await.unwrap();
    }
    for _ in 0..=READERS {
        queue.read(|_| Ok(())).await.unwrap();
    }
    assert!(!has_run.load(Ordering::SeqCst));
}
