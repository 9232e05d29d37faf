use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::FutureExt as _;

use super::*;
use crate::access::{CallerUsage, Harvesting, Keys, Quota};

/// A place in memory, which can be away.
#[derive(Default)]
struct MemoryStore {
    usage: Mutex<HashMap<String, CallerUsage>>,
    is_away: AtomicBool,
    hangs: AtomicBool,
    asked: AtomicU64,
    /// Whoever holds it keeps the answers about blocks back, which are counted by then.
    answers: tokio::sync::RwLock<()>,
}

impl MemoryStore {
    async fn reach(&self) -> Result<(), LimitStoreFault> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.is_away.load(Ordering::Relaxed) { Err(late()) } else { Ok(()) }
    }
}

#[async_trait]
impl LimitStore for Arc<MemoryStore> {
    fn secret(&self) -> [u8; 16] {
        [7; 16]
    }

    async fn lease(
        &self,
        caller: &str,
        request: BlockRequest,
    ) -> Result<BlockLease, LimitStoreFault> {
        self.reach().await?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let lease = self.usage.lock().entry(caller.to_owned()).or_default().lease(request, now);
        let _answers = self.answers.read().await;
        Ok(lease)
    }

    async fn give_back(&self, unused: Vec<UnusedBlock>) -> Result<(), LimitStoreFault> {
        self.reach().await?;
        for UnusedBlock { caller, slot, addresses } in unused {
            let mut usage = self.usage.lock();
            usage.entry(caller.to_string()).or_default().give_back(slot, addresses);
        }
        Ok(())
    }

    async fn exchange(&self, _: &HarvestReport) -> Result<HarvestReport, LimitStoreFault> {
        self.reach().await.map(|()| HarvestReport::default())
    }
}

fn on(store: &Arc<MemoryStore>, clock: Clock) -> SharedLimits {
    SharedLimits::new(Arc::new(Arc::clone(store)), clock)
}

async fn count(limits: &SharedLimits, addresses: u64, limit: u64) -> Result<(), Refusal> {
    limits.count_addresses(&Caller::local(), addresses, limit).await
}

#[tokio::test(start_paused = true)]
async fn a_quota_over_four_replicas_of_which_two_die_is_never_exceeded_and_nine_tenths_are_given() {
    const LIMIT: u64 = 10_000;
    let (store, clock) = (Arc::new(MemoryStore::default()), Clock::start());
    let mut replicas: Vec<_> = (0..4).map(|_| on(&store, clock)).collect();
    let (mut given, mut refused) = (0, 0);
    for call in 0..30_000_u64 {
        if call == 2_000 || call == 5_000 {
            drop(replicas.pop());
        }
        let addresses = if call.is_multiple_of(50) { 30 } else { 1 };
        let replica = &replicas[usize::try_from(call).unwrap() % replicas.len()];
        match count(replica, addresses, LIMIT).await {
            Ok(()) => given += addresses,
            Err(refusal) => {
                assert_eq!(refusal.limit, Limit::AddressesPerDay(LIMIT));
                assert!(refusal.retry_after.unwrap() > Duration::from_secs(23 * 3600));
                refused += 1;
            }
        }
    }
    println!("{given} of {LIMIT} given, {refused} calls refused");
    assert!((LIMIT * 9 / 10..=LIMIT).contains(&given), "{given}");
    let asked = store.asked.load(Ordering::Relaxed);
    assert!(
        asked < 500,
        "{asked} questions for {given} addresses, and to callers without any left"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_holds_is_there_for_the_others_once_it_leaves() {
    let (store, clock) = (Arc::new(MemoryStore::default()), Clock::start());
    let (one, two) = (on(&store, clock), on(&store, clock));
    count(&one, 1, 100).await.unwrap();
    count(&one, 99, 100).await.unwrap();
    assert!(count(&two, 1, 100).await.is_err());
    let (one, two) = (on(&store, clock), on(&store, clock));
    count(&one, 1, 1000).await.unwrap();
    count(&two, 890, 1000).await.unwrap();
    one.leave().await;
    assert_eq!(count(&two, 9, 1000).await, Ok(()));
    assert_eq!(count(&two, 1, 1000).await.unwrap_err().limit, Limit::AddressesPerDay(1000));
    assert_eq!(count(&two, 1001, 1000).await.unwrap_err().retry_after, None);
}

#[tokio::test(start_paused = true)]
async fn while_the_database_is_away_a_caller_has_what_is_held_and_then_is_told_when_to_retry() {
    let (store, clock) = (Arc::new(MemoryStore::default()), Clock::start());
    let replica = on(&store, clock);
    count(&replica, 1, 1000).await.unwrap();
    store.is_away.store(true, Ordering::Relaxed);
    for _ in 0..9 {
        count(&replica, 1, 1000).await.unwrap();
    }
    for _ in 0..20 {
        let refusal = count(&replica, 1, 1000).await.unwrap_err();
        assert_eq!(refusal, Refusal { limit: Limit::Uncounted, retry_after: Some(RETRY_AFTER) });
    }
    assert_eq!(store.asked.load(Ordering::Relaxed), 2, "it is not asked for each of them");
    assert_eq!(count(&replica, 5, 0).await, Ok(()), "who has no quota needs none");
    tokio::time::advance(AWAY).await;
    store.hangs.store(true, Ordering::Relaxed);
    let began = clock.now();
    assert_eq!(count(&replica, 1, 1000).await.unwrap_err().limit, Limit::Uncounted);
    assert!(clock.now() <= began + LEASE + Duration::from_millis(10), "none waits for longer");
    tokio::time::advance(AWAY).await;
    store.is_away.store(false, Ordering::Relaxed);
    store.hangs.store(false, Ordering::Relaxed);
    assert_eq!(count(&replica, 1, 1000).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_block_that_nobody_uses_any_more_is_given_back_while_the_replica_goes_on() {
    let (store, clock) = (Arc::new(MemoryStore::default()), Clock::start());
    let replica = on(&store, clock);
    count(&replica, 1, 1000).await.unwrap();
    let keys = Keys::default();
    let access = Access::new(true, Quota::default(), Harvesting::default(), keys);
    let taken = || store.usage.lock()[""].slots().iter().map(|(_, taken)| taken).sum::<u64>();
    assert_eq!(taken(), 10);
    let exchanging = tokio::time::timeout(Duration::from_secs(400), replica.exchange(&access));
    assert!(exchanging.await.is_err());
    assert_eq!(taken(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_block_that_comes_when_its_caller_was_refused_or_has_gone_is_there_for_the_next_try() {
    const LIMIT: u64 = 100_000;
    let (store, clock) = (Arc::new(MemoryStore::default()), Clock::start());
    let replica = on(&store, clock);
    let taken = || store.usage.lock()[""].slots().iter().map(|(_, taken)| taken).sum::<u64>();
    replica.leases.close();
    let answers = store.answers.write().await;
    let late = count(&replica, 10_000, LIMIT).await.unwrap_err();
    assert_eq!((late.limit, taken()), (Limit::Uncounted, 10_000));
    drop(answers);
    replica.leases.wait().await;
    assert_eq!((count(&replica, 10_000, LIMIT).await, taken()), (Ok(()), 10_000));
    tokio::time::advance(AWAY).await;
    assert!(count(&replica, 5_000, LIMIT).now_or_never().is_none(), "it is waited for");
    replica.leases.wait().await;
    assert_eq!((count(&replica, 5_000, LIMIT).await, taken()), (Ok(()), 15_000));
}

#[tokio::test(start_paused = true)]
async fn a_block_that_is_on_its_way_when_a_replica_leaves_is_given_back() {
    let (store, clock) = (Arc::new(MemoryStore::default()), Clock::start());
    let replica = on(&store, clock);
    assert!(count(&replica, 10, 1000).now_or_never().is_none(), "it is waited for");
    replica.leave().await;
    assert_eq!(store.asked.load(Ordering::Relaxed), 2, "for a block, and to give it back");
    assert_eq!(store.usage.lock()[""].slots(), []);
}
