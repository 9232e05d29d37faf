//! Progress of a batch. Counts are of rows, duplicates included, unless they say otherwise.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::eta::Forecast;
use super::id::BatchId;
use super::spec::Spec;
use crate::verdict::{Reason, Verdict};

/// The stage of a batch's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Rows are still coming; nothing is verified yet. After a restart it is gone.
    Receiving,
    /// All rows are here and are being verified.
    Running,
    /// Every row has its result.
    Finished,
    /// Stopped by its owner; rows without a result will never have one.
    Cancelled,
}

impl State {
    /// The state's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }

    /// `true` if nothing will change any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled)
    }
}

/// A batch as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// The specification its owner gave.
    pub spec: Spec,
    /// The stage of its life.
    pub state: State,
    /// Time of its submission.
    pub created_at: SystemTime,
    /// Time at which it was sealed: its last row had come.
    pub sealed_at: Option<SystemTime>,
    /// Time at which it finished or was cancelled.
    pub ended_at: Option<SystemTime>,
    /// Its progress.
    pub progress: Progress,
}

impl Batch {
    /// `true` while every row was asked about at least once and some wait for their servers.
    #[must_use]
    pub fn only_waits(&self) -> bool {
        let waiting = self.progress.waiting_rows();
        self.state == State::Running && waiting > 0 && waiting == self.progress.open_rows()
    }

    /// The time at which open rows become UNKNOWN; `None`: never.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.sealed_at?.checked_add(self.spec.options.deadline?)
    }
}

/// Progress of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The rows of the list.
    pub rows: u64,
    /// The different mailboxes among them: what is really asked about.
    pub mailboxes: u64,
    /// Rows with a result, by the reason that decided.
    pub finished: BTreeMap<Reason, u64>,
    /// Rows whose server said "not now" and will be asked again, by the reason it gave; and those
    /// with a known verdict that wait for their domain's registry.
    pub waiting: BTreeMap<Reason, u64>,
    /// Time at which the first of the waiting ones is due.
    pub next_retry_at: Option<SystemTime>,
    /// Time at which the last of them is due.
    pub last_retry_at: Option<SystemTime>,
    /// Expected end. A queue does not tell it, only what watches a batch does.
    pub forecast: Option<Forecast>,
    /// Time at which the oldest evidence of a result was gathered.
    pub oldest_evidence: Option<SystemTime>,
    /// Rows with a result whose domain was registered after the recipient's consent.
    pub registered_after_consent: u64,
    /// Rows with a result and a consent that no registry's answer was held against.
    pub unchecked_consents: u64,
}

impl Progress {
    /// Number of rows with a result.
    #[must_use]
    pub fn finished_rows(&self) -> u64 {
        self.finished.values().sum()
    }

    /// `true` if there are rows that reach the mailbox of another row.
    #[must_use]
    pub fn has_copies(&self) -> bool {
        self.rows != self.mailboxes
    }

    /// Number of rows that wait for another try.
    #[must_use]
    pub fn waiting_rows(&self) -> u64 {
        self.waiting.values().sum()
    }

    /// Rows that were asked about, by the reason that decided, or that they wait for: behind a
    /// closed port all rows wait until their retry windows end.
    #[must_use]
    pub fn answered(&self) -> BTreeMap<Reason, u64> {
        let mut answered = self.finished.clone();
        for (reason, rows) in &self.waiting {
            *answered.entry(*reason).or_default() += rows;
        }
        answered
    }

    /// Number of waiting rows whose verdict is known: they wait for their domain's registry, to
    /// hold their consent against its word.
    #[must_use]
    pub fn rows_at_registries(&self) -> u64 {
        let known = self.waiting.iter().filter(|(reason, _)| reason.verdict() != Verdict::Unknown);
        known.map(|(_, rows)| rows).sum()
    }

    /// Number of rows without a result, the waiting ones included.
    #[must_use]
    pub fn open_rows(&self) -> u64 {
        self.rows.saturating_sub(self.finished_rows())
    }

    /// Counts the result of `rows` rows, with the time of its evidence; `waited`: what they waited
    /// for until now.
    pub fn finish(
        &mut self,
        reason: Reason,
        rows: u64,
        waited: Option<Reason>,
        evidence_at: Option<SystemTime>,
    ) {
        self.no_longer_wait(waited, rows);
        self.oldest_evidence = [self.oldest_evidence, evidence_at].into_iter().flatten().min();
        *self.finished.entry(reason).or_default() += rows;
    }

    /// Counts `rows` rows that wait from now on; `waited`: what they waited for before.
    pub fn wait(&mut self, reason: Reason, rows: u64, waited: Option<Reason>) {
        self.no_longer_wait(waited, rows);
        *self.waiting.entry(reason).or_default() += rows;
    }

    fn no_longer_wait(&mut self, waited: Option<Reason>, rows: u64) {
        let Some(reason) = waited else { return };
        if let Some(count) = self.waiting.get_mut(&reason) {
            *count = count.saturating_sub(rows);
            if *count == 0 {
                self.waiting.remove(&reason);
            }
        }
    }

    /// Number of rows with this verdict.
    #[must_use]
    pub fn with_verdict(&self, verdict: Verdict) -> u64 {
        self.finished.iter().filter(|(reason, _)| reason.verdict() == verdict).map(|(_, n)| n).sum()
    }
}
