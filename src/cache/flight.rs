//! Lookups in flight: however many ask, one lookup runs, and it ends whoever goes away.

use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::address::DomainName;
use crate::dns::DnsFailure;

/// How a lookup ended.
pub(super) type Outcome<F> = Result<Arc<F>, DnsFailure>;

/// Where a lookup's outcome appears.
type Flight<F> = watch::Receiver<Option<Outcome<F>>>;

/// The lookups in flight, by name. Holds no more than run at once.
pub(super) struct Flights<F> {
    by_name: Arc<Mutex<HashMap<DomainName, Flight<F>>>>,
}

/// A seat in a flight: waits for its end.
pub(super) struct Seat<F>(Flight<F>);

/// The duty to end a flight. Dropped without an outcome, it ends the flight with a failure.
pub(super) struct Pilot<F> {
    name: DomainName,
    flights: Flights<F>,
    end: watch::Sender<Option<Outcome<F>>>,
}

impl<F> Default for Flights<F> {
    fn default() -> Self {
        Self { by_name: Arc::default() }
    }
}

impl<F> Flights<F> {
    /// A seat, if a lookup of this name is in flight.
    pub(super) fn join(&self, name: &DomainName) -> Option<Seat<F>> {
        self.lock().get(name).cloned().map(Seat)
    }

    /// A seat, and the duty to end the flight if there was none before.
    pub(super) fn join_or_start(&self, name: &DomainName) -> (Seat<F>, Option<Pilot<F>>) {
        let mut by_name = self.lock();
        if let Some(flight) = by_name.get(name) {
            return (Seat(flight.clone()), None);
        }
        let (end, flight) = watch::channel(None);
        by_name.insert(name.clone(), flight.clone());
        let flights = Self { by_name: Arc::clone(&self.by_name) };
        (Seat(flight), Some(Pilot { name: name.clone(), flights, end }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DomainName, Flight<F>>> {
        self.by_name.lock()
    }
}

impl<F> Seat<F> {
    /// The lookup's outcome, once it has one.
    pub(super) async fn outcome(mut self) -> Outcome<F> {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            Ok(None) | Err(_) => {
                Err(DnsFailure::Unreachable("the lookup ended without an answer".into()))
            }
        }
    }
}

impl<F> Pilot<F> {
    /// Ends the flight.
    pub(super) fn land(self, outcome: Outcome<F>) {
        self.end.send_replace(Some(outcome));
    }
}

impl<F> Drop for Pilot<F> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flight_has_one_pilot_and_any_number_of_seats() {
        let flights = Flights::<u8>::default();
        let name = DomainName::from_ascii("a.example");
        assert!(flights.join(&name).is_none());
        let (first, pilot) = flights.join_or_start(&name);
        let (second, no_pilot) = flights.join_or_start(&name);
        assert!(no_pilot.is_none());
        pilot.unwrap().land(Ok(Arc::new(7)));
        assert_eq!(first.outcome().await, Ok(Arc::new(7)));
        assert_eq!(second.outcome().await, Ok(Arc::new(7)));
        assert!(flights.join(&name).is_none());
    }

    #[tokio::test]
    async fn a_pilot_that_vanishes_ends_the_flight_with_a_failure() {
        let flights = Flights::<u8>::default();
        let name = DomainName::from_ascii("a.example");
        let (seat, pilot) = flights.join_or_start(&name);
        drop(pilot);
        assert!(matches!(seat.outcome().await, Err(DnsFailure::Unreachable(_))));
        assert!(flights.join_or_start(&name).1.is_some());
    }
}
