//! Forecasts of when batches finish: the open rows of a batch by destination, read from time to
//! time, and what [`eta`] makes of them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, stream};
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use super::context::WorkerContext;
use super::queue::QueueError;
use crate::campaign::eta::{
    self, DestinationWork, Forecast, ForecastBasis, Pace, WaitingWork, Workload,
};
use crate::campaign::{Batch, BatchId, GroupTally, State};
use crate::fair;
use crate::verdict::{Depth, Reason, Verdict};

/// Domains that are looked at; the smaller ones run side by side and set no pace.
const DOMAINS: usize = 1000;

/// The farthest that an end is foretold: no row is asked again for as long.
const FARTHEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Lookups at a time.
const LOOKUPS: usize = 100;

/// Longest time for the lookups of one look. What DNS has not told by then is told in the next.
const LOOKUP_TIME: Duration = Duration::from_secs(1);

/// Shortest time between two looks at the rows of a batch.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks take at most one part of the time in so many.
const LOOK_SHARE: u32 = 20;

/// Time over which looks are remembered: two turns of a paced destination.
const OBSERVED: Duration = Duration::from_secs(124);

/// Time in which all servers that are asked at once have answered: what they put off in it says
/// nothing of what is put off later.
const FIRST_REPLIES: Duration = Duration::from_secs(10);

/// Most looks that are remembered.
const LOOKS: usize = 62;

/// Destinations that are remembered of a look.
const DESTINATIONS: usize = 20;

/// Most batches whose looks are remembered.
const REMEMBERED: usize = 1000;

/// Forecasts of all batches.
pub(super) struct Forecasts {
    pace: Pace,
    seen: Mutex<HashMap<BatchId, SeenBatch>>,
}

/// A batch, as far as it was looked at since the start of the process.
#[derive(Default)]
struct SeenBatch {
    /// The last ones, the oldest first.
    looks: VecDeque<Look>,
    /// The destinations of its largest domains, as far as DNS has told them.
    names: HashMap<String, String>,
    /// Time at which rows were first seen to wait for a trouble to pass.
    trouble_since: Option<SystemTime>,
}

/// The rows of a batch, as they were at a time.
#[derive(Clone)]
struct Look {
    at: SystemTime,
    /// Time it took.
    took: Duration,
    finished: u64,
    last_retry_at: Option<SystemTime>,
    /// Those with the most open rows.
    destinations: Vec<DestinationWork>,
}

impl Forecasts {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, seen: Mutex::default() }
    }

    /// The limits that forecasts rest on.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns the batch with its expected end, if it is running.
    pub(super) async fn add_to(&self, context: &WorkerContext, mut batch: Batch) -> Batch {
        if batch.state != State::Running {
            self.seen.lock().remove(&batch.id);
            return batch;
        }
        let now = context.clock.now();
        if let Err(error) = self.look(context, &batch, now).await {
            tracing::debug!(batch = %batch.id, %error, "no forecast");
            return batch;
        }
        let seen = self.seen.lock();
        batch.progress.forecast =
            seen.get(&batch.id).and_then(|seen| seen.forecast(&batch, self.pace, now));
        drop(seen);
        batch
    }

    /// Looks at the rows by destination, unless the last look is young.
    async fn look(
        &self,
        context: &WorkerContext,
        batch: &Batch,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        let next = |look: &Look| look.at + LOOK_EVERY.max(look.took * LOOK_SHARE);
        let next = self.seen.lock().get(&batch.id).and_then(|seen| seen.looks.back().map(next));
        if next.is_some_and(|next| now < next) {
            return Ok(());
        }
        let destinations = match batch.spec.options.depth {
            Depth::Mailbox => self.destinations(context, &batch.id, now).await?,
            Depth::Syntax | Depth::Domain => Vec::new(),
        };
        let progress = &batch.progress;
        let look = Look {
            at: now,
            took: context.clock.now().duration_since(now).unwrap_or_default(),
            finished: progress.finished_rows(),
            last_retry_at: progress.last_retry_at,
            destinations,
        };
        let mut seen = self.remember(&batch.id);
        if progress.waiting.keys().any(|reason| is_trouble(*reason)) {
            seen.trouble_since.get_or_insert(now);
        }
        seen.looks.push_back(look);
        let is_old = |look: &Look| look.at + OBSERVED < now;
        while seen.looks.len() > LOOKS || seen.looks.get(1).is_some_and(is_old) {
            seen.looks.pop_front();
        }
        Ok(())
    }

    /// The destinations with the most open rows, the largest first.
    async fn destinations(
        &self,
        context: &WorkerContext,
        id: &BatchId,
        now: SystemTime,
    ) -> Result<Vec<DestinationWork>, QueueError> {
        let mut groups = context.queue.groups(id, DOMAINS).await?;
        groups.retain(|group| !group.group.is_empty());
        let known = self.seen.lock().get_mut(id).map(|seen| std::mem::take(&mut seen.names));
        let mut known = known.unwrap_or_default();
        let found = look_up(context, &groups, &known, now).await;
        known.extend(found);
        let mut work: BTreeMap<String, DestinationWork> = BTreeMap::new();
        for group in &groups {
            let Some(name) = known.get(&group.group) else { continue };
            let entry = work.entry(name.clone()).or_default();
            let finished: u64 = group.finished.iter().map(|(_, rows)| rows).sum();
            let refused = |(reason, _): &&(Reason, u64)| reason.verdict() == Verdict::Undeliverable;
            entry.finished += finished;
            entry.refused +=
                group.finished.iter().filter(refused).map(|(_, rows)| rows).sum::<u64>();
            entry.open += group.rows.saturating_sub(finished);
            entry.domains += u64::from(finished == 0);
        }
        let mut work = DestinationWork::list(work);
        work.truncate(DESTINATIONS);
        if known.len() > 2 * DOMAINS {
            let looked_at: HashSet<&str> = groups.iter().map(|group| &*group.group).collect();
            known.retain(|domain, _| looked_at.contains(&**domain));
        }
        self.remember(id).names = known;
        Ok(work)
    }

    /// What is remembered of a batch; of too many, nothing.
    fn remember(&self, id: &BatchId) -> MappedMutexGuard<'_, SeenBatch> {
        MutexGuard::map(self.seen.lock(), |all| {
            if all.len() >= REMEMBERED && !all.contains_key(id) {
                all.clear();
            }
            all.entry(id.clone()).or_default()
        })
    }
}

/// `true` for a trouble of a server, which is waited for to the end of the retry window.
fn is_trouble(reason: Reason) -> bool {
    // What has a verdict waits for a registry.
    reason.verdict() == Verdict::Unknown
        && !matches!(reason, Reason::Greylisted | Reason::RateLimited)
}

/// The destinations of the domains that are not `known` yet, as far as DNS tells them in time.
pub(super) async fn look_up(
    context: &WorkerContext,
    groups: &[GroupTally],
    known: &HashMap<String, String>,
    now: SystemTime,
) -> Vec<(String, String)> {
    let until = now + LOOKUP_TIME;
    let unknown = groups.iter().filter(|group| !known.contains_key(&group.group));
    let looking = stream::iter(unknown).map(async |group| {
        let destination = context.verifier.destination(&group.group, until).await?;
        Some((group.group.clone(), destination.as_str().to_owned()))
    });
    fair::buffer_unordered(looking, LOOKUPS).filter_map(std::future::ready).collect().await
}

impl SeenBatch {
    fn forecast(&self, batch: &Batch, pace: Pace, now: SystemTime) -> Option<Forecast> {
        let (oldest, last) = (self.looks.front()?, self.looks.back()?);
        let progress = &batch.progress;
        let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let mut destinations = last.destinations.clone();
        for one in &mut destinations {
            one.lately = self.lately(&one.name, now);
        }
        let estimated = eta::estimate(&Workload {
            destinations,
            open: progress.open_rows().saturating_sub(progress.waiting_rows()),
            finished_lately: progress.finished_rows().saturating_sub(oldest.finished),
            observed: since(oldest.at),
            rows_and_mailboxes: (progress.rows, progress.mailboxes),
            pace,
            waiting: self.waiting(batch, now),
        })?;
        let age = since(last.at);
        let is_looked_at = matches!(estimated.basis, ForecastBasis::Provider { .. });
        // What a look counted has gone on since.
        let left = estimated.left.saturating_sub(if is_looked_at { age } else { Duration::ZERO });
        let end = now.checked_add(left);
        match batch.deadline() {
            Some(deadline) if end.is_none_or(|end| deadline < end) => {
                Some(Forecast { end: deadline, at_least: false, basis: ForecastBasis::Deadline })
            }
            _ => {
                let eta::TimeEstimate { at_least, basis, .. } = estimated;
                Some(Forecast { end: end?, at_least, basis })
            }
        }
    }

    /// The rows of a destination that were finished lately: how long ago, and how many.
    fn lately(&self, name: &str, now: SystemTime) -> Vec<(Duration, u64)> {
        let finished = |look: &Look| {
            look.destinations.iter().find(|one| one.name == name).map(|one| one.finished)
        };
        let between = |(earlier, later): (&Look, &Look)| {
            let rows = finished(later)?.saturating_sub(finished(earlier)?);
            // Whoever watches looks when something changes: in a long pause nothing did, but at
            // its beginning.
            let pause = later.at.duration_since(earlier.at).unwrap_or_default();
            let at = earlier.at + (pause / 2).min(LOOK_EVERY / 2);
            (rows > 0).then(|| (now.duration_since(at).unwrap_or_default(), rows))
        };
        self.looks.iter().zip(self.looks.iter().skip(1)).filter_map(between).collect()
    }

    fn waiting(&self, batch: &Batch, now: SystemTime) -> Option<WaitingWork> {
        let rows = batch.progress.waiting_rows();
        let last_retry_at = batch.progress.last_retry_at.filter(|_| rows > 0)?;
        let is_growing = self.looks.front().is_some_and(|oldest| {
            let settled = self.looks.iter().find(|look| oldest.at + FIRST_REPLIES <= look.at);
            settled.is_some_and(|look| look.last_retry_at < Some(last_retry_at))
        });
        let window = batch.spec.options.retry_window.min(FARTHEST);
        let troubled = batch.progress.waiting.keys().any(|reason| is_trouble(*reason));
        // A trouble is looked at again and again, to the end of the window.
        let trouble_end = self.trouble_since.filter(|_| troubled).map(|since| since + window);
        let last = trouble_end.into_iter().chain([last_retry_at]).max()?;
        let until_last = last.duration_since(now).unwrap_or_default();
        Some(WaitingWork { rows, until_last, is_growing: is_growing && trouble_end.is_none() })
    }
}
