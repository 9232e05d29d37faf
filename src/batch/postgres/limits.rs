//! What callers use, counted once for all replicas: addresses a day, and signs of harvesting.
//!
//! The addresses of a caller are one row. It is read, and changed on the condition that nobody has
//! changed it meanwhile: no lock is held between the two, and nothing is left of a process that
//! dies. Connections are their own, so that no caller waits for a batch.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use parking_lot::Mutex;
use uuid::Uuid;

use super::connect::DatabaseTarget;
use super::engine::{Engine, change, find, signed};
use super::error::{DatabaseFault, PostgresError};
use super::harvest::{self, HarvestCursor};
use crate::access::{
    BlockLease, BlockRequest, CallerUsage, HarvestReport, LimitStore, LimitStoreFault, UnusedBlock,
};
use crate::batch::time::time;

/// Connections: one for what callers wait for, one for the rest.
const CONNECTIONS: usize = 2;

/// Pauses before what failed for the moment is tried again.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(300)];

/// What callers use, in a database.
pub(super) struct PostgresLimits {
    pool: Pool,
    secret: [u8; 16],
    /// A name that no other replica has.
    replica: i64,
    read: Mutex<HarvestCursor>,
}

impl PostgresLimits {
    /// Reads the secret of the database.
    pub(super) async fn open(target: &DatabaseTarget) -> Result<Self, PostgresError> {
        let pool = target.pool(CONNECTIONS)?;
        let unusable = |fault: DatabaseFault| target.unusable(&fault.to_string());
        let client = pool.get().await.map_err(|error| unusable(error.into()))?;
        let sql = "SELECT secret FROM mailvet.harvest_key";
        let row = find(&client, sql, &[]).await.map_err(unusable)?;
        drop(client);
        let gone = || target.unusable("the key of what callers use is gone");
        let secret: Uuid = row.ok_or_else(gone)?.get(0);
        // The lower half of a name that is drawn anew holds nothing but chance.
        let (_, replica) = Uuid::now_v7().as_u64_pair();
        let (secret, replica) = (secret.into_bytes(), replica.cast_signed());
        Ok(Self { pool, secret, replica, read: Mutex::default() })
    }

    async fn client(&self) -> Result<Object, DatabaseFault> {
        Ok(self.pool.get().await?)
    }

    /// Tries again what failed for the moment.
    async fn retried<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, LimitStoreFault>
    where
        F: Future<Output = Result<T, DatabaseFault>>,
    {
        let mut pauses = PAUSES.iter();
        loop {
            match (attempt().await, pauses.next()) {
                (Err(fault), Some(pause)) if fault.is_transient() => {
                    if fault.is_of_a_standby() {
                        // New connections find the one that takes writes.
                        self.pool.retain(|_, _| false);
                    }
                    tokio::time::sleep(*pause).await;
                }
                (done, _) => return done.map_err(|fault| LimitStoreFault(fault.to_string())),
            }
        }
    }

    /// Changes what a caller has taken, by the database's clock.
    async fn change_usage<T>(
        &self,
        caller: &str,
        with: impl Fn(&mut CallerUsage, SystemTime) -> T,
    ) -> Result<T, DatabaseFault> {
        let client = self.client().await?;
        loop {
            let sql = "SELECT version, slots, taken,
                           (extract(epoch FROM clock_timestamp()) * 1000)::bigint
                       FROM mailvet.quota_usage WHERE caller = $1";
            let Some(row) = find(&client, sql, &[&caller]).await? else {
                let sql = "INSERT INTO mailvet.quota_usage (caller) VALUES ($1)
                           ON CONFLICT DO NOTHING";
                change(&client, sql, &[&caller]).await?;
                continue;
            };
            let (version, slots, taken): (i64, Vec<i64>, Vec<i64>) =
                (row.get(0), row.get(1), row.get(2));
            let taken = taken.into_iter().map(i64::unsigned_abs);
            let known = CallerUsage::new(slots.into_iter().zip(taken));
            let mut usage = known.clone();
            let done = with(&mut usage, time(row.get(3)));
            if usage == known {
                return Ok(done);
            }
            let (slots, taken): (Vec<i64>, Vec<i64>) =
                usage.slots().iter().map(|(slot, taken)| (*slot, signed(*taken))).unzip();
            let sql = "UPDATE mailvet.quota_usage
                       SET version = version + 1, slots = $3, taken = $4, changed = now()
                       WHERE caller = $1 AND version = $2";
            if change(&client, sql, &[&caller, &version, &slots, &taken]).await? == 1 {
                return Ok(done);
            }
        }
    }

    async fn exchange_news(&self, news: &HarvestReport) -> Result<HarvestReport, DatabaseFault> {
        let client = self.client().await?;
        harvest::write(&client, self.replica, news).await?;
        let from = *self.read.lock();
        let (told, until) = harvest::read(&client, self.replica, from).await?;
        *self.read.lock() = until;
        Ok(told)
    }
}

#[async_trait]
impl LimitStore for PostgresLimits {
    fn secret(&self) -> [u8; 16] {
        self.secret
    }

    async fn lease(
        &self,
        caller: &str,
        request: BlockRequest,
    ) -> Result<BlockLease, LimitStoreFault> {
        let lease = |usage: &mut CallerUsage, now| usage.lease(request, now);
        self.retried(|| self.change_usage(caller, lease)).await
    }

    async fn give_back(&self, unused: Vec<UnusedBlock>) -> Result<(), LimitStoreFault> {
        for UnusedBlock { caller, slot, addresses } in unused {
            let give_back = |usage: &mut CallerUsage, _| usage.give_back(slot, addresses);
            let given_back = self.change_usage(&caller, give_back).await;
            given_back.map_err(|fault| LimitStoreFault(fault.to_string()))?;
        }
        Ok(())
    }

    async fn exchange(&self, news: &HarvestReport) -> Result<HarvestReport, LimitStoreFault> {
        self.retried(|| self.exchange_news(news)).await
    }
}

/// Removes what counts for nobody any more.
pub(super) async fn forget(engine: &Engine) -> Result<(), DatabaseFault> {
    let client = engine.client().await?;
    for sql in [
        "DELETE FROM mailvet.quota_usage WHERE changed < now() - interval '2 days'",
        "DELETE FROM mailvet.harvest_parts WHERE changed < now() - interval '2 hours'",
        "DELETE FROM mailvet.harvest_answers WHERE changed < now() - interval '2 hours'",
    ] {
        change(&client, sql, &[]).await?;
    }
    Ok(())
}
