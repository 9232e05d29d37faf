//! Commits what workers report: results, and chunks for later. Everything that came for one batch
//! while the scheduler was busy is written in one transaction; memory follows when it is on the
//! disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::error::StoreError;
use super::items;
use super::outcome_dictionary::OutcomeWriter;
use super::running::{ActiveLease, OpenItem, RunningBatch, write_standing};
use super::schema::Reasons;
use super::time::{chunk_due, floor, kept};
use crate::batch::outcome::{Outcome, OutcomeTimes};
use crate::batch::queue::{ItemOutcome, LeaseId};
use crate::campaign::progress::{Batch, State};

const ADD_RESULT: &str = "
    INSERT INTO results (sequence, item, rows, reason, outcome, gathered_at, retry_at, elapsed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

/// A report about a lease.
pub(super) struct LeaseReport {
    pub(super) lease: LeaseId,
    pub(super) known: Vec<ItemOutcome>,
    /// The time at which open items are due again, if the chunk is given back; what is known is
    /// then provisional.
    pub(super) until: Option<SystemTime>,
    pub(super) now: SystemTime,
}

impl RunningBatch {
    /// Keeps what was reported, durably, or nothing of it. Each lease is there, and only once.
    pub(super) fn commit(
        &mut self,
        path: &Path,
        reports: Vec<LeaseReport>,
    ) -> Result<(), StoreError> {
        let (batch, sequence) = (self.batch.clone(), self.sequence);
        let outs: Vec<Option<ActiveLease>> =
            reports.iter().map(|reports| self.leases.get(&reports.lease).cloned()).collect();
        let held = self.file(path)?;
        let change = held.connection.unchecked_transaction()?;
        let mut commit = Commit {
            connection: &held.connection,
            add_result: held.connection.prepare_cached(ADD_RESULT)?,
            reasons: &held.reasons,
            dictionary: &mut held.dictionary,
            batch,
            sequence,
            tally: RowTally::default(),
        };
        let mut remaining = Vec::with_capacity(reports.len());
        for (LeaseReport { lease, known, until, now }, out) in reports.into_iter().zip(outs) {
            let Some(out) = out else { continue };
            let left = match until {
                None => commit.complete(out, known, now)?,
                Some(until) => {
                    commit.release(out, &known, until, now)?;
                    None
                }
            };
            remaining.push((lease, left));
        }
        commit.add_tallies()?;
        let (batch, sequence) = commit.into_standing();
        write_standing(&change, &batch, sequence)?;
        change.commit()?;
        self.apply(batch, sequence, remaining);
        self.look_ahead(path);
        Ok(())
    }

    /// Has memory follow the file.
    fn apply(
        &mut self,
        batch: Batch,
        sequence: i64,
        remaining: Vec<(LeaseId, Option<ActiveLease>)>,
    ) {
        for (lease, left) in remaining {
            match left {
                Some(out) => self.leases.insert(lease, out),
                None => self.leases.remove(&lease),
            };
        }
        if batch.state.is_over() {
            self.leases.clear();
        }
        self.batch = batch;
        self.sequence = sequence;
        self.known_due = None;
    }
}

/// A batch as it will stand when the transaction is over.
struct Commit<'a> {
    connection: &'a Connection,
    /// Found once for all results: looking for it takes a tenth of the time of writing one.
    add_result: CachedStatement<'a>,
    reasons: &'a Reasons,
    dictionary: &'a mut OutcomeWriter,
    batch: Batch,
    sequence: i64,
    tally: RowTally,
}

impl Commit<'_> {
    /// The batch, and the number of its last result.
    fn into_standing(self) -> (Batch, i64) {
        (self.batch, self.sequence)
    }

    /// Keeps results; what then is still open of the lease.
    fn complete(
        &mut self,
        mut out: ActiveLease,
        results: Vec<ItemOutcome>,
        now: SystemTime,
    ) -> Result<Option<ActiveLease>, StoreError> {
        for known in results {
            if let Some(open) = take_item(&mut out.items, known.item) {
                self.record_result(out.group, &open, known.outcome)?;
            }
        }
        if self.batch.progress.open_rows() == 0 {
            self.batch.state = State::Finished;
            self.batch.ended_at = Some(kept(now));
        }
        if out.items.is_empty() {
            self.connection
                .prepare_cached("DELETE FROM chunks WHERE id = ?")?
                .execute([out.chunk])?;
            if let Some((next, _)) = self.next_not_ready(&out)? {
                self.set_ready(next, true)?;
            }
            return Ok(None);
        }
        let held: Vec<i64> = out.items.iter().map(|open| open.item).collect();
        self.connection
            .prepare_cached("UPDATE chunks SET items = ?, waiting = ? WHERE id = ?")?
            .execute(params![items::pack(out.chunk, &held), out.waiting(), out.chunk])?;
        Ok(Some(out))
    }

    /// Keeps the result of an item of this group.
    fn record_result(
        &mut self,
        group: i64,
        open: &OpenItem,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let rows = self.rows(open.item)?;
        let reason = outcome.reason();
        let number = self.reasons.number(reason);
        let evidence_at = outcome.gathered_at();
        let is_flagged = outcome.is_registered_after_consent();
        let is_unchecked = outcome.is_consent_unchecked();
        let (common, own) = outcome.split(&open.address);
        let entry = self.dictionary.intern(self.connection, common)?;
        self.sequence += 1;
        let OutcomeTimes { gathered_at, retry_at, elapsed } = own;
        self.add_result.execute(params![
            self.sequence,
            open.item,
            signed(rows),
            number,
            entry.id,
            gathered_at.map(signed),
            retry_at.map(signed),
            signed(elapsed),
        ])?;
        if open.waiting.is_some() {
            self.connection
                .prepare_cached("DELETE FROM waiting WHERE item = ?")?
                .execute([open.item])?;
        }
        self.batch.progress.finish(reason, rows, open.waiting, evidence_at);
        self.batch.progress.registered_after_consent += if is_flagged { rows } else { 0 };
        self.batch.progress.unchecked_consents += if is_unchecked { rows } else { 0 };
        *self.tally.groups.entry((group, number)).or_default() += rows;
        if let Some(destination) = entry.destination {
            *self.tally.destinations.entry((destination, number)).or_default() += rows;
        }
        Ok(())
    }

    /// Adds to the counts by group and by destination.
    fn add_tallies(&self) -> Result<(), StoreError> {
        let mut groups = self.connection.prepare_cached(
            "INSERT INTO group_tallies (grp, reason, n) VALUES (?, ?, ?)
             ON CONFLICT (grp, reason) DO UPDATE SET n = n + excluded.n",
        )?;
        for ((group, reason), rows) in &self.tally.groups {
            groups.execute(params![group, reason, signed(*rows)])?;
        }
        let mut destinations = self.connection.prepare_cached(
            "INSERT INTO destination_tallies (name, reason, n) VALUES (?, ?, ?)
             ON CONFLICT (name, reason) DO UPDATE SET n = n + excluded.n",
        )?;
        for ((name, reason), rows) in &self.tally.destinations {
            destinations.execute(params![&**name, reason, signed(*rows)])?;
        }
        Ok(())
    }

    /// Gives a chunk back until a time.
    fn release(
        &mut self,
        mut out: ActiveLease,
        provisional: &[ItemOutcome],
        until: SystemTime,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        for known in provisional {
            let number = signed(known.item);
            if let Some(open) = out.items.iter_mut().find(|open| open.item == number) {
                self.record_provisional(open, &known.outcome, now)?;
            }
        }
        let due = chunk_due(&self.batch, until);
        self.connection
            .prepare_cached("UPDATE chunks SET due = ?, waiting = ? WHERE id = ?")?
            .execute(params![due, out.waiting(), out.chunk])?;
        // The chunk may have fallen next_not_ready others of its group.
        if let Some(next) = self.next_not_ready(&out)?
            && (next.1, next.0) < (due, out.chunk)
        {
            self.set_ready(next.0, true)?;
            self.set_ready(out.chunk, false)?;
        }
        Ok(())
    }

    /// Keeps a provisional result, and the time of the first.
    fn record_provisional(
        &mut self,
        open: &mut OpenItem,
        outcome: &Outcome,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let rows = self.rows(open.item)?;
        let reason = outcome.reason();
        let text = serde_json::to_string(outcome)?;
        self.connection
            .prepare_cached(
                "INSERT INTO waiting (item, since, reason, outcome) VALUES (?, ?, ?, ?)
                 ON CONFLICT (item) DO UPDATE
                 SET reason = excluded.reason, outcome = excluded.outcome",
            )?
            .execute(params![open.item, floor(now), self.reasons.number(reason), text])?;
        let waited = open.waiting.replace(reason);
        self.batch.progress.wait(reason, rows, waited);
        Ok(())
    }

    /// The first chunk of the group of one that is out that is not `ready`, and when it is due.
    fn next_not_ready(&self, out: &ActiveLease) -> Result<Option<(i64, i64)>, StoreError> {
        if !out.in_large_group {
            return Ok(None);
        }
        Ok(self
            .connection
            .prepare_cached(
                "SELECT id, due FROM chunks INDEXED BY behind WHERE grp = ? AND ready = 0
                 ORDER BY due, id LIMIT 1",
            )?
            .query_row([out.group], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?)
    }

    fn set_ready(&self, chunk: i64, ready: bool) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE chunks SET ready = ? WHERE id = ?")?
            .execute(params![ready, chunk])?;
        Ok(())
    }

    /// Number of rows of an item.
    fn rows(&self, item: i64) -> Result<u64, StoreError> {
        if !self.batch.progress.has_copies() {
            return Ok(1);
        }
        let copies: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM rows INDEXED BY copies WHERE item = ?")?
            .query_row([item], |row| row.get(0))?;
        Ok(1 + copies.unsigned_abs())
    }
}

impl ActiveLease {
    /// Number of its items with a provisional result.
    fn waiting(&self) -> i64 {
        let waiting = self.items.iter().filter(|open| open.waiting.is_some()).count();
        i64::try_from(waiting).unwrap_or(i64::MAX)
    }
}

/// Rows that got results, by the number of the reason.
#[derive(Default)]
struct RowTally {
    groups: BTreeMap<(i64, i64), u64>,
    destinations: BTreeMap<(Arc<str>, i64), u64>,
}

/// Takes an item out of those that are open.
fn take_item(items: &mut Vec<OpenItem>, number: u64) -> Option<OpenItem> {
    let number = signed(number);
    // Results come in the order of the items, as a rule: then it is the first.
    let at = items.iter().position(|open| open.item == number)?;
    Some(items.remove(at))
}

/// A number as SQLite has it.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
