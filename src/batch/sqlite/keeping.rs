//! What workers bring back: results, and chunks for later. Everything that came for one batch while
//! the desk was busy is written in one transaction; memory follows when it is on the disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

use super::common::Written;
use super::error::Fault;
use super::items;
use super::schema::Reasons;
use super::time::{ceiling, floor, kept};
use super::work::{Open, Out, Work, note};
use crate::batch::outcome::{Outcome, Own};
use crate::batch::queue::{Known, LeaseId};
use crate::campaign::progress::{Batch, State};
use crate::verdict::Reason;

/// What a worker brings.
pub(super) struct Brought {
    pub(super) lease: LeaseId,
    pub(super) known: Vec<Known>,
    /// When what is open is due again, if the chunk is given back; what is known is then
    /// provisional.
    pub(super) until: Option<SystemTime>,
    pub(super) now: SystemTime,
}

impl Work {
    /// Keeps what was brought, durably, or nothing of it. Each lease is there, and only once.
    pub(super) fn keep(&mut self, path: &Path, brought: Vec<Brought>) -> Result<(), Fault> {
        let (batch, sequence) = (self.batch.clone(), self.sequence);
        let outs: Vec<Option<Out>> =
            brought.iter().map(|brought| self.leases.get(&brought.lease).cloned()).collect();
        let held = self.file(path)?;
        let change = held.connection.unchecked_transaction()?;
        let mut draft = Draft {
            connection: &held.connection,
            reasons: &held.reasons,
            written: &mut held.written,
            batch,
            sequence,
            tally: Tally::default(),
        };
        let mut rests = Vec::with_capacity(brought.len());
        for (Brought { lease, known, until, now }, out) in brought.into_iter().zip(outs) {
            let Some(out) = out else { continue };
            let rest = match until {
                None => draft.complete(out, known, now)?,
                Some(until) => {
                    draft.release(out, &known, until, now)?;
                    None
                }
            };
            rests.push((lease, rest));
        }
        draft.count()?;
        let Draft { batch, sequence, .. } = draft;
        note(&change, &batch, sequence)?;
        change.commit()?;
        self.remember(batch, sequence, rests);
        self.look_ahead(path);
        Ok(())
    }

    /// Has memory follow the file.
    fn remember(&mut self, batch: Batch, sequence: i64, rests: Vec<(LeaseId, Option<Out>)>) {
        for (lease, rest) in rests {
            match rest {
                Some(out) => self.leases.insert(lease, out),
                None => self.leases.remove(&lease),
            };
        }
        if batch.state.is_over() {
            self.leases.clear();
        }
        self.batch = batch;
        self.sequence = sequence;
        self.outlook = None;
    }
}

/// A batch as it will stand when the transaction is over.
struct Draft<'a> {
    connection: &'a Connection,
    reasons: &'a Reasons,
    written: &'a mut Written,
    batch: Batch,
    sequence: i64,
    tally: Tally,
}

impl Draft<'_> {
    /// Keeps results; what then is still open of the lease.
    fn complete(
        &mut self,
        mut out: Out,
        results: Vec<Known>,
        now: SystemTime,
    ) -> Result<Option<Out>, Fault> {
        for known in results {
            if let Some(open) = take(&mut out.items, known.item) {
                self.result(out.group, &open, known.outcome)?;
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
            if let Some((next, _)) = self.behind(&out)? {
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
    fn result(&mut self, group: i64, open: &Open, outcome: Outcome) -> Result<(), Fault> {
        let rows = self.rows(open.item)?;
        let reason = outcome.reason();
        let number = self.reasons.number(reason);
        let (common, own) = outcome.parted(&open.address);
        let part = self.written.part(self.connection, common)?;
        self.sequence += 1;
        let Own { gathered_at, retry_at, elapsed } = own;
        self.connection
            .prepare_cached(
                "INSERT INTO results
                     (sequence, item, rows, reason, outcome, gathered_at, retry_at, elapsed)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                self.sequence,
                open.item,
                signed(rows),
                number,
                part.id,
                gathered_at.map(signed),
                retry_at.map(signed),
                signed(elapsed),
            ])?;
        if let Some(before) = open.waiting {
            self.connection
                .prepare_cached("DELETE FROM waiting WHERE item = ?")?
                .execute([open.item])?;
            less(&mut self.batch.progress.waiting, before, rows);
        }
        *self.batch.progress.finished.entry(reason).or_default() += rows;
        *self.tally.groups.entry((group, number)).or_default() += rows;
        if let Some(destination) = part.destination {
            *self.tally.destinations.entry((destination, number)).or_default() += rows;
        }
        Ok(())
    }

    /// Adds to the counts by group and by destination.
    fn count(&self) -> Result<(), Fault> {
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
        mut out: Out,
        provisional: &[Known],
        until: SystemTime,
        now: SystemTime,
    ) -> Result<(), Fault> {
        for known in provisional {
            let number = signed(known.item);
            if let Some(open) = out.items.iter_mut().find(|open| open.item == number) {
                self.wait(open, &known.outcome, now)?;
            }
        }
        let due = self.due(until);
        self.connection
            .prepare_cached("UPDATE chunks SET due = ?, waiting = ? WHERE id = ?")?
            .execute(params![due, out.waiting(), out.chunk])?;
        // The chunk may have fallen behind others of its group.
        if let Some(next) = self.behind(&out)?
            && (next.1, next.0) < (due, out.chunk)
        {
            self.set_ready(next.0, true)?;
            self.set_ready(out.chunk, false)?;
        }
        Ok(())
    }

    /// Keeps a provisional result, and the time of the first.
    fn wait(&mut self, open: &mut Open, outcome: &Outcome, now: SystemTime) -> Result<(), Fault> {
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
        let waiting = &mut self.batch.progress.waiting;
        if let Some(before) = open.waiting.replace(reason) {
            less(waiting, before, rows);
        }
        *waiting.entry(reason).or_default() += rows;
        Ok(())
    }

    /// `until` as a chunk has it.
    fn due(&self, until: SystemTime) -> i64 {
        let due = match self.batch.deadline() {
            Some(deadline) => ceiling(until).min(floor(deadline)),
            None => ceiling(until),
        };
        let sealed = self.batch.sealed_at.map_or(0, floor);
        if due <= sealed { 0 } else { due }
    }

    /// The first chunk of the group of one that is out that is not `ready`, and when it is due.
    fn behind(&self, out: &Out) -> Result<Option<(i64, i64)>, Fault> {
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

    fn set_ready(&self, chunk: i64, ready: bool) -> Result<(), Fault> {
        self.connection
            .prepare_cached("UPDATE chunks SET ready = ? WHERE id = ?")?
            .execute(params![ready, chunk])?;
        Ok(())
    }

    /// How many rows an item has.
    fn rows(&self, item: i64) -> Result<u64, Fault> {
        let progress = &self.batch.progress;
        if progress.rows == progress.mailboxes {
            return Ok(1);
        }
        let copies: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM rows INDEXED BY copies WHERE item = ?")?
            .query_row([item], |row| row.get(0))?;
        Ok(1 + copies.unsigned_abs())
    }
}

impl Out {
    /// How many of its items have a provisional result.
    fn waiting(&self) -> i64 {
        let waiting = self.items.iter().filter(|open| open.waiting.is_some()).count();
        i64::try_from(waiting).unwrap_or(i64::MAX)
    }
}

/// How many rows got results, by the number of the reason.
#[derive(Default)]
struct Tally {
    groups: BTreeMap<(i64, i64), u64>,
    destinations: BTreeMap<(Arc<str>, i64), u64>,
}

/// Takes an item out of those that are open.
fn take(items: &mut Vec<Open>, number: u64) -> Option<Open> {
    let number = signed(number);
    // Results come in the order of the items, as a rule: then it is the first.
    let at = items.iter().position(|open| open.item == number)?;
    Some(items.remove(at))
}

fn less(counts: &mut BTreeMap<Reason, u64>, reason: Reason, rows: u64) {
    if let Some(count) = counts.get_mut(&reason) {
        *count = count.saturating_sub(rows);
        if *count == 0 {
            counts.remove(&reason);
        }
    }
}

/// A number as SQLite has it.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
