//! Limits on callers that all replicas of a database keep to together.
//!
//! Addresses a day are taken from a block that this process holds, and blocks from the database.
//! While that is away a caller has what is held for it, and then is refused: a quota that nobody
//! counts is none. Signs of harvesting are exchanged every few seconds; meanwhile, and while the
//! database is away, each replica goes by what it knows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use crate::access::{
    Access, BlockDecision, BlockLease, BlockRequest, Caller, HarvestReport, HeldBlocks, Limit,
    LimitStore, LimitStoreFault, Refusal, UnusedBlock,
};
use crate::clock::Clock;

/// Longest wait for a block of addresses.
const LEASE: Duration = Duration::from_secs(2);

/// Time after which no answer about a block is expected any more.
const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// Most leases that are under way at a time: one that is waited for, and late ones.
const MOST_LEASES: usize = 8;

/// Time for which the database is not asked again after it has failed.
const AWAY: Duration = Duration::from_secs(1);

/// The wait that a caller is told whose addresses cannot be counted.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Interval of the exchanges.
const EXCHANGE: Duration = Duration::from_secs(3);

/// Exchanges between two looks at what is held for nobody.
const TIDY_EVERY: u32 = 20;

/// Longest time that giving back may take.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Limits that several processes keep to together.
pub(super) struct SharedLimits {
    store: Arc<dyn LimitStore>,
    held: Arc<Mutex<HeldBlocks>>,
    /// The leases that are under way, also those that nobody waits for any more.
    leases: TaskTracker,
    /// The turn to lease, and the time until which the database is not asked.
    turn: tokio::sync::Mutex<Option<SystemTime>>,
    clock: Clock,
}

impl SharedLimits {
    pub(super) fn new(store: Arc<dyn LimitStore>, clock: Clock) -> Self {
        let (held, leases) = (Arc::default(), TaskTracker::new());
        Self { store, held, leases, turn: tokio::sync::Mutex::new(None), clock }
    }

    /// Counts addresses as the caller's, of whom it may have `limit` in a day; all or none.
    pub(super) async fn count_addresses(
        &self,
        caller: &Caller,
        addresses: u64,
        limit: u64,
    ) -> Result<(), Refusal> {
        if limit == 0 {
            return Ok(());
        }
        if addresses > limit {
            return Err(used_up(limit, None));
        }
        match self.take_held(caller, addresses, limit, self.clock.now())? {
            None => Ok(()),
            // Boxed: hardly any call has to wait, and none needs the space for it.
            Some(_) => Box::pin(self.lease_and_take(caller, addresses, limit)).await,
        }
    }

    /// Gives the caller addresses back that nobody will be asked about.
    pub(super) fn return_addresses(&self, caller: &Caller, addresses: u64) {
        self.held.lock().put_back(&caller.name, addresses, self.clock.now());
    }

    /// Takes addresses from what is held; else says how many have to be leased at least.
    fn take_held(
        &self,
        caller: &Caller,
        addresses: u64,
        limit: u64,
        now: SystemTime,
    ) -> Result<Option<u64>, Refusal> {
        match self.held.lock().take(&caller.name, addresses, now) {
            BlockDecision::Taken => Ok(None),
            BlockDecision::Lease(least) => Ok(Some(least)),
            BlockDecision::UsedUp(wait) => Err(used_up(limit, Some(wait))),
        }
    }

    async fn lease_and_take(
        &self,
        caller: &Caller,
        addresses: u64,
        limit: u64,
    ) -> Result<(), Refusal> {
        let uncounted = || Refusal { limit: Limit::Uncounted, retry_after: Some(RETRY_AFTER) };
        let mut away_until = self.turn.lock().await;
        loop {
            let now = self.clock.now();
            let Some(least) = self.take_held(caller, addresses, limit, now)? else {
                return Ok(());
            };
            if away_until.is_some_and(|until| now < until) {
                return Err(uncounted());
            }
            match self.lease(caller, BlockRequest { limit, least }, now).await {
                Ok(BlockLease::Granted(_)) => {}
                Ok(BlockLease::UsedUp(wait)) => {
                    let wait = wait.unwrap_or_default();
                    self.held.lock().note_refusal(&caller.name, least, wait, now);
                    return Err(used_up(limit, Some(wait)));
                }
                Err(fault) => {
                    *away_until = Some(self.clock.now() + AWAY);
                    tracing::warn!(%fault, "a caller is refused");
                    return Err(uncounted());
                }
            }
        }
    }

    /// Leases a block and holds it. The database counts it from its own commit on: so a block is
    /// held too that comes when the caller was refused or has gone.
    async fn lease(
        &self,
        caller: &Caller,
        request: BlockRequest,
        asked_at: SystemTime,
    ) -> Result<BlockLease, LimitStoreFault> {
        if self.leases.len() >= MOST_LEASES {
            return Err(late());
        }
        let (store, held) = (Arc::clone(&self.store), Arc::clone(&self.held));
        let name = Arc::clone(&caller.name);
        let lease = self.leases.spawn(async move {
            let lease = tokio::time::timeout(LONGEST_LEASE, store.lease(&name, request)).await;
            let lease = lease.unwrap_or_else(|_| Err(late()))?;
            if let BlockLease::Granted(block) = lease {
                held.lock().add(&name, block, asked_at);
            }
            Ok::<_, LimitStoreFault>(lease)
        });
        match tokio::time::timeout(LEASE, lease).await {
            Ok(Ok(lease)) => lease,
            Ok(Err(_)) | Err(_) => Err(late()),
        }
    }

    /// Tells the other replicas what `access` counts, and `access` what they do, for ever.
    pub(super) async fn exchange(&self, access: &Access) -> Infallible {
        let mut ticks = tokio::time::interval(EXCHANGE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut news, mut rounds, mut was_away) = (HarvestReport::default(), 0_u32, false);
        loop {
            ticks.tick().await;
            rounds = rounds.wrapping_add(1);
            if news.is_empty() {
                news = access.harvest_report(self.clock.now());
            }
            match self.store.exchange(&news).await {
                Ok(told) => {
                    news = HarvestReport::default();
                    was_away = false;
                    access.merge_harvest(told, self.clock.now());
                }
                Err(fault) if !was_away => {
                    was_away = true;
                    tracing::warn!(%fault, "replicas do not hear of each other's callers");
                }
                Err(_) => {}
            }
            if rounds.is_multiple_of(TIDY_EVERY) {
                let unused = self.held.lock().remove_unused(self.clock.now());
                self.give_back(unused).await;
            }
        }
    }

    /// Gives back all that is held, also what is still on its way.
    pub(super) async fn leave(&self) {
        self.leases.close();
        if tokio::time::timeout(LEASE, self.leases.wait()).await.is_err() {
            tracing::debug!("a block of addresses that comes too late counts as used");
        }
        let unused = self.held.lock().remove_all();
        self.give_back(unused).await;
    }

    async fn give_back(&self, unused: Vec<UnusedBlock>) {
        if unused.is_empty() {
            return;
        }
        let given_back = tokio::time::timeout(GIVE_BACK, self.store.give_back(unused)).await;
        if let Err(fault) = given_back.unwrap_or_else(|_| Err(late())) {
            tracing::debug!(%fault, "addresses that were not used count as used");
        }
    }
}

/// The refusal of a caller that has had its addresses of the day.
fn used_up(limit: u64, retry_after: Option<Duration>) -> Refusal {
    Refusal { limit: Limit::AddressesPerDay(limit), retry_after }
}

fn late() -> LimitStoreFault {
    LimitStoreFault("the database does not answer in time".to_owned())
}

/// Exchanges, or waits for ever where nothing is shared.
pub(super) async fn exchange(shared: Option<&SharedLimits>, access: &Access) -> Infallible {
    match shared {
        Some(shared) => shared.exchange(access).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
