//! Load of each destination, so that a slow one takes no more than its share of the
//! worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};

use crate::address::DomainName;

/// The shortest time for which a chunk is put off.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// The addresses in flight at each destination.
pub(super) struct Destinations {
    most: usize,
    /// Time a destination takes for one address at its usual pace.
    pace: Duration,
    /// Processes that ask the same destinations through the same addresses, this one included.
    sharers: AtomicUsize,
    loads: Mutex<HashMap<DomainName, DestinationLoad>>,
}

#[derive(Debug, Default)]
struct DestinationLoad {
    /// Addresses that are being asked about.
    addresses: usize,
    /// Up to when what was put off fills the destination's time.
    booked_until: Option<SystemTime>,
}

/// A place for some addresses; given back when it is dropped.
pub(super) struct DestinationPermit {
    destinations: Arc<Destinations>,
    destination: DomainName,
    addresses: usize,
}

impl Destinations {
    /// Of one destination at most `most` addresses have a place at a time.
    pub(super) fn new(most: usize, pace: Duration) -> Arc<Self> {
        let sharers = AtomicUsize::new(1);
        Arc::new(Self { most, pace, sharers, loads: Mutex::new(HashMap::new()) })
    }

    /// Divides the places among `sharers` processes: what all of them together send to the one that
    /// holds a destination is what one process would.
    pub(super) fn share_among(&self, sharers: usize) {
        self.sharers.store(sharers.max(1), Ordering::Relaxed);
    }

    /// A place, or when to ask again. Those put off are given times one after the other, at the
    /// destination's pace, so that each asks again about once.
    pub(super) fn reserve(
        self: &Arc<Self>,
        destination: &DomainName,
        addresses: usize,
        now: SystemTime,
    ) -> Result<DestinationPermit, SystemTime> {
        let sharers = self.sharers.load(Ordering::Relaxed);
        let mut loads = self.lock();
        let entry = loads.entry(destination.clone()).or_default();
        if entry.addresses > 0 && entry.addresses + addresses > self.most / sharers {
            let from = entry.booked_until.map_or(now, |until| until.max(now));
            let count = u32::try_from(addresses * sharers).unwrap_or(u32::MAX);
            let until = from.max(now + SHORTEST_WAIT) + self.pace.saturating_mul(count);
            entry.booked_until = Some(until);
            return Err(until);
        }
        entry.addresses += addresses;
        Ok(DestinationPermit {
            destinations: Arc::clone(self),
            destination: destination.clone(),
            addresses,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DomainName, DestinationLoad>> {
        self.loads.lock()
    }
}

impl Drop for DestinationPermit {
    fn drop(&mut self) {
        let mut loads = self.destinations.lock();
        if let Some(entry) = loads.get_mut(&self.destination) {
            entry.addresses -= self.addresses;
            // Nobody waits: what was booked comes when it comes.
            if entry.addresses == 0 {
                loads.remove(&self.destination);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow() -> DomainName {
        DomainName::from_ascii("slow.example")
    }

    #[test]
    fn a_destination_has_its_share_and_no_more() {
        let destinations = Destinations::new(150, Duration::from_millis(20));
        let now = SystemTime::UNIX_EPOCH;
        let first = destinations.reserve(&slow(), 100, now).ok().unwrap();
        assert!(destinations.reserve(&slow(), 100, now).is_err());
        let other = DomainName::from_ascii("other.example");
        assert!(destinations.reserve(&other, 100, now).is_ok());
        drop(first);
        assert!(destinations.reserve(&slow(), 100, now).is_ok());
    }

    #[test]
    fn a_chunk_larger_than_the_share_still_has_its_turn() {
        let destinations = Destinations::new(10, Duration::from_millis(20));
        assert!(destinations.reserve(&slow(), 100, SystemTime::UNIX_EPOCH).is_ok());
    }

    #[test]
    fn processes_that_share_a_destination_have_one_share_together() {
        let destinations = Destinations::new(300, Duration::from_millis(20));
        destinations.share_among(3);
        let now = SystemTime::UNIX_EPOCH;
        let first = destinations.reserve(&slow(), 100, now).ok().unwrap();
        let later = destinations.reserve(&slow(), 100, now).err().unwrap();
        // The others put as much off, at the same pace.
        assert_eq!(later.duration_since(now).unwrap().as_secs(), 1 + 3 * 2);
        destinations.share_among(1);
        assert!(destinations.reserve(&slow(), 100, now).is_ok());
        drop(first);
    }

    #[test]
    fn those_put_off_come_back_one_after_the_other_at_the_destination_s_pace() {
        let destinations = Destinations::new(100, Duration::from_millis(20));
        let now = SystemTime::UNIX_EPOCH;
        let _permit = destinations.reserve(&slow(), 100, now).ok().unwrap();
        let after = |addresses| {
            let until = destinations.reserve(&slow(), addresses, now).err().unwrap();
            until.duration_since(now).unwrap().as_millis()
        };
        assert_eq!((after(100), after(100), after(50)), (3_000, 5_000, 6_000));
    }
}
