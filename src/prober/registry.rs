//! Registry of the destinations in use, each once per egress identity.

use std::sync::{Arc, Weak};
use std::time::SystemTime;

use foldhash::HashMap;
use parking_lot::Mutex;

use super::destination::Destination;
use super::destination_handle::{DestinationHandle, Token};
use crate::address::DomainName;

/// Destinations kept before those without use are looked for.
const FEW_DESTINATIONS: usize = 1024;

/// See the module.
pub(super) struct Registry {
    inner: Mutex<Maps>,
}

struct Maps {
    /// By destination and identity.
    by_key: HashMap<(DomainName, usize), Arc<DestinationHandle>>,
    /// The same by exchanger: finding an exchanger's destination takes a look at a long list.
    by_exchanger: HashMap<(DomainName, usize), Weak<DestinationHandle>>,
    /// The size at which those without use are dropped.
    sweep_at: usize,
}

impl Registry {
    pub(super) fn new() -> Self {
        let maps = Maps {
            by_key: HashMap::default(),
            by_exchanger: HashMap::default(),
            sweep_at: FEW_DESTINATIONS,
        };
        Self { inner: Mutex::new(maps) }
    }

    /// The destination of an exchanger through the identity of this number; `create` makes it. With
    /// `may_forget`, those that are over make room; without, those that another process may hold.
    pub(super) fn find_or_create(
        &self,
        exchanger: &DomainName,
        identity: usize,
        now: SystemTime,
        may_forget: bool,
        create: impl FnOnce() -> DestinationHandle,
    ) -> Arc<DestinationHandle> {
        let mut maps = self.inner.lock();
        let by_exchanger = (exchanger.clone(), identity);
        if let Some(known) = maps.by_exchanger.get(&by_exchanger).and_then(Weak::upgrade) {
            return known;
        }
        let maps = &mut *maps;
        if maps.by_key.len().max(maps.by_exchanger.len()) >= maps.sweep_at {
            maps.by_key.retain(|_, handle| {
                let is_used = Arc::strong_count(handle) > 1;
                let is_over = |core: &mut Destination<Token>| {
                    (may_forget || core.is_suspended()) && core.is_over(now)
                };
                is_used || !handle.peek(is_over)
            });
            maps.by_exchanger.clear();
            maps.sweep_at = FEW_DESTINATIONS.max(maps.by_key.len() * 2);
        }
        let key = (exchanger.registrable(), identity);
        let handle = maps.by_key.entry(key).or_insert_with(|| Arc::new(create()));
        maps.by_exchanger.insert(by_exchanger, Arc::downgrade(handle));
        Arc::clone(handle)
    }

    /// The destination of this name, if it is in use.
    pub(super) fn find(
        &self,
        destination: &DomainName,
        identity: usize,
    ) -> Option<Arc<DestinationHandle>> {
        self.inner.lock().by_key.get(&(destination.clone(), identity)).cloned()
    }

    /// Removes a destination that nobody uses, once `last` has taken something from it.
    pub(super) fn remove<R>(
        &self,
        destination: &DomainName,
        identity: usize,
        last: impl FnOnce(&DestinationHandle) -> Option<R>,
    ) -> Option<R> {
        let mut maps = self.inner.lock();
        let key = (destination.clone(), identity);
        let handle = maps.by_key.get(&key).filter(|handle| Arc::strong_count(handle) == 1)?;
        let taken = last(handle)?;
        maps.by_key.remove(&key);
        Some(taken)
    }

    /// All destinations.
    pub(super) fn all(&self) -> Vec<Arc<DestinationHandle>> {
        self.inner.lock().by_key.values().cloned().collect()
    }
}
