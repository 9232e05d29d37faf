//! The simplest queue there could be, in memory: what the real one is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use crate::batch::queue::{CHUNK, Lease, LeaseId, LeaseRequest, NewRow};
use crate::campaign::id::BatchId;
use crate::campaign::progress::{Progress, State};
use crate::campaign::spec::Spec;
use crate::verdict::Reason;

#[derive(Clone)]
pub(super) struct ModelBatch {
    pub(super) id: BatchId,
    pub(super) spec: Spec,
    pub(super) state: State,
    pub(super) sealed_at: Option<SystemTime>,
    pub(super) ended_at: Option<SystemTime>,
    /// The rows, and the item of each.
    pub(super) rows: Vec<(NewRow, usize)>,
    pub(super) results: BTreeMap<usize, Reason>,
    pub(super) waiting: BTreeMap<usize, (SystemTime, Reason)>,
    pub(super) chunks: Vec<Chunk>,
}

/// Items of one group, with the row that came first as their names.
#[derive(Clone)]
pub(super) struct Chunk {
    group: String,
    items: Vec<usize>,
    due: SystemTime,
    pub(super) out: Option<(LeaseId, SystemTime)>,
}

impl ModelBatch {
    pub(super) fn new(id: BatchId, spec: Spec) -> Self {
        Self {
            id,
            spec,
            state: State::Receiving,
            sealed_at: None,
            ended_at: None,
            rows: Vec::new(),
            results: BTreeMap::new(),
            waiting: BTreeMap::new(),
            chunks: Vec::new(),
        }
    }

    pub(super) fn append(&mut self, rows: &[NewRow]) {
        for row in rows {
            let known = self.rows.iter().find(|(other, _)| other.key == row.key);
            let item = known.map_or(self.rows.len(), |(_, item)| *item);
            self.rows.push((row.clone(), item));
        }
    }

    pub(super) fn seal(&mut self, now: SystemTime) {
        self.sealed_at = Some(now);
        self.state = State::Running;
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (n, (row, item)) in self.rows.iter().enumerate() {
            if n == *item {
                groups.entry(&row.group).or_default().push(n);
            }
        }
        for (group, items) in groups {
            for items in items.chunks(CHUNK) {
                let (group, items) = (group.to_owned(), items.to_vec());
                self.chunks.push(Chunk { group, items, due: now, out: None });
            }
        }
        self.end_if_done(now);
    }

    fn end_if_done(&mut self, now: SystemTime) {
        if self.rows.iter().all(|(_, item)| self.results.contains_key(item)) {
            self.state = State::Finished;
            self.ended_at = Some(now);
        }
    }

    fn open(&self, chunk: &Chunk) -> Vec<usize> {
        chunk.items.iter().copied().filter(|item| !self.results.contains_key(item)).collect()
    }

    pub(super) fn expire(&mut self, now: SystemTime) {
        for chunk in &mut self.chunks {
            chunk.out = chunk.out.filter(|(_, until)| *until > now);
        }
    }

    /// The chunks that may go out, in their order, up to `count`.
    pub(super) fn next(&self, ask: &LeaseRequest, count: usize, now: SystemTime) -> Vec<usize> {
        if self.state != State::Running {
            return Vec::new();
        }
        let mut out: BTreeMap<&str, usize> = BTreeMap::new();
        for chunk in self.chunks.iter().filter(|chunk| chunk.out.is_some()) {
            *out.entry(&chunk.group).or_default() += 1;
        }
        let mut order: Vec<usize> = (0..self.chunks.len()).collect();
        order.sort_by_key(|&n| (self.chunks[n].due, self.chunks[n].items[0]));
        order.retain(|&n| {
            let chunk = &self.chunks[n];
            let is_due = chunk.due <= now && chunk.out.is_none() && !self.open(chunk).is_empty();
            let of_group = out.entry(&chunk.group).or_default();
            let goes = is_due && *of_group < ask.chunks_per_group;
            *of_group += usize::from(goes);
            goes
        });
        order.truncate(count);
        order
    }

    /// Takes over what was leased; whether it is what had to be.
    pub(super) fn lease(&mut self, n: usize, lease: &Lease, until: SystemTime) {
        let open = self.open(&self.chunks[n]);
        let items: Vec<usize> = lease.items.iter().map(|item| self.item(&item.address)).collect();
        assert_eq!(items, open);
        assert_eq!(lease.group, self.chunks[n].group);
        for (item, &n) in lease.items.iter().zip(&open) {
            let of_item = self.rows.iter().filter(|(_, item)| *item == n);
            let consented_at = of_item.map(|(row, _)| row.consented_at).max().flatten();
            assert_eq!(item.consented_at, consented_at);
            let (since, reason) = self.waiting.get(&n).copied().unzip();
            assert_eq!(item.waiting_since, since);
            assert_eq!(item.provisional.as_ref().map(|outcome| outcome.reason()), reason);
        }
        self.chunks[n].out = Some((lease.id, until));
    }

    pub(super) fn item(&self, address: &str) -> usize {
        self.rows.iter().position(|(row, _)| row.address == address).expect("a row of the list")
    }

    pub(super) fn holds(&self, lease: LeaseId) -> Option<usize> {
        self.chunks.iter().position(|chunk| chunk.out.is_some_and(|(id, _)| id == lease))
    }

    pub(super) fn complete(&mut self, chunk: usize, results: &[(usize, Reason)], now: SystemTime) {
        for (item, reason) in results {
            self.results.entry(*item).or_insert(*reason);
            self.waiting.remove(item);
        }
        if self.open(&self.chunks[chunk]).is_empty() {
            self.chunks[chunk].out = None;
        }
        self.end_if_done(now);
        if self.state.is_over() {
            self.chunks.iter_mut().for_each(|chunk| chunk.out = None);
        }
    }

    pub(super) fn release(
        &mut self,
        chunk: usize,
        until: SystemTime,
        provisional: &[(usize, Reason)],
        now: SystemTime,
    ) {
        for (item, reason) in provisional {
            if !self.results.contains_key(item) {
                self.waiting.entry(*item).or_insert((now, *reason)).1 = *reason;
            }
        }
        let deadline = self.deadline().unwrap_or(until);
        let sealed = self.sealed_at.unwrap_or(now);
        self.chunks[chunk].due = until.min(deadline).max(sealed);
        self.chunks[chunk].out = None;
    }

    fn deadline(&self) -> Option<SystemTime> {
        Some(self.sealed_at? + self.spec.options.deadline?)
    }

    pub(super) fn cancel(&mut self, now: SystemTime) {
        if !self.state.is_over() {
            self.state = State::Cancelled;
            self.ended_at = Some(now);
            self.waiting.clear();
            self.chunks.iter_mut().for_each(|chunk| chunk.out = None);
        }
    }

    pub(super) fn next_due(&self, now: SystemTime) -> Option<SystemTime> {
        let running = self.state == State::Running;
        let chunks = self.chunks.iter().filter(|chunk| running && !self.open(chunk).is_empty());
        chunks
            .filter_map(|chunk| match chunk.out {
                Some((_, until)) => Some(until),
                None => (chunk.due > now).then_some(chunk.due),
            })
            .min()
    }

    pub(super) fn progress(&self) -> Progress {
        let mut progress = Progress {
            rows: self.rows.len() as u64,
            mailboxes: self.rows.iter().map(|(_, item)| item).collect::<BTreeSet<_>>().len() as u64,
            ..Progress::default()
        };
        for (_, item) in &self.rows {
            if let Some(reason) = self.results.get(item) {
                *progress.finished.entry(*reason).or_default() += 1;
            }
            if let Some((_, reason)) = self.waiting.get(item) {
                *progress.waiting.entry(*reason).or_default() += 1;
            }
        }
        let waits = |chunk: &&Chunk| chunk.items.iter().any(|item| self.waiting.contains_key(item));
        let waiting = self.chunks.iter().filter(waits).filter(|chunk| chunk.out.is_none());
        progress.next_retry_at = waiting.clone().map(|chunk| chunk.due).min();
        progress.last_retry_at = waiting.map(|chunk| chunk.due).max();
        progress
    }
}
