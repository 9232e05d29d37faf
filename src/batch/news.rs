//! That something changed: a number that grows. Whoever waits looks for himself what it was.

use tokio::sync::watch;

/// A number that grows with every change.
pub(super) struct News {
    changes: watch::Sender<u64>,
}

impl News {
    pub(super) fn new() -> Self {
        Self { changes: watch::Sender::new(0) }
    }

    /// Something changed.
    pub(super) fn tell(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// The number now: take it before you look, to miss nothing.
    pub(super) fn seen(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Waits for a change after `seen`.
    pub(super) async fn after(&self, seen: u64) {
        let mut changes = self.changes.subscribe();
        // An error means that the sender is gone; it lives in `self`.
        let _alive = changes.wait_for(|changes| *changes > seen).await;
    }
}
