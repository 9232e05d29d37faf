//! One chunk, from its lease to its end: every item asked about, side by side, and what is known
//! kept as it comes.

use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, stream};

use super::destinations::Place;
use super::outcome::Outcome;
use super::plan::{self, Fate, Patience};
use super::queue::{Item, Known, Lease, LeaseId, QueueError};
use super::worker::Workshop;
use crate::fair;
use crate::verifier::{Depth, Options, Subject, Verification};

/// How often what is known is kept while others of the chunk are still asked about.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// How long a store that is full is left alone before it is tried again.
const STORE_TROUBLE: Duration = Duration::from_secs(5);

/// How long a look-up of a chunk's destination may take; without an answer it has none.
const DESTINATION: Duration = Duration::from_secs(5);

/// A leased chunk, and what is known of it so far.
pub(super) struct Chunk {
    workshop: Workshop,
    lease: Lease,
    /// Items that memory did not answer.
    open: Vec<(Item, Subject)>,
    /// Results that the queue does not have yet.
    results: Vec<Known>,
    /// Of those that will be asked again: what is known so far.
    provisional: Vec<Known>,
    /// When the last of those is due.
    again: Option<SystemTime>,
}

impl Chunk {
    pub(super) fn new(workshop: Workshop, lease: Lease) -> Self {
        Self {
            workshop,
            lease,
            open: Vec::new(),
            results: Vec::new(),
            provisional: Vec::new(),
            again: None,
        }
    }
}

/// Sees the chunk through. Whatever happens, its lease is over afterwards, or will be by itself.
pub(super) async fn see_through(mut chunk: Chunk) {
    let (lease, workshop) = (chunk.lease.id, chunk.workshop.clone());
    match work(&mut chunk).await {
        Ok(()) => {}
        Err(QueueError::LeaseLost | QueueError::NoSuchBatch(_)) => {
            tracing::debug!(lease = lease.0, "a chunk's batch is over");
        }
        Err(error) => tracing::error!(%error, "a chunk could not be given back"),
    }
    workshop.news.tell();
}

async fn work(chunk: &mut Chunk) -> Result<(), QueueError> {
    let workshop = chunk.workshop.clone();
    let now = workshop.clock.now();
    if chunk.lease.deadline.is_some_and(|deadline| deadline <= now) {
        chunk.out_of_time();
        return chunk.keep().await;
    }
    let _place = match chunk.take_place().await {
        Ok(place) => place,
        Err(later) => {
            chunk.keep().await?;
            return chunk.release(later).await;
        }
    };
    match (chunk.ask_all().await?, chunk.again) {
        (Asked::All, None) => Ok(()),
        (Asked::All, Some(again)) => chunk.release(again).await,
        (Asked::Some, _) => chunk.release(workshop.clock.now()).await,
    }
}

/// How far a chunk's asking came.
enum Asked {
    /// Every item was answered.
    All,
    /// The worker was told to stop before that.
    Some,
}

impl Chunk {
    /// Takes what is known without asking anybody.
    async fn take_cached(&mut self) {
        let options = self.options();
        for item in std::mem::take(&mut self.lease.items) {
            let subject = Subject::parse(item.address.as_str());
            match self.workshop.ask.cached(subject, &options).await {
                Ok(known) => self.take(&item, &known),
                Err(subject) => self.open.push((item, subject)),
            }
        }
    }

    /// Takes what is known, and for the others a place with the destination; or says when there may
    /// be one. Where no server will be asked, none sets the pace.
    async fn take_place(&mut self) -> Result<Option<Place>, SystemTime> {
        self.take_cached().await;
        let (workshop, items) = (&self.workshop, self.open.len());
        if items == 0 || self.lease.options.depth < Depth::Mailbox {
            return Ok(None);
        }
        let until = workshop.clock.now() + DESTINATION;
        match workshop.ask.destination(&self.lease.group, until).await {
            None => Ok(None),
            Some(destination) => {
                let now = workshop.clock.now();
                workshop.destinations.take(&destination, items, now).map(Some)
            }
        }
    }

    /// Asks about every item; ends early when the worker is told to stop.
    async fn ask_all(&mut self) -> Result<Asked, QueueError> {
        let workshop = self.workshop.clone();
        let open = std::mem::take(&mut self.open);
        let (options, many) = (self.options(), open.len());
        let asking = stream::iter(open).map(async |(item, subject)| {
            let verification = workshop.ask.verify(subject, &options).await;
            (item, verification)
        });
        let mut answers = Box::pin(fair::buffer_unordered(asking, many));
        let mut keep = tokio::time::interval(KEEP_EVERY);
        keep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let asked = loop {
            tokio::select! {
                biased;
                () = workshop.stop.cancelled() => break Asked::Some,
                answer = answers.next() => match answer {
                    Some((item, verification)) => self.take(&item, &verification),
                    None => break Asked::All,
                },
                _ = keep.tick() => self.keep().await?,
            }
        };
        drop(answers);
        self.keep().await?;
        Ok(asked)
    }

    fn options(&self) -> Options {
        let (options, config) = (&self.lease.options, &self.workshop.config);
        let now = self.workshop.clock.now();
        let deadline = now + config.longest_address;
        let deadline = self.lease.deadline.map_or(deadline, |end| end.min(deadline));
        Options {
            depth: options.depth,
            max_age: options.max_age,
            test_catch_all: options.test_catch_all,
            transcript: false,
            deadline,
            retry_until: now + options.patience.min(config.wait_in_lane),
        }
    }

    /// An answer: a result, or something to go on with.
    fn take(&mut self, item: &Item, answer: &Verification) {
        let patience = Patience {
            waiting_since: item.waiting_since,
            patience: self.lease.options.patience,
            deadline: self.lease.deadline,
        };
        let known = Known { item: item.number, outcome: Outcome::of(answer) };
        match plan::fate(answer, patience, self.workshop.clock.now()) {
            Fate::Finished => self.results.push(known),
            Fate::Again(at) => {
                self.provisional.push(known);
                self.again = Some(self.again.map_or(at, |again| again.max(at)));
            }
        }
    }

    /// The batch's deadline has come: what is known so far is the result.
    fn out_of_time(&mut self) {
        let now = self.workshop.clock.now();
        for item in std::mem::take(&mut self.lease.items) {
            let outcome = item.provisional.unwrap_or_else(|| Outcome::out_of_time(now));
            self.results.push(Known { item: item.number, outcome });
        }
    }

    /// Gives the results to the queue.
    async fn keep(&mut self) -> Result<(), QueueError> {
        if self.results.is_empty() {
            return Ok(());
        }
        let results = std::mem::take(&mut self.results);
        let count = u64::try_from(results.len()).unwrap_or(u64::MAX);
        let (workshop, lease) = (&self.workshop, self.lease.id);
        insistently(workshop, lease, || {
            workshop.queue.complete(lease, results.clone(), workshop.clock.now())
        })
        .await?;
        workshop.results.add(count);
        workshop.news.tell();
        Ok(())
    }

    async fn release(&mut self, until: SystemTime) -> Result<(), QueueError> {
        let (workshop, lease) = (&self.workshop, self.lease.id);
        let provisional = std::mem::take(&mut self.provisional);
        insistently(workshop, lease, || {
            let now = workshop.clock.now();
            workshop.queue.release_until(lease, until, provisional.clone(), now)
        })
        .await
    }
}

/// Tries again while the disk is full: what was learned is not thrown away for want of room. When
/// the worker is told to stop, it is: the chunk will be asked about again.
async fn insistently<F>(
    workshop: &Workshop,
    lease: LeaseId,
    attempt: impl Fn() -> F,
) -> Result<(), QueueError>
where
    F: Future<Output = Result<(), QueueError>>,
{
    loop {
        match attempt().await {
            Err(error @ QueueError::Full { .. }) if !workshop.stop.is_cancelled() => {
                tracing::error!(%error, lease = lease.0, "results wait for room on the disk");
                tokio::select! {
                    () = tokio::time::sleep(STORE_TROUBLE) => {}
                    () = workshop.stop.cancelled() => {}
                }
            }
            outcome => return outcome,
        }
    }
}
