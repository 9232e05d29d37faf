//! Counts the local parts each caller has asked about, by domain. Pure, bounded, without the local
//! parts themselves: only keyed hashes of them are kept, for an hour.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime};

/// Time a local part counts, from the first one asked about at its domain.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Most hashes kept for all callers together, about 32 MB. With more, the domains with the
/// fewest are forgotten: those are the innocent ones. So no caller is ever refused wrongly.
const MOST: usize = 1_000_000;

/// Local parts asked about, by (caller, domain).
#[derive(Debug, Default)]
pub(super) struct LocalPartCounter {
    hasher: RandomState,
    by_domain: HashMap<u64, LocalParts>,
    total: usize,
}

#[derive(Debug)]
struct LocalParts {
    since: SystemTime,
    hashes: HashSet<u64>,
}

impl LocalParts {
    fn is_over(&self, now: SystemTime) -> bool {
        now.duration_since(self.since).is_ok_and(|age| age >= HOUR)
    }
}

impl LocalPartCounter {
    /// Counts a local part at a domain if no more than `cap` different ones then count (0: no cap).
    /// Else says how long until the hour is over.
    pub(super) fn count(
        &mut self,
        caller: &str,
        domain: &str,
        local: &str,
        cap: u32,
        now: SystemTime,
    ) -> Result<(), Duration> {
        if cap == 0 {
            return Ok(());
        }
        let local = self.hasher.hash_one(local.to_lowercase());
        let key = self.hasher.hash_one((caller, domain));
        let parts = self
            .by_domain
            .entry(key)
            .or_insert_with(|| LocalParts { since: now, hashes: HashSet::new() });
        if parts.is_over(now) {
            self.total -= parts.hashes.len();
            *parts = LocalParts { since: now, hashes: HashSet::new() };
        }
        if parts.hashes.contains(&local) {
            return Ok(());
        }
        if parts.hashes.len() >= cap as usize {
            let age = now.duration_since(parts.since).unwrap_or_default();
            return Err(HOUR.saturating_sub(age));
        }
        parts.hashes.insert(local);
        self.total += 1;
        if self.total > MOST {
            self.make_room(now);
        }
        Ok(())
    }

    /// Forgets what is over, and then the domains with the fewest local parts until half is free.
    fn make_room(&mut self, now: SystemTime) {
        self.by_domain.retain(|_, parts| !parts.is_over(now));
        let mut fewest = 1;
        loop {
            self.total = self.by_domain.values().map(|parts| parts.hashes.len()).sum();
            if self.total <= MOST / 2 {
                break;
            }
            self.by_domain.retain(|_, parts| parts.hashes.len() > fewest);
            fewest *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_domain_has_so_many_local_parts_an_hour_and_the_same_one_counts_once() {
        let mut counter = LocalPartCounter::default();
        for round in 0..3 {
            for n in 0..10 {
                let local = format!("Name{n}");
                assert!(counter.count("crm", "a.test", &local, 10, at(round)).is_ok());
                assert!(
                    counter.count("crm", "a.test", &local.to_lowercase(), 10, at(round)).is_ok()
                );
            }
        }
        let wait = counter.count("crm", "a.test", "eleventh", 10, at(600)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(3000));
        assert!(counter.count("crm", "b.test", "eleventh", 10, at(600)).is_ok());
        assert!(counter.count("erp", "a.test", "eleventh", 10, at(600)).is_ok());
        assert!(counter.count("crm", "a.test", "eleventh", 10, at(600) + wait).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_the_domain_that_is_harvested_is_the_last_to_be_forgotten() {
        let mut counter = LocalPartCounter::default();
        for n in 0..1000 {
            counter.count("x", "victim.test", &n.to_string(), 1000, at(0)).unwrap();
        }
        for n in 0..MOST + 10 {
            counter.count("crm", &format!("d{n}.test"), "info", 1000, at(1)).unwrap();
        }
        assert!(counter.total <= MOST && counter.by_domain.len() <= MOST, "{}", counter.total);
        assert!(counter.count("x", "victim.test", "one more", 1000, at(2)).is_err());
    }
}
