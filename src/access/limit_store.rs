//! The interface to the place in which all replicas count what callers use. Pure.

use async_trait::async_trait;

use super::caller_usage::{BlockLease, BlockRequest};
use super::harvest_report::HarvestReport;
use super::held_blocks::UnusedBlock;

/// The place cannot be reached, or refused.
#[derive(Debug, thiserror::Error)]
#[error("what callers use cannot be counted: {0}")]
pub struct LimitStoreFault(pub String);

/// The place in which all replicas count what callers use.
#[async_trait]
pub trait LimitStore: Send + Sync + 'static {
    /// The secret that local parts are hashed with at all replicas.
    fn secret(&self) -> [u8; 16];

    /// Takes a block of a caller's addresses. One whose answer is lost is lost.
    async fn lease(
        &self,
        caller: &str,
        request: BlockRequest,
    ) -> Result<BlockLease, LimitStoreFault>;

    /// Gives addresses back. What fails is not given back: it might be there twice.
    async fn give_back(&self, unused: Vec<UnusedBlock>) -> Result<(), LimitStoreFault>;

    /// Tells the others about harvesting, and returns what they have told since the last time.
    async fn exchange(&self, news: &HarvestReport) -> Result<HarvestReport, LimitStoreFault>;
}
