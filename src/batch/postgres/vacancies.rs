//! Destinations whose holders are gone, and those that nobody asks any more.

use deadpool_postgres::GenericClient;

use super::engine::{Engine, change};
use super::error::DatabaseFault;

/// Takes the holders that are no members any more out. The holder is compared again once the row is
/// locked: another one may have come.
const VACATE: &str = "
    UPDATE mailvet.destinations d SET holder = NULL, previous = NULL, died_at = now()
    FROM (
        SELECT identity, destination, holder FROM mailvet.destinations
        WHERE holder IS NOT NULL
            AND NOT EXISTS (SELECT FROM mailvet.members m WHERE m.id = holder)
    ) o
    WHERE d.identity = o.identity AND d.destination = o.destination AND d.holder = o.holder";

/// Removes what is known of destinations that nobody has asked for long. The later of both times
/// counts: one that was released long ago may have been held since, and its holder died just now.
const FORGET: &str = "
    DELETE FROM mailvet.destinations
    WHERE holder IS NULL AND greatest(released_at, died_at) < now() - interval '2 days'";

/// Gives the destinations of members that are gone free.
pub(super) async fn vacate<C: GenericClient>(client: &C) -> Result<(), DatabaseFault> {
    change(client, VACATE, &[]).await.map(drop)
}

/// Forgets destinations that nobody has asked for long.
pub(super) async fn forget(engine: &Engine) -> Result<(), DatabaseFault> {
    let client = engine.client().await?;
    change(&client, FORGET, &[]).await.map(drop)
}
