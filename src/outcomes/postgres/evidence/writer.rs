//! Writes shared evidence behind those who found it out, and looks after its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::super::digest::Digest;
use super::super::evidence_days;
use super::{EvidenceRow, PostgresEvidence};
use crate::batch::postgres::DatabaseFault;

/// Entries written at a time.
const MOST: usize = 500;

/// Interval of the looks whether the database is back.
const LOOK: Duration = Duration::from_secs(1);

/// Looks between two at tables whose day is over.
const TIDY_EVERY: u32 = 600;

/// Longest time that the last entries may take.
const LAST: Duration = Duration::from_secs(1);

/// The task that writes what is to be kept.
pub struct EvidenceWriter {
    evidence: Arc<PostgresEvidence>,
    rows: mpsc::Receiver<EvidenceRow>,
    /// Days of which it is known that they have a table.
    days: BTreeSet<i32>,
}

impl EvidenceWriter {
    pub(super) fn new(evidence: Arc<PostgresEvidence>, rows: mpsc::Receiver<EvidenceRow>) -> Self {
        Self { evidence, rows, days: BTreeSet::new() }
    }

    /// Writes until `stop`, and then what still waits.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = 0_u32;
        let mut rows = Vec::new();
        while !stop.is_cancelled() {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                _ = ticks.tick() => {
                    self.look_after(looks).await;
                    looks = looks.wrapping_add(1);
                }
                _ = self.rows.recv_many(&mut rows, MOST) => {
                    self.write_or_lose(std::mem::take(&mut rows)).await;
                }
            }
        }
        self.rows.close();
        while let Ok(row) = self.rows.try_recv() {
            rows.push(row);
        }
        // Nobody waits for it: a service that is told to stop stops.
        let _ = tokio::time::timeout(LAST, self.write_or_lose(rows)).await;
    }

    /// Looks whether a database that was away is back, and now and then at the tables.
    async fn look_after(&self, looks: u32) {
        if self.evidence.is_away() && self.answers().await.is_ok() {
            self.evidence.note(false);
        }
        if looks.is_multiple_of(TIDY_EVERY)
            && let Err(fault) = self.tidy().await
        {
            tracing::debug!(%fault, "old evidence is not all removed yet");
        }
    }

    async fn answers(&self) -> Result<(), DatabaseFault> {
        self.evidence.client().await?.query_one("SELECT 1", &[]).await?;
        Ok(())
    }

    async fn tidy(&self) -> Result<(), DatabaseFault> {
        let mut client = self.evidence.client().await?;
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let now = client.query_one(sql, &[]).await?.get(0);
        evidence_days::drop_old(&mut client, now).await
    }

    async fn write_or_lose(&mut self, rows: Vec<EvidenceRow>) {
        // Of one that comes twice the later word counts.
        let rows: BTreeMap<Digest, EvidenceRow> =
            rows.into_iter().map(|row| (row.key, row)).collect();
        let count = rows.len();
        if count == 0 {
            return;
        }
        if let Err(fault) = self.write(rows.into_values().collect()).await {
            self.days.clear();
            if fault.is_transient() {
                self.evidence.note(true);
            }
            tracing::debug!(%fault, count, "what was found out is not shared");
        }
    }

    /// Writes entries, by their order, so that two processes do not wait for each other.
    async fn write(&mut self, rows: Vec<EvidenceRow>) -> Result<(), DatabaseFault> {
        let mut client = self.evidence.client().await?;
        let now = rows.iter().map(|row| row.gathered).max().unwrap_or_default();
        let days: Vec<i32> = rows.iter().map(|row| evidence_days::day_of(row.until, now)).collect();
        let new: BTreeSet<i32> =
            days.iter().copied().filter(|it| !self.days.contains(it)).collect();
        if !new.is_empty() {
            evidence_days::make(&mut client, &new).await?;
            self.days.extend(new);
        }
        let keys: Vec<&[u8]> = rows.iter().map(|row| row.key.as_bytes()).collect();
        let gathered: Vec<i64> = rows.iter().map(|row| row.gathered).collect();
        let until: Vec<i64> = rows.iter().map(|row| row.until).collect();
        let bodies: Vec<&[u8]> = rows.iter().map(|row| row.body.as_slice()).collect();
        let sql = "INSERT INTO mailvet.evidence AS e (key, day, gathered, until, body)
                   SELECT * FROM unnest($1::bytea[], $2::int[], $3::bigint[], $4::bigint[],
                       $5::bytea[])
                   ON CONFLICT (key, day) DO UPDATE SET gathered = excluded.gathered,
                       until = excluded.until, body = excluded.body
                   WHERE e.gathered <= excluded.gathered";
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, &[&keys, &days, &gathered, &until, &bodies]).await?;
        Ok(())
    }
}
