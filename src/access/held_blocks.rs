//! The addresses that this process holds for its callers, out of what all replicas share. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::caller_usage::AddressBlock;

/// Most callers for whom something is held; what is held for one more is lost.
const MOST: usize = 10_000;

/// Time for which a refusal is believed: another replica may give something back.
const BELIEVED: Duration = Duration::from_secs(5);

/// Time after which a caller that asks no more needs nothing.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// The next step for a caller that wants addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockDecision {
    /// They were taken from what is held.
    Taken,
    /// At least so many more have to be leased.
    Lease(u64),
    /// There are none, for so long.
    UsedUp(Duration),
}

/// Addresses that are given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedBlock {
    /// The caller they were held for.
    pub caller: Arc<str>,
    /// The slot that they count in.
    pub slot: i64,
    /// How many they are.
    pub addresses: u64,
}

/// The rest of a block.
#[derive(Debug)]
struct HeldBlock {
    slot: i64,
    size: u64,
    left: u64,
    ends_at: SystemTime,
}

/// A request that was refused.
#[derive(Debug)]
struct RefusedRequest {
    least: u64,
    refused_at: SystemTime,
    retry_at: SystemTime,
}

/// All that is held for one caller.
#[derive(Debug)]
struct CallerBlocks {
    blocks: Vec<HeldBlock>,
    refused: Option<RefusedRequest>,
    last_used: SystemTime,
}

/// The blocks that this process holds, by the callers' names.
#[derive(Debug, Default)]
pub struct HeldBlocks {
    by_caller: HashMap<Arc<str>, CallerBlocks>,
}

impl HeldBlocks {
    /// Takes addresses from what is held for the caller: all of them, or none.
    pub fn take(&mut self, caller: &Arc<str>, addresses: u64, now: SystemTime) -> BlockDecision {
        let Some(held) = self.by_caller.get_mut(caller) else {
            return BlockDecision::Lease(addresses);
        };
        held.last_used = now;
        let usable = || held.blocks.iter().filter(|block| now < block.ends_at);
        let left: u64 = usable().map(|block| block.left).sum();
        if let Some(lacking) = addresses.checked_sub(left).filter(|lacking| *lacking > 0) {
            let refused = held.refused.as_ref().filter(|it| it.still_holds(lacking, now));
            let wait = refused.map(|it| it.retry_at.duration_since(now).unwrap_or_default());
            return wait.map_or(BlockDecision::Lease(lacking), BlockDecision::UsedUp);
        }
        let mut open = addresses;
        for block in held.blocks.iter_mut().filter(|block| now < block.ends_at) {
            let used = block.left.min(open);
            block.left -= used;
            open -= used;
        }
        BlockDecision::Taken
    }

    /// Puts addresses back that were taken and are not needed after all. What a block that is over
    /// held is lost.
    pub fn put_back(&mut self, caller: &Arc<str>, addresses: u64, now: SystemTime) {
        let Some(held) = self.by_caller.get_mut(caller) else { return };
        let mut open = addresses;
        for block in held.blocks.iter_mut().rev().filter(|block| now < block.ends_at) {
            let back = open.min(block.size - block.left);
            block.left += back;
            open -= back;
        }
    }

    /// Holds a block that was asked for at `asked_at`.
    pub fn add(&mut self, caller: &Arc<str>, block: AddressBlock, asked_at: SystemTime) {
        let AddressBlock { slot, addresses, lasts } = block;
        if let Some(held) = self.for_caller(caller, asked_at) {
            held.refused = None;
            let ends_at = asked_at + lasts;
            match held.blocks.iter_mut().find(|block| block.slot == slot) {
                Some(block) => {
                    block.size += addresses;
                    block.left += addresses;
                    block.ends_at = block.ends_at.min(ends_at);
                }
                None => {
                    held.blocks.push(HeldBlock { slot, size: addresses, left: addresses, ends_at });
                }
            }
        }
    }

    /// Notes that `least` addresses were refused to the caller for so long.
    pub fn note_refusal(
        &mut self,
        caller: &Arc<str>,
        least: u64,
        retry_after: Duration,
        now: SystemTime,
    ) {
        if let Some(held) = self.for_caller(caller, now) {
            let retry_at = now + retry_after;
            held.refused = Some(RefusedRequest { least, refused_at: now, retry_at });
        }
    }

    /// Removes what may not be used any more, and what is held for callers that ask no more.
    pub fn remove_unused(&mut self, now: SystemTime) -> Vec<UnusedBlock> {
        let mut unused = Vec::new();
        self.by_caller.retain(|caller, held| {
            let is_idle = now.duration_since(held.last_used).is_ok_and(|idle| idle >= IDLE);
            held.blocks.retain(|block| {
                let is_kept = !is_idle && now < block.ends_at;
                if !is_kept {
                    unused.extend(block.given_back(caller));
                }
                is_kept
            });
            !is_idle
        });
        unused
    }

    /// Removes all that is held.
    pub fn remove_all(&mut self) -> Vec<UnusedBlock> {
        let all = self.by_caller.drain();
        let given_back = |(caller, held): (Arc<str>, CallerBlocks)| {
            held.blocks.iter().filter_map(|block| block.given_back(&caller)).collect::<Vec<_>>()
        };
        all.flat_map(given_back).collect()
    }

    fn for_caller(&mut self, caller: &Arc<str>, now: SystemTime) -> Option<&mut CallerBlocks> {
        if self.by_caller.len() >= MOST && !self.by_caller.contains_key(caller) {
            return None;
        }
        let new = || CallerBlocks { blocks: Vec::new(), refused: None, last_used: now };
        Some(self.by_caller.entry(Arc::clone(caller)).or_insert_with(new))
    }
}

impl HeldBlock {
    /// What is left of it, if anything is.
    fn given_back(&self, caller: &Arc<str>) -> Option<UnusedBlock> {
        let (caller, slot, addresses) = (Arc::clone(caller), self.slot, self.left);
        (addresses > 0).then_some(UnusedBlock { caller, slot, addresses })
    }
}

impl RefusedRequest {
    fn still_holds(&self, least: u64, now: SystemTime) -> bool {
        let is_fresh = now.duration_since(self.refused_at).is_ok_and(|age| age < BELIEVED);
        least >= self.least && now < self.retry_at && is_fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn block(slot: i64, addresses: u64, lasts: u64) -> AddressBlock {
        AddressBlock { slot, addresses, lasts: Duration::from_secs(lasts) }
    }

    #[test]
    fn addresses_come_from_what_is_held_all_or_none() {
        let (mut held, crm): (_, Arc<str>) = (HeldBlocks::default(), "crm".into());
        assert_eq!(held.take(&crm, 3, at(0)), BlockDecision::Lease(3));
        held.add(&crm, block(7, 10, 100), at(0));
        assert_eq!(held.take(&crm, 8, at(1)), BlockDecision::Taken);
        assert_eq!(held.take(&crm, 5, at(1)), BlockDecision::Lease(3));
        assert_eq!(held.take(&"erp".into(), 1, at(1)), BlockDecision::Lease(1));
        held.add(&crm, block(8, 5, 100), at(2));
        assert_eq!(held.take(&crm, 3, at(2)), BlockDecision::Taken);
        let left = held.remove_all();
        assert_eq!(left, [UnusedBlock { caller: crm, slot: 8, addresses: 4 }]);
    }

    #[test]
    fn addresses_are_put_back_where_they_came_from_while_that_lasts() {
        let (mut held, crm): (_, Arc<str>) = (HeldBlocks::default(), "crm".into());
        held.add(&crm, block(7, 10, 100), at(0));
        held.add(&crm, block(8, 10, 1000), at(0));
        assert_eq!(held.take(&crm, 20, at(1)), BlockDecision::Taken);
        assert_eq!(held.remove_unused(at(1)), [], "nothing is left");
        held.put_back(&crm, 13, at(1));
        assert_eq!(held.take(&crm, 14, at(1)), BlockDecision::Lease(1));
        assert_eq!(held.take(&crm, 13, at(1)), BlockDecision::Taken);
        held.put_back(&crm, 1000, at(100));
        held.put_back(&"erp".into(), 5, at(100));
        assert_eq!(held.take(&crm, 11, at(100)), BlockDecision::Lease(1), "one block is over");
        let left = held.remove_all();
        let last = |slot, addresses| UnusedBlock { caller: "crm".into(), slot, addresses };
        assert_eq!(left, [last(8, 10)]);
    }

    #[test]
    fn a_block_that_is_over_is_used_no_more_and_is_given_back_as_that_of_an_idle_caller_is() {
        let (mut held, crm): (_, Arc<str>) = (HeldBlocks::default(), "crm".into());
        held.add(&crm, block(7, 10, 100), at(0));
        held.add(&crm, block(8, 20, 1000), at(0));
        assert_eq!(held.take(&crm, 30, at(100)), BlockDecision::Lease(10));
        let over = |slot, addresses| UnusedBlock { caller: "crm".into(), slot, addresses };
        assert_eq!(held.remove_unused(at(100)), [over(7, 10)]);
        assert_eq!(held.take(&crm, 1, at(150)), BlockDecision::Taken);
        assert_eq!(held.remove_unused(at(449)), []);
        assert_eq!(held.remove_unused(at(450)), [over(8, 19)]);
        assert!(held.by_caller.is_empty());
    }

    #[test]
    fn a_refusal_is_believed_for_seconds_and_for_no_smaller_request() {
        let (mut held, crm): (_, Arc<str>) = (HeldBlocks::default(), "crm".into());
        held.note_refusal(&crm, 5, Duration::from_secs(3600), at(0));
        let refused = BlockDecision::UsedUp(Duration::from_secs(3599));
        assert_eq!(held.take(&crm, 5, at(1)), refused);
        assert_eq!(held.take(&crm, 4, at(1)), BlockDecision::Lease(4));
        assert_eq!(held.take(&crm, 5, at(5)), BlockDecision::Lease(5));
    }
}
