//! Remembers what the leases of this process hold, so that it is not read a second time when
//! results come for them. Whatever is not remembered is read.

use std::collections::HashMap;

use crate::batch::queue::LeaseId;

/// Items that are remembered. A process works on a few thousand at a time.
const REMEMBERED: usize = 100_000;

/// An item that is out.
pub(super) struct LeasedItem {
    pub(super) item: i64,
    pub(super) address: String,
    /// Number of its rows beside the first.
    pub(super) copies: u64,
}

/// The items of leases.
#[derive(Default)]
pub(super) struct LeasedItems {
    leases: HashMap<LeaseId, OfLease>,
    items: usize,
}

struct OfLease {
    batch: i64,
    items: Vec<LeasedItem>,
}

impl LeasedItems {
    /// Remembers what a lease of a batch holds.
    pub(super) fn remember(&mut self, batch: i64, lease: LeaseId, items: Vec<LeasedItem>) {
        if self.items + items.len() > REMEMBERED {
            (self.leases, self.items) = (HashMap::new(), 0);
        }
        self.items += items.len();
        self.leases.insert(lease, OfLease { batch, items });
    }

    /// What a lease holds, if it is remembered.
    pub(super) fn of(&self, lease: LeaseId) -> Option<&[LeasedItem]> {
        self.leases.get(&lease).map(|of| of.items.as_slice())
    }

    /// Forgets a lease that is over.
    pub(super) fn end(&mut self, lease: LeaseId) {
        if let Some(of) = self.leases.remove(&lease) {
            self.items -= of.items.len();
        }
    }

    /// Forgets the leases of a batch.
    pub(super) fn forget(&mut self, batch: i64) {
        self.leases.retain(|_, of| of.batch != batch);
        self.items = self.leases.values().map(|of| of.items.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(numbers: impl IntoIterator<Item = i64>) -> Vec<LeasedItem> {
        let item = |item| LeasedItem { item, address: format!("u{item}@a.example"), copies: 1 };
        numbers.into_iter().map(item).collect()
    }

    /// The items that are remembered of a lease.
    fn recalled(remembered: &LeasedItems, lease: u64) -> Option<Vec<i64>> {
        Some(remembered.of(LeaseId(lease))?.iter().map(|item| item.item).collect())
    }

    #[test]
    fn what_a_lease_holds_is_remembered_until_it_or_its_batch_is_over() {
        let mut remembered = LeasedItems::default();
        remembered.remember(1, LeaseId(10), items([1, 2]));
        remembered.remember(1, LeaseId(11), items([3]));
        remembered.remember(2, LeaseId(20), items([1]));
        assert_eq!(recalled(&remembered, 10), Some(vec![1, 2]));
        remembered.end(LeaseId(10));
        assert_eq!(recalled(&remembered, 10), None);
        assert_eq!(recalled(&remembered, 11), Some(vec![3]));
        remembered.forget(1);
        assert_eq!(recalled(&remembered, 11), None);
        assert_eq!(recalled(&remembered, 20), Some(vec![1]));
        assert_eq!(remembered.items, 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut remembered = LeasedItems::default();
        for lease in 0..3_000 {
            remembered.remember(1, LeaseId(lease), items(0..100));
            assert!(remembered.items <= REMEMBERED);
        }
        assert_eq!(recalled(&remembered, 0), None);
        assert_eq!(recalled(&remembered, 2_999).map(|items| items.len()), Some(100));
    }
}
