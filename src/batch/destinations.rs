//! Load of each destination, so that a slow one takes no more than its share of the
//! worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};

use crate::address::DomainName;
use crate::campaign::BatchId;

/// The shortest time for which a chunk is put off.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// The time that is booked ahead. A chunk's time is kept on disk, so what comes later is put off
/// by half of this to all of it, and booked at the pace and among the processes of then. Each such
/// time costs a lease and a look-up of the domain.
const BOOKED_AHEAD: Duration = Duration::from_secs(4 * 60 * 60);

/// The most that lies between two chunks that are put off without a booking. In steps of a slow
/// destination's own time they would come again in a few heaps.
const SPREAD_STEP: Duration = Duration::from_secs(1);

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
    bookings: HashMap<Booker, Booking>,
}

/// What of one booker was put off.
#[derive(Debug)]
struct Booking {
    /// Up to when it fills the destination's time.
    until: SystemTime,
    /// Where in the second half of [`BOOKED_AHEAD`] what was not booked last comes again: not all
    /// of it at once.
    spread: Duration,
}

/// A list, and the number of the egress identity that asks for it. One booking for all lists would
/// let a list of ten wait behind what a list of a million has booked; one for all identities would
/// give them the pace of one.
pub(super) type Booker = (BatchId, usize);

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

    /// A place, or when to ask again. What is put off for one booker is given times one after the
    /// other, at the destination's pace, so that each asks again about once when it is booked.
    pub(super) fn reserve(
        self: &Arc<Self>,
        destination: &DomainName,
        booker: &Booker,
        addresses: usize,
        now: SystemTime,
    ) -> Result<DestinationPermit, SystemTime> {
        let sharers = self.sharers.load(Ordering::Relaxed);
        let mut loads = self.lock();
        let entry = loads.entry(destination.clone()).or_default();
        if entry.addresses > 0 && entry.addresses + addresses > self.most / sharers {
            let count = u32::try_from(addresses * sharers).unwrap_or(u32::MAX);
            return Err(entry.book(booker, self.pace.saturating_mul(count), now));
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

impl DestinationLoad {
    /// Books `time` behind what `booker` has booked; the time to come again is
    /// returned.
    fn book(&mut self, booker: &Booker, time: Duration, now: SystemTime) -> SystemTime {
        // Those of which nothing waits any more.
        self.bookings.retain(|_, booking| booking.until > now);
        let earliest = now + SHORTEST_WAIT;
        let booking = self.bookings.entry(booker.clone());
        let booking = booking.or_insert(Booking { until: earliest, spread: Duration::ZERO });
        let until = booking.until.max(earliest) + time;
        if until <= now + BOOKED_AHEAD || booking.until <= earliest {
            booking.until = until;
            return until;
        }
        let half = BOOKED_AHEAD / 2;
        booking.spread += time.min(SPREAD_STEP);
        if booking.spread >= half {
            booking.spread = Duration::ZERO;
        }
        now + half + booking.spread
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

    fn list() -> Booker {
        (BatchId::parse("00000000-0000-7000-8000-000000000001").unwrap(), 0)
    }

    #[test]
    fn a_destination_has_its_share_and_no_more() {
        let destinations = Destinations::new(150, Duration::from_millis(20));
        let now = SystemTime::UNIX_EPOCH;
        let first = destinations.reserve(&slow(), &list(), 100, now).ok().unwrap();
        assert!(destinations.reserve(&slow(), &list(), 100, now).is_err());
        let other = DomainName::from_ascii("other.example");
        assert!(destinations.reserve(&other, &list(), 100, now).is_ok());
        drop(first);
        assert!(destinations.reserve(&slow(), &list(), 100, now).is_ok());
    }

    #[test]
    fn a_chunk_larger_than_the_share_still_has_its_turn() {
        let destinations = Destinations::new(10, Duration::from_millis(20));
        assert!(destinations.reserve(&slow(), &list(), 100, SystemTime::UNIX_EPOCH).is_ok());
    }

    #[test]
    fn processes_that_share_a_destination_have_one_share_together() {
        let destinations = Destinations::new(300, Duration::from_millis(20));
        destinations.share_among(3);
        let now = SystemTime::UNIX_EPOCH;
        let first = destinations.reserve(&slow(), &list(), 100, now).ok().unwrap();
        let later = destinations.reserve(&slow(), &list(), 100, now).err().unwrap();
        // The others put as much off, at the same pace.
        assert_eq!(later.duration_since(now).unwrap().as_secs(), 1 + 3 * 2);
        destinations.share_among(1);
        assert!(destinations.reserve(&slow(), &list(), 100, now).is_ok());
        drop(first);
    }

    #[test]
    fn those_put_off_come_back_one_after_the_other_at_the_destination_s_pace() {
        let destinations = Destinations::new(100, Duration::from_millis(20));
        let now = SystemTime::UNIX_EPOCH;
        let _permit = destinations.reserve(&slow(), &list(), 100, now).ok().unwrap();
        let after = |addresses| {
            let until = destinations.reserve(&slow(), &list(), addresses, now).err().unwrap();
            until.duration_since(now).unwrap().as_millis()
        };
        assert_eq!((after(100), after(100), after(50)), (3_000, 5_000, 6_000));
    }

    #[test]
    fn a_list_does_not_wait_for_what_another_one_has_booked() {
        let destinations = Destinations::new(100, Duration::from_millis(20));
        let now = SystemTime::UNIX_EPOCH;
        let permit = destinations.reserve(&slow(), &list(), 100, now).ok().unwrap();
        for _ in 0..10_000 {
            assert!(destinations.reserve(&slow(), &list(), 100, now).is_err());
        }
        let small = (BatchId::parse("00000000-0000-7000-8000-000000000002").unwrap(), 0);
        let until = destinations.reserve(&slow(), &small, 1, now).err().unwrap();
        assert_eq!(until.duration_since(now).unwrap().as_millis(), 1_020);
        drop(permit);
        assert!(destinations.reserve(&slow(), &small, 1, until).is_ok());
    }

    #[test]
    fn each_identity_has_the_destination_s_pace_for_itself() {
        let destinations = Destinations::new(100, Duration::from_millis(20));
        let now = SystemTime::UNIX_EPOCH;
        let _permit = destinations.reserve(&slow(), &list(), 100, now).ok().unwrap();
        let after = |identity| {
            let (batch, _) = list();
            let until = destinations.reserve(&slow(), &(batch, identity), 100, now).err().unwrap();
            until.duration_since(now).unwrap().as_millis()
        };
        assert_eq!((after(0), after(1), after(0), after(1)), (3_000, 3_000, 5_000, 5_000));
    }

    #[test]
    fn four_hours_are_booked_ahead_and_what_comes_later_is_booked_in_its_time() {
        let minute = Duration::from_secs(60);
        let destinations = Destinations::new(100, minute / 100);
        let now = SystemTime::UNIX_EPOCH;
        let _permit = destinations.reserve(&slow(), &list(), 100, now).ok().unwrap();
        let after = |now: SystemTime| {
            let until = destinations.reserve(&slow(), &list(), 100, now).err().unwrap();
            until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
        };
        let booked: Vec<u64> = (0..239).map(|_| after(now)).collect();
        assert_eq!(booked, (1..240).map(|chunk| 1 + chunk * 60).collect::<Vec<u64>>());
        let put_off: Vec<u64> = (0..14_400).map(|_| after(now)).collect();
        assert_eq!(put_off[..7_200], (7_201..14_400).chain([7_200]).collect::<Vec<u64>>());
        assert_eq!(put_off[..7_200], put_off[7_200..], "spread over two hours");
        assert_eq!(after(now + minute * 121), 1 + 240 * 60, "behind what was booked");
    }
}
