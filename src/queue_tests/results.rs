//! Results, progress and tallies.

use super::*;
use crate::batch::queue::{QueueError, VerdictSet};
use crate::campaign::State;
use crate::campaign::tally::{DestinationTally, GroupTally};
use crate::verdict::Verdict;

pub(crate) async fn a_row_keeps_its_first_result(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 2)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    let (first, second) = (chunk.items[0].number, chunk.items[1].number);
    let twice = vec![known(first, Reason::MailboxAccepted), known(first, Reason::NullMx)];
    queue.complete(chunk.id, twice, at(0)).await.unwrap();
    queue.complete(chunk.id, vec![known(first, Reason::CatchAll)], at(0)).await.unwrap();
    let provisional = vec![known(first, Reason::Greylisted), known(second, Reason::Greylisted)];
    queue.release_until(chunk.id, at(1), provisional, at(0)).await.unwrap();
    let results = read(&*queue, &id, Order::Completion, 9).await;
    assert_eq!(numbers(&results), [0]);
    assert_eq!(results[0].outcome, outcome(Reason::MailboxAccepted));
    let progress = standing(&*queue, &id).await.progress;
    assert_eq!(progress.finished.into_iter().collect::<Vec<_>>(), [(Reason::MailboxAccepted, 1)]);
    assert_eq!(progress.waiting.into_iter().collect::<Vec<_>>(), [(Reason::Greylisted, 1)]);
}

pub(crate) async fn what_is_not_of_the_lease_is_ignored(backend: &dyn Backend) {
    let queue = backend.open();
    let mut list_rows = rows("a.example", 0, 1);
    list_rows.extend(rows("b.example", 0, 1));
    let id = list(&*queue, list_rows).await;
    let leases = lease(&*queue, 2, at(0)).await;
    let foreign = leases[1].items[0].number;
    let brought = vec![known(foreign, Reason::NullMx), known(u64::MAX, Reason::NullMx)];
    queue.complete(leases[0].id, brought, at(0)).await.unwrap();
    assert_eq!(standing(&*queue, &id).await.progress.finished_rows(), 0);
    queue.complete(leases[1].id, all(&leases[1], Reason::CatchAll), at(0)).await.unwrap();
    let results = read(&*queue, &id, Order::Completion, 9).await;
    assert_eq!(results[0].outcome, outcome(Reason::CatchAll));
}

pub(crate) async fn every_row_of_an_item_gets_its_result(backend: &dyn Backend) {
    let queue = backend.open();
    let mut given = ["Jo@a.example", "al@a.example", "jo@A.example", "JO@a.example"].map(row);
    for (n, row) in given.iter_mut().enumerate() {
        row.row_id = format!("id{n}");
    }
    let id = list(&*queue, given.to_vec()).await;
    let chunk = lease_one(&*queue, at(0)).await;
    let jo = chunk.items.iter().find(|item| item.address == "Jo@a.example").unwrap().number;
    queue.complete(chunk.id, vec![known(jo, Reason::MailboxFull)], at(0)).await.unwrap();
    let told = |results: &[RowResult]| {
        results
            .iter()
            .map(|row| (row.row, row.row_id.clone(), row.address.clone()))
            .collect::<Vec<_>>()
    };
    let expected = |rows: &[usize]| {
        rows.iter()
            .map(|&n| (n as u64, format!("id{n}"), given[n].address.clone()))
            .collect::<Vec<_>>()
    };
    for limit in [1, 2, 9] {
        let results = read(&*queue, &id, Order::Completion, limit).await;
        assert_eq!(told(&results), expected(&[0, 2, 3]));
        assert!(results.iter().all(|row| row.outcome == outcome(Reason::MailboxFull)));
    }
    assert_eq!(standing(&*queue, &id).await.progress.finished[&Reason::MailboxFull], 3);
    let al = chunk.items.iter().find(|item| item.number != jo).unwrap().number;
    queue.complete(chunk.id, vec![known(al, Reason::NullMx)], at(0)).await.unwrap();
    let results = read(&*queue, &id, Order::Row, 2).await;
    assert_eq!(told(&results), expected(&[0, 1, 2, 3]));
}

pub(crate) async fn a_result_is_read_as_it_was_brought(backend: &dyn Backend) {
    let queue = backend.open();
    let mut given = rows("a.example", 0, 3);
    given.push(row("USER1@a.example"));
    let id = list(&*queue, given).await;
    let chunk = lease_one(&*queue, at(0)).await;
    let brought: Vec<ItemOutcome> = (0..)
        .zip(&chunk.items)
        .map(|(n, item)| {
            let text = serde_json::json!({
                "reasons": ["mailbox_not_found", "role_account"],
                "action": "suppress",
                "stage": "rcpt",
                "code": 550,
                "reply": [format!("<{}>: unknown, not as user0@a.example", item.address), "bye"],
                "failure": format!("{} again", item.address),
                "gathered_at": 1_800_000_000_000_u64 + n,
                "retry_at": (n > 0).then_some(1_800_000_000_000_u64 + 10 * n),
                "elapsed": 7 * n,
            });
            ItemOutcome { item: item.number, outcome: serde_json::from_value(text).unwrap() }
        })
        .collect();
    queue.complete(chunk.id, brought.clone(), at(0)).await.unwrap();
    let queue = backend.again(queue);
    for (order, items) in [(Order::Row, [0, 1, 2, 1]), (Order::Completion, [0, 1, 1, 2])] {
        let found = read(&*queue, &id, order, 9).await;
        let expected = items.map(|item: usize| &brought[item].outcome);
        assert!(found.iter().map(|row| &row.outcome).eq(expected), "{order:?}");
    }
}

pub(crate) async fn results_are_read_as_they_came(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 6)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    let mut cursor = Cursor::default();
    for item in [4, 1, 5, 0] {
        let number = chunk.items[item].number;
        queue.complete(chunk.id, vec![known(number, Reason::NullMx)], at(0)).await.unwrap();
        let page = page(&*queue, &id, Order::Completion, &cursor, 9).await;
        assert_eq!(numbers(&page.rows), [item as u64]);
        assert!(page.at_end);
        cursor = page.next;
    }
    assert_eq!(numbers(&read(&*queue, &id, Order::Completion, 3).await), [4, 1, 5, 0]);
}

pub(crate) async fn in_row_order_the_first_open_row_ends_the_results(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 4)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    let done = async |item: usize| {
        let number = chunk.items[item].number;
        queue.complete(chunk.id, vec![known(number, Reason::NullMx)], at(0)).await.unwrap();
    };
    done(1).await;
    let nothing = page(&*queue, &id, Order::Row, &Cursor::default(), 9).await;
    assert!(nothing.rows.is_empty() && nothing.at_end);
    done(0).await;
    done(3).await;
    let two = page(&*queue, &id, Order::Row, &nothing.next, 9).await;
    assert_eq!((numbers(&two.rows), two.at_end), (vec![0, 1], true));
    done(2).await;
    let rest = page(&*queue, &id, Order::Row, &two.next, 9).await;
    assert_eq!(numbers(&rest.rows), [2, 3]);
}

pub(crate) async fn results_are_read_exactly_once_however_they_are_paged(backend: &dyn Backend) {
    let queue = backend.open();
    let mut given = rows("a.example", 0, 150);
    given.extend(rows("a.example", 100, 150));
    let id = list(&*queue, given).await;
    for chunk in lease(&*queue, 9, at(0)).await {
        queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
    }
    for limit in [1, 7, 100, 1000] {
        for order in [Order::Completion, Order::Row] {
            let mut found = numbers(&read(&*queue, &id, order, limit).await);
            if order == Order::Completion {
                found.sort_unstable();
            }
            assert!(found.iter().copied().eq(0..300), "{limit} at a time, {order:?}");
        }
    }
    // From the middle of a page as well as from its end.
    for order in [Order::Completion, Order::Row] {
        let whole = read(&*queue, &id, order, 1000).await;
        let rest = page(&*queue, &id, order, &whole[120].cursor, 1000).await;
        assert_eq!(numbers(&rest.rows), numbers(&whole[121..]));
    }
    let none = page(&*queue, &id, Order::Row, &Cursor::default(), 0).await;
    assert!(none.rows.is_empty());
}

pub(crate) async fn a_filter_by_verdict_leaves_out_and_goes_on(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 90)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    let reasons = [Reason::MailboxAccepted, Reason::NullMx, Reason::CatchAll];
    let results =
        chunk.items.iter().zip(reasons.iter().cycle()).map(|(i, r)| known(i.number, *r)).collect();
    queue.complete(chunk.id, results, at(0)).await.unwrap();
    for order in [Order::Completion, Order::Row] {
        for limit in [1, 4, 100] {
            let (mut found, mut after) = (Vec::new(), Cursor::default());
            loop {
                let verdicts = [Verdict::Risky, Verdict::Deliverable].into_iter().collect();
                let request = ResultsRequest { order, after, verdicts, limit };
                let page = queue.results(&id, request).await.unwrap();
                found.extend(numbers(&page.rows));
                after = page.next;
                if page.at_end {
                    break;
                }
            }
            let expected: Vec<u64> = (0..90).filter(|row| row % 3 != 1).collect();
            assert_eq!(found, expected);
            let rest = page(&*queue, &id, order, &after, 9).await;
            assert!(rest.rows.is_empty() && rest.at_end, "what was left out was looked at");
        }
    }
}

pub(crate) async fn a_foreign_cursor_is_refused(backend: &dyn Backend) {
    let queue = backend.open();
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(list(&*queue, rows("a.example", 0, 2)).await);
        let chunk = lease_one(&*queue, at(0)).await;
        queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
    }
    let mut wrong = vec![Cursor("x".to_owned()), Cursor("0".to_owned()), Cursor("-1".to_owned())];
    wrong.push(page(&*queue, &ids[1], Order::Row, &Cursor::default(), 1).await.next);
    wrong.push(page(&*queue, &ids[0], Order::Completion, &Cursor::default(), 1).await.next);
    for after in wrong {
        let request =
            ResultsRequest { order: Order::Row, after, verdicts: VerdictSet::default(), limit: 1 };
        let refused = queue.results(&ids[0], request).await.unwrap_err();
        assert!(matches!(refused, QueueError::BadCursor), "{refused}");
    }
}

pub(crate) async fn cursors_survive(backend: &dyn Backend) {
    let mut queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 250)).await;
    let mut cursors = [(Order::Completion, Cursor::default()), (Order::Row, Cursor::default())];
    let mut found = [Vec::new(), Vec::new()];
    for step in 0..4 {
        queue = backend.again(queue);
        if let [chunk, ..] = &lease(&*queue, 1, at(step)).await[..] {
            queue.complete(chunk.id, all(chunk, Reason::NullMx), at(step)).await.unwrap();
        }
        for ((order, cursor), found) in cursors.iter_mut().zip(&mut found) {
            let page = page(&*queue, &id, *order, cursor, 70).await;
            found.extend(numbers(&page.rows));
            *cursor = page.next;
        }
    }
    for found in found {
        assert!(found.into_iter().eq(0..250));
    }
}

pub(crate) async fn waiting_rows_are_counted_and_remember_since_when(backend: &dyn Backend) {
    let queue = backend.open();
    let mut given = rows("a.example", 0, 3);
    given.push(row("USER0@a.example"));
    let id = list(&*queue, given).await;
    let chunk = lease_one(&*queue, at(10)).await;
    let [zero, one, two] = [0, 1, 2].map(|n: usize| chunk.items[n].number);
    let first = vec![known(zero, Reason::Greylisted), known(one, Reason::RateLimited)];
    queue.release_until(chunk.id, at(300), first, at(11)).await.unwrap();
    let progress = standing(&*queue, &id).await.progress;
    let counts = [(Reason::Greylisted, 2), (Reason::RateLimited, 1)];
    assert_eq!(progress.waiting.clone().into_iter().collect::<Vec<_>>(), counts);
    assert_eq!((progress.next_retry_at, progress.last_retry_at), (Some(at(300)), Some(at(300))));
    assert_eq!(progress.open_rows(), 4);
    let queue = backend.again(queue);
    assert_eq!(standing(&*queue, &id).await.progress, progress);

    let chunk = lease_one(&*queue, at(300)).await;
    let seen: Vec<_> =
        chunk.items.iter().map(|i| (i.waiting_since, i.provisional.clone())).collect();
    let expected = [
        (Some(at(11)), Some(outcome(Reason::Greylisted))),
        (Some(at(11)), Some(outcome(Reason::RateLimited))),
        (None, None),
    ];
    assert_eq!(seen, expected);
    let second = vec![known(zero, Reason::MailboxBusy), known(two, Reason::Greylisted)];
    queue.release_until(chunk.id, at(400), second, at(301)).await.unwrap();
    let chunk = lease_one(&*queue, at(400)).await;
    let seen: Vec<_> =
        chunk.items.iter().map(|i| (i.waiting_since, i.provisional.clone())).collect();
    let expected = [
        (Some(at(11)), Some(outcome(Reason::MailboxBusy))),
        (Some(at(11)), Some(outcome(Reason::RateLimited))),
        (Some(at(301)), Some(outcome(Reason::Greylisted))),
    ];
    assert_eq!(seen, expected);
    queue.complete(chunk.id, vec![known(zero, Reason::MailboxAccepted)], at(401)).await.unwrap();
    let progress = standing(&*queue, &id).await.progress;
    assert_eq!(progress.waiting_rows(), 2);
    assert_eq!(progress.finished[&Reason::MailboxAccepted], 2);
    let batch = queue.cancel(&id, at(402)).await.unwrap();
    assert_eq!(batch.progress.waiting_rows(), 0, "nobody asks again");
    assert_eq!((batch.progress.next_retry_at, batch.progress.last_retry_at), (None, None));
}

pub(crate) async fn groups_and_destinations_are_tallied(backend: &dyn Backend) {
    let queue = backend.open();
    let mut given = rows("b.example", 0, 3);
    given.extend(rows("a.example", 0, 20));
    given.extend(rows("c.example", 0, 4));
    given.extend([row("USER0@c.example"), row("not an address")]);
    let id = list(&*queue, given).await;
    for chunk in lease(&*queue, 9, at(0)).await {
        let reason = match chunk.group.as_str() {
            "a.example" => continue,
            "c.example" => Reason::MailboxAccepted,
            _ => Reason::InvalidSyntax,
        };
        queue.complete(chunk.id, all(&chunk, reason), at(0)).await.unwrap();
    }
    let tally = |group: &str, rows, finished: &[(Reason, u64)]| GroupTally {
        group: group.to_owned(),
        rows,
        finished: finished.to_vec(),
    };
    let expected = [
        tally("a.example", 20, &[]),
        tally("c.example", 5, &[(Reason::MailboxAccepted, 5)]),
        tally("b.example", 3, &[(Reason::InvalidSyntax, 3)]),
        tally("", 1, &[(Reason::InvalidSyntax, 1)]),
    ];
    for limit in 0..6 {
        let groups = queue.groups(&id, limit).await.unwrap();
        assert_eq!(groups, expected[..limit.min(4)]);
    }
    let destination = DestinationTally {
        destination: "example.net".to_owned(),
        finished: vec![(Reason::MailboxAccepted, 5), (Reason::InvalidSyntax, 4)],
    };
    assert_eq!(queue.destinations(&id, 9).await.unwrap(), [destination]);
    assert!(queue.destinations(&id, 0).await.unwrap().is_empty());
}

pub(crate) async fn a_cursor_past_the_end_is_refused(backend: &dyn Backend) {
    let queue = backend.open();
    let [short, long] = [3, 30].map(|n| rows("a.example", 0, n));
    let id = list(&*queue, short).await;
    let chunk = lease_one(&*queue, at(0)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
    let other = list(&*queue, long).await;
    let chunk = lease_one(&*queue, at(0)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
    for order in [Order::Completion, Order::Row] {
        // A place far into a longer batch, under the name of this one.
        let last = page(&*queue, &other, order, &Cursor::default(), 99).await.next.0;
        let tail = |id: &BatchId| id.as_str().rsplit('-').next().unwrap_or_default().to_owned();
        let forged = last.replace(other.as_str(), id.as_str()).replace(&tail(&other), &tail(&id));
        let request = ResultsRequest {
            order,
            after: Cursor(forged),
            verdicts: VerdictSet::default(),
            limit: 1,
        };
        let answer = queue.results(&id, request).await;
        assert!(matches!(answer, Err(QueueError::BadCursor)), "{order:?}");
        let end = page(&*queue, &id, order, &Cursor::default(), 99).await.next;
        let at_end = page(&*queue, &id, order, &end, 1).await;
        assert!(at_end.rows.is_empty() && at_end.at_end);
    }
}

pub(crate) async fn rows_of_domains_registered_after_the_consent_are_counted(
    backend: &dyn Backend,
) {
    let queue = backend.open();
    let list = ["jo@a.example", "al@a.example", "JO@a.example"].map(row).to_vec();
    let id = list_with(&*queue, spec("me", None), list).await;
    let lease = lease_one(&*queue, at(1)).await;
    let text = serde_json::json!({
        "reasons": ["mailbox_accepted"], "action": "review", "stage": "rcpt",
        "flags": ["registered_after_consent"],
    });
    let flagged = ItemOutcome { item: 0, outcome: serde_json::from_value(text).unwrap() };
    queue.complete(lease.id, vec![flagged], at(2)).await.unwrap();
    let counts = |batch: &Batch| {
        (batch.progress.registered_after_consent, batch.progress.unchecked_consents)
    };
    assert_eq!(counts(&standing(&*queue, &id).await), (2, 0));
    let mut unchecked = serde_json::to_value(outcome(Reason::MailboxAccepted)).unwrap();
    unchecked["unchecked_consent"] = true.into();
    let unchecked = ItemOutcome { item: 1, outcome: serde_json::from_value(unchecked).unwrap() };
    queue.complete(lease.id, vec![unchecked], at(3)).await.unwrap();
    let queue = backend.again(queue);
    let batch = standing(&*queue, &id).await;
    assert_eq!((batch.state, counts(&batch)), (State::Finished, (2, 1)));
}

pub(crate) async fn the_oldest_evidence_is_remembered(backend: &dyn Backend) {
    let queue = backend.open();
    let id = list(&*queue, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&*queue, at(0)).await;
    let results =
        chunk.items.iter().zip([1_800_000_005_000_u64, 1_800_000_002_000, 1_800_000_009_000]);
    let results = results.map(|(item, gathered_at)| {
        let mut text = serde_json::to_value(outcome(Reason::NullMx)).unwrap();
        text["gathered_at"] = gathered_at.into();
        ItemOutcome { item: item.number, outcome: serde_json::from_value(text).unwrap() }
    });
    let mut results: Vec<ItemOutcome> = results.collect();
    let last = results.split_off(2);
    queue.complete(chunk.id, results, at(9)).await.unwrap();
    let queue = backend.again(queue);
    assert_eq!(standing(&*queue, &id).await.progress.oldest_evidence, Some(at(2)));
    let chunk = if backend.is_durable() { lease_one(&*queue, at(9)).await } else { chunk };
    queue.complete(chunk.id, last, at(9)).await.unwrap();
    let queue = backend.again(queue);
    assert_eq!(standing(&*queue, &id).await.progress.oldest_evidence, Some(at(2)));
}
