//! News between processes: one connection listens, and tells the others when something changed, at
//! most once a second and in a transaction of its own. A notification that rides with results would
//! make every commit wait for every other one in the database.

use std::time::Duration;

use tokio::sync::Notify;

/// Shortest time between two notifications of one process.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(1);

/// Time after which somebody looks who has heard nothing: notifications may get lost.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Pause before a lost connection is made anew.
pub(super) const RECONNECT: Duration = Duration::from_secs(1);

/// Changes made here and changes made elsewhere.
#[derive(Default)]
pub(super) struct News {
    /// Something changed here.
    changed: Notify,
    /// Something changed elsewhere.
    heard: Notify,
}

impl News {
    /// Tells the other processes, soon.
    pub(super) fn tell(&self) {
        self.changed.notify_one();
    }

    /// Waits for something to change here.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Has this process look, as if another one had told it.
    pub(super) fn hear(&self) {
        self.heard.notify_one();
    }

    /// Waits for another process to say that something changed.
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
    }

    /// The same, but for a while only.
    pub(super) async fn heard_or_late(&self) {
        let _ = tokio::time::timeout(LOOK_EVERY, self.heard()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn who_is_told_of_nothing_looks_every_two_seconds() {
        let (news, clock) = (News::default(), Clock::start());
        let began = clock.now();
        for looks in 1..=3 {
            news.heard_or_late().await;
            assert_eq!(clock.now(), began + LOOK_EVERY * looks);
        }
        news.hear();
        news.heard_or_late().await;
        assert_eq!(clock.now(), began + LOOK_EVERY * 3, "who is told looks at once");
    }
}
