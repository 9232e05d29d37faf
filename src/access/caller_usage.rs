//! The addresses of one caller that all replicas together have taken, by slots of a day. Pure.
//!
//! Replicas take them in blocks, and count what their callers ask against the block they hold. A
//! block is good until the slot after its own is over, and counts until no address of it can be
//! younger than a day: so that no day holds more than the limit, whoever uses a block, and when.

use std::time::{Duration, SystemTime};

/// Length of a slot.
const SLOT: Duration = Duration::from_secs(15 * 60);

/// Slots for which a block may be used: its own and the next one.
const USABLE: i64 = 2;

/// Slots for which a block counts: those in which it may be used, and a day.
const COUNTED: i64 = USABLE + 24 * 4;

/// A part of the limit that is one block: the rest of it is lost when a replica is killed.
const PART: u64 = 100;

/// A request for addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// Addresses that the caller may have in any 24 hours.
    pub limit: u64,
    /// Addresses that are needed now: without them, none are taken.
    pub least: u64,
}

/// Addresses that one replica may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    /// The slot that they count in.
    pub slot: i64,
    /// How many they are.
    pub addresses: u64,
    /// Time for which they may be used, from before they were asked for.
    pub lasts: Duration,
}

/// The answer to a request for addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockLease {
    /// These may be used.
    Granted(AddressBlock),
    /// There are not as many, for so long; `None`: there never will be.
    UsedUp(Option<Duration>),
}

/// The addresses that one caller has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerUsage {
    /// (slot since the epoch, addresses), oldest first.
    slots: Vec<(i64, u64)>,
}

impl CallerUsage {
    /// What was taken in these slots.
    #[must_use]
    pub fn new(slots: impl IntoIterator<Item = (i64, u64)>) -> Self {
        let mut slots: Vec<_> = slots.into_iter().collect();
        slots.sort_unstable();
        Self { slots }
    }

    /// The slots, and the addresses taken in each.
    #[must_use]
    pub fn slots(&self) -> &[(i64, u64)] {
        &self.slots
    }

    /// Takes a block: a hundredth of the limit, or what is needed if that is more, or what is left.
    pub fn lease(&mut self, request: BlockRequest, now: SystemTime) -> BlockLease {
        let this = slot_of(now);
        self.slots.retain(|(slot, _)| slot + COUNTED > this);
        if request.least > request.limit {
            return BlockLease::UsedUp(None);
        }
        let taken = self.slots.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let free = request.limit.saturating_sub(taken);
        if free < request.least {
            let wait = self.wait_for(taken - (request.limit - request.least), now);
            return BlockLease::UsedUp(Some(wait));
        }
        let addresses = request.limit.div_ceil(PART).max(request.least).min(free);
        // A clock that went back forgets nothing.
        let slot = self.slots.last().map_or(this, |(newest, _)| this.max(*newest));
        match self.slots.last_mut() {
            Some((newest, count)) if *newest == slot => *count += addresses,
            _ => self.slots.push((slot, addresses)),
        }
        let lasts = until(this + USABLE, now);
        BlockLease::Granted(AddressBlock { slot, addresses, lasts })
    }

    /// Gives addresses back that were taken in that slot and not used.
    pub fn give_back(&mut self, slot: i64, addresses: u64) {
        if let Some((_, count)) = self.slots.iter_mut().find(|(taken, _)| *taken == slot) {
            *count = count.saturating_sub(addresses);
        }
        self.slots.retain(|(_, count)| *count > 0);
    }

    /// Time until so many addresses do not count any more.
    fn wait_for(&self, mut excess: u64, now: SystemTime) -> Duration {
        for (slot, count) in &self.slots {
            if *count >= excess {
                return until(slot + COUNTED, now);
            }
            excess -= count;
        }
        Duration::ZERO
    }
}

fn slot_of(now: SystemTime) -> i64 {
    let slots = since_epoch(now).as_secs() / SLOT.as_secs();
    i64::try_from(slots).unwrap_or(i64::MAX - COUNTED)
}

/// Time until a slot begins.
fn until(slot: i64, now: SystemTime) -> Duration {
    let begins = SLOT.as_secs().saturating_mul(u64::try_from(slot).unwrap_or_default());
    Duration::from_secs(begins).saturating_sub(since_epoch(now))
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds)
    }

    fn ask(limit: u64, least: u64) -> BlockRequest {
        BlockRequest { limit, least }
    }

    fn addresses(lease: BlockLease) -> u64 {
        match lease {
            BlockLease::Granted(block) => block.addresses,
            BlockLease::UsedUp(_) => 0,
        }
    }

    #[test]
    fn a_block_is_a_hundredth_or_what_is_needed_or_what_is_left() {
        let mut usage = CallerUsage::default();
        assert_eq!(addresses(usage.lease(ask(1000, 1), at(0))), 10);
        assert_eq!(addresses(usage.lease(ask(1000, 985), at(0))), 985);
        assert_eq!(addresses(usage.lease(ask(1000, 6), at(0))), 0);
        assert_eq!(addresses(usage.lease(ask(1000, 2), at(0))), 5, "the rest of the day");
        assert_eq!(addresses(usage.lease(ask(1000, 1), at(0))), 0);
        assert_eq!(addresses(CallerUsage::default().lease(ask(7, 1), at(0))), 1);
    }

    #[test]
    fn what_was_not_used_is_there_again_and_no_more_than_that() {
        let mut usage = CallerUsage::default();
        let BlockLease::Granted(block) = usage.lease(ask(10, 10), at(0)) else { panic!("free") };
        usage.give_back(block.slot, 4);
        usage.give_back(block.slot - 1, 4);
        assert_eq!(addresses(usage.lease(ask(10, 5), at(0))), 0);
        assert_eq!(addresses(usage.lease(ask(10, 4), at(0))), 4);
    }

    #[test]
    fn more_than_the_limit_never_fits_and_the_wait_it_names_is_enough() {
        let mut usage = CallerUsage::default();
        assert_eq!(usage.lease(ask(10, 11), at(0)), BlockLease::UsedUp(None));
        usage.lease(ask(10, 6), at(0));
        usage.lease(ask(10, 4), at(20_000));
        let BlockLease::UsedUp(Some(wait)) = usage.clone().lease(ask(10, 7), at(30_000)) else {
            panic!("it is used up")
        };
        let early = at(30_000) + wait - Duration::from_secs(1);
        assert_eq!(addresses(usage.clone().lease(ask(10, 7), early)), 0);
        assert_eq!(addresses(usage.lease(ask(10, 7), at(30_000) + wait)), 7);
        assert!(wait > Duration::from_secs(76_000), "{wait:?}");
    }

    #[test]
    fn no_day_holds_more_than_the_limit_however_late_a_block_is_used() {
        const DAY: u64 = 24 * 60 * 60;
        let mut usage = CallerUsage::default();
        let mut used: Vec<(u64, u64)> = Vec::new();
        // Each block is used in its last second.
        for second in (0..4 * DAY).step_by(61) {
            if let BlockLease::Granted(block) = usage.lease(ask(1000, 1), at(second)) {
                used.push((second + block.lasts.as_secs() - 1, block.addresses));
            }
        }
        for (begin, _) in &used {
            let within = used.iter().filter(|(it, _)| (*begin..begin + DAY).contains(it));
            let sum: u64 = within.map(|(_, addresses)| addresses).sum();
            assert!(sum <= 1000, "{sum} from second {begin} on");
        }
        let all: u64 = used.iter().map(|(_, addresses)| addresses).sum();
        assert!(all >= 3 * 1000, "{all} in four days");
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let mut usage = CallerUsage::default();
        usage.lease(ask(10, 5), at(10_000));
        assert_eq!(addresses(usage.lease(ask(10, 5), at(0))), 5);
        assert_eq!(usage.slots().len(), 1);
        assert_eq!(addresses(usage.lease(ask(10, 1), at(86_400))), 0);
    }
}
