//! The claims again, with two handles that take turns at every call: it makes no difference which
//! process is asked.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;

use super::TestDatabase;
use crate::batch::queue::{
    AppendedRows, ItemOutcome, Lease, LeaseId, LeaseRequest, NewRow, Notification, NotificationId,
    Outbox, OutboxStats, Queue, QueueError, ResultsPage, ResultsRequest, SubmittedBatch, TryReport,
    Usage,
};
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;
use crate::campaign::spec::Spec;
use crate::campaign::tally::{DestinationTally, GroupTally};
use crate::queue_tests::{Backend, suite};

/// Two handles of one database.
struct Pair {
    handles: [Box<dyn Queue>; 2],
    calls: AtomicUsize,
}

impl Pair {
    fn next(&self) -> &dyn Queue {
        &*self.handles[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

/// Opens pairs; one that is dropped is not opened again.
struct PairOfHandles(TestDatabase);

impl Backend for PairOfHandles {
    fn open(&self) -> Box<dyn Queue> {
        let handles = [self.0.open(), self.0.open()];
        Box::new(Pair { handles, calls: AtomicUsize::new(0) })
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn seeds(&self) -> Range<u64> {
        1..2
    }

    fn steps(&self) -> usize {
        200
    }
}

#[async_trait]
impl Queue for Pair {
    async fn submit(
        &self,
        id: BatchId,
        spec: Spec,
        now: SystemTime,
    ) -> Result<SubmittedBatch, QueueError> {
        self.next().submit(id, spec, now).await
    }

    async fn append(
        &self,
        id: &BatchId,
        first_row: Option<u64>,
        rows: Vec<NewRow>,
        now: SystemTime,
    ) -> Result<AppendedRows, QueueError> {
        self.next().append(id, first_row, rows, now).await
    }

    async fn usage(&self, owner: &str) -> Result<Usage, QueueError> {
        self.next().usage(owner).await
    }

    async fn remove_idle_uploads(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError> {
        self.next().remove_idle_uploads(time, limit).await
    }

    async fn seal(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError> {
        self.next().seal(id, now).await
    }

    async fn batch(&self, id: &BatchId) -> Result<Batch, QueueError> {
        self.next().batch(id).await
    }

    async fn running(&self) -> Result<Vec<Batch>, QueueError> {
        self.next().running().await
    }

    async fn batches(
        &self,
        owner: &str,
        before: Option<&BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, QueueError> {
        self.next().batches(owner, before, limit).await
    }

    async fn lease(&self, ask: LeaseRequest, now: SystemTime) -> Result<Vec<Lease>, QueueError> {
        self.next().lease(ask, now).await
    }

    async fn next_due(&self, now: SystemTime) -> Result<Option<SystemTime>, QueueError> {
        self.next().next_due(now).await
    }

    async fn complete(
        &self,
        lease: LeaseId,
        results: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        self.next().complete(lease, results, now).await
    }

    async fn release_until(
        &self,
        lease: LeaseId,
        until: SystemTime,
        provisional: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        self.next().release_until(lease, until, provisional, now).await
    }

    async fn results(
        &self,
        id: &BatchId,
        request: ResultsRequest,
    ) -> Result<ResultsPage, QueueError> {
        self.next().results(id, request).await
    }

    async fn groups(&self, id: &BatchId, limit: usize) -> Result<Vec<GroupTally>, QueueError> {
        self.next().groups(id, limit).await
    }

    async fn destinations(
        &self,
        id: &BatchId,
        limit: usize,
    ) -> Result<Vec<DestinationTally>, QueueError> {
        self.next().destinations(id, limit).await
    }

    async fn cancel(&self, id: &BatchId, now: SystemTime) -> Result<Batch, QueueError> {
        self.next().cancel(id, now).await
    }

    async fn delete(&self, id: &BatchId) -> Result<(), QueueError> {
        self.next().delete(id).await
    }

    async fn discard(&self, id: &BatchId) -> Result<bool, QueueError> {
        self.next().discard(id).await
    }

    async fn ended_before(
        &self,
        time: SystemTime,
        limit: usize,
    ) -> Result<Vec<BatchId>, QueueError> {
        self.next().ended_before(time, limit).await
    }
}

#[async_trait]
impl Outbox for Pair {
    async fn claim_notifications(
        &self,
        limit: usize,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Notification>, QueueError> {
        self.next().claim_notifications(limit, until, now).await
    }

    async fn report_try(&self, id: &NotificationId, report: TryReport) -> Result<(), QueueError> {
        self.next().report_try(id, report).await
    }

    async fn next_notification(&self) -> Result<Option<SystemTime>, QueueError> {
        self.next().next_notification().await
    }

    async fn notifications(
        &self,
        owner: &str,
        before: Option<&NotificationId>,
        limit: usize,
    ) -> Result<Vec<Notification>, QueueError> {
        self.next().notifications(owner, before, limit).await
    }

    async fn resend_notification(
        &self,
        owner: &str,
        id: &NotificationId,
        now: SystemTime,
    ) -> Result<Option<Notification>, QueueError> {
        self.next().resend_notification(owner, id, now).await
    }

    async fn outbox_stats(&self) -> Result<OutboxStats, QueueError> {
        self.next().outbox_stats().await
    }
}

suite! { PairOfHandles(TestDatabase::new());
    rows_that_reach_one_mailbox_are_one_item,
    a_page_that_is_sent_again_changes_nothing,
    a_request_id_finds_the_first_submission,
    a_chunk_that_is_out_is_not_leased_again,
    a_lease_ends_with_its_last_result,
    a_lease_ends_when_it_is_given_back,
    a_lease_ends_when_its_time_is_over,
    a_lease_ends_when_its_batch_is_over,
    the_longest_due_come_first_then_the_first_rows,
    no_group_has_more_chunks_out_than_asked_for,
    a_large_group_at_its_limit_hides_no_other,
    chunks_behind_a_released_one_of_their_group_come_first,
    results_are_read_as_they_came,
    results_are_read_exactly_once_however_they_are_paged,
    a_cancelled_batch_keeps_its_results_and_gets_no_more,
    a_deleted_batch_is_gone,
    only_a_batch_that_is_receiving_is_discarded,
    the_end_of_a_batch_makes_the_notification_that_was_asked_for,
    a_claimed_notification_is_due_again_unless_its_try_is_reported,
    a_url_that_wants_no_more_gets_no_more_until_one_is_sent_again,
    random_steps_agree_with_the_model,
}
