//! Recipients a minute: the limit of a destination, over all its lanes.

use std::time::SystemTime;

use crate::pacing::Window;

/// The recipients that may still be named in this minute.
pub(super) struct RecipientPace {
    window: Window,
    /// Some lane had work, and no recipient was left.
    is_short: bool,
}

impl RecipientPace {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { window: Window::new(per_minute), is_short: false }
    }

    pub(super) fn room(&mut self, now: SystemTime) -> u32 {
        self.window.room(now)
    }

    pub(super) fn take(&mut self, count: u32, now: SystemTime) {
        self.window.take(count, now);
    }

    /// A lane has work that has to wait for the next recipient.
    pub(super) fn ran_short(&mut self) {
        self.is_short = true;
    }

    /// The time of the next recipient, if some lane waits for it.
    pub(super) fn next_room(&self) -> Option<SystemTime> {
        self.is_short.then(|| self.window.next_room())
    }

    /// `true` once after it ran short, as soon as a recipient may be named again.
    pub(super) fn has_room_again(&mut self, now: SystemTime) -> bool {
        let again = self.is_short && self.window.room(now) > 0;
        self.is_short &= !again;
        again
    }

    pub(super) fn entries(&mut self, now: SystemTime) -> Vec<(u64, u32)> {
        self.window.entries(now)
    }

    /// Counts recipients that another process named.
    pub(super) fn merge(&mut self, entries: &[(u64, u32)], now: SystemTime) {
        self.window.merge(entries, now);
    }

    pub(super) fn is_clear(&mut self, now: SystemTime) -> bool {
        self.window.is_clear(now)
    }
}
