//! Counts the local parts each caller has asked about, by domain. Pure, bounded, without the local
//! parts themselves: only keyed hashes of them are kept, for an hour.
//!
//! Replicas that share a database hash with one key, and add each other's hashes to their own: a
//! local part that two of them are asked about counts once.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime};

use ring::hmac;

use super::harvest_report::SharedParts;

/// Time a local part counts, from the first one asked about at its domain.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Most hashes kept for all callers together, about 32 MB. With more, the domains with the
/// fewest are forgotten: those are the innocent ones. So no caller is ever refused wrongly.
const MOST: usize = 1_000_000;

/// The part of a cap from which on other replicas are told: so many below it stay unknown to them.
const TOLD_FROM: usize = 20;

/// Local parts asked about, by (caller, domain).
#[derive(Debug, Default)]
pub(super) struct LocalPartCounter {
    hasher: PartHasher,
    by_domain: HashMap<u64, LocalParts>,
    total: usize,
    /// The domains that others are to be told about.
    to_tell: HashSet<u64>,
}

/// Hashes names under a key of this process, or under one that replicas share.
#[derive(Debug)]
enum PartHasher {
    Own(RandomState),
    Shared(Box<hmac::Key>),
}

impl Default for PartHasher {
    fn default() -> Self {
        Self::Own(RandomState::new())
    }
}

impl PartHasher {
    fn hash(&self, names: &[&str]) -> u64 {
        let key = match self {
            Self::Own(state) => return state.hash_one(names),
            Self::Shared(key) => key,
        };
        let mut context = hmac::Context::with_key(key);
        for name in names {
            context.update(name.as_bytes());
            context.update(&[0]);
        }
        let mut hash = [0; 8];
        hash.copy_from_slice(&context.sign().as_ref()[..8]);
        u64::from_be_bytes(hash)
    }
}

#[derive(Debug)]
struct LocalParts {
    since: SystemTime,
    hashes: HashSet<u64>,
    /// Those that other replicas were not told of; `None`: there are too few of them.
    untold: Option<Vec<u64>>,
}

impl LocalParts {
    fn new(since: SystemTime) -> Self {
        Self { since, hashes: HashSet::new(), untold: None }
    }

    fn is_over(&self, now: SystemTime) -> bool {
        now.duration_since(self.since).is_ok_and(|age| age >= HOUR)
    }

    /// Time until the hour is over.
    fn time_left(&self, now: SystemTime) -> Duration {
        HOUR.saturating_sub(now.duration_since(self.since).unwrap_or_default())
    }
}

impl LocalPartCounter {
    /// A counter whose hashes mean the same at all replicas that have this secret.
    pub(super) fn shared(secret: &[u8]) -> Self {
        let key = Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret));
        Self { hasher: PartHasher::Shared(key), ..Self::default() }
    }

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
        let local = self.hasher.hash(&[&local.to_lowercase()]);
        let key = self.hasher.hash(&[caller, domain]);
        let parts = self.by_domain.entry(key).or_insert_with(|| LocalParts::new(now));
        if parts.is_over(now) {
            self.total -= parts.hashes.len();
            *parts = LocalParts::new(now);
        }
        if parts.hashes.contains(&local) {
            return Ok(());
        }
        if parts.hashes.len() >= cap as usize {
            return Err(parts.time_left(now));
        }
        parts.hashes.insert(local);
        self.total += 1;
        let is_shared = matches!(self.hasher, PartHasher::Shared(_));
        if is_shared && parts.hashes.len() * TOLD_FROM >= cap as usize {
            match &mut parts.untold {
                Some(untold) => untold.push(local),
                untold => *untold = Some(parts.hashes.iter().copied().collect()),
            }
            self.to_tell.insert(key);
        }
        if self.total > MOST {
            self.make_room(now);
        }
        Ok(())
    }

    /// Checks that [`Self::count`] would count all of these local parts at a domain, which are in
    /// lower case, and counts none. Else says how long until the hour is over; `None` if they alone
    /// are more than `cap`.
    pub(super) fn check(
        &self,
        caller: &str,
        domain: &str,
        locals: &HashSet<String>,
        cap: u32,
        now: SystemTime,
    ) -> Result<(), Option<Duration>> {
        if cap == 0 {
            return Ok(());
        }
        if locals.len() > cap as usize {
            return Err(None);
        }
        let key = self.hasher.hash(&[caller, domain]);
        let known = self.by_domain.get(&key).filter(|parts| !parts.is_over(now));
        let Some(parts) = known else { return Ok(()) };
        let room = (cap as usize).saturating_sub(parts.hashes.len());
        let is_new = |local: &&String| !parts.hashes.contains(&self.hasher.hash(&[local.as_str()]));
        if locals.len() <= room || locals.iter().filter(is_new).count() <= room {
            return Ok(());
        }
        Err(Some(parts.time_left(now)))
    }

    /// The local parts that other replicas have not been told of.
    pub(super) fn parts_to_tell(&mut self) -> Vec<SharedParts> {
        let mut told = Vec::new();
        for domain in std::mem::take(&mut self.to_tell) {
            let Some(known) = self.by_domain.get_mut(&domain) else { continue };
            let parts = known.untold.replace(Vec::new()).unwrap_or_default();
            told.push(SharedParts { domain, since: known.since, parts });
        }
        told
    }

    /// Adds local parts that another replica was asked about.
    pub(super) fn merge(&mut self, other: &SharedParts, now: SystemTime) {
        let is_over = now.duration_since(other.since).is_ok_and(|age| age >= HOUR);
        if is_over {
            return;
        }
        let new = || LocalParts::new(other.since);
        let known = self.by_domain.entry(other.domain).or_insert_with(new);
        if known.is_over(now) {
            self.total -= known.hashes.len();
            *known = new();
        }
        known.since = known.since.min(other.since);
        for part in &other.parts {
            self.total += usize::from(known.hashes.insert(*part));
        }
        if self.total > MOST {
            self.make_room(now);
        }
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
    fn a_page_is_checked_as_it_would_be_counted_and_nothing_of_it_counts() {
        let mut counter = LocalPartCounter::default();
        let page = |names: &[&str]| -> HashSet<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        for name in ["a", "b"] {
            counter.count("crm", "a.test", name, 3, at(0)).unwrap();
        }
        let check = |names: &[&str], now| counter.check("crm", "a.test", &page(names), 3, at(now));
        for _ in 0..2 {
            assert_eq!(check(&["a", "b", "c"], 600), Ok(()), "two of them count already");
            assert_eq!(check(&["c", "d"], 600), Err(Some(Duration::from_secs(3000))));
            assert_eq!(check(&["a", "b", "c", "d"], 600), Err(None), "the next hour has no more");
            assert_eq!(check(&["c", "d", "e"], 3600), Ok(()));
        }
        assert_eq!(counter.total, 2);
        assert_eq!(counter.check("crm", "a.test", &page(&["c", "d", "e", "f"]), 0, at(0)), Ok(()));
    }

    fn replica() -> LocalPartCounter {
        LocalPartCounter::shared(&[7; 16])
    }

    #[test]
    fn names_asked_about_at_two_replicas_count_at_both_and_the_same_one_once() {
        let (mut one, mut two) = (replica(), replica());
        for n in 0..60 {
            one.count("crm", "a.test", &n.to_string(), 100, at(0)).unwrap();
            two.count("crm", "a.test", &(n + 30).to_string(), 100, at(600)).unwrap();
        }
        let (from_one, from_two) = (one.parts_to_tell(), two.parts_to_tell());
        for _ in 0..2 {
            from_one.iter().for_each(|parts| two.merge(parts, at(700)));
            from_two.iter().for_each(|parts| one.merge(parts, at(700)));
        }
        for counter in [&mut one, &mut two] {
            for n in 90..100 {
                counter.count("crm", "a.test", &n.to_string(), 100, at(700)).unwrap();
            }
            let wait = counter.count("crm", "a.test", "more", 100, at(700)).unwrap_err();
            assert_eq!(wait, Duration::from_secs(2900), "from the first name at any of them");
            assert!(counter.count("crm", "a.test", "59", 100, at(700)).is_ok());
            assert!(counter.count("erp", "a.test", "more", 100, at(700)).is_ok());
        }
        assert_eq!(one.parts_to_tell()[0].parts.len(), 10, "each is told once");
    }

    #[test]
    fn few_names_at_a_domain_and_names_of_an_hour_ago_are_not_told_and_not_counted() {
        let (mut one, mut two) = (replica(), replica());
        for n in 0..4 {
            one.count("crm", "a.test", &n.to_string(), 100, at(0)).unwrap();
        }
        assert_eq!(one.parts_to_tell(), []);
        one.count("crm", "a.test", "fifth", 100, at(0)).unwrap();
        let told = one.parts_to_tell();
        assert_eq!(told[0].parts.len(), 5);
        two.merge(&told[0], at(3600));
        assert_eq!((two.total, two.by_domain.len()), (0, 0));
        two.merge(&told[0], at(3599));
        assert_eq!(two.total, 5);
        assert_eq!(LocalPartCounter::default().parts_to_tell(), []);
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
