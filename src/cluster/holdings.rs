//! Which destinations this process holds, and who holds the others, as far as it knows. Pure.

use std::sync::Arc;
use std::time::SystemTime;

use foldhash::HashMap;

use super::tenure::Tenure;
use crate::prober::{DestinationKey, Hold};

/// Destinations of others that are remembered; beyond that, they are looked up again.
const REMEMBERED: usize = 100_000;

/// A held destination in use: it is not given up while this lives.
pub(super) struct HoldToken(#[expect(dead_code, reason = "counted, not read")] Arc<()>);

impl Hold for HoldToken {}

/// What is known of a destination's holder.
pub(super) enum KnownHolder {
    /// This process.
    Here(HoldToken),
    /// The one at this address.
    Peer(Arc<str>),
    /// Not known: it is to be claimed.
    Unknown,
    /// Nothing may be asked now, and nothing claimed.
    Suspended,
}

/// The membership under which a claim is made: what it brings is held under no other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClaimBasis {
    member: i64,
    connection: u64,
    /// Times that everything was lost.
    losses: u64,
}

/// See the module.
pub(super) struct Holdings {
    tenure: Option<Tenure>,
    losses: u64,
    held: HashMap<DestinationKey, Arc<()>>,
    elsewhere: HashMap<DestinationKey, Arc<str>>,
}

/// What a renewal changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Nothing: everything held stays so.
    Same,
    /// What is held is to be claimed again, to see whether the database agrees.
    Doubtful,
    /// Everything held is lost.
    Lost,
}

impl Holdings {
    pub(super) fn new() -> Self {
        Self { tenure: None, losses: 0, held: HashMap::default(), elsewhere: HashMap::default() }
    }

    /// Sees what a renewal changes. What is lost is lost from here on, and nothing is held before
    /// [`Self::begin`].
    pub(super) fn weigh(&mut self, tenure: Tenure, now: SystemTime) -> Renewal {
        let kept =
            self.tenure.filter(|before| before.member == tenure.member && before.may_ask(now));
        let Some(before) = kept else {
            self.tenure = None;
            self.losses += 1;
            self.held.clear();
            self.elsewhere.clear();
            return Renewal::Lost;
        };
        if before.connection == tenure.connection {
            return Renewal::Same;
        }
        self.elsewhere.clear();
        Renewal::Doubtful
    }

    /// Holds destinations under this membership from now on.
    pub(super) fn begin(&mut self, tenure: Tenure) {
        self.tenure = Some(tenure);
    }

    /// Time is over, as far as is known: nothing is held.
    pub(super) fn lapse(&mut self) {
        self.held.clear();
    }

    fn tenure(&self, now: SystemTime) -> Option<Tenure> {
        self.tenure.filter(|tenure| tenure.may_ask(now))
    }

    /// The membership under which something may be claimed now.
    pub(super) fn basis(&self, now: SystemTime) -> Option<ClaimBasis> {
        let Tenure { member, connection, .. } = self.tenure(now)?;
        Some(ClaimBasis { member, connection, losses: self.losses })
    }

    /// `true` if not everything was lost since `basis`.
    pub(super) fn kept_all_since(&self, basis: ClaimBasis) -> bool {
        self.losses == basis.losses
    }

    /// Finds the holder of a destination.
    pub(super) fn find(&self, key: &DestinationKey, now: SystemTime) -> KnownHolder {
        if self.tenure(now).is_none() {
            return KnownHolder::Suspended;
        }
        if let Some(uses) = self.held.get(key) {
            return KnownHolder::Here(HoldToken(Arc::clone(uses)));
        }
        match self.elsewhere.get(key) {
            Some(address) => KnownHolder::Peer(Arc::clone(address)),
            None => KnownHolder::Unknown,
        }
    }

    /// Notes that this process holds a destination, which was claimed under `basis`; `None` if that
    /// is over meanwhile.
    pub(super) fn hold(
        &mut self,
        key: DestinationKey,
        basis: ClaimBasis,
        now: SystemTime,
    ) -> Option<HoldToken> {
        if self.basis(now)? != basis {
            return None;
        }
        self.elsewhere.remove(&key);
        Some(HoldToken(Arc::clone(self.held.entry(key).or_default())))
    }

    /// Notes that the process at `address` holds a destination.
    pub(super) fn note_peer(&mut self, key: DestinationKey, address: Arc<str>) {
        self.held.remove(&key);
        if self.elsewhere.len() >= REMEMBERED {
            self.elsewhere.clear();
        }
        self.elsewhere.insert(key, address);
    }

    /// The process at `address` does not hold the destination, or does not answer.
    pub(super) fn forget_peer(&mut self, key: &DestinationKey, address: &str) {
        if self.elsewhere.get(key).is_some_and(|known| **known == *address) {
            self.elsewhere.remove(key);
        }
    }

    /// The destinations held.
    pub(super) fn held(&self) -> Vec<DestinationKey> {
        self.held.keys().cloned().collect()
    }

    /// Gives a destination up, unless it is in use.
    pub(super) fn give_up(&mut self, key: &DestinationKey) -> bool {
        let is_unused = self.held.get(key).is_some_and(|uses| Arc::strong_count(uses) == 1);
        is_unused && self.held.remove(key).is_some()
    }

    /// A destination turns out to be held by nobody that is known.
    pub(super) fn lose(&mut self, key: &DestinationKey) {
        self.held.remove(key);
    }
}

#[cfg(test)]
mod tests;
