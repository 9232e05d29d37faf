//! Sharing egress addresses with other processes: the commands of what decides who asks.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use super::Prober;
use super::destination::DestinationState;
use super::destination_handle::DestinationHandle;
use super::question_router::{DestinationKey, QuestionRouter};

/// What is known of the time before a destination was taken over.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// What the holder before wrote down, and how long ago.
    pub state: Option<(DestinationState, Duration)>,
    /// The holder before died, and how long ago.
    pub died: Option<Duration>,
}

impl Prober {
    /// Has `router` decide from now on which process asks a destination. Nothing is asked here
    /// but what it allows; if it is gone, nothing at all.
    pub fn share(&self, router: Weak<dyn QuestionRouter>) {
        self.context.share(router);
    }

    /// Allows asking until `until`, and not at all afterwards, unless it is allowed again.
    pub fn allow_until(&self, until: SystemTime) {
        self.context.allow_until(until);
    }

    /// Suspends every destination: callers that wait are answered that they are to come back, and
    /// sessions end. Each is asked again once it was taken over anew.
    pub fn suspend_all(&self) {
        for destination in self.destinations.all() {
            destination.step(|core, now| core.suspend(now));
        }
    }

    /// Suspends one destination.
    pub fn suspend(&self, key: &DestinationKey) {
        if let Some(handle) = self.find(key) {
            handle.step(|core, now| core.suspend(now));
        }
    }

    /// Takes a destination over: it may be asked here from now on.
    pub fn take_over(&self, key: &DestinationKey, inheritance: &Inheritance) {
        let Some(identity) = self.identity_number(&key.identity) else { return };
        let handle = self.destination(&key.destination, identity);
        handle.step_with_memory(|core, memory, now| {
            if let Some((state, elapsed)) = &inheritance.state {
                core.take_over(state, *elapsed, memory, now);
            }
            if let Some(since) = inheritance.died {
                core.survive(since, now);
            }
            core.resume(now);
        });
    }

    /// Gives a destination up, if nothing is under way there: what its next holder should know.
    #[must_use]
    pub fn hand_over(&self, key: &DestinationKey) -> Option<DestinationState> {
        let identity = self.identity_number(&key.identity)?;
        self.destinations.remove(&key.destination, identity, |handle| {
            let now = self.context.clock.now();
            handle.peek_with_memory(|core, memory| core.hand_over(memory, now))
        })
    }

    /// `true` if a destination was not used since `since`, and nothing is under way there.
    #[must_use]
    pub fn is_idle(&self, key: &DestinationKey, since: SystemTime) -> bool {
        self.find(key).is_none_or(|handle| handle.peek(|core| core.is_idle(since)))
    }

    /// `true` if something is known of a destination here.
    #[must_use]
    pub fn has_destination(&self, key: &DestinationKey) -> bool {
        self.find(key).is_some()
    }

    /// `true` if a destination was suspended and not taken over since.
    #[must_use]
    pub fn is_suspended(&self, key: &DestinationKey) -> bool {
        self.find(key).is_some_and(|handle| handle.peek(|core| core.is_suspended()))
    }

    fn find(&self, key: &DestinationKey) -> Option<Arc<DestinationHandle>> {
        let identity = self.identity_number(&key.identity)?;
        self.destinations.find(&key.destination, identity)
    }
}
