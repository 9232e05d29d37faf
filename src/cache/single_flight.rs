//! Single flight: concurrent lookups of one name run once, and end even if every caller leaves.

use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::address::DomainName;
use crate::dns::DnsFailure;

/// The result of a lookup.
pub(super) type LookupResult<F> = Result<Arc<F>, DnsFailure>;

/// Receives a lookup's result once it exists.
type ResultReceiver<F> = watch::Receiver<Option<LookupResult<F>>>;

/// The lookups in flight, by name; bounded by the number that may run at once.
pub(super) struct SingleFlight<F> {
    by_name: Arc<Mutex<HashMap<DomainName, ResultReceiver<F>>>>,
}

/// Waits for the result of a lookup in flight.
pub(super) struct Waiter<F>(ResultReceiver<F>);

/// The duty to complete a lookup. Dropped without a result, it completes it with a failure.
pub(super) struct Leader<F> {
    name: DomainName,
    flights: SingleFlight<F>,
    result: watch::Sender<Option<LookupResult<F>>>,
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
        if let Some(receiver) = by_name.get(name) {
            return (Waiter(receiver.clone()), None);
        }
        let (result, receiver) = watch::channel(None);
        by_name.insert(name.clone(), receiver.clone());
        let flights = Self { by_name: Arc::clone(&self.by_name) };
        (Waiter(receiver), Some(Leader { name: name.clone(), flights, result }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DomainName, ResultReceiver<F>>> {
        self.by_name.lock()
    }
}

impl<F> Waiter<F> {
    /// Waits for the lookup's result.
    pub(super) async fn result(mut self) -> LookupResult<F> {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            Ok(None) | Err(_) => {
                Err(DnsFailure::Unreachable("the lookup ended without an answer".into()))
            }
        }
    }
}

impl<F> Leader<F> {
    /// Completes the lookup.
    pub(super) fn complete(self, result: LookupResult<F>) {
        self.result.send_replace(Some(result));
    }
}

impl<F> Drop for Leader<F> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.name);
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
        drop(leader);
        assert!(matches!(waiter.result().await, Err(DnsFailure::Unreachable(_))));
        assert!(flights.join_or_start(&name).1.is_some());
    }
}
