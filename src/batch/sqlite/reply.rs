//! Replies of the store's threads to their callers.

use tokio::sync::oneshot;

use super::error::StoreError;
use crate::batch::queue::QueueError;

/// The way back to a caller that waits.
pub(super) type ReplySender<T> = oneshot::Sender<Result<T, QueueError>>;

/// Sends a result to its caller, which may be gone by now. `place` is the data directory.
pub(super) fn send_reply<T>(reply: ReplySender<T>, result: Result<T, StoreError>, place: &str) {
    let _ = reply.send(result.map_err(|fault| fault.into_queue_error(place)));
}
