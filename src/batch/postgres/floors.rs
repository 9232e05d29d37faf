//! Where a search begins. What was done leaves dead rows behind, and as long as somebody has an old
//! snapshot open (a dump, a report) the database passes over each of them in every search. What
//! this process knows to be done for good is left out. Forgetting it costs time and nothing else.

use std::collections::{BTreeMap, HashMap};

/// Bits of a lease's name that count the leases of one membership; the rest is the membership.
pub(super) const LEASE_BITS: u32 = 36;

/// Batches of which something is remembered.
const BATCHES: usize = 64;

/// Members of which something is remembered for a batch.
const MEMBERS: usize = 64;

/// The floors of the batches that are worked on, by their numbers.
#[derive(Default)]
pub(super) struct Floors(HashMap<i64, BatchFloors>);

#[derive(Default)]
struct BatchFloors {
    /// By member.
    leases: BTreeMap<i64, LeaseFloor>,
    /// By group, the last chunk that came up of those that were never out.
    groups: HashMap<i64, i64>,
}

/// What is known of the leases that a member has of one batch. It names them in order.
#[derive(Clone, Copy)]
struct LeaseFloor {
    /// None before is there.
    first: i64,
    /// The last one seen.
    last: i64,
}

impl Floors {
    /// The names that leases of a batch may have: the first of each range, and the one after it.
    pub(super) fn lease_ranges(&self, batch: i64) -> (Vec<i64>, Vec<i64>) {
        let floors = self.0.get(&batch).map(|known| &known.leases);
        let members = || floors.into_iter().flatten();
        let firsts = members().map(|(_, floor)| floor.first);
        let ends = members().map(|(member, _)| member << LEASE_BITS);
        let first = std::iter::once(0).chain(firsts).collect();
        (first, ends.chain(std::iter::once(i64::MAX)).collect())
    }

    /// Notes all leases that a batch has, while it is locked.
    pub(super) fn note_leases(&mut self, batch: i64, names: impl Iterator<Item = i64>) {
        let floors = &mut self.batch(batch).leases;
        let mut seen: BTreeMap<i64, LeaseFloor> = BTreeMap::new();
        for name in names {
            let floor =
                seen.entry(name >> LEASE_BITS).or_insert(LeaseFloor { first: name, last: name });
            (floor.first, floor.last) = (floor.first.min(name), floor.last.max(name));
        }
        for (member, floor) in floors.iter_mut().filter(|(member, _)| !seen.contains_key(member)) {
            floor.first = floor.last + 1;
            debug_assert_eq!(floor.last >> LEASE_BITS, *member, "a lease is its member's");
        }
        floors.extend(seen);
        if floors.len() > MEMBERS {
            floors.clear();
        }
    }

    /// The chunks after which the next ones of groups come that were never out.
    pub(super) fn groups(&self, batch: i64, groups: &[i64]) -> Vec<i64> {
        let known = self.0.get(&batch);
        let last = |group| known.and_then(|known| known.groups.get(group)).copied().unwrap_or(-1);
        groups.iter().map(last).collect()
    }

    /// Notes that chunks came up, by group: of those that were never out the last ones.
    pub(super) fn note_groups(&mut self, batch: i64, last: HashMap<i64, i64>) {
        if !last.is_empty() {
            self.batch(batch).groups.extend(last);
        }
    }

    /// Forgets a batch.
    pub(super) fn forget(&mut self, batch: i64) {
        self.0.remove(&batch);
    }

    fn batch(&mut self, batch: i64) -> &mut BatchFloors {
        if self.0.len() >= BATCHES && !self.0.contains_key(&batch) {
            self.0.clear();
        }
        self.0.entry(batch).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(member: i64, count: i64) -> i64 {
        (member << LEASE_BITS) + count
    }

    /// `true` if a search finds a lease of batch 1.
    fn is_looked_at(floors: &Floors, name: i64) -> bool {
        let (firsts, ends) = floors.lease_ranges(1);
        firsts.iter().zip(&ends).any(|(first, end)| (*first..*end).contains(&name))
    }

    #[test]
    fn leases_that_ended_are_not_looked_at_again_and_all_others_are() {
        let mut floors = Floors::default();
        assert!(is_looked_at(&floors, name(3, 0)), "nothing is known yet");
        floors.note_leases(1, [name(3, 7), name(3, 9), name(5, 2)].into_iter());
        for (there, claim) in [
            (name(2, 100), "one of an older member"),
            (name(3, 7), "the first"),
            (name(3, 8), "one between"),
            (name(3, 100), "a later one"),
            (name(4, 0), "one of a member that was not seen"),
            (name(5, 2), "another member's"),
            (name(6, 0), "one of a newer member"),
        ] {
            assert!(is_looked_at(&floors, there), "{claim}");
        }
        assert!(!is_looked_at(&floors, name(3, 6)));
        assert!(!is_looked_at(&floors, name(5, 1)));
    }

    #[test]
    fn a_member_without_leases_goes_on_after_its_last() {
        let mut floors = Floors::default();
        floors.note_leases(1, [name(3, 7), name(3, 9)].into_iter());
        floors.note_leases(1, std::iter::empty());
        assert!(!is_looked_at(&floors, name(3, 9)));
        assert!(is_looked_at(&floors, name(3, 10)));
        assert!(is_looked_at(&floors, name(2, 0)) && is_looked_at(&floors, name(4, 0)));
    }

    #[test]
    fn what_is_known_of_one_batch_says_nothing_of_another() {
        let mut floors = Floors::default();
        floors.note_leases(2, [name(3, 7)].into_iter());
        floors.note_groups(2, HashMap::from([(8, 500)]));
        assert!(is_looked_at(&floors, name(3, 6)));
        assert_eq!(floors.groups(1, &[8]), [-1]);
        assert_eq!(floors.groups(2, &[8, 9]), [500, -1]);
        floors.forget(2);
        assert_eq!(floors.groups(2, &[8]), [-1]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut floors = Floors::default();
        for batch in 0..1_000 {
            floors.note_leases(batch, [name(1, batch)].into_iter());
        }
        assert!(floors.0.len() <= BATCHES);
        floors.note_leases(1, (0..1_000).map(|member| name(member, 1)));
        assert!(floors.lease_ranges(1).0.len() <= MEMBERS + 1);
        assert!(is_looked_at(&floors, name(3, 0)), "what was forgotten is looked at");
    }
}
