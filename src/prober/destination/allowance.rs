//! Events of a minute, a few of which are left to callers with little time: a list uses up a
//! minute's in its first seconds.
//!
//! A small part of the limit is always kept for such callers, and while they come, as many again as
//! came in the last minute, up to a fifth.

use std::time::SystemTime;

use crate::pacing::Window;

/// The part of the limit that is kept at most.
const MOST: u32 = 5;

/// See the module.
pub(super) struct Allowance {
    limit: u32,
    /// Events that are kept at least, those included that callers with little time had.
    least: u32,
    window: Window,
    /// Those of callers with little time.
    pressed: Window,
    /// Events that were kept when others were last looked at.
    kept: u32,
}

impl Allowance {
    /// `limit` events a minute, one part in `parts` of which is kept.
    pub(super) fn new(limit: u32, parts: u32) -> Self {
        let window = Window::new(limit);
        let pressed = window.clone();
        Self { limit, least: limit / parts.max(MOST), window, pressed, kept: 0 }
    }

    /// Events that there is room for now, of callers with little time or of others.
    pub(super) fn room(&mut self, pressed: bool, now: SystemTime) -> u32 {
        let room = self.window.room(now);
        if pressed {
            return room;
        }
        let taken = self.limit - self.pressed.room(now);
        let share = taken.saturating_mul(2).clamp(self.least, self.limit / MOST);
        self.kept = share.saturating_sub(taken);
        room.saturating_sub(self.kept)
    }

    /// Counts events that happen now, `pressed` of them for callers with little time.
    pub(super) fn take(&mut self, events: u32, pressed: u32, now: SystemTime) {
        self.window.take(events, now);
        self.pressed.take(pressed, now);
    }

    /// Time at which there is room for one more, as far as [`Self::room`] last saw it.
    pub(super) fn next_room(&self, pressed: bool) -> SystemTime {
        self.window.next_room_for(if pressed { 1 } else { self.kept + 1 })
    }

    pub(super) fn entries(&mut self, now: SystemTime) -> Vec<(u64, u32)> {
        self.window.entries(now)
    }

    /// Counts events of another process.
    pub(super) fn merge(&mut self, entries: &[(u64, u32)], now: SystemTime) {
        self.window.merge(entries, now);
    }

    /// Counts all events but one as those of another process in this second, which cannot tell any
    /// more. Whoever comes first has that one.
    pub(super) fn leave_one(&mut self, second: u64, now: SystemTime) {
        let rest = self.window.room(now).saturating_sub(1);
        self.window.merge(&[(second, rest)], now);
        self.pressed.merge(&[(second, self.limit / MOST)], now);
    }

    pub(super) fn is_clear(&mut self, now: SystemTime) -> bool {
        self.window.is_clear(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn a_list_leaves_a_part_of_a_minute_to_callers_with_little_time() {
        let mut allowance = Allowance::new(3000, 100);
        assert_eq!((allowance.room(true, NOW), allowance.room(false, NOW)), (3000, 2970));
        allowance.take(2970, 0, NOW);
        assert_eq!((allowance.room(true, NOW), allowance.room(false, NOW)), (30, 0));
        allowance.take(10, 10, NOW);
        assert_eq!((allowance.room(true, NOW), allowance.room(false, NOW)), (20, 0));
    }

    #[test]
    fn what_callers_with_little_time_get_grows_with_their_number_to_a_fifth() {
        let mut allowance = Allowance::new(3000, 100);
        allowance.take(100, 100, NOW);
        assert_eq!(allowance.room(false, NOW), 2800);
        allowance.take(900, 900, NOW);
        assert_eq!(allowance.room(false, NOW), 2000, "beyond a fifth nothing is kept");
        let later = NOW + Duration::from_secs(62);
        assert_eq!(allowance.room(false, later), 2970);
    }

    #[test]
    fn others_have_room_again_when_there_is_more_than_is_kept() {
        let mut allowance = Allowance::new(300, 100);
        allowance.take(1, 0, NOW);
        let second = NOW + Duration::from_secs(1);
        allowance.take(296, 0, second);
        assert_eq!((allowance.room(true, second), allowance.room(false, second)), (3, 0));
        let next = NOW + Duration::from_secs(62);
        assert_eq!(allowance.next_room(false), next);
        assert!(allowance.next_room(true) <= second);
        assert_eq!((allowance.room(true, next), allowance.room(false, next)), (4, 1));
    }

    #[test]
    fn a_small_limit_keeps_nothing_until_somebody_comes() {
        let mut allowance = Allowance::new(40, 100);
        assert_eq!(allowance.room(false, NOW), 40);
        allowance.take(2, 2, NOW);
        assert_eq!((allowance.room(true, NOW), allowance.room(false, NOW)), (38, 36));
    }

    #[test]
    fn the_one_that_is_left_is_kept_for_nobody() {
        let mut allowance = Allowance::new(30, 30);
        allowance.leave_one(0, NOW);
        assert_eq!((allowance.room(true, NOW), allowance.room(false, NOW)), (1, 1));
        allowance.take(1, 0, NOW);
        assert_eq!((allowance.room(true, NOW), allowance.room(false, NOW)), (0, 0));
        let later = NOW + Duration::from_secs(62);
        assert_eq!((allowance.room(true, later), allowance.room(false, later)), (30, 29));
    }
}
