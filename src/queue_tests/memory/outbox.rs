//! The outbox of the queue in memory.

use std::time::SystemTime;

use async_trait::async_trait;

use super::{Inner, MemoryQueue};
use crate::batch::queue::{
    NextTry, Notification, NotificationId, NotificationState, Outbox, OutboxStats, QueueError,
    TryReport, notification,
};
use crate::campaign::id::BatchId;

impl Inner {
    /// Makes the notification about a batch as it stands since `now`, if there is to be one.
    pub(super) fn notify(&mut self, id: &BatchId, now: SystemTime) {
        let told = self.batches.get(id).filter(|kept| kept.batch.spec.callback.is_some());
        let Some(mut new) = told.and_then(|kept| notification(&kept.shown(), now)) else {
            return;
        };
        let of_url = |one: &&Notification| one.owner == new.owner && one.url == new.url;
        let newest = self.outbox.values().rfind(of_url);
        if newest.is_some_and(|newest| newest.state == NotificationState::SwitchedOff) {
            (new.state, new.due_at) = (NotificationState::SwitchedOff, None);
        }
        self.outbox.entry(new.id.clone()).or_insert(new);
    }

    /// The notifications of the same owner and URL as this one.
    fn alike(&mut self, id: &NotificationId) -> Vec<&mut Notification> {
        let Some(one) = self.outbox.get(id).cloned() else { return Vec::new() };
        let of_url = |other: &&mut Notification| other.owner == one.owner && other.url == one.url;
        self.outbox.values_mut().filter(of_url).collect()
    }
}

#[async_trait]
impl Outbox for MemoryQueue {
    async fn claim_notifications(
        &self,
        limit: usize,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Notification>, QueueError> {
        let mut inner = self.lock();
        let mut due: Vec<&mut Notification> = inner
            .outbox
            .values_mut()
            .filter(|one| one.due_at.is_some_and(|at| at <= now))
            .collect();
        due.sort_by_key(|one| one.due_at);
        let claimed = due.iter().take(limit).map(|one| (**one).clone()).collect();
        for one in due.into_iter().take(limit) {
            one.due_at = Some(until);
        }
        Ok(claimed)
    }

    async fn report_try(&self, id: &NotificationId, report: TryReport) -> Result<(), QueueError> {
        let mut inner = self.lock();
        let Some(one) = inner.outbox.get_mut(id) else { return Ok(()) };
        (one.state, one.due_at) = report.next.standing();
        one.tries += 1;
        one.result = report.result;
        if report.next == NextTry::SwitchedOff {
            for other in inner.alike(id).into_iter().filter(|one| one.due_at.is_some()) {
                (other.state, other.due_at) = (NotificationState::SwitchedOff, None);
            }
        }
        Ok(())
    }

    async fn next_notification(&self) -> Result<Option<SystemTime>, QueueError> {
        Ok(self.lock().outbox.values().filter_map(|one| one.due_at).min())
    }

    async fn notifications(
        &self,
        owner: &str,
        before: Option<&NotificationId>,
        limit: usize,
    ) -> Result<Vec<Notification>, QueueError> {
        let inner = self.lock();
        let of_owner = inner.outbox.values().rev().filter(|one| one.owner == owner);
        let older = of_owner.filter(|one| before.is_none_or(|before| one.id < *before));
        Ok(older.take(limit).cloned().collect())
    }

    async fn resend_notification(
        &self,
        owner: &str,
        id: &NotificationId,
        now: SystemTime,
    ) -> Result<Option<Notification>, QueueError> {
        let mut inner = self.lock();
        if inner.outbox.get(id).is_none_or(|one| one.owner != owner) {
            return Ok(None);
        }
        let off = |one: &&mut Notification| one.state == NotificationState::SwitchedOff;
        for other in inner.alike(id).into_iter().filter(off) {
            other.state = NotificationState::GivenUp;
        }
        let Some(one) = inner.outbox.get_mut(id) else { return Ok(None) };
        (one.state, one.due_at, one.tries) = (NotificationState::Pending, Some(now), 0);
        Ok(Some(one.clone()))
    }

    async fn outbox_stats(&self) -> Result<OutboxStats, QueueError> {
        let inner = self.lock();
        let pending = inner.outbox.values().filter(|one| one.due_at.is_some());
        Ok(OutboxStats {
            pending: pending.clone().count() as u64,
            oldest: pending.map(|one| one.created_at).min(),
        })
    }
}
