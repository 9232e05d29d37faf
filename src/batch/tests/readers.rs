//! Watching a batch, and reading its results while it runs.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::super::queue::{Cursor, Order, QueueError, VerdictSet};
use super::super::{Config, ResultsQuery};
use super::script::{Room, Says};
use crate::campaign::{BatchOptions, State};
use crate::verdict::{Reason, Verdict};

const MINUTE: Duration = Duration::from_secs(60);

fn slow_list() -> (Vec<String>, [(&'static str, Says); 2]) {
    let list = (0..500)
        .map(|n| match n % 3 {
            0 => format!("slow@d{n}.example"),
            1 => format!("nobody@d{n}.example"),
            _ => format!("jane@d{n}.example"),
        })
        .collect();
    let says = [
        ("slow", Says::Slowly(Duration::from_secs(30))),
        ("nobody", Says::Now(Reason::MailboxNotFound)),
    ];
    (list, says)
}

#[tokio::test(start_paused = true)]
async fn results_come_while_the_batch_runs_each_row_once() {
    let (list, says) = slow_list();
    let room = Room::open(&says, Config { addresses_at_once: 150, ..Config::default() });
    let id = room.submit(&list, BatchOptions::default()).await;
    for order in [Order::Completion, Order::Row] {
        let mut rows: Vec<u64> = room.read(&id, order).await.iter().map(|r| r.row).collect();
        if order == Order::Row {
            assert!(rows.is_sorted());
        }
        rows.sort_unstable();
        assert_eq!(rows, (0..500).collect::<Vec<_>>(), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_anywhere_goes_on_where_it_was() {
    let (list, says) = slow_list();
    let room = Room::open(&says, Config::default());
    let id = room.submit(&list, BatchOptions::default()).await;
    let (mut rows, mut after) = (Vec::new(), Cursor::default());
    for steps in 1.. {
        let query = ResultsQuery {
            order: Order::Completion,
            after: after.clone(),
            verdicts: VerdictSet::default(),
        };
        let mut results = Box::pin(room.batches.results(id.clone(), query));
        let Some(page) = results.next().await else { break };
        let taken: Vec<_> = page.unwrap().rows.into_iter().take(steps).collect();
        let Some(last) = taken.last() else { break };
        after = last.cursor.clone();
        rows.extend(taken.into_iter().map(|row| row.row));
    }
    rows.sort_unstable();
    assert_eq!(rows, (0..500).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn results_can_be_asked_for_by_verdict() {
    let (list, says) = slow_list();
    let room = Room::open(&says, Config::default());
    let id = room.submit(&list, BatchOptions::default()).await;
    let query = ResultsQuery {
        order: Order::Row,
        after: Cursor::default(),
        verdicts: [Verdict::Undeliverable].into_iter().collect(),
    };
    let results = room.batches.results(id, query);
    let rows = results.map(|page| page.unwrap().rows).concat().await;
    assert_eq!(rows.len(), 167);
    assert!(rows.iter().all(|row| row.address.starts_with("nobody@")));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_hears_of_every_change_in_time_and_of_the_end_last() {
    let room = Room::open(&[("grey", Says::YesAfter(6 * MINUTE))], Config::default());
    let id = room.submit(&["jane@a.example", "grey@a.example"], BatchOptions::default()).await;
    let seen: Vec<_> = room.batches.watch(id).map(Result::unwrap).collect().await;
    let waiting = seen.iter().filter(|batch| batch.progress.waiting_rows() == 1).count();
    assert!(waiting >= 1 && seen.len() < 10, "{}", seen.len());
    assert_eq!(seen.last().unwrap().state, State::Finished);
    assert!(seen[..seen.len() - 1].iter().all(|batch| batch.state == State::Running));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_its_owner_s_alone() {
    let room = Room::open(&[], Config::default());
    let id = room.submit(&["jane@a.example"], BatchOptions::default()).await;
    let other = room.batches.batch("somebody else", &id).await;
    assert!(matches!(other, Err(QueueError::NoSuchBatch(_))));
    assert!(room.batches.batch("", &id).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_deleted_batch_is_told() {
    let room = Room::open(&[("grey", Says::YesAfter(6 * MINUTE))], Config::default());
    let id = room.submit(&["grey@a.example"], BatchOptions::default()).await;
    let mut watching = Box::pin(room.batches.watch(id.clone()));
    assert!(watching.next().await.unwrap().is_ok());
    tokio::time::sleep(MINUTE).await;
    room.batches.delete(&id).await.unwrap();
    let rest: Vec<_> = watching.collect().await;
    assert!(matches!(rest.last(), Some(Err(QueueError::NoSuchBatch(_)))));
}
