//! A batch as it will stand when what workers brought is written down: what of it is kept, and what
//! is to be written. Pure, so that a transaction that failed is simply begun again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use super::engine::signed;
use super::outcome_numbers::{OutcomeNumber, OutcomeNumbers};
use super::schema::ReasonNumbers;
use crate::batch::outcome::{Outcome, OutcomeTimes};
use crate::batch::queue::{ItemOutcome, LeaseId};
use crate::batch::time::{chunk_due, floor, kept};
use crate::campaign::progress::{Batch, State};
use crate::verdict::Reason;

/// What a worker brings for a lease.
#[derive(Clone)]
pub(super) struct WorkerReport {
    pub(super) lease: LeaseId,
    pub(super) known: Vec<ItemOutcome>,
    /// The chunk is given back until then; `None`: it is kept.
    pub(super) until: Option<SystemTime>,
    pub(super) now: SystemTime,
}

/// A chunk that is out.
pub(super) struct LeasedChunk {
    pub(super) id: i64,
    pub(super) lease: i64,
    pub(super) group: i64,
    pub(super) until: i64,
    /// Its open items.
    pub(super) items: Vec<i64>,
}

/// What the database has of the items that results came for.
#[derive(Default)]
pub(super) struct KnownItems {
    pub(super) addresses: HashMap<i64, String>,
    /// Number of rows beside the first, of those that have any.
    pub(super) copies: HashMap<i64, u64>,
    /// The reasons of the provisional results, by the number of the reason.
    pub(super) waiting: HashMap<i64, Reason>,
}

/// A result to be written, without its number.
pub(super) struct NewResult {
    pub(super) item: i64,
    pub(super) rows: i64,
    pub(super) reason: i16,
    pub(super) outcome: i64,
    pub(super) times: OutcomeTimes,
}

/// A provisional result to be written.
pub(super) struct NewWaiting {
    pub(super) item: i64,
    pub(super) since: i64,
    pub(super) reason: i16,
    pub(super) outcome: String,
}

/// A chunk that is out no more.
pub(super) struct EndedChunk {
    pub(super) id: i64,
    /// The lease under which it was out.
    pub(super) lease: i64,
    pub(super) group: i64,
    /// It is due then; `None`: it is done.
    pub(super) due: Option<i64>,
    pub(super) items: Vec<i64>,
    pub(super) waiting: i32,
}

/// The change that one transaction makes.
pub(super) struct Draft<'a> {
    pub(super) n: i64,
    pub(super) batch: Batch,
    pub(super) items: KnownItems,
    pub(super) reasons: &'a ReasonNumbers,
    /// The number of the last outcome.
    pub(super) last_outcome: i64,
    pub(super) new_outcomes: HashMap<Outcome, OutcomeNumber>,
    pub(super) results: Vec<NewResult>,
    pub(super) waiting: BTreeMap<i64, NewWaiting>,
    pub(super) no_longer_waiting: Vec<i64>,
    /// Chunks that stay out, with fewer open items.
    pub(super) kept: Vec<EndedChunk>,
    pub(super) ended: Vec<EndedChunk>,
    pub(super) groups: BTreeMap<(i64, i16), u64>,
    pub(super) destinations: BTreeMap<(Arc<str>, i16), u64>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        n: i64,
        batch: Batch,
        items: KnownItems,
        reasons: &'a ReasonNumbers,
        last_outcome: i64,
    ) -> Self {
        Self {
            n,
            batch,
            items,
            reasons,
            last_outcome,
            new_outcomes: HashMap::new(),
            results: Vec::new(),
            waiting: BTreeMap::new(),
            no_longer_waiting: Vec::new(),
            kept: Vec::new(),
            ended: Vec::new(),
            groups: BTreeMap::new(),
            destinations: BTreeMap::new(),
        }
    }

    /// Takes a report in; `false` if its lease is over.
    pub(super) fn take(
        &mut self,
        report: WorkerReport,
        chunk: Option<LeasedChunk>,
        remembered: &OutcomeNumbers,
    ) -> bool {
        let Some(mut chunk) = chunk.filter(|chunk| chunk.until > floor(report.now)) else {
            return false;
        };
        match report.until {
            None => {
                for known in report.known {
                    let item = signed(known.item);
                    // Results come in the order of the items, as a rule: then it is the first.
                    if let Some(place) = chunk.items.iter().position(|open| *open == item) {
                        chunk.items.remove(place);
                        self.keep(chunk.group, item, known.outcome, remembered);
                    }
                }
                let is_done = chunk.items.is_empty();
                let left = self.end(chunk, None);
                if is_done {
                    self.ended.push(left)
                } else {
                    self.kept.push(left)
                }
                if self.batch.progress.open_rows() == 0 {
                    self.batch.state = State::Finished;
                    self.batch.ended_at = Some(kept(report.now));
                }
            }
            Some(until) => {
                for known in &report.known {
                    let item = signed(known.item);
                    if chunk.items.contains(&item) {
                        self.wait(item, &known.outcome, report.now);
                    }
                }
                let due = chunk_due(&self.batch, until);
                let ended = self.end(chunk, Some(due));
                self.ended.push(ended);
            }
        }
        true
    }

    fn end(&self, chunk: LeasedChunk, due: Option<i64>) -> EndedChunk {
        let LeasedChunk { id, lease, group, items, .. } = chunk;
        let waiting = items.iter().filter(|item| self.items.waiting.contains_key(item)).count();
        let waiting = i32::try_from(waiting).unwrap_or(i32::MAX);
        EndedChunk { id, lease, group, due, items, waiting }
    }

    /// Keeps the result of an item.
    fn keep(&mut self, group: i64, item: i64, outcome: Outcome, remembered: &OutcomeNumbers) {
        let rows = self.rows(item);
        let reason = outcome.reason();
        let number = self.reasons.number(reason);
        let evidence_at = outcome.gathered_at();
        let is_flagged = outcome.is_registered_after_consent();
        let is_unchecked = outcome.is_consent_unchecked();
        let address = self.items.addresses.get(&item).map_or("", String::as_str);
        let (common, times) = outcome.split(address);
        let entry = self.intern(common, remembered);
        let (outcome, rows_signed) = (entry.id, signed(rows));
        self.results.push(NewResult { item, rows: rows_signed, reason: number, outcome, times });
        let waited = self.items.waiting.remove(&item);
        if waited.is_some() {
            self.waiting.remove(&item);
            self.no_longer_waiting.push(item);
        }
        self.batch.progress.finish(reason, rows, waited, evidence_at);
        self.batch.progress.registered_after_consent += if is_flagged { rows } else { 0 };
        self.batch.progress.unchecked_consents += if is_unchecked { rows } else { 0 };
        *self.groups.entry((group, number)).or_default() += rows;
        if let Some(destination) = entry.destination {
            *self.destinations.entry((destination, number)).or_default() += rows;
        }
    }

    /// Keeps a provisional result, and the time of the first.
    fn wait(&mut self, item: i64, outcome: &Outcome, now: SystemTime) {
        let rows = self.rows(item);
        let reason = outcome.reason();
        let new = NewWaiting {
            item,
            since: floor(now),
            reason: self.reasons.number(reason),
            // An outcome is plain data: there is nothing in it that has no text.
            outcome: serde_json::to_string(outcome).unwrap_or_default(),
        };
        self.waiting.insert(item, new);
        let waited = self.items.waiting.insert(item, reason);
        self.batch.progress.wait(reason, rows, waited);
    }

    /// The number of a common part, a new one if it is not remembered.
    fn intern(&mut self, common: Outcome, remembered: &OutcomeNumbers) -> OutcomeNumber {
        let known = self.new_outcomes.get(&common).cloned();
        if let Some(entry) = known.or_else(|| remembered.find(self.n, &common)) {
            return entry;
        }
        self.last_outcome += 1;
        let destination = common.destination().map(|name| Arc::from(name.as_str()));
        let entry = OutcomeNumber { id: self.last_outcome, destination };
        self.new_outcomes.insert(common, entry.clone());
        entry
    }

    /// Number of rows of an item.
    fn rows(&self, item: i64) -> u64 {
        1 + self.items.copies.get(&item).copied().unwrap_or_default()
    }
}
