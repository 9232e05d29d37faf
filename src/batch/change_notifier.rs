//! A version counter that wakes waiters on every change; waiters re-read the state themselves.

use tokio::sync::watch;

/// A counter of changes.
pub(super) struct ChangeNotifier {
    changes: watch::Sender<u64>,
}

impl ChangeNotifier {
    pub(super) fn new() -> Self {
        Self { changes: watch::Sender::new(0) }
    }

    /// Counts a change and wakes the waiters.
    pub(super) fn notify(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// The current version. Read it before the state, so that no change is missed.
    pub(super) fn version(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Waits for a change after version `seen`.
    pub(super) async fn changed_since(&self, seen: u64) {
        let mut changes = self.changes.subscribe();
        // An error means that the sender is gone; it lives in `self`.
        let _alive = changes.wait_for(|changes| *changes > seen).await;
    }
}
