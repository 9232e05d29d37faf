//! What a retry window answers is answered, and nobody waits for what cannot come in time.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[tokio::test(start_paused = true)]
async fn greylisting_is_waited_out_where_the_deadline_allows_it() {
    let (world, prober) = world(Rules { greylist: Some(seconds(60)), ..Rules::default() });
    let began = world.clock.now();
    let outcomes = probe_all(&world, &prober, &users(20, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let took = world.clock.now().duration_since(began).unwrap();
    assert!(took < seconds(65), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn greylisting_is_told_at_once_where_the_deadline_is_too_near() {
    let (world, prober) = world(Rules { greylist: Some(seconds(60)), ..Rules::default() });
    let mut request = world.request("user1@a.example", &[(MX, 10)]);
    request.deadline = world.clock.now() + seconds(30);
    let outcome = timeout(seconds(1), prober.probe(request)).await.unwrap();
    assert_eq!(code(&outcome), 450);
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_patience_is_told_at_once_although_its_deadline_is_far() {
    let (world, prober) = world(Rules { greylist: Some(seconds(60)), ..Rules::default() });
    let mut request = world.request("user1@a.example", &[(MX, 10)]);
    request.retry_until = world.clock.now();
    let outcome = timeout(seconds(1), prober.probe(request)).await.unwrap();
    assert_eq!(code(&outcome), 450);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_outcome_says_how_far_it_came() {
    let (world, prober) = world(Rules { delay: seconds(20), ..Rules::default() });
    let mut request = world.request("user1@a.example", &[(MX, 10)]);
    for (wait, stage) in [(10, Stage::Connect), (50, Stage::Rcpt)] {
        request.deadline = world.clock.now() + seconds(wait);
        let outcome = prober.probe(request.clone()).await;
        assert_eq!(no_reply(&outcome), Some((stage, NoReply::Timeout)));
        assert!(world.clock.now() <= request.deadline + seconds(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_waited_out_and_else_told_as_the_answer() {
    let (world, prober) = world(Rules {
        rcpt: Some("450 4.7.1 slow down, try again in 40 seconds"),
        ..Rules::default()
    });
    let mut request = world.request("user1@a.example", &[(MX, 10)]);
    request.deadline = world.clock.now() + seconds(20);
    assert_eq!(code(&prober.probe(request).await), 450);
    let patient = prober.probe(world.request("user2@a.example", &[(MX, 10)]));
    let relent = async {
        sleep(seconds(30)).await;
        world.host(MX, Rules::default());
    };
    let (outcome, ()) = tokio::join!(patient, relent);
    assert_eq!(code(&outcome), 250);
}

#[tokio::test(start_paused = true)]
async fn a_busy_exchanger_is_asked_again_until_it_lets_us_in() {
    let rules = Rules { banner: Some("421 4.3.2 too much load"), ..Rules::default() };
    let (world, prober) = world(rules);
    let mut hasty = world.request("user1@b.example", &[(MX, 10)]);
    hasty.deadline = world.clock.now() + seconds(2);
    let addresses = users(10, "a.example");
    let patient = probe_all(&world, &prober, &addresses);
    let relent = async {
        let outcome = prober.probe(hasty).await;
        assert!(matches!(
            &last(&outcome).observation.answer,
            RecipientAnswer::Replied { stage: Stage::Banner, reply, .. } if reply.code == 421
        ));
        sleep(seconds(20)).await;
        world.host(MX, Rules::default());
    };
    let (outcomes, ()) = tokio::join!(patient, relent);
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    assert!(world.seen(MX).connections.len() <= 8, "{:?}", world.seen(MX).connections.len());
}

#[tokio::test(start_paused = true)]
async fn the_next_exchanger_is_asked_when_the_first_cannot_be() {
    let (world, prober) = world(Rules { down: true, ..Rules::default() });
    world.host("mx2.example.org", Rules::default());
    let outcome =
        prober.probe(world.request("user1@a.example", &[("mx2.example.org", 20), (MX, 10)])).await;
    assert_eq!(outcome.attempts.len(), 2);
    assert_eq!(outcome.attempts[0].exchanger.as_str(), MX);
    assert_eq!(code(&outcome), 250);
}

/// A caller with five seconds, and two exchangers.
fn hasty(world: &World) -> ProbeRequest {
    let request = world.request("user1@a.example", &[(MX, 10), ("mx2.example.org", 20)]);
    ProbeRequest { deadline: world.clock.now() + seconds(5), ..request }
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_little_time_asks_the_next_exchanger_while_the_first_one_is_silent() {
    let (world, prober) = world(Rules { delay: seconds(25), ..Rules::default() });
    world.host("mx2.example.org", Rules::default());
    let outcome = prober.probe(hasty(&world)).await;
    assert_eq!((outcome.attempts.len(), code(&outcome)), (2, 250));
    let timeout = RecipientAnswer::NoReply { stage: Stage::Connect, reason: NoReply::Timeout };
    assert_eq!(outcome.attempts[0].observation.answer, timeout);
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_little_time_asks_the_next_exchanger_while_the_first_one_is_looked_up() {
    let (world, prober) = world(Rules::default());
    world.host("mx2.example.org", Rules::default());
    world.mute_host(MX);
    let outcome = prober.probe(hasty(&world)).await;
    assert_eq!((outcome.attempts.len(), code(&outcome)), (2, 250));
}

#[tokio::test(start_paused = true)]
async fn a_first_exchanger_that_is_slow_to_let_us_in_is_asked_where_the_next_one_is_no_help() {
    let (world, prober) = world(Rules { greet_delay: seconds(3), ..Rules::default() });
    world.host("mx2.example.org", Rules { down: true, ..Rules::default() });
    let outcome = prober.probe(hasty(&world)).await;
    assert_eq!((outcome.attempts.len(), code(&outcome)), (3, 250));
    assert_eq!(world.seen(MX).connections.len(), 1, "its session was opened all the while");
}

#[tokio::test(start_paused = true)]
async fn a_first_exchanger_that_greets_within_half_of_the_time_is_not_passed_over() {
    let (world, prober) = world(Rules { greet_delay: seconds(2), ..Rules::default() });
    world.host("mx2.example.org", Rules::default());
    let outcome = prober.probe(hasty(&world)).await;
    assert_eq!((outcome.attempts.len(), code(&outcome)), (1, 250));
    assert!(world.seen("mx2.example.org").connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_exchanger_that_is_not_there_is_not_knocked_at_for_every_caller() {
    let (world, prober) = world(Rules { down: true, ..Rules::default() });
    for _ in 0..10 {
        let outcome = prober.probe(world.request("user1@a.example", &[(MX, 10)])).await;
        assert!(matches!(no_reply(&outcome), Some((Stage::Connect, NoReply::ConnectFailed(_)))));
    }
    assert_eq!(world.seen(MX).connections.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exchanger_that_refuses_connections_for_a_while_is_waited_for() {
    let (world, prober) = world(Rules { recipients_per_session: 5, ..Rules::default() });
    assert_eq!(code(&prober.probe(world.request("user0@a.example", &[(MX, 10)])).await), 250);
    sleep(seconds(10)).await;
    world.host(MX, Rules { down: true, ..Rules::default() });
    let addresses = users(10, "a.example");
    let patient = probe_all(&world, &prober, &addresses);
    let relent = async {
        sleep(seconds(40)).await;
        world.host(MX, Rules::default());
    };
    let (outcomes, ()) = tokio::join!(patient, relent);
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
}

#[tokio::test(start_paused = true)]
async fn a_missing_exchanger_is_told_for_every_exchanger() {
    let (world, prober) = world(Rules::default());
    let outcome = prober
        .probe(world.request("user1@a.example", &[("gone1.example", 10), ("gone2.example", 20)]))
        .await;
    assert_eq!(outcome.attempts.len(), 2);
    for attempt in &outcome.attempts {
        assert!(matches!(
            attempt.observation.answer,
            RecipientAnswer::NoReply { reason: NoReply::HostNotFound, .. }
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn relaying_denied_is_asked_of_every_equal_exchanger_and_no_other() {
    let denied = Rules { rcpt: Some("550 5.7.1 relay denied"), ..Rules::default() };
    let (world, prober) = world(denied.clone());
    world.host("mx2.example.org", denied.clone());
    world.host("mx3.example.com", Rules::default());
    let hosts = [(MX, 10), ("mx2.example.org", 10), ("mx3.example.com", 20)];
    let outcome = prober.probe(world.request("user1@a.example", &hosts)).await;
    assert_eq!(outcome.attempts.len(), 2);
    assert!(world.seen("mx3.example.com").connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_busy_exchanger_is_asked_again_though_its_equal_denies_relaying() {
    let (world, prober) = world(Rules { banner: Some("421 4.3.2 busy"), ..Rules::default() });
    let denied = Rules { rcpt: Some("550 5.7.1 relay denied"), ..Rules::default() };
    world.host("mx2.example.org", denied);
    let hosts = [(MX, 10), ("mx2.example.org", 10)];
    let asked = prober.probe(world.request("user1@a.example", &hosts));
    let relent = async {
        sleep(seconds(5)).await;
        world.host(MX, Rules::default());
    };
    let (outcome, ()) = tokio::join!(asked, relent);
    assert_eq!((outcome.attempts.len(), code(&outcome)), (3, 250));
}

#[tokio::test(start_paused = true)]
async fn a_slow_destination_blocks_nobody_else() {
    let (world, prober) = world(Rules { delay: seconds(30), ..Rules::default() });
    world.host("quick.example.org", Rules::default());
    let slow = users(50, "slow.example");
    let slow = probe_all(&world, &prober, &slow);
    let quick = async {
        sleep(seconds(1)).await;
        let requests = users(50, "quick.example")
            .iter()
            .map(|address| world.request(address, &[("quick.example.org", 10)]))
            .collect();
        timeout(seconds(1), probe_requests(&prober, requests)).await.unwrap()
    };
    tokio::select! {
        outcomes = quick => assert!(outcomes.iter().all(|outcome| code(outcome) == 250)),
        _ = slow => panic!("the slow destination was first"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_huge_domain_does_not_starve_a_small_one_at_the_same_exchanger() {
    let (world, prober) = world(Rules { delay: Duration::from_millis(100), ..Rules::default() });
    let huge = users(2000, "huge.example");
    let huge = probe_all(&world, &prober, &huge);
    let small = async {
        sleep(seconds(1)).await;
        timeout(seconds(30), prober.probe(world.request("user1@small.example", &[(MX, 10)]))).await
    };
    tokio::select! {
        outcome = small => assert_eq!(code(&outcome.unwrap()), 250),
        _ = huge => panic!("the huge domain was first"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_leaves_nothing_behind() {
    let (world, prober) = world(Rules { greylist: Some(seconds(60)), ..Rules::default() });
    let addresses = users(30, "a.example");
    let leaving = timeout(seconds(2), probe_all(&world, &prober, &addresses)).await;
    assert!(leaving.is_err());
    assert_eq!(prober.stats().waiting, 0);
    let asked = world.seen(MX).rcpt().len();
    sleep(seconds(100)).await;
    assert_eq!(world.seen(MX).rcpt().len(), asked, "nobody is asked for a caller who left");
    assert!(prober.context.tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_waits_for_any_more_is_not_opened() {
    let (world, prober) = world(Rules { delay: seconds(25), ..Rules::default() });
    let leaving = timeout(seconds(2), probe_all(&world, &prober, &users(3, "a.example"))).await;
    assert!(leaving.is_err());
    // No longer than a server is given to close.
    sleep(seconds(3)).await;
    assert!(prober.context.tasks.is_empty(), "the banner was not waited for");
    let outcomes = probe_all(&world, &prober, &users(1, "b.example")).await;
    assert_eq!(code(&outcomes[0]), 250, "the next caller is served all the same");
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_makes_its_callers_wait_their_turn() {
    let (world, _) = world(Rules::default());
    let queue = std::num::NonZeroUsize::new(3).unwrap();
    let prober = world.prober(Config { queue, ..Config::default() });
    let addresses = users(40, "a.example");
    let all = probe_all(&world, &prober, &addresses);
    let watch = async {
        for _ in 0..1000 {
            sleep(Duration::from_millis(1)).await;
            assert!(prober.stats().waiting <= 3);
        }
    };
    let (outcomes, ()) = tokio::join!(all, watch);
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
}
