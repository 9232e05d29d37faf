//! A batch in memory.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use crate::batch::outcome::Outcome;
use crate::batch::queue::{
    Cursor, LeaseId, LeaseItem, LeaseRequest, Order, QueueError, ResultsPage, ResultsRequest,
    RowResult,
};
use crate::campaign::progress::{Batch, Progress, State};
use crate::campaign::tally::{DestinationTally, GroupTally};
use crate::verdict::Reason;

pub(super) struct MemoryBatch {
    pub(super) batch: Batch,
    pub(super) rows: Vec<Row>,
    pub(super) items: Vec<MemoryItem>,
    pub(super) by_key: HashMap<String, usize>,
    pub(super) chunks: Vec<MemoryChunk>,
    /// Items in the order of their results.
    pub(super) completed: Vec<usize>,
    /// Time at which rows last came.
    pub(super) last_page: SystemTime,
}

pub(super) struct Row {
    pub(super) row_id: String,
    pub(super) address: String,
    pub(super) item: usize,
}

pub(super) struct MemoryItem {
    pub(super) address: String,
    pub(super) consented_at: Option<SystemTime>,
    pub(super) rows: Vec<usize>,
    pub(super) waiting_since: Option<SystemTime>,
    pub(super) provisional: Option<Outcome>,
    pub(super) result: Option<Outcome>,
}

pub(super) struct MemoryChunk {
    pub(super) group: String,
    pub(super) items: Vec<usize>,
    pub(super) due: SystemTime,
    /// Until when it is out, and under which lease.
    pub(super) out: Option<(LeaseId, SystemTime)>,
}

impl MemoryChunk {
    pub(super) fn is_out(&self, now: SystemTime) -> bool {
        self.out.is_some_and(|(_, until)| until > now)
    }
}

impl MemoryBatch {
    pub(super) fn new(batch: Batch) -> Self {
        Self {
            last_page: batch.created_at,
            batch,
            rows: Vec::new(),
            items: Vec::new(),
            by_key: HashMap::new(),
            chunks: Vec::new(),
            completed: Vec::new(),
        }
    }

    pub(super) fn is_open(&self, chunk: usize) -> bool {
        self.chunks[chunk].items.iter().any(|item| self.items[*item].result.is_none())
    }

    pub(super) fn due(&self, chunk: usize) -> SystemTime {
        let due = self.chunks[chunk].due;
        self.batch.deadline().map_or(due, |deadline| due.min(deadline))
    }

    fn progress(&self) -> Progress {
        let mut progress = Progress {
            rows: self.rows.len() as u64,
            mailboxes: self.items.len() as u64,
            ..Progress::default()
        };
        for item in &self.items {
            let (count, known) = match (&item.result, &item.provisional) {
                (Some(result), _) => (&mut progress.finished, result),
                (None, Some(provisional)) if self.batch.state != State::Cancelled => {
                    (&mut progress.waiting, provisional)
                }
                (None, _) => continue,
            };
            *count.entry(known.reason()).or_default() += item.rows.len() as u64;
        }
        let is_flagged = |item: &&MemoryItem| {
            item.result.as_ref().is_some_and(Outcome::is_registered_after_consent)
        };
        let flagged = self.items.iter().filter(is_flagged);
        progress.registered_after_consent = flagged.map(|item| item.rows.len() as u64).sum();
        let is_unchecked =
            |item: &&MemoryItem| item.result.as_ref().is_some_and(Outcome::is_consent_unchecked);
        let unchecked = self.items.iter().filter(is_unchecked);
        progress.unchecked_consents = unchecked.map(|item| item.rows.len() as u64).sum();
        let results = self.items.iter().filter_map(|item| item.result.as_ref());
        progress.oldest_evidence = results.filter_map(Outcome::gathered_at).min();
        let waiting = (0..self.chunks.len()).filter(|chunk| {
            let mut items = self.chunks[*chunk].items.iter().map(|item| &self.items[*item]);
            self.chunks[*chunk].out.is_none()
                && items.any(|item| item.result.is_none() && item.provisional.is_some())
        });
        if self.batch.state == State::Running {
            let due: Vec<SystemTime> = waiting.map(|chunk| self.due(chunk)).collect();
            progress.next_retry_at = due.iter().min().copied();
            progress.last_retry_at = due.iter().max().copied();
        }
        progress
    }

    pub(super) fn shown(&self) -> Batch {
        Batch { progress: self.progress(), ..self.batch.clone() }
    }

    pub(super) fn item(&self, number: usize) -> LeaseItem {
        let item = &self.items[number];
        LeaseItem {
            number: number as u64,
            address: item.address.clone(),
            consented_at: item.consented_at,
            waiting_since: item.waiting_since,
            provisional: item.provisional.clone(),
        }
    }

    /// The chunk whose turn it is.
    pub(super) fn next_chunk(&self, ask: LeaseRequest, now: SystemTime) -> Option<usize> {
        let mut out: HashMap<&str, usize> = HashMap::new();
        for chunk in self.chunks.iter().filter(|chunk| chunk.is_out(now)) {
            *out.entry(chunk.group.as_str()).or_default() += 1;
        }
        (0..self.chunks.len())
            .filter(|c| !self.chunks[*c].is_out(now) && self.due(*c) <= now && self.is_open(*c))
            .filter(|c| {
                let out = out.get(self.chunks[*c].group.as_str()).copied().unwrap_or(0);
                out < ask.chunks_per_group
            })
            .min_by_key(|c| (self.due(*c), *c))
    }

    pub(super) fn results(&self, request: ResultsRequest) -> Result<ResultsPage, QueueError> {
        let order = match request.order {
            Order::Completion => 'c',
            Order::Row => 'r',
        };
        let head = format!("{order}{}-", self.batch.id);
        let cursor = |place: usize| Cursor(format!("{head}{place}"));
        let from = match request.after.0.strip_prefix(&head) {
            _ if request.after.0.is_empty() => 0,
            Some(place) => place.parse().map_err(|_| QueueError::BadCursor)?,
            None => return Err(QueueError::BadCursor),
        };
        let rows: Vec<usize> = match request.order {
            Order::Row => (0..self.rows.len()).collect(),
            Order::Completion => {
                self.completed.iter().flat_map(|item| self.items[*item].rows.clone()).collect()
            }
        };
        if from > rows.len() {
            return Err(QueueError::BadCursor);
        }
        let mut results = ResultsPage { rows: Vec::new(), next: request.after, at_end: true };
        for (place, row) in rows.iter().enumerate().skip(from) {
            let row_kept = &self.rows[*row];
            let Some(outcome) = self.items[row_kept.item].result.clone() else {
                if self.batch.state == State::Cancelled {
                    results.next = cursor(place + 1);
                    continue;
                }
                break;
            };
            if results.rows.len() == request.limit {
                results.at_end = false;
                break;
            }
            results.next = cursor(place + 1);
            if request.verdicts.admits(outcome.verdict()) {
                results.rows.push(RowResult {
                    row: *row as u64,
                    row_id: row_kept.row_id.clone(),
                    address: row_kept.address.clone(),
                    outcome,
                    cursor: cursor(place + 1),
                });
            }
        }
        Ok(results)
    }

    pub(super) fn groups(&self, limit: usize) -> Vec<GroupTally> {
        let mut tallies: Vec<(&str, u64, BTreeMap<Reason, u64>)> = Vec::new();
        if self.batch.state == State::Receiving {
            return Vec::new();
        }
        for chunk in &self.chunks {
            let known = tallies.iter().position(|(group, ..)| *group == chunk.group);
            let at = known.unwrap_or_else(|| {
                tallies.push((&chunk.group, 0, BTreeMap::new()));
                tallies.len() - 1
            });
            let (_, rows, finished) = &mut tallies[at];
            for item in chunk.items.iter().map(|item| &self.items[*item]) {
                *rows += item.rows.len() as u64;
                if let Some(result) = &item.result {
                    *finished.entry(result.reason()).or_default() += item.rows.len() as u64;
                }
            }
        }
        // Of equal ones the first stays the first.
        tallies.sort_by_key(|(_, rows, _)| std::cmp::Reverse(*rows));
        let tallies = tallies.into_iter().take(limit);
        tallies
            .map(|(group, rows, finished)| GroupTally {
                group: group.to_owned(),
                rows,
                finished: finished.into_iter().collect(),
            })
            .collect()
    }

    pub(super) fn destinations(&self, limit: usize) -> Vec<DestinationTally> {
        let mut tallies: BTreeMap<String, BTreeMap<Reason, u64>> = BTreeMap::new();
        for item in &self.items {
            let result = item.result.as_ref();
            if let Some((result, to)) = result.and_then(|r| Some((r, r.destination()?))) {
                let finished = tallies.entry(to.as_str().to_owned()).or_default();
                *finished.entry(result.reason()).or_default() += item.rows.len() as u64;
            }
        }
        let mut tallies: Vec<DestinationTally> = tallies
            .into_iter()
            .map(|(destination, finished)| DestinationTally {
                destination,
                finished: finished.into_iter().collect(),
            })
            .collect();
        tallies.sort_by_key(|t| std::cmp::Reverse(t.finished.iter().map(|(_, n)| n).sum::<u64>()));
        tallies.truncate(limit);
        tallies
    }
}
