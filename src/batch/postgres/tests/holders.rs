//! Who holds which destination, in a real database.

use std::sync::Arc;
use std::time::Duration;

use super::{TestDatabase, elsewhere};
use crate::address::DomainName;
use crate::batch::postgres::{PostgresQueue, vacancies};
use crate::batch::queue::Queue;
use crate::cluster::{Claim, HolderStore, ReleasedDestination};
use crate::prober::DestinationKey;

fn key(name: &str) -> DestinationKey {
    DestinationKey { identity: "".into(), destination: DomainName::from_ascii(name) }
}

fn share(queue: &PostgresQueue, address: &str) -> Arc<dyn HolderStore> {
    elsewhere(queue.share_destinations(address)).unwrap()
}

fn claim(holders: &Arc<dyn HolderStore>, name: &str) -> Claim {
    elsewhere(holders.claim(&key(name))).unwrap()
}

fn free() -> Claim {
    Claim::Taken { state: None, died: None }
}

fn kept() -> Claim {
    Claim::Kept { state: None, died: None }
}

/// Has one handle do what every heartbeat does: end what the dead had.
fn reap(database: &TestDatabase) {
    drop(database.connect());
}

#[test]
fn a_destination_has_one_holder_and_the_others_are_told_where_it_is() {
    let database = TestDatabase::new();
    let (one, two) = (database.connect(), database.connect());
    let (a, b) = (share(&one, "10.0.0.1:1"), share(&two, "10.0.0.2:1"));
    assert_eq!(claim(&a, "x.example"), free());
    assert_eq!(claim(&a, "x.example"), kept());
    assert_eq!(claim(&b, "x.example"), Claim::Peer(Some("10.0.0.1:1".to_owned())));
    assert_eq!(claim(&b, "y.example"), free());
    let other = DestinationKey { identity: "second".into(), ..key("x.example") };
    assert_eq!(elsewhere(b.claim(&other)).unwrap(), free());
}

#[test]
fn of_two_claims_that_meet_one_takes_the_destination_and_the_other_sees_who_does() {
    let database = TestDatabase::new();
    let (one, two) = (database.connect(), database.connect());
    let (a, b) = (share(&one, "10.0.0.1:1"), share(&two, "10.0.0.2:1"));
    let both = (0..40).map(|n| key(&format!("x{n}.example")));
    let (first, second) = (a.clone(), b.clone());
    let met = elsewhere(async move {
        let claims = both.map(|key| {
            let (first, second) = (first.clone(), second.clone());
            async move { tokio::join!(first.claim(&key), second.claim(&key)) }
        });
        futures_util::future::join_all(claims).await
    });
    for (n, (of_a, of_b)) in met.into_iter().enumerate() {
        let (of_a, of_b) = (of_a.unwrap(), of_b.unwrap());
        let takes = [&of_a, &of_b].into_iter().filter(|it| **it == free()).count();
        assert_eq!(takes, 1, "{of_a:?} {of_b:?}");
        let (holder, other) = if of_a == free() { (&a, &b) } else { (&b, &a) };
        let name = format!("x{n}.example");
        assert_eq!(claim(holder, &name), kept());
        assert!(matches!(claim(other, &name), Claim::Peer(Some(_))));
    }
}

#[test]
fn only_the_holder_gives_a_destination_up_and_the_next_one_is_told_what_it_knew() {
    let database = TestDatabase::new();
    let (one, two) = (database.connect(), database.connect());
    let (a, b) = (share(&one, "10.0.0.1:1"), share(&two, "10.0.0.2:1"));
    claim(&a, "x.example");
    let released =
        |state: &str| vec![ReleasedDestination { key: key("x.example"), state: state.to_owned() }];
    elsewhere(b.release(released("not mine"))).unwrap();
    assert!(matches!(claim(&b, "x.example"), Claim::Peer(Some(_))));
    elsewhere(a.release(released("known"))).unwrap();
    let Claim::Taken { state: Some((state, elapsed)), died: None } = claim(&b, "x.example") else {
        panic!("it was free")
    };
    assert!(state == "known" && elapsed < Duration::from_secs(60), "{state} {elapsed:?}");
    // Whoever claims twice may not have learned of the first time.
    let again = claim(&b, "x.example");
    assert!(
        matches!(&again, Claim::Kept { state: Some((state, _)), died: None } if state == "known"),
        "{again:?}"
    );
    assert!(matches!(claim(&a, "x.example"), Claim::Peer(Some(_))));
}

#[test]
fn what_the_dead_held_is_free_once_they_are_missed_and_says_since_when() {
    let database = TestDatabase::new();
    let (one, two) = (database.connect(), database.connect());
    let (a, b) = (share(&one, "10.0.0.1:1"), share(&two, "10.0.0.2:1"));
    claim(&a, "x.example");
    claim(&a, "y.example");
    let state = vec![ReleasedDestination { key: key("y.example"), state: "old".to_owned() }];
    elsewhere(a.release(state)).unwrap();
    claim(&a, "y.example");
    drop((a, one));
    assert!(matches!(claim(&b, "x.example"), Claim::Peer(Some(_))), "nobody has missed it");
    database.outlive(Some(1));
    reap(&database);
    let died = |claim: Claim| match claim {
        Claim::Taken { state, died: Some(since) } if since < Duration::from_secs(60) => state,
        other => panic!("{other:?}"),
    };
    assert_eq!(died(claim(&b, "x.example")), None);
    assert_eq!(died(claim(&b, "y.example")).map(|(state, _)| state).as_deref(), Some("old"));
    database.sql("UPDATE mailvet.members SET seen = now() + interval '1 minute' WHERE id = 2");
    reap(&database);
    assert!(matches!(claim(&b, "x.example"), Claim::Kept { died: Some(_), .. }));
}

#[test]
fn a_death_is_remembered_however_long_ago_the_destination_was_released() {
    let database = TestDatabase::new();
    let (one, two) = (database.connect(), database.connect());
    let (a, b) = (share(&one, "10.0.0.1:1"), share(&two, "10.0.0.2:1"));
    for name in ["x.example", "y.example"] {
        claim(&a, name);
        let state = vec![ReleasedDestination { key: key(name), state: "old".to_owned() }];
        elsewhere(a.release(state)).unwrap();
    }
    database.sql("UPDATE mailvet.destinations SET released_at = now() - interval '3 days'");
    claim(&a, "x.example");
    drop((a, one));
    database.outlive(Some(1));
    reap(&database);
    elsewhere(vacancies::forget(&two.engine)).unwrap();
    let held_since = claim(&b, "x.example");
    assert!(matches!(held_since, Claim::Taken { state: Some(_), died: Some(_) }), "{held_since:?}");
    assert_eq!(claim(&b, "y.example"), free(), "nobody has asked it for long");
}

#[test]
fn what_a_member_holds_is_told_in_one_look() {
    let database = TestDatabase::new();
    let (one, two) = (database.connect(), database.connect());
    let (a, b) = (share(&one, "10.0.0.1:1"), share(&two, "10.0.0.2:1"));
    assert_eq!(elsewhere(a.held()).unwrap(), []);
    for name in ["x.example", "y.example"] {
        claim(&a, name);
    }
    claim(&b, "z.example");
    let mut held = elsewhere(a.held()).unwrap();
    held.sort();
    assert_eq!(held, [key("x.example"), key("y.example")]);
    assert_eq!(elsewhere(b.held()).unwrap(), [key("z.example")]);
}

#[test]
fn one_that_is_no_member_any_more_claims_nothing() {
    let database = TestDatabase::new();
    let one = database.connect();
    let a = share(&one, "10.0.0.1:1");
    // The next sign of life would make it a member again.
    drop(one);
    database.sql("DELETE FROM mailvet.members");
    assert_eq!(claim(&a, "x.example"), Claim::Unclear);
    assert_eq!(database.sql("SELECT count(*) FROM mailvet.destinations"), "0");
}

#[test]
fn a_queue_that_closes_leaves_what_is_held_to_those_who_hold_it() {
    let database = TestDatabase::new();
    let (one, two) = (database.connect(), database.connect());
    let (a, b) = (share(&one, "10.0.0.1:1"), share(&two, "10.0.0.2:1"));
    claim(&a, "x.example");
    elsewhere(one.close());
    assert!(matches!(claim(&b, "x.example"), Claim::Peer(Some(_))));
    elsewhere(a.leave());
    assert!(matches!(claim(&b, "x.example"), Claim::Taken { died: Some(_), .. }));
}

#[test]
fn members_that_are_alive_outlive_a_crash_of_the_database_and_its_absence() {
    let database = TestDatabase::new();
    // A member that gives no further sign of life.
    drop(database.connect());
    let logged = "SELECT relpersistence FROM pg_class
                  WHERE oid = 'mailvet.members'::regclass";
    assert_eq!(database.sql(logged), "p");
    // As if the server had been away for a minute and had started just now.
    let lives = super::super::members::LIVES.replace("pg_postmaster_start_time()", "now()");
    database.sql("UPDATE mailvet.members SET seen = now() - interval '1 minute'");
    let count = format!("SELECT count(*) FROM mailvet.members m WHERE {lives}");
    assert_eq!(database.sql(&count), "1");
    database.sql("UPDATE mailvet.members SET seen = now() - interval '2 hours'");
    assert_eq!(database.sql(&count), "0");
}
