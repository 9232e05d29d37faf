//! Tests of every kind of queue: a claim for each sentence of [`queue`](crate::batch::queue), and
//! random steps beside a simple model. A kind of queue calls [`suite!`] with its [`Backend`], and
//! [`durable!`] as well, unless it forgets everything with its process. Beside them the plainest
//! queue, in [`memory`], for the tests of those that use one.

mod ends;
mod intake;
mod leases;
pub(crate) mod memory;
mod model;
mod outbox;
mod random;
#[cfg(feature = "external-tests")]
mod replicas;
mod results;

pub(crate) use ends::*;
pub(crate) use intake::*;
pub(crate) use leases::*;
pub(crate) use outbox::*;
pub(crate) use random::*;
#[cfg(feature = "external-tests")]
pub(crate) use replicas::*;
pub(crate) use results::*;

use std::ops::Range;
use std::time::{Duration, SystemTime};

use crate::batch::outcome::Outcome;
use crate::batch::queue::{
    Cursor, ItemOutcome, Lease, LeaseRequest, NewRow, Order, Queue, ResultsPage, ResultsRequest,
    RowResult, SubmittedBatch, VerdictSet,
};
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;
use crate::campaign::spec::{BatchOptions, Spec};
use crate::verdict::Reason;

/// A place for one queue.
pub(crate) trait Backend {
    /// Opens the queue that is there. The one before was dropped, whatever it was doing.
    fn open(&self) -> Box<dyn Queue>;

    /// Whether a queue that is opened again is the one it was.
    fn is_durable(&self) -> bool {
        true
    }

    /// Seeds of the random steps: fewer where each step takes its time.
    fn seeds(&self) -> Range<u64> {
        0..6
    }

    /// Number of random steps for each seed.
    fn steps(&self) -> usize {
        400
    }

    /// The queue, opened again if it can be.
    fn again(&self, queue: Box<dyn Queue>) -> Box<dyn Queue> {
        if !self.is_durable() {
            return queue;
        }
        drop(queue);
        self.open()
    }
}

/// Every claim as a test of one kind of queue, but for those of [`durable!`].
macro_rules! suite {
    ($backend:expr; $($claim:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $claim() {
                $crate::queue_tests::$claim(&$backend).await;
            }
        )*
    };
    ($backend:expr) => {
        $crate::queue_tests::suite! { $backend;
            rows_that_reach_one_mailbox_are_one_item,
            items_of_a_group_fill_chunks_in_the_order_of_their_first_rows,
            rows_are_taken_only_while_the_batch_is_receiving,
            a_page_that_is_sent_again_changes_nothing,
            a_gap_names_the_row_that_comes_next,
            an_upload_without_a_new_page_is_removed,
            an_address_with_a_nul_is_asked_as_the_mailbox_that_it_reaches,
            only_a_batch_that_is_receiving_is_discarded,
            an_item_has_the_latest_consent_of_its_rows,
            a_request_id_finds_the_first_submission,
            one_request_id_of_two_owners_is_two_batches,
            a_batch_without_rows_is_finished_at_once,
            a_batch_is_running_while_it_is_worked_on,
            what_was_sealed_is_never_lost,
            nothing_is_leased_before_it_is_sealed,
            a_chunk_that_is_out_is_not_leased_again,
            a_lease_ends_with_its_last_result,
            a_lease_ends_when_it_is_given_back,
            a_lease_ends_when_its_time_is_over,
            a_lease_ends_when_its_batch_is_over,
            batches_take_turns,
            the_longest_due_come_first_then_the_first_rows,
            no_group_has_more_chunks_out_than_asked_for,
            a_large_group_at_its_limit_hides_no_other,
            chunks_behind_a_released_one_of_their_group_come_first,
            a_released_chunk_comes_back_when_it_is_due,
            at_the_deadline_everything_is_due,
            the_next_due_time_counts_what_waits_and_what_is_out,
            a_row_keeps_its_first_result,
            what_is_not_of_the_lease_is_ignored,
            every_row_of_an_item_gets_its_result,
            a_result_is_read_as_it_was_brought,
            results_are_read_as_they_came,
            in_row_order_the_first_open_row_ends_the_results,
            results_are_read_exactly_once_however_they_are_paged,
            a_filter_by_verdict_leaves_out_and_goes_on,
            a_foreign_cursor_is_refused,
            a_cursor_past_the_end_is_refused,
            the_oldest_evidence_is_remembered,
            rows_of_domains_registered_after_the_consent_are_counted,
            usage_counts_what_an_owner_keeps,
            cursors_survive,
            waiting_rows_are_counted_and_remember_since_when,
            groups_and_destinations_are_tallied,
            a_cancelled_batch_keeps_its_results_and_gets_no_more,
            a_batch_can_be_cancelled_while_it_is_receiving,
            a_deleted_batch_is_gone,
            batches_are_listed_newest_first_to_their_owner,
            batches_that_ended_are_found_oldest_first,
            the_end_of_a_batch_makes_the_notification_that_was_asked_for,
            a_batch_that_ends_without_running_makes_its_notification,
            a_batch_in_which_rows_only_wait_tells_once_that_its_preflight_is_ready,
            a_claimed_notification_is_due_again_unless_its_try_is_reported,
            a_url_that_wants_no_more_gets_no_more_until_one_is_sent_again,
            a_deleted_batch_takes_its_notification_with_it,
            random_steps_agree_with_the_model,
        }
    };
}

/// The claims about what is there when the queue is opened again.
macro_rules! durable {
    ($backend:expr) => {
        $crate::queue_tests::suite! { $backend;
            what_was_not_sealed_is_gone_and_its_request_id_is_free,
            a_lease_ends_when_the_queue_is_opened_again,
            no_two_leases_have_one_name,
        }
    };
}

/// The claims about a queue that several processes have open at once.
#[cfg(feature = "external-tests")]
macro_rules! shared {
    ($backend:expr) => {
        $crate::queue_tests::suite! { $backend;
            opening_ends_nothing_of_others,
            a_chunk_goes_to_one_of_two,
            a_group_has_its_limit_over_both,
            a_reader_beside_two_writers_misses_nothing,
            one_request_id_on_both_at_once_is_one_batch,
            pages_on_both_are_one_list,
            what_one_ends_is_over_for_the_other,
            both_may_bring_results_for_one_batch_at_once,
            a_change_is_heard_on_the_other,
        }
    };
}

#[cfg(feature = "external-tests")]
pub(crate) use shared;
pub(crate) use {durable, suite};

/// A time, by its seconds.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

pub(crate) fn spec(owner: &str, request_id: Option<&str>) -> Spec {
    Spec {
        owner: owner.to_owned(),
        request_id: request_id.map(str::to_owned),
        display_name: "spring.csv".to_owned(),
        options: BatchOptions::default(),
        callback: None,
    }
}

/// A row whose mailbox is `address` in lower case.
pub(crate) fn row(address: &str) -> NewRow {
    let key = address.to_lowercase();
    let group = key.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
    let (row_id, address) = (String::new(), address.to_owned());
    NewRow { row_id, address, consented_at: None, key, group }
}

/// Rows of one domain, numbered from `from`.
pub(crate) fn rows(domain: &str, from: usize, count: usize) -> Vec<NewRow> {
    (from..from + count).map(|n| row(&format!("user{n}@{domain}"))).collect()
}

pub(crate) async fn submit(queue: &dyn Queue, spec: Spec, now: SystemTime) -> BatchId {
    let id = BatchId::new(now);
    match queue.submit(id.clone(), spec, now).await.unwrap() {
        SubmittedBatch::New(batch) => assert_eq!(batch.id, id),
        SubmittedBatch::Known(batch) => panic!("{} was there before", batch.id),
    }
    id
}

/// A sealed batch of these rows.
pub(crate) async fn list(queue: &dyn Queue, rows: Vec<NewRow>) -> BatchId {
    list_with(queue, spec("me", None), rows).await
}

pub(crate) async fn list_with(queue: &dyn Queue, spec: Spec, rows: Vec<NewRow>) -> BatchId {
    let id = submit(queue, spec, at(0)).await;
    queue.append(&id, None, rows, at(0)).await.unwrap();
    queue.seal(&id, at(0)).await.unwrap();
    id
}

/// Asks for chunks until a minute later.
pub(crate) async fn lease(queue: &dyn Queue, chunks: usize, now: SystemTime) -> Vec<Lease> {
    let until = now + Duration::from_secs(60);
    queue.lease(LeaseRequest { chunks, chunks_per_group: 4, until }, now).await.unwrap()
}

/// The one chunk there is.
pub(crate) async fn lease_one(queue: &dyn Queue, now: SystemTime) -> Lease {
    let mut leases = lease(queue, 1, now).await;
    assert_eq!(leases.len(), 1);
    leases.remove(0)
}

pub(crate) fn outcome(reason: Reason) -> Outcome {
    let text = serde_json::json!({
        "reasons": [reason.name()],
        "action": "review",
        "stage": "rcpt",
        "exchanger": "mx1.mail.example.net",
        "code": 250,
        "reply": ["2.1.5 fine"],
    });
    serde_json::from_value(text).unwrap()
}

/// The same result for all that is open in a lease.
pub(crate) fn all(lease: &Lease, reason: Reason) -> Vec<ItemOutcome> {
    lease.items.iter().map(|item| known(item.number, reason)).collect()
}

pub(crate) fn known(item: u64, reason: Reason) -> ItemOutcome {
    ItemOutcome { item, outcome: outcome(reason) }
}

pub(crate) async fn page(
    queue: &dyn Queue,
    id: &BatchId,
    order: Order,
    after: &Cursor,
    limit: usize,
) -> ResultsPage {
    let request =
        ResultsRequest { order, after: after.clone(), verdicts: VerdictSet::default(), limit };
    queue.results(id, request).await.unwrap()
}

/// All results there are, `limit` at a time.
pub(crate) async fn read(
    queue: &dyn Queue,
    id: &BatchId,
    order: Order,
    limit: usize,
) -> Vec<RowResult> {
    let (mut found, mut cursor) = (Vec::new(), Cursor::default());
    loop {
        let page = page(queue, id, order, &cursor, limit).await;
        assert!(page.rows.len() <= limit);
        found.extend(page.rows);
        cursor = page.next;
        if page.at_end {
            return found;
        }
    }
}

pub(crate) fn numbers(rows: &[RowResult]) -> Vec<u64> {
    rows.iter().map(|row| row.row).collect()
}

pub(crate) async fn standing(queue: &dyn Queue, id: &BatchId) -> Batch {
    queue.batch(id).await.unwrap()
}
