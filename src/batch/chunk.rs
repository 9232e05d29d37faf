//! One chunk, from its lease to its end: every item asked about, side by side, and what is known
//! kept as it comes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::context::WorkerContext;
use super::destinations::DestinationPermit;
use super::outcome::Outcome;
use super::plan::{self, ItemDisposition, RetryLimits};
use super::queue::{ItemOutcome, Lease, LeaseId, LeaseItem, QueueError};
use crate::address::DomainName;
use crate::fair;
use crate::verdict::Reason;
use crate::verifier::{Depth, GivenVerdict, Options, Subject, Verification};

/// Interval at which results are committed while other items are still being verified.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Pause before a store that was full is tried again.
const STORE_TROUBLE: Duration = Duration::from_secs(5);

/// Longest lookup of a chunk's destination; without an answer it has none.
const DESTINATION: Duration = Duration::from_secs(5);

/// A leased chunk, and what is known of it so far.
pub(super) struct Chunk {
    context: WorkerContext,
    lease: Lease,
    /// Its places among the addresses that are asked about, of all and of its destination.
    place: Option<OwnedSemaphorePermit>,
    permit: Option<DestinationPermit>,
    /// Items that memory did not answer.
    open: Vec<(LeaseItem, Subject)>,
    /// Results that the queue does not have yet.
    results: Vec<ItemOutcome>,
    /// The same as verdicts to be remembered, if they are.
    given: Vec<GivenVerdict>,
    /// `true` if they are: telling it takes a look at the disk.
    remembers_verdicts: bool,
    /// Of those that will be asked again: what is known so far.
    provisional: Vec<ItemOutcome>,
    /// The time at which the last of those is due.
    retry_at: Option<SystemTime>,
}

impl Chunk {
    /// It keeps its places until all of its items were asked about: what waits for the store then
    /// takes none of another's.
    pub(super) fn new(
        context: WorkerContext,
        lease: Lease,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            context,
            lease,
            place,
            permit: None,
            remembers_verdicts: false,
            open: Vec::new(),
            results: Vec::new(),
            given: Vec::new(),
            provisional: Vec::new(),
            retry_at: None,
        }
    }
}

/// The point at which verifying a chunk ended.
enum AskingEnd {
    /// Every item was answered.
    Complete,
    /// The worker was told to stop before that.
    Stopped,
}

impl Chunk {
    /// Works the chunk off. Whatever happens, its lease is over afterwards, or will be by itself.
    pub(super) async fn run(mut self) {
        match self.try_run().await {
            Ok(()) => {}
            Err(QueueError::LeaseLost | QueueError::NoSuchBatch(_)) => {
                tracing::debug!(lease = self.lease.id.0, "a chunk's batch is over");
            }
            Err(error) => tracing::error!(%error, "a chunk could not be given back"),
        }
        self.context.changes.notify();
    }

    async fn try_run(&mut self) -> Result<(), QueueError> {
        let context = self.context.clone();
        let now = context.clock.now();
        if self.lease.deadline.is_some_and(|deadline| deadline <= now) {
            self.out_of_time();
            return self.commit_last().await;
        }
        match self.reserve_destination().await {
            Ok(permit) => self.permit = permit,
            Err(later) => {
                self.commit_last().await?;
                return self.release(later).await;
            }
        }
        match (self.verify_all().await?, self.retry_at) {
            (AskingEnd::Complete, None) => Ok(()),
            (AskingEnd::Complete, Some(retry_at)) => self.release(retry_at).await,
            (AskingEnd::Stopped, _) => self.release(context.clock.now()).await,
        }
    }

    /// Takes up the items that wait for nothing but the word of their domain's registry.
    async fn take_registered(&mut self) {
        let is_waiting =
            |item: &LeaseItem| item.provisional.as_ref().is_some_and(Outcome::awaits_registry);
        let items = std::mem::take(&mut self.lease.items);
        let (waiting, rest): (Vec<_>, Vec<_>) = items.into_iter().partition(is_waiting);
        self.lease.items = rest;
        if waiting.is_empty() {
            return;
        }
        self.note_memory();
        let domain = DomainName::from_ascii(&self.lease.group);
        let registration = self.context.verifier.registration(&domain).await;
        for mut item in waiting {
            let Some(mut outcome) = item.provisional.take() else { continue };
            if let Some(registration) = registration.clone() {
                let (consented_at, now) = (self.consent(&item), self.context.clock.now());
                outcome = outcome.with_registration(registration, &domain, consented_at, now);
            }
            let (limits, now) = (self.limits(&item), self.context.clock.now());
            let next = plan::registry_disposition(&outcome, limits, now);
            let answer = outcome.clone().into_verification(&item.address);
            self.settle(&item, outcome, &answer, next);
        }
    }

    /// Takes the results that are known without asking DNS or a server.
    async fn take_cached(&mut self) {
        self.take_registered().await;
        let (options, context) = (self.options(), self.context.clone());
        let items = std::mem::take(&mut self.lease.items).into_iter();
        let parsed = items.map(|item| {
            let subject = Subject::parse(item.address.as_str());
            (item, subject)
        });
        if !context.verifier.may_know(options.depth) {
            self.open = parsed.collect();
            return self.note_memory();
        }
        // Side by side, so that a store elsewhere is asked for all of them at once.
        let looking = parsed.map(async |(item, subject)| {
            let options = of_item(&options, &item);
            let known = context.verifier.cached(subject, &options).await;
            (item, known)
        });
        let looked = join_all(looking).await;
        self.note_memory();
        for (item, known) in looked {
            match known {
                Ok(known) => self.record(&item, &known),
                Err(subject) => self.open.push((item, subject)),
            }
        }
    }

    /// Notes whether verdicts are to be remembered.
    fn note_memory(&mut self) {
        self.remembers_verdicts = self.context.verifier.remembers_verdicts();
    }

    /// Takes what is known, and for the others a place with the destination; or says when there may
    /// be one. Where no server will be asked, none sets the pace.
    async fn reserve_destination(&mut self) -> Result<Option<DestinationPermit>, SystemTime> {
        self.take_cached().await;
        let (context, items) = (&self.context, self.open.len());
        if items == 0 || self.lease.options.depth < Depth::Mailbox {
            return Ok(None);
        }
        let until = context.clock.now() + DESTINATION;
        let destination = context.verifier.destination(&self.lease.group, until).await;
        let Some(destination) = destination else { return Ok(None) };
        let identity = context.verifier.identity(&self.lease.group);
        let (booker, now) = ((self.lease.batch.clone(), identity), context.clock.now());
        context.destinations.reserve(&destination, &booker, items, now).map(Some)
    }

    /// Asks about every item; ends early when the worker is told to stop.
    async fn verify_all(&mut self) -> Result<AskingEnd, QueueError> {
        let context = self.context.clone();
        let open = std::mem::take(&mut self.open);
        let (options, many) = (self.options(), open.len());
        let verifier = Arc::clone(&context.verifier);
        let asking = stream::iter(open).map(move |(item, subject)| {
            let verifier = Arc::clone(&verifier);
            // Boxed, as the answer is: they change hands often.
            Box::pin(async move {
                let options = of_item(&options, &item);
                let asked = AssertUnwindSafe(verifier.verify(subject, &options));
                // One that breaks takes no other with it.
                let verification = asked.catch_unwind().await.ok();
                Box::new((item, verification))
            })
        });
        // They go on while results are committed: what they hold, a commit may wait for.
        let mut answers = Box::pin(fair::drive_unordered(asking, many));
        let mut ticks = tokio::time::interval(COMMIT_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let asked = loop {
            tokio::select! {
                biased;
                () = context.stop.cancelled() => break AskingEnd::Stopped,
                answer = answers.next() => match answer {
                    Some(answer) => match &answer.1 {
                        Some(verification) => self.record(&answer.0, verification),
                        None => self.record_broken(&answer.0),
                    },
                    None => break AskingEnd::Complete,
                },
                _ = ticks.tick() => self.commit().await?,
            }
        };
        drop(answers);
        self.commit_last().await?;
        Ok(asked)
    }

    fn options(&self) -> Options {
        let (options, config) = (&self.lease.options, &self.context.config);
        let now = self.context.clock.now();
        let deadline = now + config.longest_address;
        let deadline = self.lease.deadline.map_or(deadline, |end| end.min(deadline));
        Options {
            depth: options.depth,
            max_age: options.max_age,
            test_catch_all: options.test_catch_all,
            transcript: false,
            deadline,
            retry_until: now + options.retry_window.min(config.wait_in_lane),
            registration: options.registration,
            registration_wait: Duration::ZERO,
            consented_at: options.consented_at,
        }
    }

    /// An answer: a result, or something to go on with.
    fn record(&mut self, item: &LeaseItem, answer: &Verification) {
        let (limits, now) = (self.limits(item), self.context.clock.now());
        let outcome = Outcome::of_row(answer, self.consent(item));
        let next = match plan::disposition(answer, limits, now) {
            ItemDisposition::Final => plan::registry_disposition(&outcome, limits, now),
            next => next,
        };
        self.settle(item, outcome, answer, next);
    }

    fn limits(&self, item: &LeaseItem) -> RetryLimits {
        RetryLimits {
            waiting_since: item.waiting_since,
            window: self.lease.options.retry_window,
            deadline: self.lease.deadline,
        }
    }

    /// The time of a consent that counts for an item.
    fn consent(&self, item: &LeaseItem) -> Option<SystemTime> {
        item.consented_at.or(self.lease.options.consented_at)
    }

    /// Keeps what is known of an item, for good or until its next step.
    fn settle(
        &mut self,
        item: &LeaseItem,
        outcome: Outcome,
        answer: &Verification,
        next: ItemDisposition,
    ) {
        let known = ItemOutcome { item: item.number, outcome };
        match next {
            ItemDisposition::Final => {
                self.context.listener.tell(&self.lease.owner, answer);
                self.note_verdict(&item.address, &known.outcome);
                self.results.push(known);
            }
            ItemDisposition::RetryAt(at) => {
                self.provisional.push(known);
                self.retry_at = Some(self.retry_at.map_or(at, |retry_at| retry_at.max(at)));
            }
            ItemDisposition::PostponedUntil(at) => {
                self.retry_at = Some(self.retry_at.map_or(at, |retry_at| retry_at.max(at)));
            }
        }
    }

    /// An address at which the verification broke: asked again it would, again and again.
    fn record_broken(&mut self, item: &LeaseItem) {
        let outcome = Outcome::broken(self.context.clock.now());
        tracing::error!(row = item.number, "the verification of an address broke");
        self.results.push(ItemOutcome { item: item.number, outcome });
    }

    /// The batch's deadline has come: what is known so far is the result.
    fn out_of_time(&mut self) {
        let now = self.context.clock.now();
        self.note_memory();
        for item in std::mem::take(&mut self.lease.items) {
            let outcome = item.provisional.unwrap_or_else(|| Outcome::out_of_time(now));
            self.note_verdict(&item.address, &outcome);
            self.results.push(ItemOutcome { item: item.number, outcome });
        }
    }

    fn note_verdict(&mut self, address: &str, outcome: &Outcome) {
        let reason = outcome.reason();
        // Suppressed addresses were not asked about: nothing is held against what becomes of them.
        let is_asked = !matches!(reason, Reason::BouncedBefore | Reason::OptedOut);
        if is_asked && self.remembers_verdicts {
            self.given.push(GivenVerdict {
                address: address.to_owned(),
                reason,
                provider: outcome.destination().map(|name| name.to_string()).unwrap_or_default(),
                gathered_at: outcome.gathered_at(),
            });
        }
    }

    /// Gives the last results to the queue: nothing more is asked about.
    async fn commit_last(&mut self) -> Result<(), QueueError> {
        (self.place, self.permit) = (None, None);
        self.commit().await
    }

    /// Gives the results to the queue.
    async fn commit(&mut self) -> Result<(), QueueError> {
        if self.results.is_empty() {
            return Ok(());
        }
        let results = std::mem::take(&mut self.results);
        let count = u64::try_from(results.len()).unwrap_or(u64::MAX);
        let (context, lease) = (&self.context, self.lease.id);
        retry_while_away(context, lease, || {
            context.queue.complete(lease, results.clone(), context.clock.now())
        })
        .await?;
        context.results.add(count);
        let given = std::mem::take(&mut self.given);
        if !given.is_empty() {
            context.verifier.remember_verdicts(self.lease.batch.to_string(), given).await;
        }
        context.changes.notify();
        Ok(())
    }

    async fn release(&mut self, until: SystemTime) -> Result<(), QueueError> {
        let (context, lease) = (&self.context, self.lease.id);
        let provisional = std::mem::take(&mut self.provisional);
        retry_while_away(context, lease, || {
            let now = context.clock.now();
            context.queue.release_until(lease, until, provisional.clone(), now)
        })
        .await
    }
}

/// The options of one item: its own time of a consent comes before that of the batch.
fn of_item(options: &Options, item: &LeaseItem) -> Options {
    let consented_at = item.consented_at.or(options.consented_at);
    Options { consented_at, ..*options }
}

/// Tries again while the disk is full or the store is away: what was learned is not thrown away.
/// When the worker is told to stop, it is: the chunk will be asked about again.
async fn retry_while_away<F>(
    context: &WorkerContext,
    lease: LeaseId,
    attempt: impl Fn() -> F,
) -> Result<(), QueueError>
where
    F: Future<Output = Result<(), QueueError>>,
{
    loop {
        match attempt().await {
            Err(error @ (QueueError::Full { .. } | QueueError::Unavailable { .. }))
                if !context.stop.is_cancelled() =>
            {
                tracing::error!(%error, lease = lease.0, "results wait for the store");
                tokio::select! {
                    () = tokio::time::sleep(STORE_TROUBLE) => {}
                    () = context.stop.cancelled() => {}
                }
            }
            outcome => return outcome,
        }
    }
}
