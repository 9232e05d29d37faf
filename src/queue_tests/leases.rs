//! Chunks going out and coming back.

use std::collections::BTreeSet;

use super::*;
use crate::batch::queue::{CHUNK, LeaseId, QueueError};

async fn is_lost(queue: &dyn Queue, lease: LeaseId, now: SystemTime) {
    let brought = vec![known(0, Reason::MailboxAccepted)];
    let lost = queue.complete(lease, brought.clone(), now).await.unwrap_err();
    assert!(matches!(lost, QueueError::LeaseLost), "{lost}");
    let lost = queue.release_until(lease, now, brought, now).await.unwrap_err();
    assert!(matches!(lost, QueueError::LeaseLost), "{lost}");
}

async fn has_no_result(queue: &dyn Queue, id: &BatchId) {
    assert!(read(queue, id, Order::Completion, 9).await.is_empty());
    let progress = standing(queue, id).await.progress;
    assert_eq!((progress.finished_rows(), progress.waiting_rows()), (0, 0));
}

pub(crate) async fn a_chunk_that_is_out_is_not_leased_again(backend: &dyn Backend) {
    let queue = backend.open();
    list(&*queue, rows("a.example", 0, CHUNK + 1)).await;
    let (first, second) = (lease_one(&*queue, at(0)).await, lease_one(&*queue, at(1)).await);
    assert_eq!((first.items.len(), second.items.len()), (CHUNK, 1));
    assert!(lease(&*queue, 9, at(2)).await.is_empty());
}

pub(crate) async fn a_lease_ends_with_its_last_result(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 3)).await;
    let other = list(&*queue, rows("b.example", 0, 1)).await;
    let leases = lease(&*queue, 2, at(0)).await;
    let chunk = leases.iter().find(|lease| lease.batch == id).unwrap();
    let mut results = all(chunk, Reason::MailboxNotFound);
    let last = results.pop().unwrap();
    queue.complete(chunk.id, results, at(1)).await.unwrap();
    queue.complete(chunk.id, vec![last], at(2)).await.unwrap();
    is_lost(&*queue, chunk.id, at(3)).await;
    assert_eq!(standing(&*queue, &id).await.ended_at, Some(at(2)));
    assert_eq!(standing(&*queue, &other).await.ended_at, None);
}

pub(crate) async fn a_lease_ends_when_it_is_given_back(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 3)).await;
    let first = lease_one(&*queue, at(0)).await;
    queue
        .complete(first.id, vec![known(first.items[1].number, Reason::NullMx)], at(0))
        .await
        .unwrap();
    queue.release_until(first.id, at(1), Vec::new(), at(1)).await.unwrap();
    is_lost(&*queue, first.id, at(1)).await;
    let second = lease_one(&*queue, at(1)).await;
    let open: Vec<u64> = second.items.iter().map(|item| item.number).collect();
    assert_eq!(open, [first.items[0].number, first.items[2].number]);
    assert_eq!(standing(&*queue, &id).await.progress.finished_rows(), 1);
}

pub(crate) async fn a_lease_ends_when_its_time_is_over(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 3)).await;
    let first = lease_one(&*queue, at(0)).await;
    assert!(lease(&*queue, 1, at(59)).await.is_empty());
    is_lost(&*queue, first.id, at(60)).await;
    has_no_result(&*queue, &id).await;
    let second = lease_one(&*queue, at(60)).await;
    assert_eq!(second.items, first.items);
    is_lost(&*queue, first.id, at(61)).await;
    queue.complete(second.id, all(&second, Reason::NullMx), at(61)).await.unwrap();
}

pub(crate) async fn a_lease_ends_when_its_batch_is_over(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    queue.cancel(&id, at(1)).await.unwrap();
    is_lost(&*queue, chunk.id, at(2)).await;
    has_no_result(&*queue, &id).await;
    assert!(lease(&*queue, 1, at(2)).await.is_empty());
    let id = list(&*queue, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&*queue, at(3)).await;
    queue.delete(&id).await.unwrap();
    is_lost(&*queue, chunk.id, at(4)).await;
}

pub(crate) async fn a_lease_ends_when_the_queue_is_opened_again(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 3)).await;
    let first = lease_one(&*queue, at(0)).await;
    let queue = backend.again(queue);
    is_lost(&*queue, first.id, at(1)).await;
    has_no_result(&*queue, &id).await;
    assert_eq!(lease_one(&*queue, at(1)).await.items, first.items);
}

pub(crate) async fn no_two_leases_have_one_name(backend: &dyn Backend) {
    let mut names = BTreeSet::new();
    let mut queue = backend.open();
    list(&*queue, rows("a.example", 0, 3 * CHUNK)).await;
    for _ in 0..3 {
        queue = backend.again(queue);
        for chunk in lease(&*queue, 3, at(0)).await {
            assert!(names.insert(chunk.id), "{:?}", chunk.id);
            queue.release_until(chunk.id, at(0), Vec::new(), at(0)).await.unwrap();
        }
        for chunk in lease(&*queue, 3, at(0)).await {
            assert!(names.insert(chunk.id), "{:?}", chunk.id);
        }
    }
    assert_eq!(names.len(), 18);
}

pub(crate) async fn batches_take_turns(backend: &dyn Backend) {
    let queue = backend.open();
    let large = list(&*queue, rows("a.example", 0, 8 * CHUNK)).await;
    let small = list(&*queue, rows("b.example", 0, 2 * CHUNK)).await;
    let batches =
        |leases: Vec<Lease>| leases.into_iter().map(|lease| lease.batch).collect::<BTreeSet<_>>();
    let both = BTreeSet::from([large.clone(), small]);
    let mut two = lease(&*queue, 1, at(0)).await;
    two.extend(lease(&*queue, 1, at(0)).await);
    assert_eq!(batches(two), both);
    assert_eq!(batches(lease(&*queue, 2, at(0)).await), both);
    assert_eq!(batches(lease(&*queue, 2, at(0)).await), BTreeSet::from([large]));
}

pub(crate) async fn the_longest_due_come_first_then_the_first_rows(backend: &dyn Backend) {
    let queue = backend.open();
    let domains = ["a.example", "b.example", "c.example", "d.example", "e.example"];
    list(&*queue, domains.iter().flat_map(|domain| rows(domain, 0, 2)).collect()).await;
    let leases = lease(&*queue, 5, at(0)).await;
    let order = |leases: &[Lease]| {
        leases.iter().map(|lease| lease.group[..1].to_owned()).collect::<String>()
    };
    assert_eq!(order(&leases), "abcde");
    for (chunk, due) in leases.iter().zip([30, 20, 10, 20, 40]) {
        queue.release_until(chunk.id, at(due), Vec::new(), at(1)).await.unwrap();
    }
    assert_eq!(order(&lease(&*queue, 5, at(30)).await), "cbda");
}

pub(crate) async fn no_group_has_more_chunks_out_than_asked_for(backend: &dyn Backend) {
    let queue = backend.open();
    list(&*queue, rows("a.example", 0, 90 * CHUNK)).await;
    let ask = |chunks_per_group| {
        queue.lease(LeaseRequest { chunks: 99, chunks_per_group, until: at(60) }, at(0))
    };
    assert_eq!(ask(0).await.unwrap().len(), 0);
    assert_eq!(ask(3).await.unwrap().len(), 3);
    assert_eq!(ask(3).await.unwrap().len(), 0);
    let two_more = ask(5).await.unwrap();
    assert_eq!(two_more.len(), 2);
    queue.complete(two_more[0].id, all(&two_more[0], Reason::NullMx), at(0)).await.unwrap();
    queue.release_until(two_more[1].id, at(0), Vec::new(), at(0)).await.unwrap();
    assert_eq!(ask(4).await.unwrap()[0].items, two_more[1].items);
    assert_eq!(ask(30).await.unwrap().len(), 26);
    assert_eq!(ask(usize::MAX).await.unwrap().len(), 59);
    // When all the leases are over, the limit counts from nothing.
    let ask = LeaseRequest { chunks: 99, chunks_per_group: 7, until: at(120) };
    assert_eq!(queue.lease(ask, at(60)).await.unwrap().len(), 7);
}

pub(crate) async fn a_large_group_at_its_limit_hides_no_other(backend: &dyn Backend) {
    let queue = backend.open();
    let mut list_rows = rows("large.example", 0, 50 * CHUNK);
    list_rows.extend((0..30).flat_map(|n| rows(&format!("small{n}.example"), 0, 1)));
    list(&*queue, list_rows).await;
    let leases = lease(&*queue, 20, at(0)).await;
    assert_eq!(leases.iter().filter(|lease| lease.group == "large.example").count(), 4);
    assert_eq!(leases.len(), 20);
    assert_eq!(lease(&*queue, 20, at(0)).await.len(), 14);
}

pub(crate) async fn chunks_behind_a_released_one_of_their_group_come_first(backend: &dyn Backend) {
    let queue = backend.open();
    list(&*queue, rows("a.example", 0, 30 * CHUNK)).await;
    let mut expected = 0;
    for _ in 0..15 {
        let leases = lease(&*queue, 2, at(0)).await;
        assert_eq!(leases.len(), 2, "after {expected} chunks");
        for chunk in leases {
            assert_eq!(chunk.items[0].number, expected * CHUNK as u64);
            expected += 1;
            // The later they were leased, the earlier they come back.
            let due = at(1000 - expected);
            queue.release_until(chunk.id, due, Vec::new(), at(0)).await.unwrap();
        }
    }
    assert!(lease(&*queue, 2, at(969)).await.is_empty());
    for back in (0..30).rev() {
        let chunk = lease_one(&*queue, at(1000)).await;
        assert_eq!(chunk.items[0].number, back * CHUNK as u64);
        queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(1000)).await.unwrap();
    }
}

pub(crate) async fn a_released_chunk_comes_back_when_it_is_due(backend: &dyn Backend) {
    let queue = backend.open();
    list(&*queue, rows("a.example", 0, 2)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    queue.release_until(chunk.id, at(300), Vec::new(), at(1)).await.unwrap();
    assert!(lease(&*queue, 1, at(299)).await.is_empty());
    let queue = backend.again(queue);
    assert!(lease(&*queue, 1, at(299)).await.is_empty());
    assert_eq!(queue.next_due(at(299)).await.unwrap(), Some(at(300)));
    assert_eq!(lease_one(&*queue, at(300)).await.items, chunk.items);
}

pub(crate) async fn at_the_deadline_everything_is_due(backend: &dyn Backend) {
    let queue = backend.open();
    let mut wish = spec("me", None);
    wish.options.deadline = Some(Duration::from_secs(100));
    list_with(&*queue, wish, rows("a.example", 0, 2)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    assert_eq!(chunk.deadline, Some(at(100)));
    queue.release_until(chunk.id, at(300), Vec::new(), at(1)).await.unwrap();
    assert_eq!(queue.next_due(at(2)).await.unwrap(), Some(at(100)));
    assert!(lease(&*queue, 1, at(99)).await.is_empty());
    assert_eq!(lease_one(&*queue, at(100)).await.items, chunk.items);
}

pub(crate) async fn the_next_due_time_counts_what_waits_and_what_is_out(backend: &dyn Backend) {
    let queue = backend.open();
    assert_eq!(queue.next_due(at(0)).await.unwrap(), None);
    let domains = ["a.example", "b.example", "c.example"];
    list(&*queue, domains.iter().flat_map(|domain| rows(domain, 0, 2)).collect()).await;
    assert_eq!(queue.next_due(at(0)).await.unwrap(), None, "due already");
    let leases = lease(&*queue, 2, at(0)).await;
    assert_eq!(queue.next_due(at(1)).await.unwrap(), Some(at(60)), "a lease may end");
    queue.release_until(leases[0].id, at(50), Vec::new(), at(1)).await.unwrap();
    queue.release_until(leases[1].id, at(40), Vec::new(), at(1)).await.unwrap();
    assert_eq!(queue.next_due(at(1)).await.unwrap(), Some(at(40)));
    assert_eq!(queue.next_due(at(40)).await.unwrap(), Some(at(50)));
    assert_eq!(queue.next_due(at(50)).await.unwrap(), None);
    let other = list(&*queue, rows("a.example", 0, 2)).await;
    queue.cancel(&other, at(2)).await.unwrap();
    assert_eq!(queue.next_due(at(2)).await.unwrap(), Some(at(40)));
}
