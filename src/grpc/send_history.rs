//! The history of earlier sends, for the pre-flight of the next one.

use crate::campaign::preflight::ExpectedBounces;
use crate::campaign::{Progress, SendPolicy};
use crate::clock::Clock;
use crate::outcomes::OutcomeIntake;

/// The outcomes of earlier sends, if they are kept.
#[derive(Clone)]
pub(super) struct SendHistory {
    intake: Option<OutcomeIntake>,
    clock: Clock,
}

impl SendHistory {
    pub(super) fn new(intake: Option<OutcomeIntake>, clock: Clock) -> Self {
        Self { intake, clock }
    }

    /// The hard bounces to expect of a list at this `progress`; `None` where no outcomes are kept,
    /// they are still counted for the first time, or they cannot be read.
    pub(super) async fn expect(
        &self,
        progress: &Progress,
        policy: SendPolicy,
    ) -> Option<ExpectedBounces> {
        let now = self.clock.now();
        match self.intake.as_ref()?.keeper.accuracy_at_hand(now).await {
            Ok(accuracy) => Some(accuracy?.calibration.expect(progress, policy, now)),
            Err(error) => {
                tracing::warn!(%error, "outcomes cannot be read: nothing is expected");
                None
            }
        }
    }
}
