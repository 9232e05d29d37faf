//! What chunks hold that are out: addresses, and what is known of them. Nobody else changes it, so
//! that it is read when the lock of the batch is free again.

use std::collections::HashMap;
use std::time::SystemTime;

use deadpool_postgres::Object;
use tokio::try_join;
use tokio_postgres::Row;

use super::due_chunks::{DueChunk, LeasedChunks};
use super::engine::{Engine, query, signed};
use super::error::DatabaseFault;
use super::leased_items::LeasedItem;
use super::tables::at;
use crate::batch::outcome::Outcome;
use crate::batch::queue::{Lease, LeaseId, LeaseItem};
use crate::batch::time::time;

/// A provisional result, and since when the item waits.
type Provisional = (SystemTime, Outcome);

impl Engine {
    /// What leased chunks hold. A batch that was removed meanwhile is left out.
    pub(super) async fn contents(
        &self,
        leased: &[LeasedChunks],
    ) -> Result<Vec<Lease>, DatabaseFault> {
        let client = self.client().await?;
        let mut leases = Vec::new();
        for of in leased.iter().filter(|of| !of.chunks.is_empty()) {
            match self.read(&client, of).await {
                Err(fault) if fault.is_missing_table() => {}
                // It does not keep the others; its leases end by themselves.
                Err(fault) if !fault.is_transient() => {
                    tracing::error!(%fault, batch = %of.batch.id, "chunks cannot be read");
                }
                read => leases.extend(read?),
            }
        }
        Ok(leases)
    }

    async fn read(&self, client: &Object, of: &LeasedChunks) -> Result<Vec<Lease>, DatabaseFault> {
        let items = of.chunks.iter().flat_map(|(_, chunk)| chunk.items.iter().copied());
        let items: Vec<i64> = items.collect();
        let (mut firsts, copies, names, mut provisional) = try_join!(
            firsts(client, of, &items),
            copies(client, of, &items),
            group_names(client, of),
            provisional(client, of),
        )?;
        let mut take = |item: &i64| {
            let (address, consent) = firsts.remove(item)?;
            let (waiting_since, provisional) = provisional.remove(item).unzip();
            let consented_at = consent.max(copies.get(item).and_then(|copies| copies.1)).map(time);
            let number = item.unsigned_abs();
            Some(LeaseItem { number, address, consented_at, waiting_since, provisional })
        };
        let lease = |(name, chunk): &(LeaseId, DueChunk)| {
            Some(Lease {
                id: *name,
                batch: of.batch.id.clone(),
                owner: of.batch.spec.owner.clone(),
                options: of.batch.spec.options.clone(),
                deadline: of.batch.deadline(),
                group: names.get(&chunk.group)?.clone(),
                items: chunk.items.iter().map(&mut take).collect::<Option<_>>()?,
            })
        };
        let leases: Vec<Lease> = of.chunks.iter().filter_map(lease).collect();
        let mut leased = self.leased.lock();
        for lease in &leases {
            let item = |item: &LeaseItem| {
                let (number, address) = (signed(item.number), item.address.clone());
                let copies = copies.get(&number).map_or(0, |copies| copies.0);
                LeasedItem { item: number, address, copies }
            };
            leased.remember(of.n, lease.id, lease.items.iter().map(item).collect());
        }
        drop(leased);
        Ok(leases)
    }
}

/// The address of each item, and the time of consent of its first row.
async fn firsts(
    client: &Object,
    of: &LeasedChunks,
    items: &[i64],
) -> Result<HashMap<i64, (String, Option<i64>)>, DatabaseFault> {
    let sql = at(
        &of.place,
        "SELECT row, address, consent FROM mailvet.rows_{p} WHERE batch = $1 AND row = ANY($2)",
    );
    let rows = query(client, &sql, &[&of.n, &items]).await?;
    Ok(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect())
}

/// The number of the other rows of items that have some, and their latest time of consent.
async fn copies(
    client: &Object,
    of: &LeasedChunks,
    items: &[i64],
) -> Result<HashMap<i64, (u64, Option<i64>)>, DatabaseFault> {
    if !of.has_copies {
        return Ok(HashMap::new());
    }
    let sql = at(
        &of.place,
        "SELECT item, count(*), max(consent) FROM mailvet.rows_{p}
         WHERE batch = $1 AND item = ANY($2) GROUP BY item",
    );
    let rows = query(client, &sql, &[&of.n, &items]).await?;
    let copies = |row: &Row| (row.get(0), (row.get::<_, i64>(1).unsigned_abs(), row.get(2)));
    Ok(rows.iter().map(copies).collect())
}

async fn group_names(
    client: &Object,
    of: &LeasedChunks,
) -> Result<HashMap<i64, String>, DatabaseFault> {
    let groups = of.chunks.iter().map(|(_, chunk)| chunk.group);
    let sql =
        at(&of.place, "SELECT id, name FROM mailvet.groups_{p} WHERE batch = $1 AND id = ANY($2)");
    let rows = query(client, &sql, &[&of.n, &groups.collect::<Vec<i64>>()]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn provisional(
    client: &Object,
    of: &LeasedChunks,
) -> Result<HashMap<i64, Provisional>, DatabaseFault> {
    let waiting = of.chunks.iter().filter(|(_, chunk)| chunk.waiting);
    let items: Vec<i64> = waiting.flat_map(|(_, chunk)| chunk.items.iter().copied()).collect();
    if items.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = at(
        &of.place,
        "SELECT item, since, outcome FROM mailvet.waiting_{p}
         WHERE batch = $1 AND item = ANY($2)",
    );
    let rows = query(client, &sql, &[&of.n, &items]).await?;
    let read = |row: &Row| Ok((row.get(0), (time(row.get(1)), serde_json::from_str(row.get(2))?)));
    rows.iter().map(read).collect()
}
