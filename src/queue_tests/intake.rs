//! Rows coming in.

use super::*;
use crate::batch::queue::{AppendedRows, CHUNK, QueueError};
use crate::campaign::progress::State;

pub(crate) async fn rows_that_reach_one_mailbox_are_one_item(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", None), at(0)).await;
    let page = ["Jo@a.example", "al@a.example", "JO@A.example"].map(row).to_vec();
    queue.append(&id, None, page, at(0)).await.unwrap();
    queue
        .append(&id, None, ["al@A.example", "x@b.example"].map(row).to_vec(), at(0))
        .await
        .unwrap();
    let batch = queue.seal(&id, at(1)).await.unwrap();
    assert_eq!((batch.progress.rows, batch.progress.mailboxes), (5, 3));
    let leases = lease(&*queue, 9, at(2)).await;
    let asked: Vec<Vec<&str>> = leases
        .iter()
        .map(|lease| lease.items.iter().map(|item| item.address.as_str()).collect())
        .collect();
    assert_eq!(asked, [vec!["Jo@a.example", "al@a.example"], vec!["x@b.example"]]);
}

pub(crate) async fn an_address_with_a_nul_is_asked_as_the_mailbox_that_it_reaches(
    backend: &dyn Backend,
) {
    let queue = backend.open();
    let clean = row("jane@a.example");
    let with_nul = NewRow { address: "ja\0ne@a.example".to_owned(), ..clean.clone() };
    list(&*queue, vec![with_nul, clean]).await;
    let queue = backend.again(queue);
    let chunk = lease_one(&*queue, at(1)).await;
    // A store may have no NUL, and then has nothing in its place.
    let asked = chunk.items.iter().map(|item| item.address.replace('\0', ""));
    assert_eq!(asked.collect::<Vec<_>>(), ["jane@a.example"]);
}

pub(crate) async fn an_item_has_the_latest_consent_of_its_rows(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", None), at(0)).await;
    let consented = |address: &str, day: Option<u64>| NewRow {
        consented_at: day.map(|day| SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400)),
        ..row(address)
    };
    let first = vec![consented("jo@a.example", Some(20_000)), consented("al@a.example", None)];
    queue.append(&id, None, first, at(0)).await.unwrap();
    let second = vec![
        consented("Jo@a.example", Some(20_100)),
        consented("AL@a.example", Some(19_000)),
        consented("jo@A.example", None),
        consented("eve@a.example", None),
    ];
    queue.append(&id, None, second, at(0)).await.unwrap();
    queue.seal(&id, at(0)).await.unwrap();
    let queue = backend.again(queue);
    let lease = lease_one(&*queue, at(1)).await;
    let days = lease.items.iter().map(|item| {
        let since = item.consented_at?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(since.as_secs() / 86_400)
    });
    assert_eq!(days.collect::<Vec<_>>(), [Some(20_100), Some(19_000), None]);
}

pub(crate) async fn items_of_a_group_fill_chunks_in_the_order_of_their_first_rows(
    backend: &dyn Backend,
) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", None), at(0)).await;
    for from in (0..250).step_by(25) {
        let (mut page, others) = (rows("a.example", from, 25), rows("b.example", from, 25));
        for (n, other) in others.into_iter().enumerate() {
            page.insert(n * 2 + 1, other);
        }
        queue.append(&id, None, page, at(0)).await.unwrap();
    }
    queue.seal(&id, at(0)).await.unwrap();
    let leases = lease(&*queue, 99, at(0)).await;
    let shape: Vec<(&str, usize)> =
        leases.iter().map(|lease| (lease.group.as_str(), lease.items.len())).collect();
    let (a, b) = ("a.example", "b.example");
    assert_eq!(shape, [(a, CHUNK), (b, CHUNK), (a, CHUNK), (b, CHUNK), (a, 50), (b, 50)]);
    for group in [a, b] {
        let of_group = leases.iter().filter(|lease| lease.group == group);
        let asked: Vec<String> =
            of_group.flat_map(|lease| &lease.items).map(|item| item.address.clone()).collect();
        let given: Vec<String> = (0..250).map(|n| format!("user{n}@{group}")).collect();
        assert_eq!(asked, given);
    }
}

pub(crate) async fn rows_are_taken_only_while_the_batch_is_receiving(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 3)).await;
    let late = queue.append(&id, None, rows("a.example", 3, 1), at(0)).await.unwrap_err();
    assert!(matches!(late, QueueError::WrongState { .. }), "{late}");
    let twice = queue.seal(&id, at(1)).await.unwrap_err();
    assert!(matches!(twice, QueueError::WrongState { .. }), "{twice}");
    assert_eq!(standing(&*queue, &id).await.progress.rows, 3);
    let nowhere = BatchId::new(at(0));
    let lost = queue.append(&nowhere, None, rows("a.example", 3, 1), at(0)).await.unwrap_err();
    assert!(matches!(lost, QueueError::NoSuchBatch(_)), "{lost}");
}

pub(crate) async fn a_page_that_is_sent_again_changes_nothing(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", None), at(0)).await;
    let page = |from, count| rows("a.example", from, count);
    let append = async |first: u64, count: usize, second: u64| {
        let page = page(usize::try_from(first).unwrap(), count);
        queue.append(&id, Some(first), page, at(second)).await.unwrap()
    };
    assert_eq!(append(0, 30, 0).await, AppendedRows { rows: 30, new: 30 });
    let before = standing(&*queue, &id).await;
    assert_eq!(append(0, 30, 1).await, AppendedRows { rows: 30, new: 0 });
    assert_eq!(standing(&*queue, &id).await, before);
    // A page that was taken in part, because it was cut anew, gives the rows that are missing.
    assert_eq!(append(20, 25, 2).await, AppendedRows { rows: 45, new: 15 });
    assert_eq!(append(45, 0, 2).await, AppendedRows { rows: 45, new: 0 });
    let batch = queue.seal(&id, at(3)).await.unwrap();
    assert_eq!((batch.progress.rows, batch.progress.mailboxes), (45, 45));
    let chunk = lease_one(&*queue, at(4)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(4)).await.unwrap();
    let results = read(&*queue, &id, Order::Row, 99).await;
    let given: Vec<String> = page(0, 45).into_iter().map(|row| row.address).collect();
    let found: Vec<String> = results.into_iter().map(|row| row.address).collect();
    assert_eq!(found, given);
}

pub(crate) async fn a_gap_names_the_row_that_comes_next(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", None), at(0)).await;
    queue.append(&id, Some(0), rows("a.example", 0, 30), at(0)).await.unwrap();
    let gap = queue.append(&id, Some(31), rows("a.example", 31, 5), at(0)).await.unwrap_err();
    assert!(
        matches!(&gap, QueueError::Gap { id: of, expected: 30, found: 31 } if *of == id),
        "{gap}"
    );
    assert_eq!(standing(&*queue, &id).await.progress.rows, 30);
    let next = queue.append(&id, Some(30), rows("a.example", 30, 6), at(0)).await.unwrap();
    assert_eq!(next.rows, 36);
}

pub(crate) async fn an_upload_without_a_new_page_is_removed(backend: &dyn Backend) {
    let queue = backend.open();
    let early = submit(&*queue, spec("me", None), at(0)).await;
    let late = submit(&*queue, spec("you", None), at(0)).await;
    let sealed = list(&*queue, rows("a.example", 0, 1)).await;
    let idle = async |time| queue.remove_idle_uploads(at(time), 9).await.unwrap();
    assert_eq!(idle(0).await, []);
    queue.append(&late, Some(0), rows("a.example", 0, 3), at(10)).await.unwrap();
    assert_eq!(idle(10).await, std::slice::from_ref(&early));
    let gone = queue.batch(&early).await;
    assert!(matches!(gone, Err(QueueError::NoSuchBatch(_))), "{gone:?}");
    queue.append(&late, Some(0), rows("a.example", 0, 3), at(20)).await.unwrap();
    assert_eq!(idle(20).await, [], "a page sent again is a sign of life");
    let more = submit(&*queue, spec("you", None), at(20)).await;
    assert_eq!(queue.remove_idle_uploads(at(99), 1).await.unwrap().len(), 1);
    assert_eq!(idle(99).await.len(), 1);
    for id in [late, more] {
        assert!(queue.batch(&id).await.is_err());
    }
    assert_eq!(standing(&*queue, &sealed).await.state, State::Running);
}

pub(crate) async fn a_request_id_finds_the_first_submission(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", Some("r")), at(0)).await;
    let mut other = spec("me", Some("r"));
    other.options.test_catch_all = false;
    let again = || queue.submit(BatchId::new(at(5)), other.clone(), at(5));
    let find = |submission| match submission {
        SubmittedBatch::Known(batch) => batch,
        SubmittedBatch::New(batch) => panic!("{} is new", batch.id),
    };
    let receiving = find(again().await.unwrap());
    assert_eq!((&receiving.id, receiving.state), (&id, State::Receiving));
    assert_eq!(receiving.spec, spec("me", Some("r")), "its own options, not those of the second");
    queue.append(&id, None, rows("a.example", 0, 1), at(0)).await.unwrap();
    queue.seal(&id, at(1)).await.unwrap();
    assert_eq!(find(again().await.unwrap()).state, State::Running);
    let chunk = lease_one(&*queue, at(2)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(2)).await.unwrap();
    assert_eq!(find(again().await.unwrap()), standing(&*queue, &id).await);
    queue.delete(&id).await.unwrap();
    submit(&*queue, spec("me", Some("r")), at(6)).await;
}

pub(crate) async fn one_request_id_of_two_owners_is_two_batches(backend: &dyn Backend) {
    let queue = backend.open();
    let mine = submit(&*queue, spec("me", Some("r")), at(0)).await;
    let yours = submit(&*queue, spec("you", Some("r")), at(0)).await;
    assert_ne!(mine, yours);
    submit(&*queue, spec("me", None), at(0)).await;
    submit(&*queue, spec("me", None), at(0)).await;
}

pub(crate) async fn a_batch_without_rows_is_finished_at_once(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", None), at(0)).await;
    let batch = queue.seal(&id, at(3)).await.unwrap();
    assert_eq!((batch.state, batch.ended_at), (State::Finished, Some(at(3))));
    let queue = backend.again(queue);
    assert_eq!(standing(&*queue, &id).await, batch);
    assert!(read(&*queue, &id, Order::Row, 5).await.is_empty());
    assert!(lease(&*queue, 1, at(4)).await.is_empty());
}

pub(crate) async fn what_was_not_sealed_is_gone_and_its_request_id_is_free(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", Some("r")), at(0)).await;
    queue.append(&id, None, rows("a.example", 0, 300), at(0)).await.unwrap();
    assert!(page(&*queue, &id, Order::Row, &Cursor::default(), 1).await.rows.is_empty());
    assert!(queue.groups(&id, 3).await.unwrap().is_empty(), "nothing is told of it yet");
    let queue = backend.again(queue);
    let gone = queue.batch(&id).await.unwrap_err();
    assert!(matches!(&gone, QueueError::NoSuchBatch(lost) if *lost == id), "{gone}");
    assert!(queue.batches("me", None, 9).await.unwrap().is_empty());
    let late = queue.append(&id, None, rows("a.example", 0, 1), at(0)).await.unwrap_err();
    assert!(matches!(late, QueueError::NoSuchBatch(_)), "{late}");
    submit(&*queue, spec("me", Some("r")), at(1)).await;
}

pub(crate) async fn what_was_sealed_is_never_lost(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list_with(&*queue, spec("me", Some("r")), rows("a.example", 0, 1500)).await;
    let before = standing(&*queue, &id).await;
    let queue = backend.again(queue);
    assert_eq!(standing(&*queue, &id).await, before);
    assert_eq!((before.state, before.sealed_at), (State::Running, Some(at(0))));
    let mut seen = 0;
    loop {
        let leases = lease(&*queue, 4, at(1)).await;
        if leases.is_empty() {
            break;
        }
        for chunk in leases {
            seen += chunk.items.len();
            queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(1)).await.unwrap();
        }
    }
    assert_eq!(seen, 1500);
    assert_eq!(standing(&*queue, &id).await.state, State::Finished);
}

pub(crate) async fn nothing_is_leased_before_it_is_sealed(backend: &dyn Backend) {
    let queue = backend.open();
    let id = submit(&*queue, spec("me", None), at(0)).await;
    queue.append(&id, None, rows("a.example", 0, 3), at(0)).await.unwrap();
    assert!(lease(&*queue, 1, at(0)).await.is_empty());
    assert_eq!(queue.next_due(at(0)).await.unwrap(), None);
    queue.seal(&id, at(1)).await.unwrap();
    assert_eq!(lease_one(&*queue, at(1)).await.batch, id);
}
