//! Reasons as they are stored: by name, in JSON. A later version may know more of them, and may
//! work on the same batches while its predecessors still do: what is not understood is no reason
//! to leave a batch, or all of its owner's, unread.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::verdict::Reason;

/// Rows by the reason that a store has for them.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[derive(Deserialize)]
#[serde(from = "BTreeMap<String, u64>")]
pub(super) struct StoredCounts(pub(super) BTreeMap<Reason, u64>);

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl From<BTreeMap<String, u64>> for StoredCounts {
    fn from(by_name: BTreeMap<String, u64>) -> Self {
        let mut counts = BTreeMap::new();
        for (name, rows) in by_name {
            let reason = named(&name).unwrap_or(Reason::ProtocolError);
            *counts.entry(reason).or_default() += rows;
        }
        Self(counts)
    }
}

/// Reads counts of rows by reason.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) fn counts(text: &str) -> serde_json::Result<BTreeMap<Reason, u64>> {
    serde_json::from_str(text).map(|StoredCounts(counts)| counts)
}

/// Reads the reasons of one result, the deciding one first. That one has to be there; of the others
/// those that are known are enough.
pub(super) fn of_outcome<'de, D: Deserializer<'de>>(names: D) -> Result<Vec<Reason>, D::Error> {
    let names = Vec::<String>::deserialize(names)?;
    let deciding = names.first().map(|name| named(name).unwrap_or(Reason::ProtocolError));
    let others = names.iter().skip(1).filter_map(|name| named(name));
    Ok(deciding.into_iter().chain(others).collect())
}

fn named(name: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.name() == name)
}
