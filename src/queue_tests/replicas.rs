//! Claims about a queue that several processes have open at once: two handles stand for them.

use std::collections::BTreeSet;

use futures_util::future::join;

use super::*;
use crate::batch::queue::{CHUNK, QueueError};
use crate::campaign::progress::State;

pub(crate) async fn opening_ends_nothing_of_others(backend: &dyn Backend) {
    let first = backend.open();
    let id = list(&*first, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&*first, at(0)).await;
    let upload = submit(&*first, spec("me", Some("r")), at(0)).await;
    first.append(&upload, Some(0), rows("a.example", 0, 3), at(0)).await.unwrap();
    let second = backend.open();
    assert!(lease(&*second, 1, at(1)).await.is_empty());
    first.append(&upload, Some(3), rows("a.example", 3, 3), at(1)).await.unwrap();
    first.complete(chunk.id, all(&chunk, Reason::NullMx), at(1)).await.unwrap();
    assert_eq!(standing(&*second, &id).await.state, State::Finished);
    assert_eq!(second.seal(&upload, at(2)).await.unwrap().progress.mailboxes, 6);
}

pub(crate) async fn a_chunk_goes_to_one_of_two(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    list(&*first, rows("a.example", 0, 60 * CHUNK)).await;
    let ask = LeaseRequest { chunks: 3, chunks_per_group: 99, until: at(60) };
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        let (a, b) = join(first.lease(ask, at(0)), second.lease(ask, at(0))).await;
        for chunk in a.unwrap().into_iter().chain(b.unwrap()) {
            assert!(seen.insert(chunk.items[0].number), "given twice");
            assert!(seen.insert(u64::MAX - chunk.id.0), "two leases of one name");
        }
    }
    assert_eq!(seen.len(), 2 * 60);
}

pub(crate) async fn a_group_has_its_limit_over_both(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    list(&*first, rows("a.example", 0, 9 * CHUNK)).await;
    let ask = LeaseRequest { chunks: 9, chunks_per_group: 3, until: at(60) };
    let (a, b) = join(first.lease(ask, at(0)), second.lease(ask, at(0))).await;
    let out: Vec<Lease> = a.unwrap().into_iter().chain(b.unwrap()).collect();
    assert_eq!(out.len(), 3);
    second.complete(out[0].id, all(&out[0], Reason::NullMx), at(1)).await.unwrap();
    assert_eq!(first.lease(ask, at(1)).await.unwrap().len(), 1);
}

pub(crate) async fn a_reader_beside_two_writers_misses_nothing(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    let id = list(&*first, rows("a.example", 0, 40 * CHUNK)).await;
    let write = async |queue: &dyn Queue| {
        let ask = LeaseRequest { chunks: 2, chunks_per_group: 99, until: at(60) };
        loop {
            let leases = queue.lease(ask, at(0)).await.unwrap();
            if leases.is_empty() {
                return;
            }
            for chunk in leases {
                queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
            }
        }
    };
    let reading = async {
        let (mut found, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            let is_over = standing(&*second, &id).await.state.is_over();
            let page = page(&*second, &id, Order::Completion, &cursor, 70).await;
            found.extend(numbers(&page.rows));
            cursor = page.next;
            if page.at_end && is_over {
                return found;
            }
        }
    };
    let (mut found, _) = join(reading, join(write(&*first), write(&*second))).await;
    found.sort_unstable();
    assert!(found.into_iter().eq(0..40 * CHUNK as u64));
}

pub(crate) async fn one_request_id_on_both_at_once_is_one_batch(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    for n in 0..10 {
        let ask = async |queue: &dyn Queue| {
            let (id, spec) = (BatchId::new(at(n)), spec("me", Some(&n.to_string())));
            let answer = queue.submit(id.clone(), spec, at(n)).await.unwrap();
            (id, answer)
        };
        let ((a_id, a), (b_id, b)) = join(ask(&*first), ask(&*second)).await;
        match (a, b) {
            (SubmittedBatch::New(_), SubmittedBatch::Known(found)) => assert_eq!(found.id, a_id),
            (SubmittedBatch::Known(found), SubmittedBatch::New(_)) => assert_eq!(found.id, b_id),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn pages_on_both_are_one_list(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    let id = submit(&*first, spec("me", None), at(0)).await;
    first.append(&id, Some(0), rows("a.example", 0, 30), at(0)).await.unwrap();
    second.append(&id, Some(30), rows("a.example", 20, 30), at(0)).await.unwrap();
    let gap = first.append(&id, Some(61), rows("a.example", 0, 1), at(0)).await.unwrap_err();
    assert!(matches!(gap, QueueError::Gap { expected: 60, .. }), "{gap}");
    let batch = second.seal(&id, at(1)).await.unwrap();
    assert_eq!((batch.progress.rows, batch.progress.mailboxes), (60, 50));
    assert_eq!(standing(&*first, &id).await, batch);
    let late = first.append(&id, Some(60), rows("a.example", 0, 1), at(1)).await.unwrap_err();
    assert!(matches!(late, QueueError::WrongState { .. }), "{late}");
}

pub(crate) async fn what_one_ends_is_over_for_the_other(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    for delete in [false, true] {
        let id = list(&*first, rows("a.example", 0, 3)).await;
        let chunk = lease_one(&*first, at(0)).await;
        if delete {
            second.delete(&id).await.unwrap();
        } else {
            second.cancel(&id, at(1)).await.unwrap();
        }
        let lost = first.complete(chunk.id, all(&chunk, Reason::NullMx), at(2)).await.unwrap_err();
        assert!(matches!(lost, QueueError::LeaseLost), "{lost}");
        assert!(lease(&*first, 1, at(2)).await.is_empty());
        let gone = first.batch(&id).await;
        assert_eq!(matches!(gone, Err(QueueError::NoSuchBatch(_))), delete, "{gone:?}");
    }
}

pub(crate) async fn both_may_bring_results_for_one_batch_at_once(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    let mut given = rows("a.example", 0, 8 * CHUNK);
    given.extend(rows("b.example", 0, 8 * CHUNK));
    let id = list(&*first, given).await;
    let a = lease(&*first, 4, at(0)).await;
    let b = lease(&*second, 4, at(0)).await;
    let bring = async |queue: &dyn Queue, leases: &[Lease]| {
        for chunk in leases {
            queue.complete(chunk.id, all(chunk, Reason::MailboxFull), at(1)).await.unwrap();
        }
    };
    join(bring(&*first, &a), bring(&*second, &b)).await;
    let brought = (a.len() + b.len()) * CHUNK;
    assert_eq!(standing(&*first, &id).await.progress.finished_rows(), brought as u64);
    let tallies = second.groups(&id, 9).await.unwrap();
    let counted: u64 = tallies.iter().flat_map(|group| &group.finished).map(|(_, n)| n).sum();
    assert_eq!(counted, brought as u64);
    assert_eq!(read(&*second, &id, Order::Completion, 90).await.len(), brought);
}

pub(crate) async fn a_change_is_heard_on_the_other(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    let id = list(&*first, rows("a.example", 0, 3)).await;
    second.changed_elsewhere().await;
    assert_eq!(lease_one(&*second, at(0)).await.batch, id);
}
