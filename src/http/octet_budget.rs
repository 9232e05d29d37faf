//! Octets in arrival: bounded in all, and for each owner, so that nobody takes the room of all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The caller that octets are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OctetOwner {
    /// A caller with a name.
    Caller(Arc<str>),
    /// All callers without a name that come from one network.
    Network(IpAddr),
}

/// The owner of a request's body: an extension of the request, set once the caller is known. The
/// body is read behind the gate, by what was made in front of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyOwner(Arc<OnceLock<OctetOwner>>);

impl BodyOwner {
    pub(crate) fn set(&self, owner: OctetOwner) {
        // A call has one caller.
        let _ = self.0.set(owner);
    }

    /// The owner; callers that are not known have one share.
    pub(super) fn get(&self) -> OctetOwner {
        self.0.get().cloned().unwrap_or_else(|| OctetOwner::Caller(Arc::from("")))
    }
}

/// A budget of octets. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct OctetBudget {
    all: Arc<Semaphore>,
    share: usize,
    /// Owners that have room, or wait for it.
    shares: Arc<Mutex<HashMap<OctetOwner, Weak<Semaphore>>>>,
}

impl OctetBudget {
    /// A budget of `all` octets, and `share` for each owner.
    pub(crate) fn new(all: usize, share: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), share, shares: Arc::default() }
    }

    /// Waits for room for so many octets; more than a share count as a share. Who waits for its
    /// own share holds up nobody else.
    ///
    /// # Errors
    ///
    /// None: a budget is never closed.
    pub(crate) async fn room(
        &self,
        owner: &OctetOwner,
        octets: usize,
    ) -> Result<OctetRoom, AcquireError> {
        let octets = u32::try_from(octets.min(self.share)).unwrap_or(u32::MAX);
        let share = self.share_of(owner).acquire_many_owned(octets).await?;
        let all = Arc::clone(&self.all).acquire_many_owned(octets).await?;
        Ok(OctetRoom { share, all })
    }

    fn share_of(&self, owner: &OctetOwner) -> Arc<Semaphore> {
        let mut shares = self.shares.lock();
        if let Some(share) = shares.get(owner).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(owner.clone(), Arc::downgrade(&share));
        share
    }
}

/// Room in a budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct OctetRoom {
    share: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

impl OctetRoom {
    /// A part of the room, to be given back by itself; `None` if there is less.
    pub(crate) fn split(&mut self, octets: usize) -> Option<Self> {
        Some(Self { share: self.share.split(octets)?, all: self.all.split(octets)? })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn caller(name: &str) -> OctetOwner {
        OctetOwner::Caller(name.into())
    }

    fn take(budget: &OctetBudget, name: &str, octets: usize) -> Option<OctetRoom> {
        budget.room(&caller(name), octets).now_or_never().map(Result::unwrap)
    }

    #[test]
    fn an_owner_has_its_share_and_leaves_the_rest_to_others() {
        let budget = OctetBudget::new(100, 40);
        let mut held = take(&budget, "a", 40).unwrap();
        assert!(take(&budget, "a", 1).is_none());
        let others = take(&budget, "b", 30).unwrap();
        assert!(take(&budget, "c", 40).is_none(), "30 are left of all");
        let _part = held.split(10).unwrap();
        drop(held);
        assert!(take(&budget, "a", 31).is_none(), "a part is held on its own");
        assert!(take(&budget, "a", 30).is_some());
        drop(others);
        assert!(take(&budget, "c", 1000).is_some(), "more than a share is a share");
    }

    #[test]
    fn those_that_wait_for_their_own_share_are_in_nobodys_way() {
        let budget = OctetBudget::new(100, 40);
        let _held = take(&budget, "a", 40).unwrap();
        let owner = caller("a");
        let mut waiting: Vec<_> = (0..9).map(|_| Box::pin(budget.room(&owner, 40))).collect();
        assert!(waiting.iter_mut().all(|room| room.now_or_never().is_none()));
        assert!(take(&budget, "b", 40).is_some());
    }

    #[test]
    fn owners_without_room_are_forgotten() {
        let budget = OctetBudget::new(100, 40);
        for n in 0..50 {
            drop(take(&budget, &n.to_string(), 1).unwrap());
        }
        assert_eq!(budget.shares.lock().len(), 1);
    }
}
