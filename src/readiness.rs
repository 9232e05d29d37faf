//! Readiness of the service: DNS answers, the batches are open, the clock agrees with the machine's
//! and with that of a shared store, and the service is not draining.
//!
//! Liveness is another question, which only the clock has a part in: a restart mends it.

use std::sync::Arc;

use tokio::sync::watch;

/// Readiness as reported by the parts of the service. Cheap to clone; all clones share one state.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<watch::Sender<ReadinessState>>);

/// The conditions of readiness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadinessState {
    /// DNS answers questions.
    pub dns: bool,
    /// The batches are open.
    pub store: bool,
    /// The clock is far from that of the store that is shared with other services.
    pub clock_is_off: bool,
    /// The machine's clock was set since the start, or stood still: the process goes by another
    /// time than everybody else, until it is started again.
    pub clock_was_set: bool,
    /// The service is ending.
    pub draining: bool,
}

impl ReadinessState {
    /// `true` if no condition is missing.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.dns && self.store && !self.clock_is_off && !self.clock_was_set && !self.draining
    }

    /// The missing conditions, in words.
    #[must_use]
    pub fn obstacles(self) -> Vec<&'static str> {
        let all = [
            (!self.dns, "DNS does not answer"),
            (!self.store, "the batches are not open"),
            (self.clock_is_off, "the clock of this machine is far from the database's"),
            (self.clock_was_set, "start it again: the machine's clock was set"),
            (self.draining, "the service is shutting down"),
        ];
        all.into_iter().filter(|(stands, _)| *stands).map(|(_, name)| name).collect()
    }
}

impl Default for Readiness {
    /// No condition holds yet.
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(ReadinessState::default())))
    }
}

impl Readiness {
    /// Reports whether DNS answers; returns `true` if that changed.
    pub fn dns(&self, answers: bool) -> bool {
        self.0.send_if_modified(|state| std::mem::replace(&mut state.dns, answers) != answers)
    }

    /// Reports that the batches are open.
    pub fn store_is_open(&self) {
        self.0.send_modify(|state| state.store = true);
    }

    /// Reports whether the clock is far from that of the shared store.
    pub fn clock(&self, is_off: bool) {
        self.0
            .send_if_modified(|state| std::mem::replace(&mut state.clock_is_off, is_off) != is_off);
    }

    /// Reports whether the machine's clock was set since the start.
    pub fn clock_was_set(&self, was_set: bool) {
        self.0.send_if_modified(|state| {
            std::mem::replace(&mut state.clock_was_set, was_set) != was_set
        });
    }

    /// Reports that the service is shutting down.
    pub fn drain(&self) {
        self.0.send_modify(|state| state.draining = true);
    }

    /// The current state.
    #[must_use]
    pub fn state(&self) -> ReadinessState {
        *self.0.borrow()
    }

    /// A receiver that sees every change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ReadinessState> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_what_has_dns_and_store_and_the_time_and_does_not_drain() {
        let readiness = Readiness::default();
        assert_eq!(readiness.state().obstacles().len(), 2);
        assert!(readiness.dns(true) && !readiness.dns(true));
        assert!(!readiness.state().is_ready());
        readiness.store_is_open();
        assert!(readiness.state().is_ready());
        assert!(readiness.dns(false) && !readiness.state().is_ready());
        assert_eq!(readiness.state().obstacles(), ["DNS does not answer"]);
        readiness.dns(true);
        readiness.clock(true);
        assert_eq!(readiness.state().obstacles().len(), 1);
        assert!(!readiness.state().is_ready());
        readiness.clock(false);
        readiness.clock_was_set(true);
        assert_eq!(readiness.state().obstacles(), ["start it again: the machine's clock was set"]);
        assert!(!readiness.state().is_ready());
        readiness.clock_was_set(false);
        readiness.drain();
        assert_eq!(readiness.state().obstacles(), ["the service is shutting down"]);
    }
}
