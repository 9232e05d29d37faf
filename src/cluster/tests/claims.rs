//! Destinations that the table gives to a replica, and what that replica knows of it.

use futures_util::future::join_all;

use super::*;
use crate::address::DomainName;
use crate::prober::{DestinationKey, QuestionRouter as _};

#[tokio::test]
async fn a_destination_that_could_not_be_given_up_is_given_up_the_next_time() {
    let world = World3::new();
    let (config, rules) = bears(2, 20);
    world.world.host(MX, rules);
    let first = world.replica(config.clone()).await;
    let second = world.replica(config).await;
    assert_eq!(code(&first.prober.probe(world.request("user@a.example", MX, MINUTE)).await), 250);
    first.prober.drain().await;
    let later = world.world.clock.now() + MINUTE;
    world.table.fail_a_release();
    first.cluster.sharing.release_idle(later).await;
    assert_eq!(world.table.holders(), [first.member], "the table has it as the first one's");
    first.cluster.sharing.release_idle(later).await;
    assert!(world.table.holders().is_empty());
    let outcome = second.prober.probe(world.request("user@a.example", MX, MINUTE)).await;
    assert_eq!(code(&outcome), 250, "{outcome:?}");
    second.leave().await;
    first.leave().await;
}

#[tokio::test]
async fn a_destination_that_was_not_given_up_counts_its_connections() {
    let world = World3::new();
    let (config, rules) = bears(2, 2);
    world.world.host(MX, rules);
    let replica = world.replica(config).await;
    let asking = (0..60).map(|n| {
        let request = world.request(&format!("user{n}@d{}.example", n % 8), MX, MINUTE);
        replica.prober.probe(request)
    });
    assert!(join_all(asking).await.iter().all(|outcome| code(outcome) == 250));
    assert_eq!(world.world.seen(MX).connections.len(), 2);
    replica.prober.drain().await;
    world.table.fail_a_release();
    replica.cluster.sharing.release_idle(world.world.clock.now() + MINUTE).await;
    assert_eq!(world.table.holders(), [replica.member]);
    let limit = Duration::from_millis(300);
    let outcome = replica.prober.probe(world.request("user@a.example", MX, limit)).await;
    assert_eq!(code(&outcome), 0, "{outcome:?}");
    let seen = world.world.seen(MX);
    assert_eq!((seen.connections.len(), seen.punished), (2, 0));
    replica.leave().await;
}

/// Has a replica claim the destination of [`MX`] for a caller that goes away before it learns that
/// the claim was granted.
async fn claim_for_nobody(world: &World3, replica: &Replica) {
    world.table.during_a_claim(Meanwhile::NoAnswer);
    let granted = async {
        while world.table.holders() != [replica.member] {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = replica.prober.probe(world.request("user@a.example", MX, MINUTE)) => {
            panic!("{outcome:?}")
        }
        () = granted => {}
    }
}

#[tokio::test]
async fn a_claim_whose_caller_went_away_is_found_by_the_next_replica() {
    let world = World3::new();
    world.world.host(MX, Rules::default());
    let first = world.replica(prober::Config::default()).await;
    let second = world.replica(prober::Config::default()).await;
    claim_for_nobody(&world, &first).await;
    let outcome = second.prober.probe(world.request("user1@a.example", MX, MINUTE)).await;
    assert_eq!(code(&outcome), 250, "{outcome:?}");
    assert_eq!(world.table.holders(), [first.member]);
    assert_eq!(second.prober.stats().connections, 0, "the holder asks");
    second.leave().await;
    first.leave().await;
}

#[tokio::test]
async fn a_claim_whose_caller_went_away_inherits_what_a_dead_holder_left() {
    let world = World3::new();
    let (config, rules) = bears(4, 20);
    world.world.host(MX, rules);
    let first = world.replica(config.clone()).await;
    let second = world.replica(config).await;
    assert_eq!(code(&first.prober.probe(world.request("user@a.example", MX, MINUTE)).await), 250);
    first.die(&world);
    claim_for_nobody(&world, &second).await;
    let asking = (0..20)
        .map(|n| second.prober.probe(world.request(&format!("user{n}@d{n}.example"), MX, MINUTE)));
    assert!(join_all(asking).await.iter().all(|outcome| code(outcome) == 250));
    assert_eq!(world.world.seen(MX).connections.len(), 2, "one more, and the others in a minute");
    second.leave().await;
}

#[tokio::test]
async fn a_question_is_answered_in_its_time_though_its_claim_is_not() {
    let world = World3::new();
    world.world.host(MX, Rules::default());
    let replica = world.replica(prober::Config::default()).await;
    world.table.during_a_claim(Meanwhile::NoAnswer);
    let request = world.request("user@a.example", MX, Duration::from_millis(200));
    let asking = replica.prober.probe(request);
    let outcome = tokio::time::timeout(Duration::from_secs(2), asking).await.unwrap();
    assert!(is_postponed(&outcome), "{outcome:?}");
    replica.leave().await;
}

#[tokio::test]
async fn what_is_held_and_suspended_all_the_same_is_taken_over_again() {
    let world = World3::new();
    world.world.host(MX, Rules::default());
    let replica = world.replica(prober::Config::default()).await;
    let user = async |name: &str| {
        let request = world.request(&format!("{name}@a.example"), MX, MINUTE);
        code(&replica.prober.probe(request).await)
    };
    assert_eq!(user("user").await, 250);
    // A step of the destination just after the time of a renewal, and just before the next one.
    replica.prober.suspend_all();
    assert_eq!(user("user1").await, 250);
    replica.leave().await;
}

#[tokio::test]
async fn over_a_new_connection_all_that_is_held_is_confirmed_in_one_look() {
    let world = World3::new();
    let first = world.replica(prober::Config::default()).await;
    let second = world.replica(prober::Config::default()).await;
    let key = |n: usize| DestinationKey {
        identity: "".into(),
        destination: DomainName::from_ascii(&format!("d{n}.example")),
    };
    let sharing = &first.cluster.sharing;
    for n in 0..50 {
        assert!(sharing.hold(&key(n)).await.is_some());
    }
    assert_eq!(world.table.claims(), 50);
    world.table.give(&key(7), second.member);
    let (member, renewed_at) = (first.member, world.world.clock.now());
    sharing.renew(Tenure { member, connection: 2, renewed_at, members: 3 }).await;
    assert_eq!(world.table.claims(), 50);
    for n in 0..50 {
        assert_eq!(sharing.hold(&key(n)).await.is_some(), n != 7, "{n}");
    }
    assert_eq!(world.table.claims(), 51, "only what was lost is claimed again");
    second.leave().await;
    first.leave().await;
}

#[tokio::test]
async fn a_destination_that_just_changes_hands_is_looked_up_again() {
    let world = World3::new();
    world.world.host(MX, Rules::default());
    let replica = world.replica(prober::Config::default()).await;
    let (member, renewed_at) = (replica.member, world.world.clock.now());
    let renewal = Tenure { member, connection: 2, renewed_at, members: 3 };
    for (n, happens) in
        [Meanwhile::AnotherClaim, Meanwhile::Renewal(renewal)].into_iter().enumerate()
    {
        let host = format!("mx.example{n}.net");
        world.world.host(&host, Rules::default());
        world.table.during_a_claim(happens);
        let outcome = replica.prober.probe(world.request("user@a.example", &host, MINUTE)).await;
        assert_eq!(code(&outcome), 250, "{n}: {outcome:?}");
    }
    replica.leave().await;
}
