//! Whether the service can do its work. It cannot until DNS answers and the batches are open, and
//! not any more once it drains. That it lives is another question, which this does not answer.

use std::sync::Arc;

use tokio::sync::watch;

/// What the service needs, told by those who know, to those who are asked. Cheap to clone; all
/// clones are about the same service.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<watch::Sender<State>>);

/// What is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// DNS answers questions.
    pub dns: bool,
    /// The batches are open.
    pub store: bool,
    /// The service is ending.
    pub draining: bool,
}

impl State {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.dns && self.store && !self.draining
    }

    /// What is in the way, for people.
    #[must_use]
    pub fn obstacles(self) -> Vec<&'static str> {
        let all = [
            (!self.dns, "DNS does not answer"),
            (!self.store, "the batches are not open"),
            (self.draining, "the service is shutting down"),
        ];
        all.into_iter().filter(|(stands, _)| *stands).map(|(_, name)| name).collect()
    }
}

impl Default for Readiness {
    /// Nothing is there yet.
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Readiness {
    /// DNS answers, or does not. Returns whether that is news.
    pub fn dns(&self, answers: bool) -> bool {
        self.0.send_if_modified(|state| std::mem::replace(&mut state.dns, answers) != answers)
    }

    /// The batches are open.
    pub fn store_is_open(&self) {
        self.0.send_modify(|state| state.store = true);
    }

    /// The service is ending.
    pub fn drain(&self) {
        self.0.send_modify(|state| state.draining = true);
    }

    /// What is there now.
    #[must_use]
    pub fn state(&self) -> State {
        *self.0.borrow()
    }

    /// Tells of every change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_what_has_dns_and_store_and_does_not_drain() {
        let readiness = Readiness::default();
        assert_eq!(readiness.state().obstacles().len(), 2);
        assert!(readiness.dns(true) && !readiness.dns(true));
        assert!(!readiness.state().is_ready());
        readiness.store_is_open();
        assert!(readiness.state().is_ready());
        assert!(readiness.dns(false) && !readiness.state().is_ready());
        assert_eq!(readiness.state().obstacles(), ["DNS does not answer"]);
        readiness.dns(true);
        readiness.drain();
        assert_eq!(readiness.state().obstacles(), ["the service is shutting down"]);
    }
}
