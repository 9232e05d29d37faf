//! What callers use, counted once by several processes in a real database.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{TestDatabase, elsewhere};
use crate::access::{
    AddressBlock, BlockLease, BlockRequest, HarvestReport, LimitStore, SharedAnswers, SharedParts,
    UnusedBlock,
};
use crate::batch::postgres::PostgresQueue;

type Limits = Arc<dyn LimitStore>;

fn limits(queue: &PostgresQueue) -> Limits {
    elsewhere(queue.limits()).unwrap()
}

fn lease(limits: &Limits, limit: u64, least: u64) -> BlockLease {
    elsewhere(limits.lease("crm", BlockRequest { limit, least })).unwrap()
}

fn addresses(lease: BlockLease) -> u64 {
    match lease {
        BlockLease::Granted(AddressBlock { addresses, .. }) => addresses,
        BlockLease::UsedUp(_) => 0,
    }
}

#[test]
fn four_handles_that_lease_at_once_never_get_more_than_the_limit_and_get_all_of_it() {
    let database = TestDatabase::new();
    let queues: Vec<_> = (0..4).map(|_| database.connect()).collect();
    let handles: Vec<_> = queues.iter().map(limits).collect();
    let take_all = async |limits: Limits| {
        let mut taken = 0;
        loop {
            match limits.lease("crm", BlockRequest { limit: 1000, least: 1 }).await.unwrap() {
                BlockLease::Granted(block) => taken += block.addresses,
                BlockLease::UsedUp(wait) => {
                    assert!(wait.unwrap() > Duration::from_secs(23 * 3600), "{wait:?}");
                    return taken;
                }
            }
        }
    };
    let all = futures_util::future::join_all(handles.iter().cloned().map(take_all));
    let taken = elsewhere(all);
    println!("{taken:?}");
    assert_eq!(taken.iter().sum::<u64>(), 1000);
    // A process that comes later has no day of its own.
    let late = limits(&database.connect());
    assert_eq!(addresses(lease(&late, 1000, 1)), 0);
    // A day and two slots later it is there again.
    database
        .sql("UPDATE mailvet.quota_usage SET slots = ARRAY(SELECT s - 98 FROM unnest(slots) s)");
    assert_eq!(addresses(lease(&late, 1000, 1000)), 1000);
}

#[test]
fn what_is_given_back_is_there_for_another_handle_and_a_crash_forgets_no_usage() {
    let database = TestDatabase::new();
    let (one, two) = (database.connect(), database.connect());
    let (one, two) = (limits(&one), limits(&two));
    let BlockLease::Granted(block) = lease(&one, 100, 100) else { panic!("it is free") };
    assert!(block.lasts >= Duration::from_secs(900) && block.lasts <= Duration::from_secs(1800));
    assert_eq!(addresses(lease(&two, 100, 1)), 0);
    let unused = UnusedBlock { caller: "crm".into(), slot: block.slot, addresses: 30 };
    elsewhere(one.give_back(vec![unused])).unwrap();
    assert_eq!(addresses(lease(&two, 100, 30)), 30);
    assert_eq!(addresses(lease(&two, 100, 1)), 0);
    let logged = "SELECT relpersistence FROM pg_class WHERE oid = 'mailvet.quota_usage'::regclass";
    assert_eq!(database.sql(logged), "p");
}

#[test]
fn signs_of_harvesting_reach_the_other_handles_and_those_that_start_later() {
    let database = TestDatabase::new();
    let (first, second) = (database.connect(), database.connect());
    let (one, two) = (limits(&first), limits(&second));
    assert_eq!(one.secret(), two.secret());
    // The times of the database: what is old is told to nobody.
    let now = database.sql("SELECT floor(extract(epoch FROM now()))");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.parse().unwrap());
    let parts = |parts: &[u64], since| SharedParts { domain: u64::MAX, since, parts: parts.into() };
    let answers = |mailboxes| SharedAnswers {
        caller: "crm".into(),
        replica: 0,
        minute: 28_000_000,
        mailboxes,
        unknown: 7,
    };
    let news = |told: SharedParts, mailboxes| HarvestReport {
        parts: vec![told],
        answers: vec![answers(mailboxes)],
    };
    let exchange =
        |limits: &Limits, news: &HarvestReport| elsewhere(limits.exchange(news)).unwrap();
    let nothing = HarvestReport::default();
    let from_one = news(parts(&[1, u64::MAX], now), 9);
    assert_eq!(exchange(&one, &from_one), nothing, "its own words are no news");
    exchange(&one, &news(parts(&[2], now + Duration::from_secs(5)), 10));
    let check = |mut told: HarvestReport| {
        told.parts[0].parts.sort_unstable();
        assert_eq!(told.parts, [parts(&[1, 2, u64::MAX], now)]);
        assert_eq!((told.answers.len(), told.answers[0].mailboxes), (1, 10));
        assert_ne!(told.answers[0].replica, 0);
    };
    check(exchange(&two, &nothing));
    let third = database.connect();
    check(exchange(&limits(&third), &nothing));
    database.sql("UPDATE mailvet.harvest_parts SET changed = now() - interval '61 minutes'");
    let fourth = database.connect();
    assert_eq!(exchange(&limits(&fourth), &nothing).parts, []);
}
