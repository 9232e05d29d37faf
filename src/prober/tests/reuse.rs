//! Sessions are shared: across recipients, across domains, across time.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::sleep;

use super::*;

#[tokio::test(start_paused = true)]
async fn many_recipients_share_few_sessions() {
    let (world, prober) = world(Rules::default());
    let outcomes = probe_all(&world, &prober, &users(500, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let seen = world.seen(MX);
    assert!(seen.connections.len() <= 5, "{} connections", seen.connections.len());
    assert_eq!(seen.rcpt().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn domains_that_share_an_exchanger_share_its_sessions_and_not_a_transaction() {
    let (world, prober) = world(Rules::default());
    let addresses: Vec<_> = (0..30).flat_map(|n| users(3, &format!("d{n}.example"))).collect();
    let outcomes = probe_all(&world, &prober, &addresses).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let seen = world.seen(MX);
    assert_eq!(seen.connections.len(), 1);
    assert_eq!(seen.transactions.len(), 30, "one transaction per domain");
    for transaction in &seen.transactions {
        let domain = |recipient: &String| recipient.split_once('@').unwrap().1.to_owned();
        assert!(transaction.iter().all(|r| domain(r) == domain(&transaction[0])));
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_serves_the_next_caller_then_says_quit() {
    let (world, prober) = world(Rules::default());
    for user in ["user1@a.example", "user2@b.example"] {
        assert_eq!(code(&prober.probe(world.request(user, &[(MX, 10)])).await), 250);
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(world.seen(MX).connections.len(), 1);
    assert_eq!(prober.stats().sessions, 1);
    sleep(Duration::from_secs(5)).await;
    let seen = world.seen(MX);
    assert_eq!((seen.quits, seen.open), (1, 0));
    assert_eq!(prober.stats().sessions, 0);
    assert!(prober.context.tasks.is_empty(), "an idle lane has no task and no timer");
}

#[tokio::test(start_paused = true)]
async fn without_pipelining_each_answer_still_meets_its_recipient() {
    let (world, prober) = world(Rules { pipelining: false, ..Rules::default() });
    let mut addresses = users(20, "a.example");
    addresses.extend((0..7).map(|n| format!("gone{n}@a.example")));
    let outcomes = probe_all(&world, &prober, &addresses).await;
    for (address, outcome) in addresses.iter().zip(&outcomes) {
        assert_eq!(code(outcome), if address.starts_with("user") { 250 } else { 550 });
    }
}

#[tokio::test(start_paused = true)]
async fn the_control_recipient_is_asked_once_a_domain_in_its_own_transaction() {
    let (world, prober) = world(Rules { catch_all: true, ..Rules::default() });
    let mut requests: Vec<_> =
        users(40, "a.example").iter().map(|address| world.request(address, &[(MX, 10)])).collect();
    for request in &mut requests {
        request.test_catch_all = true;
    }
    let again = requests[0].clone();
    for outcome in probe_requests(&prober, requests).await {
        assert_eq!(control_code(&outcome), 250);
    }
    assert_eq!(prober.probe(again).await.control, Control::KnownYes);
    let seen = world.seen(MX);
    let controls: Vec<_> =
        seen.transactions.iter().filter(|t| t.iter().any(|r| !r.starts_with("user"))).collect();
    assert_eq!(controls.len(), 1);
    assert_eq!(controls[0].len(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_control_recipient_is_spent_where_an_unknown_user_was_refused() {
    let (world, prober) = world(Rules::default());
    let mut addresses = users(10, "a.example");
    addresses.push("gone@a.example".to_owned());
    let requests = addresses.iter().map(|address| {
        let mut request = world.request(address, &[(MX, 10)]);
        request.test_catch_all = true;
        request
    });
    for outcome in probe_requests(&prober, requests.collect()).await {
        assert_eq!(outcome.control, Control::KnownNo);
    }
    assert_eq!(world.seen(MX).rcpt().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_bare_code_is_checked_with_a_control_recipient() {
    let (world, prober) = world(Rules { bare: true, ..Rules::default() });
    let outcome = prober.probe(world.request("gone@a.example", &[(MX, 10)])).await;
    assert_eq!(code(&outcome), 550);
    assert_eq!(control_code(&outcome), 550);
    // Once a recipient was accepted, the same bare code tells recipients apart.
    let addresses = ["user1@b.example".to_owned(), "gone@b.example".to_owned()];
    let outcomes = probe_all(&world, &prober, &addresses).await;
    assert_eq!(outcomes[1].control, Control::KnownNo);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_us_brings_each_caller_its_own_dialogue_or_none() {
    let (world, _) = world(Rules { mail: Some("554 5.7.1 listed"), ..Rules::default() });
    let mut config = Config::default();
    config.pacing.transactions_per_flight = NonZeroU32::MIN;
    let prober = world.prober(config);
    let request = |domain: &str| {
        let request = world.request(&format!("user1@{domain}"), &[(MX, 10)]);
        ProbeRequest { transcript: true, ..request }
    };
    let domains = ["a.example", "b.example"];
    let outcomes = probe_requests(&prober, domains.map(request).to_vec()).await;
    let tells_of = |outcome: &ProbeOutcome, domain: &str| {
        last(outcome).observation.dialogue().iter().any(|line| line.text.contains(domain))
    };
    assert!(tells_of(&outcomes[0], "a.example"), "{outcomes:?}");
    assert!(!tells_of(&outcomes[0], "b.example"), "{outcomes:?}");
    assert!(!tells_of(&outcomes[1], "a.example"), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_transcript_comes_only_where_it_was_asked_for() {
    let (world, prober) = world(Rules::default());
    let plain = world.request("user1@a.example", &[(MX, 10)]);
    let mut curious = plain.clone();
    curious.transcript = true;
    let outcomes = probe_requests(&prober, vec![plain, curious]).await;
    assert!(last(&outcomes[0]).observation.dialogue().is_empty());
    let transcript = last(&outcomes[1]).observation.dialogue();
    assert!(transcript.iter().any(|line| line.text.starts_with("RCPT TO:<u***@")));
}

#[tokio::test(start_paused = true)]
async fn draining_ends_sessions_and_tasks() {
    let (world, prober) = world(Rules::default());
    probe_all(&world, &prober, &users(10, "a.example")).await;
    assert_eq!(prober.stats().sessions, 1);
    prober.drain().await;
    assert_eq!(prober.stats().sessions, 0);
    assert_eq!(world.seen(MX).quits, 1);
}

#[tokio::test(start_paused = true)]
async fn draining_does_not_wait_for_a_banner_that_nobody_waits_for() {
    let (world, prober) = world(Rules { delay: Duration::from_secs(25), ..Rules::default() });
    let mut request = world.request("user1@a.example", &[(MX, 10)]);
    request.deadline = world.clock.now() + Duration::from_secs(1);
    prober.probe(request).await;
    let began = world.clock.now();
    prober.drain().await;
    // No longer than a server is given to close.
    assert!(world.clock.now().duration_since(began).unwrap() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_call_to_a_warm_exchanger_costs_one_flight() {
    let (world, prober) = world(Rules::default());
    prober.probe(world.request("user1@a.example", &[(MX, 10)])).await;
    sleep(Duration::from_secs(3)).await;
    let before = prober.stats();
    let outcome = prober.probe(world.request("user2@b.example", &[(MX, 10)])).await;
    assert_eq!(code(&outcome), 250);
    let after = prober.stats();
    assert_eq!((after.flights - before.flights, after.connections), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_answer_to_quit() {
    let (world, _) = world(Rules { close_delay: Duration::from_secs(100), ..Rules::default() });
    let mut config = Config::default();
    config.pacing.session_idle = Duration::ZERO;
    let prober = world.prober(config);
    let began = world.clock.now();
    probe_all(&world, &prober, &users(10, "a.example")).await;
    prober.drain().await;
    assert_eq!(world.seen(MX).quits, 1);
    assert!(world.clock.now() < began + Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn the_numbers_say_what_was_done_and_what_is_going_on() {
    let (world, prober) = world(Rules::default());
    world.host("mx.blocked.example", Rules { banner: Some("554 listed"), ..Rules::default() });
    world.host("mx.down.example", Rules { down: true, ..Rules::default() });
    let mut addresses = users(3, "a.example");
    addresses.push("gone@b.example".to_owned());
    probe_all(&world, &prober, &addresses).await;
    for host in ["mx.blocked.example", "mx.down.example"] {
        prober.probe(world.request("user@c.example", &[(host, 10)])).await;
    }
    // The one that was refused is gone by then.
    sleep(Duration::from_secs(1)).await;
    let stats = prober.stats();
    assert_eq!((stats.sessions, stats.waiting, stats.destinations), (1, 0, 3));
    assert_eq!((stats.connections, stats.connections_failed), (2, 1));
    assert_eq!(stats.exchangers_resting, 2);
    assert_eq!((stats.mail, stats.rcpt, stats.unknown_users), (2, 4, 1));
    // The greeting, then all recipients together, but for a first transaction that goes alone.
    assert!((2..=3).contains(&stats.flights), "{}", stats.flights);
}

#[tokio::test(start_paused = true)]
async fn a_list_takes_no_more_flights_and_transactions_than_it_must() {
    let (world, prober) = world(Rules::default());
    let addresses: Vec<_> = (0..40).flat_map(|n| users(50, &format!("d{n}.example"))).collect();
    let requests = addresses.iter().map(|address| {
        let mut request = world.request(address, &[(MX, 10)]);
        request.test_catch_all = true;
        request
    });
    let outcomes = probe_requests(&prober, requests.collect()).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let stats = prober.stats();
    assert_eq!(stats.connections, 5);
    // A domain in one, its control recipient in another. In each session the recipient that shows
    // whether it takes more than 100 parts a domain, and shifts those after it.
    assert!(stats.mail <= 40 + 40 + 5 * 3, "{}", stats.mail);
    assert_eq!(stats.rcpt, 2000 + 40);
    // For each session: the greeting, four times 100 recipients, the last control recipients.
    assert!(stats.flights <= 5 * 6, "{}", stats.flights);
}
