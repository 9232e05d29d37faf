//! Recipients a minute: the limit of a destination, over all its lanes.

use std::time::SystemTime;

use super::allowance::Allowance;

/// One part in so many is kept for callers with little time.
const PARTS: u32 = 100;

/// The recipients that may still be named in this minute.
pub(super) struct RecipientPace {
    allowance: Allowance,
    /// Some lane had work, and no recipient was left.
    is_short: bool,
    /// Some lane had work of callers with time, and none was left to them.
    others_are_short: bool,
}

impl RecipientPace {
    pub(super) fn new(per_minute: u32) -> Self {
        let allowance = Allowance::new(per_minute, PARTS);
        Self { allowance, is_short: false, others_are_short: false }
    }

    /// The recipients that may be named now, those of callers with little time or others.
    pub(super) fn room(&mut self, pressed: bool, now: SystemTime) -> u32 {
        self.allowance.room(pressed, now)
    }

    /// Counts recipients that are named now, `pressed` of them for callers with little time.
    pub(super) fn take(&mut self, count: u32, pressed: u32, now: SystemTime) {
        self.allowance.take(count, pressed, now);
    }

    /// A lane has work that has to wait for the next recipient; `pressed` if of a caller with
    /// little time.
    pub(super) fn ran_short(&mut self, pressed: bool) {
        let short = if pressed { &mut self.is_short } else { &mut self.others_are_short };
        *short = true;
    }

    /// The time of the next recipient, if some lane waits for it.
    pub(super) fn next_room(&self) -> Option<SystemTime> {
        let next = self.is_short.then(|| self.allowance.next_room(true));
        let others = self.others_are_short.then(|| self.allowance.next_room(false));
        next.into_iter().chain(others).min()
    }

    /// `true` once after it ran short, as soon as a recipient may be named again.
    pub(super) fn has_room_again(&mut self, now: SystemTime) -> bool {
        let again = self.is_short && self.room(true, now) > 0;
        let others_again = self.others_are_short && self.room(false, now) > 0;
        self.is_short &= !again;
        self.others_are_short &= !others_again;
        again || others_again
    }

    pub(super) fn entries(&mut self, now: SystemTime) -> Vec<(u64, u32)> {
        self.allowance.entries(now)
    }

    /// Counts recipients that another process named.
    pub(super) fn merge(&mut self, entries: &[(u64, u32)], now: SystemTime) {
        self.allowance.merge(entries, now);
    }

    pub(super) fn is_clear(&mut self, now: SystemTime) -> bool {
        self.allowance.is_clear(now)
    }
}
