//! A limit on events in any period, held strictly: not a bucket that lets twice as many through.
//! Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

/// Into how many slots a period is cut: an event is forgotten at most one slot late.
const SLOTS: u32 = 60;

/// Events of the last period.
#[derive(Clone, Debug)]
pub(super) struct QuotaWindow {
    slot: Duration,
    /// (slot since the epoch, events in it), oldest first: `SLOTS + 1` entries at most.
    slots: VecDeque<(u128, u64)>,
    total: u64,
}

impl QuotaWindow {
    /// Nothing has happened yet. `period` is at least a second.
    pub(super) fn new(period: Duration) -> Self {
        Self { slot: period / SLOTS, slots: VecDeque::new(), total: 0 }
    }

    /// Number of events in the window now.
    pub(super) fn total(&mut self, now: SystemTime) -> u64 {
        let this = self.slot_of(now);
        while self.slots.front().is_some_and(|(slot, _)| slot + u128::from(SLOTS) < this) {
            if let Some((_, events)) = self.slots.pop_front() {
                self.total -= events;
            }
        }
        self.total
    }

    /// Counts events that happen now.
    pub(super) fn add(&mut self, events: u64, now: SystemTime) {
        if events == 0 {
            return;
        }
        self.total(now);
        let this = self.slot_of(now);
        match self.slots.back_mut() {
            Some((slot, count)) if *slot >= this => *count = count.saturating_add(events),
            _ => self.slots.push_back((this, events)),
        }
        self.total = self.slots.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count));
    }

    /// Forgets events, of the newest first: they did not happen after all.
    pub(super) fn take_back(&mut self, mut events: u64) {
        for (_, count) in self.slots.iter_mut().rev() {
            let fewer = events.min(*count);
            *count -= fewer;
            events -= fewer;
            self.total -= fewer;
        }
    }

    /// Counts events if no more than `limit` then count (0: no limit). Else says how long until
    /// there is room for them, `None` if there never will be.
    pub(super) fn try_add(
        &mut self,
        events: u64,
        limit: u64,
        now: SystemTime,
    ) -> Result<(), Option<Duration>> {
        if limit > 0 {
            if events > limit {
                return Err(None);
            }
            if let Some(wait) = self.wait_until(limit - events, now) {
                return Err(Some(wait));
            }
            self.add(events, now);
        }
        Ok(())
    }

    /// Time until no more than `events` count; `None` if that is so now.
    pub(super) fn wait_until(&mut self, events: u64, now: SystemTime) -> Option<Duration> {
        let mut excess = self.total(now).checked_sub(events).filter(|excess| *excess > 0)?;
        for (slot, count) in &self.slots {
            if *count >= excess {
                let forgotten = (slot + u128::from(SLOTS) + 1) * self.slot.as_nanos();
                let wait = forgotten.saturating_sub(since_epoch(now).as_nanos());
                return Some(Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)));
            }
            excess -= count;
        }
        None
    }

    /// The slots, and the events in each, as of the last count.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u64, u64)> {
        let number = |slot: u128| u64::try_from(slot).unwrap_or(u64::MAX);
        self.slots.iter().map(move |(slot, events)| (number(*slot), *events))
    }

    /// The slot of the last event.
    pub(super) fn newest_slot(&self) -> Option<u64> {
        self.slots.back().and_then(|(slot, _)| u64::try_from(*slot).ok())
    }

    /// The oldest slot whose events count now.
    pub(super) fn oldest_slot(&self, now: SystemTime) -> u64 {
        let oldest = self.slot_of(now).saturating_sub(SLOTS.into());
        u64::try_from(oldest).unwrap_or(u64::MAX)
    }

    /// The same window with the events of these slots too.
    pub(super) fn merged(&self, more: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut slots: BTreeMap<u128, u64> = self.slots.iter().copied().collect();
        for (slot, events) in more {
            let count = slots.entry(slot.into()).or_default();
            *count = count.saturating_add(events);
        }
        let total = slots.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        Self { slot: self.slot, slots: slots.into_iter().collect(), total }
    }

    fn slot_of(&self, now: SystemTime) -> u128 {
        since_epoch(now).as_nanos() / self.slot.as_nanos().max(1)
    }
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn no_more_than_the_limit_fall_into_any_period() {
        let mut window = QuotaWindow::new(MINUTE);
        let mut taken = Vec::new();
        for second in 0..600_u64 {
            for _ in 0..3 {
                if window.try_add(1, 10, at(second)).is_ok() {
                    taken.push(second);
                }
            }
        }
        for second in 0..600 {
            let within = taken.iter().filter(|&t| (second..second + 60).contains(t)).count();
            assert!(within <= 10, "{within} from second {second} on");
        }
        assert!(taken.len() >= 90, "{} in ten minutes", taken.len());
    }

    #[test]
    fn the_wait_it_names_is_enough_and_a_slot_less_is_not() {
        let mut window = QuotaWindow::new(MINUTE);
        window.try_add(6, 10, at(0)).unwrap();
        window.try_add(4, 10, at(30)).unwrap();
        let wait = window.try_add(7, 10, at(40)).unwrap_err().unwrap();
        assert!(window.try_add(7, 10, at(40) + wait - Duration::from_secs(1)).is_err());
        assert!(window.try_add(7, 10, at(40) + wait).is_ok());
    }

    #[test]
    fn more_than_the_limit_at_once_never_fits_and_nothing_is_counted() {
        let mut window = QuotaWindow::new(MINUTE);
        assert_eq!(window.try_add(11, 10, at(0)), Err(None));
        assert_eq!(window.total(at(0)), 0);
        assert!(window.try_add(u64::MAX, 0, at(0)).is_ok(), "zero is no limit");
    }

    #[test]
    fn memory_is_bounded_by_the_slots() {
        let mut window = QuotaWindow::new(MINUTE);
        for second in 0..10_000 {
            window.add(1, at(second));
        }
        assert!(window.slots.len() <= 61, "{}", window.slots.len());
        assert_eq!(window.total(at(9_999)), 61);
        assert_eq!(window.total(at(20_000)), 0);
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let mut window = QuotaWindow::new(MINUTE);
        window.add(5, at(100));
        window.add(5, at(50));
        assert_eq!(window.total(at(50)), 10);
    }
}
