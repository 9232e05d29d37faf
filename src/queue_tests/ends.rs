//! How batches end, and how they are found.

use super::*;
use crate::batch::queue::QueueError;
use crate::campaign::progress::State;

pub(crate) async fn a_cancelled_batch_keeps_its_results_and_gets_no_more(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 6)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    let done = [1, 4].map(|n: usize| known(chunk.items[n].number, Reason::NullMx)).to_vec();
    queue.complete(chunk.id, done, at(1)).await.unwrap();
    assert!(read(&*queue, &id, Order::Row, 9).await.is_empty());
    let batch = queue.cancel(&id, at(2)).await.unwrap();
    assert_eq!((batch.state, batch.ended_at), (State::Cancelled, Some(at(2))));
    assert_eq!(batch.progress.finished_rows(), 2);
    assert_eq!(queue.cancel(&id, at(3)).await.unwrap(), batch);
    let queue = backend.again(queue);
    assert_eq!(standing(&*queue, &id).await, batch);
    assert!(lease(&*queue, 1, at(4)).await.is_empty());
    for limit in [1, 9] {
        let results = read(&*queue, &id, Order::Completion, limit).await;
        assert_eq!(numbers(&results), [1, 4]);
        // What will never have a result is passed over.
        assert_eq!(numbers(&read(&*queue, &id, Order::Row, limit).await), [1, 4]);
    }
    let finished = list(&*queue, rows("a.example", 0, 1)).await;
    let chunk = lease_one(&*queue, at(5)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(5)).await.unwrap();
    assert_eq!(queue.cancel(&finished, at(6)).await.unwrap().state, State::Finished);
}

pub(crate) async fn a_batch_can_be_cancelled_while_it_is_receiving(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", Some("r")), at(0)).await;
    queue.append(&id, None, rows("a.example", 0, 6), at(0)).await.unwrap();
    let batch = queue.cancel(&id, at(2)).await.unwrap();
    assert_eq!((batch.state, batch.sealed_at), (State::Cancelled, None));
    let late = queue.append(&id, None, rows("a.example", 6, 1), at(0)).await.unwrap_err();
    assert!(matches!(late, QueueError::WrongState { .. }), "{late}");
    let late = queue.seal(&id, at(3)).await.unwrap_err();
    assert!(matches!(late, QueueError::WrongState { .. }), "{late}");
    let queue = backend.again(queue);
    assert_eq!(standing(&*queue, &id).await, batch);
    assert!(read(&*queue, &id, Order::Row, 9).await.is_empty());
}

pub(crate) async fn a_batch_is_running_while_it_is_worked_on(backend: &dyn Backend) {
    let queue = backend.open();
    let running = list(&*queue, rows("a.example", 0, 6)).await;
    submit(&*queue, spec("me", Some("receiving")), at(0)).await;
    let over = submit(&*queue, spec("me", Some("over")), at(0)).await;
    queue.seal(&over, at(0)).await.unwrap();
    let cancelled = list(&*queue, rows("b.example", 0, 6)).await;
    assert_eq!(queue.running().await.unwrap().len(), 2);
    queue.cancel(&cancelled, at(1)).await.unwrap();
    let only = [standing(&*queue, &running).await];
    assert_eq!(queue.running().await.unwrap(), only);
    let queue = backend.again(queue);
    assert_eq!(queue.running().await.unwrap(), only);
    queue.delete(&running).await.unwrap();
    assert_eq!(queue.running().await.unwrap(), []);
}

pub(crate) async fn a_deleted_batch_is_gone(backend: &dyn Backend) {
    let queue = backend.open();
    let running = list_with(&*queue, spec("me", Some("a")), rows("a.example", 0, 9)).await;
    let receiving = submit(&*queue, spec("me", Some("b")), at(0)).await;
    queue.append(&receiving, None, rows("a.example", 0, 9), at(0)).await.unwrap();
    let over = submit(&*queue, spec("me", Some("c")), at(0)).await;
    queue.seal(&over, at(0)).await.unwrap();
    let kept = list(&*queue, rows("a.example", 0, 1)).await;
    for id in [&running, &receiving, &over] {
        read(&*queue, id, Order::Row, 9).await;
        queue.delete(id).await.unwrap();
    }
    let gone = async |queue: &dyn Queue| {
        for id in [&running, &receiving, &over] {
            let request = ResultsRequest {
                order: Order::Row,
                after: Cursor::default(),
                verdicts: VerdictSet::default(),
                limit: 1,
            };
            let answers = [
                queue.batch(id).await.map(drop),
                queue.seal(id, at(1)).await.map(drop),
                queue.cancel(id, at(1)).await.map(drop),
                queue.delete(id).await,
                queue.results(id, request).await.map(drop),
                queue.groups(id, 1).await.map(drop),
                queue.destinations(id, 1).await.map(drop),
            ];
            for answer in answers {
                let answer = answer.unwrap_err();
                assert!(matches!(&answer, QueueError::NoSuchBatch(lost) if lost == id), "{answer}");
            }
        }
        let left = queue.batches("me", None, 9).await.unwrap();
        assert_eq!(left.iter().map(|batch| &batch.id).collect::<Vec<_>>(), [&kept]);
    };
    gone(&*queue).await;
    let queue = backend.again(queue);
    gone(&*queue).await;
    assert_eq!(lease_one(&*queue, at(1)).await.batch, kept);
    for request_id in ["a", "b", "c"] {
        submit(&*queue, spec("me", Some(request_id)), at(2)).await;
    }
}

pub(crate) async fn only_a_batch_that_is_receiving_is_discarded(backend: &dyn Backend) {
    let queue = backend.open();
    let receiving = submit(&*queue, spec("me", Some("again")), at(0)).await;
    queue.append(&receiving, None, rows("a.example", 0, 9), at(0)).await.unwrap();
    assert!(queue.discard(&receiving).await.unwrap());
    assert!(!queue.discard(&receiving).await.unwrap(), "it is gone");
    let running = list_with(&*queue, spec("me", Some("again")), rows("a.example", 0, 9)).await;
    let cancelled = submit(&*queue, spec("me", None), at(0)).await;
    queue.cancel(&cancelled, at(1)).await.unwrap();
    for id in [&running, &cancelled] {
        let before = standing(&*queue, id).await;
        assert!(!queue.discard(id).await.unwrap(), "{}", before.state.name());
        assert_eq!(standing(&*queue, id).await, before);
    }
    assert_eq!(lease_one(&*queue, at(2)).await.batch, running);
}

pub(crate) async fn batches_are_listed_newest_first_to_their_owner(backend: &dyn Backend) {
    let queue = backend.open();
    let mut mine = Vec::new();
    for n in 0..7 {
        let id = submit(&*queue, spec("me", None), at(n)).await;
        submit(&*queue, spec("you", None), at(n)).await;
        if n % 3 > 0 {
            queue
                .append(&id, None, rows("a.example", 0, usize::try_from(n % 3).unwrap() - 1), at(0))
                .await
                .unwrap();
            queue.seal(&id, at(n)).await.unwrap();
        }
        mine.push(id);
    }
    mine.reverse();
    for limit in [1, 3, 99] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = queue.batches("me", before.as_ref(), limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            before = Some(last.id.clone());
            for batch in page {
                assert_eq!(batch, standing(&*queue, &batch.id).await);
                found.push(batch.id);
            }
        }
        assert_eq!(found, mine, "{limit} at a time");
    }
    assert!(queue.batches("nobody", None, 9).await.unwrap().is_empty());
}

pub(crate) async fn batches_that_ended_are_found_oldest_first(backend: &dyn Backend) {
    let queue = backend.open();
    let mut ids = Vec::new();
    for (n, owner) in [(30, "me"), (10, "you"), (20, "me")] {
        let id = submit(&*queue, spec(owner, None), at(0)).await;
        queue.seal(&id, at(n)).await.unwrap();
        ids.push(id);
    }
    let running = list(&*queue, rows("a.example", 0, 1)).await;
    let ended =
        async |queue: &dyn Queue, time, limit| queue.ended_before(at(time), limit).await.unwrap();
    assert_eq!(ended(&*queue, 10, 9).await, []);
    assert_eq!(ended(&*queue, 11, 9).await, [ids[1].clone()]);
    queue.cancel(&running, at(15)).await.unwrap();
    let queue = backend.again(queue);
    let order = [ids[1].clone(), running, ids[2].clone(), ids[0].clone()];
    assert_eq!(ended(&*queue, 99, 9).await, order);
    assert_eq!(ended(&*queue, 99, 2).await, order[..2]);
}

pub(crate) async fn usage_counts_what_an_owner_keeps(backend: &dyn Backend) {
    let queue = backend.open();
    let none = queue.usage("me").await.unwrap();
    assert_eq!((none.batches, none.bytes), (0, 0));
    let receiving = submit(&*queue, spec("me", None), at(0)).await;
    queue.append(&receiving, None, rows("a.example", 0, 2000), at(0)).await.unwrap();
    let running = list(&*queue, rows("a.example", 0, 2000)).await;
    list_with(&*queue, spec("you", None), rows("a.example", 0, 1)).await;
    let usage = queue.usage("me").await.unwrap();
    assert_eq!(usage.batches, 2);
    assert!(usage.bytes > 2 * 2000 * 10, "{usage:?}");
    queue.delete(&receiving).await.unwrap();
    queue.delete(&running).await.unwrap();
    assert_eq!(queue.usage("me").await.unwrap(), none);
}
