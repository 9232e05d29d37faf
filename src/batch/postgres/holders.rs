//! Which member holds which destination: one row each. Only a row without a holder can be claimed,
//! and only what ends a membership takes the holder out of a row but the holder itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_postgres::Row;

use super::clearing;
use super::engine::{Engine, change, find, query};
use super::error::DatabaseFault;
use crate::address::DomainName;
use crate::cluster::{Claim, HolderFault, HolderStore, ReleasedDestination, Tenure};
use crate::prober::DestinationKey;

/// A claim, or who holds the destination.
const CLAIM: &str = "
    WITH claimed AS (
        INSERT INTO mailvet.destinations AS d (identity, destination, holder)
        SELECT $1, $2, m.id FROM mailvet.members m WHERE m.id = $3
        ON CONFLICT (identity, destination) DO UPDATE SET holder = $3, previous = d.holder
            WHERE d.holder IS NULL OR d.holder = $3
        RETURNING previous, state, released_at, died_at
    )
    SELECT true, previous IS NOT NULL, state,
        (extract(epoch FROM now() - released_at) * 1000)::bigint,
        (extract(epoch FROM now() - died_at) * 1000)::bigint, NULL
    FROM claimed
    UNION ALL
    SELECT false, false, NULL, NULL, NULL, m.address
    FROM mailvet.destinations d JOIN mailvet.members m ON m.id = d.holder
    WHERE d.identity = $1 AND d.destination = $2 AND d.holder <> $3
        AND NOT EXISTS (SELECT FROM claimed)";

const RELEASE: &str = "
    UPDATE mailvet.destinations d
    SET holder = NULL, previous = NULL, state = r.state, released_at = now(), died_at = NULL
    FROM unnest($2::text[], $3::text[], $4::text[]) r (identity, destination, state)
    WHERE d.identity = r.identity AND d.destination = r.destination AND d.holder = $1";

const HELD: &str = "SELECT identity, destination FROM mailvet.destinations WHERE holder = $1";

/// The destinations of this process, in the database.
pub(super) struct PostgresHolders {
    engine: Arc<Engine>,
}

impl PostgresHolders {
    /// Has this member share destinations, and be asked at `address`.
    pub(super) async fn begin(engine: &Arc<Engine>, address: &str) -> Result<Self, DatabaseFault> {
        *engine.address.lock() = Some(address.to_owned());
        engine.shares.store(true, Ordering::Relaxed);
        let client = engine.client().await?;
        let sql = "UPDATE mailvet.members SET address = $2 WHERE id = $1";
        change(&client, sql, &[&engine.member(), &address]).await?;
        Ok(Self { engine: Arc::clone(engine) })
    }

    async fn claim(&self, key: &DestinationKey) -> Result<Claim, DatabaseFault> {
        let client = self.engine.client().await?;
        let destination = key.destination.as_str();
        let member = self.engine.member();
        let row = find(&client, CLAIM, &[&&*key.identity, &destination, &member]).await?;
        let Some(row) = row else { return Ok(Claim::Unclear) };
        if !row.get::<_, bool>(0) {
            return Ok(Claim::Peer(row.get(5)));
        }
        let before = |millis: Option<i64>| {
            millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
        };
        let state = row.get::<_, Option<String>>(2).zip(before(row.get(3)));
        let died = before(row.get(4));
        let was_ours: bool = row.get(1);
        Ok(if was_ours { Claim::Kept { state, died } } else { Claim::Taken { state, died } })
    }

    async fn held(&self) -> Result<Vec<DestinationKey>, DatabaseFault> {
        let client = self.engine.client().await?;
        let rows = query(&client, HELD, &[&self.engine.member()]).await?;
        let key = |row: &Row| DestinationKey {
            identity: row.get::<_, &str>(0).into(),
            destination: DomainName::from_ascii(row.get(1)),
        };
        Ok(rows.iter().map(key).collect())
    }

    async fn release(&self, released: &[ReleasedDestination]) -> Result<(), DatabaseFault> {
        let identities: Vec<&str> = released.iter().map(|one| &*one.key.identity).collect();
        let names: Vec<&str> = released.iter().map(|one| one.key.destination.as_str()).collect();
        let states: Vec<&str> = released.iter().map(|one| one.state.as_str()).collect();
        let client = self.engine.client().await?;
        let member = self.engine.member();
        change(&client, RELEASE, &[&member, &identities, &names, &states]).await?;
        Ok(())
    }
}

#[async_trait]
impl HolderStore for PostgresHolders {
    fn tenure(&self) -> watch::Receiver<Option<Tenure>> {
        self.engine.tenure.subscribe()
    }

    async fn claim(&self, key: &DestinationKey) -> Result<Claim, HolderFault> {
        self.claim(key).await.map_err(|fault| HolderFault(fault.to_string()))
    }

    async fn held(&self) -> Result<Vec<DestinationKey>, HolderFault> {
        self.held().await.map_err(|fault| HolderFault(fault.to_string()))
    }

    async fn release(&self, released: Vec<ReleasedDestination>) -> Result<(), HolderFault> {
        self.release(&released).await.map_err(|fault| HolderFault(fault.to_string()))
    }

    async fn leave(&self) {
        clearing::leave_or_be_missed(&self.engine).await;
    }
}
