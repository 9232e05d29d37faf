//! Recipients a minute: the limit of a destination, over all its lanes.
//!
//! A list uses up a minute's recipients in its first seconds. So a hundredth of them is kept for
//! callers with little time, and while such callers come as many again as came in the last minute,
//! up to a fifth.

use std::time::SystemTime;

use crate::pacing::Window;

/// The recipients that may still be named in this minute.
pub(super) struct RecipientPace {
    per_minute: u32,
    window: Window,
    /// Those of callers with little time.
    pressed: Window,
    /// Recipients that were kept for those callers when others were last looked at.
    kept: u32,
    /// Some lane had work, and no recipient was left.
    is_short: bool,
    /// Some lane had work of others, and none was left to them.
    others_are_short: bool,
}

impl RecipientPace {
    pub(super) fn new(per_minute: u32) -> Self {
        let window = Window::new(per_minute);
        let pressed = window.clone();
        Self { per_minute, window, pressed, kept: 0, is_short: false, others_are_short: false }
    }

    /// The recipients that may be named now, those of callers with little time or others.
    pub(super) fn room(&mut self, pressed: bool, now: SystemTime) -> u32 {
        let room = self.window.room(now);
        if pressed {
            return room;
        }
        let named = self.per_minute - self.pressed.room(now);
        let share = named.saturating_mul(2).clamp(self.per_minute / 100, self.per_minute / 5);
        self.kept = share.saturating_sub(named);
        room.saturating_sub(self.kept)
    }

    /// Counts recipients that are named now, `pressed` of them for callers with little time.
    pub(super) fn take(&mut self, count: u32, pressed: u32, now: SystemTime) {
        self.window.take(count, now);
        self.pressed.take(pressed, now);
    }

    /// A lane has work that has to wait for the next recipient; `pressed` if of a caller with
    /// little time.
    pub(super) fn ran_short(&mut self, pressed: bool) {
        let short = if pressed { &mut self.is_short } else { &mut self.others_are_short };
        *short = true;
    }

    /// The time of the next recipient, if some lane waits for it.
    pub(super) fn next_room(&self) -> Option<SystemTime> {
        let next = self.is_short.then(|| self.window.next_room());
        let others = self.others_are_short.then(|| self.window.next_room_for(self.kept + 1));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn a_list_leaves_a_hundredth_of_a_minute_to_callers_with_little_time() {
        let mut pace = RecipientPace::new(3000);
        assert_eq!((pace.room(true, NOW), pace.room(false, NOW)), (3000, 2970));
        pace.take(2970, 0, NOW);
        assert_eq!((pace.room(true, NOW), pace.room(false, NOW)), (30, 0));
        pace.take(10, 10, NOW);
        assert_eq!((pace.room(true, NOW), pace.room(false, NOW)), (20, 0));
    }

    #[test]
    fn what_callers_with_little_time_get_grows_with_their_number_to_a_fifth() {
        let mut pace = RecipientPace::new(3000);
        pace.take(100, 100, NOW);
        assert_eq!(pace.room(false, NOW), 2800);
        pace.take(900, 900, NOW);
        assert_eq!(pace.room(false, NOW), 2000, "beyond a fifth nothing is kept");
        let later = NOW + Duration::from_secs(62);
        assert_eq!(pace.room(false, later), 2970);
    }

    #[test]
    fn others_are_called_when_there_is_more_room_than_is_kept() {
        let mut pace = RecipientPace::new(300);
        pace.take(1, 0, NOW);
        let second = NOW + Duration::from_secs(1);
        pace.take(296, 0, second);
        assert_eq!((pace.room(true, second), pace.room(false, second)), (3, 0));
        pace.ran_short(false);
        assert_eq!(pace.next_room(), Some(NOW + Duration::from_secs(62)));
        assert!(!pace.has_room_again(NOW + Duration::from_secs(61)));
        assert!(pace.has_room_again(NOW + Duration::from_secs(62)));
        assert_eq!(pace.next_room(), None);
    }

    #[test]
    fn a_small_limit_keeps_nothing_until_somebody_comes() {
        let mut pace = RecipientPace::new(40);
        assert_eq!(pace.room(false, NOW), 40);
        pace.take(2, 2, NOW);
        assert_eq!((pace.room(true, NOW), pace.room(false, NOW)), (38, 36));
    }
}
