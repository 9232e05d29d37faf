//! The interface to the place in which all replicas see who holds what.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::tenure::Tenure;
use crate::prober::DestinationKey;

/// The place cannot be reached, or refused.
#[derive(Debug, thiserror::Error)]
#[error("who holds a destination cannot be found out: {0}")]
pub struct HolderFault(pub String);

/// The outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This process holds the destination, and did before, whether it knew or not.
    Kept {
        /// What the holder before it wrote down, and how long ago.
        state: Option<(String, Duration)>,
        /// The holder before it died, and how long ago.
        died: Option<Duration>,
    },
    /// This process holds the destination from now on.
    Taken {
        /// What the holder before wrote down, and how long ago.
        state: Option<(String, Duration)>,
        /// The holder before died, and how long ago.
        died: Option<Duration>,
    },
    /// Another one does, at this address; `None`: one that shares nothing.
    Peer(Option<String>),
    /// Nobody may be told to: this process is no member any more, or two claims met.
    Unclear,
}

/// A destination that is given up, and what its next holder should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedDestination {
    /// The destination.
    pub key: DestinationKey,
    /// Words for the next holder.
    pub state: String,
}

/// The place in which all replicas see who holds what.
#[async_trait]
pub trait HolderStore: Send + Sync + 'static {
    /// The membership of this process, as it is renewed; `None` before the first renewal.
    fn tenure(&self) -> watch::Receiver<Option<Tenure>>;

    /// Claims a destination that nobody holds.
    async fn claim(&self, key: &DestinationKey) -> Result<Claim, HolderFault>;

    /// The destinations that this process holds.
    async fn held(&self) -> Result<Vec<DestinationKey>, HolderFault>;

    /// Gives destinations up that this process holds.
    async fn release(&self, released: Vec<ReleasedDestination>) -> Result<(), HolderFault>;

    /// Ends the membership.
    async fn leave(&self);
}
