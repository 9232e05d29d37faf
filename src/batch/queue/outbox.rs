//! The outbox: what is still to be told about batches that are over.
//!
//! A notification is made by the transaction that ends its batch, so that there is one for each
//! batch that ended and none for others. Its id follows from the batch and the event: a transaction
//! that is carried out again after a crash makes no second one, and every try has the same id.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use super::error::QueueError;
use crate::campaign::callback::BatchEvent;
use crate::campaign::id::BatchId;
#[cfg(any(test, feature = "sqlite", feature = "postgres"))]
use crate::campaign::progress::{Batch, State};

/// The id of a notification, the same for every try.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NotificationId(String);

impl NotificationId {
    /// The id of the notification about this event of this batch.
    #[must_use]
    pub fn new(batch: &BatchId, event: BatchEvent) -> Self {
        let event = event.name().trim_start_matches("batch.");
        Self(format!("msg_{batch}_{event}"))
    }

    /// The id that was written as `text`.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The id that is written as `text`, if that has the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let of_event = |event: BatchEvent| {
            let name = event.name().trim_start_matches("batch.");
            let batch = text.strip_prefix("msg_")?.strip_suffix(name)?.strip_suffix('_')?;
            Some(Self::new(&BatchId::parse(batch)?, event))
        };
        // Written the same way, or it was not written by us.
        BatchEvent::ALL.into_iter().find_map(of_event).filter(|id| id.as_str() == text)
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing to be told to one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// The batch that it is about.
    pub batch: BatchId,
    /// The batch's owner.
    pub owner: String,
    /// The URL to tell.
    pub url: String,
    /// The event.
    pub event: BatchEvent,
    /// Time of the event.
    pub created_at: SystemTime,
    /// Its standing.
    pub state: NotificationState,
    /// Number of tries so far.
    pub tries: u32,
    /// Time of the next try, while it is pending.
    pub due_at: Option<SystemTime>,
    /// The result of the last try, in a few words; empty before the first.
    pub result: String,
}

/// The standing of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationState {
    /// To be tried, or tried again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// Tried for as long as there are tries, or left unsent by a 410 before another one to its URL
    /// was sent again.
    GivenUp,
    /// The receiver wants no more (410): nothing is sent to this URL until one is sent again.
    SwitchedOff,
}

impl NotificationState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::GivenUp, Self::SwitchedOff];

    /// The state's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::SwitchedOff => "switched_off",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The report of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TryReport {
    /// Its consequence.
    pub next: NextTry,
    /// Its result, in a few words.
    pub result: String,
}

/// The consequence of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextTry {
    /// Nothing: the receiver has it.
    Delivered,
    /// Another try at this time.
    At(SystemTime),
    /// Nothing: there are no more tries.
    GivenUp,
    /// Nothing for this URL, of this owner, until it is sent again.
    SwitchedOff,
}

impl NextTry {
    /// The standing of a notification after this try, and the time of the next one.
    #[cfg(any(test, feature = "sqlite", feature = "postgres"))]
    pub(crate) fn standing(self) -> (NotificationState, Option<SystemTime>) {
        match self {
            Self::Delivered => (NotificationState::Delivered, None),
            Self::At(at) => (NotificationState::Pending, Some(at)),
            Self::GivenUp => (NotificationState::GivenUp, None),
            Self::SwitchedOff => (NotificationState::SwitchedOff, None),
        }
    }
}

/// The notifications that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// Number of those that are pending.
    pub pending: u64,
    /// Time of the oldest of their events.
    pub oldest: Option<SystemTime>,
}

/// The notifications of a queue. It keeps to what [`queue`](super) says of what was answered with
/// `Ok`, and:
///
/// - Ending a batch makes its notification in the same transaction, if the batch's callback admits
///   the event; due at once, or switched off if the newest of that owner and URL is.
/// - So does the report after which nothing but waiting rows is open, once for each batch, in the
///   same transaction or, if the process ended in between, with the next report.
/// - Deleting a batch takes its notifications with it.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Pending notifications that are due, the longest due first, at most `limit`. Each is due
    /// again at `until` unless [`Outbox::report_try`] says otherwise, so that none is lost with the
    /// process that took it. It may be due earlier when the queue is opened again.
    async fn claim_notifications(
        &self,
        limit: usize,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Notification>, QueueError>;

    /// Keeps the report of a try. [`NextTry::SwitchedOff`] holds for every pending notification of
    /// the same owner and URL. One that is gone is passed over.
    async fn report_try(&self, id: &NotificationId, report: TryReport) -> Result<(), QueueError>;

    /// The time at which the first pending notification is due.
    async fn next_notification(&self) -> Result<Option<SystemTime>, QueueError>;

    /// The owner's notifications, those about the newest batches first, before `before`.
    async fn notifications(
        &self,
        owner: &str,
        before: Option<&NotificationId>,
        limit: usize,
    ) -> Result<Vec<Notification>, QueueError>;

    /// Makes a notification of `owner` due now, with all its tries, whatever became of it; its URL
    /// is switched on again. `None` if there is none.
    async fn resend_notification(
        &self,
        owner: &str,
        id: &NotificationId,
        now: SystemTime,
    ) -> Result<Option<Notification>, QueueError>;

    /// Figures of what waits.
    async fn outbox_stats(&self) -> Result<OutboxStats, QueueError>;
}

/// The notification that this batch makes as it stands since `now`; `None` if there is nothing to
/// tell, or nobody wants to know.
#[cfg(any(test, feature = "sqlite", feature = "postgres"))]
pub(crate) fn notification(batch: &Batch, now: SystemTime) -> Option<Notification> {
    let event = match batch.state {
        State::Running if batch.only_waits() => BatchEvent::PreflightReady,
        State::Receiving | State::Running => return None,
        State::Finished => BatchEvent::Finished,
        State::Cancelled => BatchEvent::Cancelled,
    };
    let callback = batch.spec.callback.as_ref().filter(|callback| callback.admits(event))?;
    let created_at = batch.ended_at.unwrap_or(now);
    Some(Notification {
        id: NotificationId::new(&batch.id, event),
        batch: batch.id.clone(),
        owner: batch.spec.owner.clone(),
        url: callback.url.clone(),
        event,
        created_at,
        state: NotificationState::Pending,
        tries: 0,
        due_at: Some(created_at),
        result: String::new(),
    })
}
