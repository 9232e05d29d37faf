//! Outcomes that callers of the service report: who may, and the place that keeps them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::accuracy::Accuracy;
use super::event::{AddedEvent, OutcomeEvent};
use super::store_error::OutcomeStoreError;

/// Keeps outcomes that a service is told.
#[async_trait]
pub trait OutcomeKeeper: Send + Sync {
    /// Keeps these events of the operator's own, all or none, and tells the fate of each.
    ///
    /// # Errors
    ///
    /// If the database fails; nothing is kept then.
    async fn keep(
        &self,
        events: Vec<OutcomeEvent>,
        now: SystemTime,
    ) -> Result<Vec<AddedEvent>, OutcomeStoreError>;

    /// The accuracy of verdicts, up to a minute old, or older while it is counted anew.
    ///
    /// # Errors
    ///
    /// If the database fails.
    async fn accuracy(&self, now: SystemTime) -> Result<Arc<Accuracy>, OutcomeStoreError>;

    /// The same for those who go on without it; `None` as long as it is counted for the first
    /// time.
    ///
    /// # Errors
    ///
    /// If the database fails.
    async fn accuracy_at_hand(
        &self,
        now: SystemTime,
    ) -> Result<Option<Arc<Accuracy>>, OutcomeStoreError> {
        self.accuracy(now).await.map(Some)
    }
}

/// The place for reported outcomes, and the callers that may report. Cheap to clone.
///
/// An outcome counts for every caller: it decides who is written to, so only callers that the
/// operator named may bring one.
#[derive(Clone)]
pub struct OutcomeIntake {
    /// Where they are kept.
    pub keeper: Arc<dyn OutcomeKeeper>,
    reporters: Arc<[String]>,
}

impl OutcomeIntake {
    /// A place for what callers with these names report.
    #[must_use]
    pub fn new(keeper: Arc<dyn OutcomeKeeper>, reporters: &[String]) -> Self {
        Self { keeper, reporters: reporters.into() }
    }

    /// `true` if the caller whose key or certificate has this name may report.
    #[must_use]
    pub fn has_reporter(&self, name: &str) -> bool {
        !name.is_empty() && self.reporters.iter().any(|reporter| reporter == name)
    }
}

impl fmt::Debug for OutcomeIntake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeIntake").field("reporters", &self.reporters).finish_non_exhaustive()
    }
}
