//! Single flight: concurrent lookups of one name run once, and end even if every caller leaves.

use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::SetOnce;

use crate::address::DomainName;
use crate::dns::DnsFailure;

/// The result of a lookup.
pub(super) type LookupResult<F> = Result<Arc<F>, DnsFailure>;

/// A lookup's result, once it exists.
type FutureResult<F> = Arc<SetOnce<LookupResult<F>>>;

/// The lookups in flight, by name; bounded by the number that may run at once.
pub(super) struct SingleFlight<F> {
    by_name: Arc<Mutex<HashMap<DomainName, FutureResult<F>>>>,
}

/// Waits for the result of a lookup in flight.
pub(super) struct Waiter<F>(FutureResult<F>);

/// The duty to complete a lookup. Dropped without a result, it completes it with a failure.
pub(super) struct Leader<F> {
    name: DomainName,
    flights: SingleFlight<F>,
    result: FutureResult<F>,
}

impl<F> Default for SingleFlight<F> {
    fn default() -> Self {
        Self { by_name: Arc::default() }
    }
}

impl<F> SingleFlight<F> {
    /// Joins the lookup of `name`, if one is in flight.
    pub(super) fn join(&self, name: &DomainName) -> Option<Waiter<F>> {
        self.lock().get(name).cloned().map(Waiter)
    }

    /// Joins the lookup of `name`, or starts one: then the caller gets the duty to complete it.
    pub(super) fn join_or_start(&self, name: &DomainName) -> (Waiter<F>, Option<Leader<F>>) {
        let mut by_name = self.lock();
        if let Some(result) = by_name.get(name) {
            return (Waiter(Arc::clone(result)), None);
        }
        let result = FutureResult::default();
        by_name.insert(name.clone(), Arc::clone(&result));
        let flights = Self { by_name: Arc::clone(&self.by_name) };
        (Waiter(Arc::clone(&result)), Some(Leader { name: name.clone(), flights, result }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DomainName, FutureResult<F>>> {
        self.by_name.lock()
    }
}

impl<F> Waiter<F> {
    /// Waits for the lookup's result.
    pub(super) async fn result(self) -> LookupResult<F> {
        self.0.wait().await.clone()
    }
}

impl<F> Leader<F> {
    /// Completes the lookup.
    pub(super) fn complete(self, result: LookupResult<F>) {
        // Only the leader sets it, and this ends the leader.
        let _ = self.result.set(result);
    }
}

impl<F> Drop for Leader<F> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.name);
        if !self.result.initialized() {
            let failure = DnsFailure::Unreachable("the lookup ended without an answer".into());
            let _ = self.result.set(Err(failure));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lookup_has_one_leader_and_any_number_of_waiters() {
        let flights = SingleFlight::<u8>::default();
        let name = DomainName::from_ascii("a.example");
        assert!(flights.join(&name).is_none());
        let (first, leader) = flights.join_or_start(&name);
        let (second, no_leader) = flights.join_or_start(&name);
        assert!(no_leader.is_none());
        leader.unwrap().complete(Ok(Arc::new(7)));
        assert_eq!(first.result().await, Ok(Arc::new(7)));
        assert_eq!(second.result().await, Ok(Arc::new(7)));
        assert!(flights.join(&name).is_none());
    }

    #[tokio::test]
    async fn a_leader_that_vanishes_completes_the_lookup_with_a_failure() {
        let flights = SingleFlight::<u8>::default();
        let name = DomainName::from_ascii("a.example");
        let (waiter, leader) = flights.join_or_start(&name);
        let vanishing = async {
            tokio::task::yield_now().await;
            drop(leader);
        };
        let (result, ()) = tokio::join!(waiter.result(), vanishing);
        assert!(matches!(result, Err(DnsFailure::Unreachable(_))));
        assert!(flights.join_or_start(&name).1.is_some());
    }
}
