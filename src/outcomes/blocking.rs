//! Work that would hold a thread of the runtime.

use super::store_error::OutcomeStoreError;

/// Does work that waits for a disk or takes its time.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, OutcomeStoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| OutcomeStoreError::Stopped)
}
