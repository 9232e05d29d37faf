//! A limit on events in any 60 seconds, held strictly: not a bucket that lets twice as many
//! through at the turn of a minute.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

/// Time for which an event counts, in whole seconds after the second it fell in: 60, one because it
/// may have fallen at that second's end, one because the network delays one event and not the next.
const COUNTS_FOR: u64 = 62;

/// Events of the last minute against a limit.
#[derive(Clone, Debug)]
pub struct Window {
    limit: u32,
    /// (second since the epoch, events in it), oldest first: 62 entries at most.
    seconds: VecDeque<(u64, u32)>,
    total: u32,
}

impl Window {
    /// No more than `limit` events in any 60 seconds.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { limit, seconds: VecDeque::new(), total: 0 }
    }

    /// Number of events there is room for now.
    pub fn room(&mut self, now: SystemTime) -> u32 {
        self.forget(now);
        self.limit.saturating_sub(self.total)
    }

    /// Counts `events` that happen now.
    pub fn take(&mut self, events: u32, now: SystemTime) {
        if events == 0 {
            return;
        }
        self.forget(now);
        let second = seconds_since_epoch(now);
        match self.seconds.back_mut() {
            Some((last, count)) if *last >= second => *count += events,
            _ => self.seconds.push_back((second, events)),
        }
        self.total += events;
    }

    /// Time at which there is room for one more; in the past if there is room.
    #[must_use]
    pub fn next_room(&self) -> SystemTime {
        self.next_room_for(1)
    }

    /// Time at which there is room for so many more; in the past if there is room.
    #[must_use]
    pub fn next_room_for(&self, events: u32) -> SystemTime {
        let mut excess = self.total.saturating_add(events).saturating_sub(self.limit);
        for (second, count) in &self.seconds {
            if excess == 0 {
                break;
            }
            if *count >= excess {
                return SystemTime::UNIX_EPOCH + Duration::from_secs(second + COUNTS_FOR);
            }
            excess -= count;
        }
        SystemTime::UNIX_EPOCH
    }

    /// The events that still count: the second since the epoch in which each fell, and how many.
    pub fn entries(&mut self, now: SystemTime) -> Vec<(u64, u32)> {
        self.forget(now);
        self.seconds.iter().copied().collect()
    }

    /// Counts events that happened elsewhere, as [`entries`](Self::entries) gives them.
    pub fn merge(&mut self, entries: &[(u64, u32)], now: SystemTime) {
        let mut all: BTreeMap<u64, u32> = self.seconds.drain(..).collect();
        let latest = seconds_since_epoch(now);
        for (second, events) in entries {
            let counted = all.entry((*second).min(latest)).or_default();
            *counted = counted.saturating_add(*events).min(self.limit);
        }
        self.seconds = all.into_iter().collect();
        self.total = self.seconds.iter().map(|(_, events)| events).sum();
        self.forget(now);
    }

    /// `true` if nothing counts any more.
    pub fn is_clear(&mut self, now: SystemTime) -> bool {
        self.forget(now);
        self.total == 0
    }

    fn forget(&mut self, now: SystemTime) {
        let now = seconds_since_epoch(now);
        while let Some((second, count)) = self.seconds.front() {
            if second + COUNTS_FOR > now {
                break;
            }
            self.total -= count;
            self.seconds.pop_front();
        }
    }
}

fn seconds_since_epoch(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000 + millis)
    }

    #[test]
    fn a_minute_holds_no_more_than_the_limit() {
        let mut window = Window::new(20);
        let mut events: Vec<u64> = Vec::new();
        // Greedy: everything as soon as it is allowed, for ten minutes.
        for millis in (0..600_000).step_by(100) {
            let room = window.room(at(millis));
            window.take(room, at(millis));
            events.extend((0..room).map(|_| millis));
        }
        assert!(events.len() >= 180, "it moves on: {}", events.len());
        for (i, first) in events.iter().enumerate() {
            let within = events[i..].iter().filter(|e| **e < first + 60_000).count();
            assert!(within <= 20, "{within} events in the minute from {first}");
        }
    }

    #[test]
    fn events_that_happened_elsewhere_count_for_as_long_as_they_would_have_there() {
        let mut there = Window::new(20);
        there.take(12, at(0));
        there.take(3, at(30_000));
        let mut here = Window::new(20);
        here.take(1, at(31_000));
        here.merge(&there.entries(at(31_000)), at(31_000));
        assert_eq!(here.room(at(31_000)), 4);
        assert_eq!(here.room(at(62_000)), 16);
        assert_eq!(here.room(at(93_000)), 20);
        // A clock that is ahead makes nothing count for longer than a minute.
        here.merge(&[(seconds_since_epoch(at(500_000)), 20)], at(100_000));
        assert_eq!(here.room(at(162_000)), 20);
    }

    #[test]
    fn next_room_says_when_the_oldest_event_stops_counting() {
        let mut window = Window::new(2);
        window.take(1, at(0));
        assert!(window.next_room() <= at(0));
        window.take(1, at(5_000));
        assert_eq!(window.room(at(5_000)), 0);
        let next = window.next_room();
        assert_eq!(next, at(62_000));
        assert_eq!(window.room(next - Duration::from_millis(1)), 0);
        assert_eq!(window.room(next), 1);
        assert!(!window.is_clear(next));
        assert!(window.is_clear(at(67_000)));
    }

    #[test]
    fn next_room_for_several_says_when_enough_events_stopped_counting() {
        let mut window = Window::new(3);
        window.take(1, at(0));
        window.take(2, at(5_000));
        assert_eq!(window.next_room_for(1), at(62_000));
        assert_eq!(window.next_room_for(2), at(67_000));
        assert_eq!((window.room(at(66_999)), window.room(at(67_000))), (1, 3));
    }
}
