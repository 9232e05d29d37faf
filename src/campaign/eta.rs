//! The time a batch still needs, from its open rows by destination and the pace they may have.
//! Pure.
//!
//! A list is not done at its average rate: the rows of small providers run side by side and are
//! soon through, those of a large one go at that provider's pace to the end. So the expected end is
//! the latest of
//!
//! - each destination's open rows at the pace it may be asked at, or at the rate seen there if it
//!   is slower than that;
//! - the open rows of all destinations that have less than a minute's worth, at the rate seen
//!   lately, which the worker's own limits bound;
//! - the times at which rows that wait for their server are asked again; while rows go on to be
//!   put off after the first replies, or where the provider with the most work puts all of its own
//!   off, the last of them will be put off for as long as the last one was.
//!
//! A pace counts events in any minute: a destination takes a minute's worth at once, and the next
//! when the first is a minute old.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::preflight::{grouped, rows};

/// Time over which events count against a limit "in any minute".
const COUNTED: Duration = Duration::from_secs(60);

/// Time from one minute's worth to the next: the scheduler adds a second or two for the network.
const MINUTE: Duration = Duration::from_secs(62);

/// Fewest results that a rate is taken from.
const ENOUGH: u64 = 50;

/// Shortest time that a rate is taken from: what is remembered comes all at once at the start.
const LONG_ENOUGH: Duration = Duration::from_secs(3);

/// Share of its pace below which a destination counts as slower than it, in per cent.
const BEHIND: u64 = 80;

/// Time that a destination is observed before it counts as slow: it has its minute's worth at once,
/// and then a pause.
const TWO_MINUTES: Duration = Duration::from_secs(120);

/// Share of refused recipients that a session expects at first, in per cent.
const USUAL_REFUSED: u64 = 8;

/// Rows of a destination that may have been asked about and not been told of: two chunks.
const IN_FLIGHT: u64 = 200;

/// Limits on what a destination is asked through one egress identity, counted in any minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Egress identities, each with these limits of its own; a domain keeps to one of them.
    pub identities: u64,
    /// Recipients named.
    pub recipients: u64,
    /// Connections opened.
    pub connections: u64,
    /// Recipients in one session.
    pub recipients_per_session: u64,
    /// Refused recipients in one session.
    pub refused_per_session: u64,
}

#[cfg(test)]
impl Pace {
    /// The limits by default.
    pub(crate) const USUAL: Self = Self {
        identities: 1,
        recipients: 3000,
        connections: 30,
        recipients_per_session: 1000,
        refused_per_session: 9,
    };
}

impl Pace {
    /// Time that one recipient takes of a minute's worth.
    #[must_use]
    pub fn per_recipient(&self) -> Duration {
        let recipients = u32::try_from(self.recipients.max(1)).unwrap_or(u32::MAX);
        Duration::from_secs(60) / recipients
    }
}

/// Work at one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationWork {
    /// Registrable domain of its exchangers.
    pub name: String,
    /// Rows to be asked about, those that wait included.
    pub open: u64,
    /// Rows with a result.
    pub finished: u64,
    /// Rows that its servers refused.
    pub refused: u64,
    /// Domains with open rows: each costs a control recipient.
    pub domains: u64,
    /// Rows of `finished` that came in [`Workload::observed`]: how long ago, and how many; the
    /// oldest first.
    pub lately: Vec<(Duration, u64)>,
}

/// Rows that wait until their server is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingWork {
    /// Their number.
    pub rows: u64,
    /// Time until the last of them is asked again.
    pub until_last: Duration,
    /// `true` if rows went on to be put off after the first replies.
    pub is_growing: bool,
}

impl DestinationWork {
    /// Work by the destination's name as a list, the destinations with the most open rows first.
    #[must_use]
    pub fn list(by_name: BTreeMap<String, Self>) -> Vec<Self> {
        let named = by_name.into_iter().map(|(name, work)| Self { name, ..work });
        let mut work: Vec<Self> = named.collect();
        work.sort_by_key(|one| std::cmp::Reverse(one.open));
        work
    }

    /// Number of rows that were finished within `time`.
    fn finished_within(&self, time: Duration) -> u64 {
        self.lately.iter().filter(|(age, _)| *age < time).map(|(_, rows)| rows).sum()
    }

    /// The time until the last of `count` recipients may be asked about, `limit` in any minute:
    /// what was asked within the last one makes room as it grows older.
    fn time_by_the_minute(&self, count: u64, limit: u64) -> Duration {
        let limit = limit.max(1);
        let room = limit.saturating_sub(self.finished_within(COUNTED));
        let Some(beyond) = count.checked_sub(room).and_then(|beyond| beyond.checked_sub(1)) else {
            return Duration::ZERO;
        };
        let minutes = u32::try_from(beyond / limit).unwrap_or(u32::MAX);
        let mut before = beyond % limit;
        let mut first = MINUTE;
        for (age, rows) in self.lately.iter().filter(|(age, _)| *age < COUNTED) {
            if before < *rows {
                first = MINUTE.saturating_sub(*age);
                break;
            }
            before -= rows;
        }
        first.saturating_add(MINUTE.saturating_mul(minutes))
    }
}

/// All that the estimate rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The destinations with the most open rows.
    pub destinations: Vec<DestinationWork>,
    /// Rows without a result of the whole batch that do not wait.
    pub open: u64,
    /// Rows of the whole batch that got their result in `observed`.
    pub finished_lately: u64,
    /// Time up to now over which results were counted.
    pub observed: Duration,
    /// Rows of the whole batch, and the mailboxes that they reach: only these are asked about.
    pub rows_and_mailboxes: (u64, u64),
    /// The limits of a destination.
    pub pace: Pace,
    /// The rows that wait.
    pub waiting: Option<WaitingWork>,
}

/// The time that a batch still needs, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeEstimate {
    /// The time.
    pub left: Duration,
    /// True until those have answered that it rests on: that they put rows off, or take their
    /// time, nothing tells before.
    pub at_least: bool,
    /// The reason.
    pub basis: ForecastBasis,
}

/// What an expected end rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForecastBasis {
    /// The destination with the most work.
    Provider {
        /// Registrable domain of its exchangers.
        name: String,
        /// Its open rows.
        rows: u64,
        /// Number of them that are answered in a minute.
        per_minute: u64,
    },
    /// The open rows of small destinations at their rate of late.
    Rate {
        /// The open rows.
        rows: u64,
        /// Number of them that are answered in a minute.
        per_minute: u64,
    },
    /// Rows that wait until their server is asked again.
    Waiting {
        /// Their number.
        rows: u64,
    },
    /// The batch's own time limit.
    Deadline,
}

/// Expected end of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The time.
    pub end: SystemTime,
    /// True if it may come later and hardly earlier: who it rests on has not answered yet.
    pub at_least: bool,
    /// The reason.
    pub basis: ForecastBasis,
}

impl ForecastBasis {
    /// The reason in a few words: "130,000 rows at example.com, 3,000 a minute".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Provider { name, rows: open, per_minute } => {
                format!("{} at {name}, {} a minute", rows(*open), grouped(*per_minute))
            }
            Self::Rate { rows: open, per_minute } => {
                format!("{}, {} a minute", rows(*open), grouped(*per_minute))
            }
            Self::Waiting { rows: 1 } => "1 row waits until its server is asked again".to_owned(),
            Self::Waiting { rows } => {
                format!("{} rows wait until their servers are asked again", grouped(*rows))
            }
            Self::Deadline => "the batch's time limit".to_owned(),
        }
    }
}

impl Forecast {
    /// The word before the time left.
    #[must_use]
    pub fn about(&self) -> &'static str {
        if self.at_least { "at least" } else { "about" }
    }
}

/// Estimates the time a batch still needs; `None` if nothing tells.
#[must_use]
pub fn estimate(work: &Workload) -> Option<TimeEstimate> {
    let (left, basis) = longest(work)?;
    Some(TimeEstimate { left, at_least: !is_answered(&basis, work), basis })
}

/// The time until the last row is done, and the reason.
fn longest(work: &Workload) -> Option<(Duration, ForecastBasis)> {
    let mut others = (work.open, work.finished_lately);
    let mut paced = Vec::new();
    for one in work.destinations.iter().filter(|one| one.open > 0) {
        let (left, basis) = at_destination(one, work);
        // Less than a minute's worth is done as fast as servers answer, which only a rate tells.
        if !left.is_zero() {
            others.0 = others.0.saturating_sub(one.open);
            others.1 = others.1.saturating_sub(one.finished_within(Duration::MAX));
            paced.push((left, basis));
        }
    }
    let active = paced.into_iter().chain(at_rate(others, work.observed));
    let active = active.max_by_key(|(left, _)| *left);
    let Some(waiting) = work.waiting else { return active };
    let basis = ForecastBasis::Waiting { rows: waiting.rows };
    let last = (waiting.until_last, basis);
    match active.filter(|_| work.open > 0) {
        // Whatever is put off last is put off for as long as the last one was. A provider that has
        // answered nothing is taken for the one that puts off.
        Some((left, basis)) if waiting.is_growing || !is_answered(&basis, work) => {
            let basis = if waiting.until_last > left { last.1 } else { basis };
            Some((left.saturating_add(waiting.until_last), basis))
        }
        Some(active) if active.0 > last.0 => Some(active),
        _ => Some(last),
    }
}

/// Returns whether those have answered that an estimate rests on.
fn is_answered(basis: &ForecastBasis, work: &Workload) -> bool {
    match basis {
        ForecastBasis::Provider { name, .. } => {
            work.destinations.iter().any(|one| one.name == *name && one.finished > 0)
        }
        _ => work.finished_lately > 0 || work.destinations.iter().any(|one| one.finished > 0),
    }
}

/// The time for what is open at a destination: at its pace, or at its own rate if that is slower.
fn at_destination(work: &DestinationWork, all: &Workload) -> (Duration, ForecastBasis) {
    let (rows, mailboxes) = all.rows_and_mailboxes;
    let per_minute = match mailboxes {
        0 => pace_of(work, &all.pace),
        _ => pace_of(work, &all.pace).saturating_mul(rows.max(mailboxes)) / mailboxes,
    };
    let asked = work.open + work.domains;
    let mut left = work.time_by_the_minute(asked, per_minute);
    let mut told = per_minute;
    let lately = work.finished_within(Duration::MAX);
    let paced = per_minute as f64 / MINUTE.as_secs_f64() * all.observed.as_secs_f64();
    if all.observed >= TWO_MINUTES
        && left >= MINUTE
        && paced * BEHIND as f64 > ((lately + IN_FLIGHT) * 100) as f64
        && let Some(rate) = rate(lately, all.observed)
    {
        let slowly = seconds(work.open as f64 / rate);
        if slowly > left {
            (left, told) = (slowly, (rate * 60.0).round() as u64);
        }
    }
    let basis =
        ForecastBasis::Provider { name: work.name.clone(), rows: work.open, per_minute: told };
    (left, basis)
}

/// Recipients that a destination may be asked about in a minute: refused ones end sessions early,
/// and the connections of a minute are limited. Its domains are divided among the identities.
fn pace_of(work: &DestinationWork, pace: &Pace) -> u64 {
    let by_refusals = match work.refused {
        refused if refused > 0 && work.finished >= ENOUGH => {
            pace.refused_per_session.saturating_mul(work.finished) / refused
        }
        _ => u64::MAX,
    };
    // A session names as many at first as suit the usual share, before it knows its own.
    let at_first = pace.refused_per_session.saturating_mul(100) / USUAL_REFUSED;
    let per_session = pace.recipients_per_session.min(by_refusals.max(at_first)).max(1);
    let of_one = pace.recipients.min(pace.connections.saturating_mul(per_session)).max(1);
    of_one.saturating_mul(pace.identities.min(work.domains).max(1))
}

/// The time for what is open at the rate of late; `(open, finished)` rows.
fn at_rate((open, finished): (u64, u64), observed: Duration) -> Option<(Duration, ForecastBasis)> {
    let rate = rate(finished, observed).filter(|_| open > 0)?;
    let per_minute = (rate * 60.0).round() as u64;
    let basis = ForecastBasis::Rate { rows: open, per_minute };
    Some((seconds(open as f64 / rate), basis))
}

/// Rows a second, if there are enough of them.
fn rate(rows: u64, time: Duration) -> Option<f64> {
    (rows >= ENOUGH && time >= LONG_ENOUGH).then(|| rows as f64 / time.as_secs_f64())
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
