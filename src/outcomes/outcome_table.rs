//! The interface to a database of outcomes, which knows hashes and no addresses.

use std::time::SystemTime;

use async_trait::async_trait;

use super::accuracy::OutcomeTallies;
use super::address_key::{AddressDigests, AddressKey};
use super::digest::Digest;
use super::event::AddedEvent;
use super::kind::OutcomeKind;
use super::store_error::OutcomeStoreError;
use super::stored_outcome::{LatestOutcomes, NewOutcome, StoredOutcome, VerdictRecord};

/// Outcomes and verdicts in a database. An error means that it failed; nothing was kept then.
#[async_trait]
pub(super) trait OutcomeTable: Send + Sync {
    /// The key of what is kept; `None` if nothing was ever kept and none is to be made.
    async fn key(&self, may_make: bool) -> Result<Option<AddressKey>, OutcomeStoreError>;

    /// Keeps the rows that are new, all or none. Those that need a proof come after the others, so
    /// that their order does not matter.
    async fn add(&self, rows: Vec<NewOutcome>) -> Result<Vec<AddedEvent>, OutcomeStoreError>;

    /// The latest outcomes of one address. Asked on the way of every verdict.
    async fn latest(&self, digests: AddressDigests) -> Result<LatestOutcomes, OutcomeStoreError>;

    /// Numbers of a domain's outcomes since that time, by kind.
    async fn count(
        &self,
        domain: &str,
        since: SystemTime,
    ) -> Result<Vec<(OutcomeKind, u64)>, OutcomeStoreError>;

    /// Up to `limit` outcomes behind that one, by time and then by hash.
    async fn page(
        &self,
        after: Option<(SystemTime, Digest)>,
        limit: usize,
    ) -> Result<Vec<StoredOutcome>, OutcomeStoreError>;

    /// Removes everything about an address; returns the number of outcomes and verdicts.
    async fn erase(&self, digests: AddressDigests) -> Result<u64, OutcomeStoreError>;

    /// Removes the verdicts and the outcomes before that time, but for complaints and
    /// unsubscriptions; returns the number of outcomes.
    async fn forget_before(&self, time: SystemTime) -> Result<u64, OutcomeStoreError>;

    /// Keeps the verdicts that were given for a send at `at`.
    async fn remember(
        &self,
        send: &str,
        verdicts: Vec<VerdictRecord>,
        at: SystemTime,
    ) -> Result<(), OutcomeStoreError>;

    /// Removes the verdicts before that time.
    async fn forget_verdicts(&self, before: SystemTime) -> Result<(), OutcomeStoreError>;

    /// Counts of all verdicts that are kept, and of what came of them.
    async fn tallies(&self) -> Result<OutcomeTallies, OutcomeStoreError>;
}
