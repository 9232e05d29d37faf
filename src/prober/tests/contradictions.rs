//! Answers that contradict what a domain showed before are asked for once more.

use std::time::Duration;

use tokio::time::sleep;

use super::*;

async fn probe(world: &World, prober: &Prober, address: &str) -> ProbeOutcome {
    let mut request = world.request(address, &[(MX, 10)]);
    request.test_catch_all = true;
    request.retry_until = world.clock.now();
    prober.probe(request).await
}

/// Longer than a catch-all state is remembered, and than a session stays open.
const LATER: Duration = Duration::from_secs(25 * 60 * 60);

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_domain_that_accepted_everything_is_asked_for_once_more() {
    let (world, prober) = world(Rules { catch_all: true, ..Rules::default() });
    let outcome = probe(&world, &prober, "user1@a.example").await;
    assert_eq!(control_code(&outcome), 250);
    sleep(SOON).await;
    world.host(MX, Rules::default());
    let before = prober.stats().rcpt;
    let outcome = probe(&world, &prober, "gone@a.example").await;
    assert_eq!((code(&outcome), &outcome.control), (550, &Control::KnownNo));
    assert_eq!(prober.stats().rcpt - before, 2, "it was asked twice");
    let outcome = probe(&world, &prober, "gone2@a.example").await;
    assert_eq!((code(&outcome), &outcome.control), (550, &Control::KnownNo));
    assert_eq!(prober.stats().rcpt - before, 3, "from then on it is believed");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_chance_does_not_condemn_a_mailbox_of_a_catch_all_domain() {
    let (world, prober) = world(Rules { catch_all: true, ..Rules::default() });
    probe(&world, &prober, "user1@a.example").await;
    sleep(SOON).await;
    // The control recipient was the first unknown one; refused are the odd ones.
    world.host(MX, Rules { unknown_alternates: true, ..Rules::default() });
    prober.probe(world.request("any@b.example", &[(MX, 10)])).await;
    let outcome = probe(&world, &prober, "jane@a.example").await;
    assert_eq!((code(&outcome), &outcome.control), (250, &Control::KnownYes));
}

#[tokio::test(start_paused = true)]
async fn what_one_exchanger_shows_of_a_domain_is_not_believed_of_its_backup_nor_the_reverse() {
    let (world, prober) = world(Rules::default());
    let backup = "mx2.example.net";
    world.host(backup, Rules { catch_all: true, ..Rules::default() });
    let ask = async |address: &str| {
        let mut request = world.request(address, &[(MX, 10), (backup, 20)]);
        request.test_catch_all = true;
        let outcome = prober.probe(request).await;
        sleep(SOON).await;
        outcome
    };
    let outcome = ask("gone@a.example").await;
    assert_eq!((code(&outcome), &outcome.control), (550, &Control::KnownNo));
    world.host(MX, Rules { banner: Some("421 4.3.2 too busy"), ..Rules::default() });
    let outcome = ask("gone@a.example").await;
    assert_eq!((code(&outcome), control_code(&outcome)), (250, 250), "the backup takes everybody");
    assert_eq!(ask("gone2@a.example").await.control, Control::KnownYes, "and that is remembered");
    world.host(MX, Rules::default());
    sleep(Duration::from_secs(120)).await;
    let outcome = ask("user1@a.example").await;
    assert_eq!((code(&outcome), &outcome.control), (250, &Control::KnownNo));
}

#[tokio::test(start_paused = true)]
async fn a_control_recipient_that_contradicts_the_domain_is_asked_once_more_and_then_believed() {
    let (world, prober) = world(Rules::default());
    assert_eq!(code(&probe(&world, &prober, "gone@a.example").await), 550);
    sleep(LATER).await;
    world.host(MX, Rules { catch_all: true, ..Rules::default() });
    let before = prober.stats().rcpt;
    let outcome = probe(&world, &prober, "user1@a.example").await;
    assert_eq!(control_code(&outcome), 250);
    assert_eq!(prober.stats().rcpt - before, 3, "the control recipient was asked twice");
    assert_eq!(probe(&world, &prober, "user2@a.example").await.control, Control::KnownYes);
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_answers_at_random_vouches_for_nobody() {
    let (world, prober) = world(Rules::default());
    assert_eq!(code(&probe(&world, &prober, "gone@a.example").await), 550);
    sleep(LATER).await;
    world.host(MX, Rules { unknown_alternates: true, ..Rules::default() });
    let outcome = probe(&world, &prober, "user1@a.example").await;
    assert_eq!(control_code(&outcome), 250, "accepted once, refused once");
    assert_ne!(probe(&world, &prober, "user2@a.example").await.control, Control::KnownNo);
}

#[tokio::test(start_paused = true)]
async fn a_greylisted_control_recipient_is_asked_again_when_its_time_has_come() {
    let wait = Some(Duration::from_secs(60));
    let (world, prober) = world(Rules { greylists_unknown: wait, ..Rules::default() });
    let outcome = probe(&world, &prober, "user1@a.example").await;
    assert_eq!((code(&outcome), control_code(&outcome)), (250, 450));
    let outcome = probe(&world, &prober, "user2@a.example").await;
    assert_eq!((code(&outcome), control_code(&outcome)), (250, 450), "not before its time");
    sleep(Duration::from_secs(61)).await;
    let outcome = probe(&world, &prober, "user3@a.example").await;
    assert_eq!((code(&outcome), control_code(&outcome)), (250, 550));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_has_the_time_waits_for_a_control_recipient_that_was_greylisted_before() {
    let wait = Some(Duration::from_secs(60));
    let (world, prober) = world(Rules { greylists_unknown: wait, ..Rules::default() });
    probe(&world, &prober, "user1@a.example").await;
    let mut requests = Vec::new();
    for n in 2..5 {
        let mut request = world.request(&format!("user{n}@a.example"), &[(MX, 10)]);
        request.test_catch_all = true;
        request.retry_until = world.clock.now() + Duration::from_secs(100);
        requests.push(request);
    }
    let before = prober.stats().rcpt;
    let outcomes = probe_requests(&prober, requests).await;
    assert!(outcomes.iter().all(|o| (code(o), control_code(o)) == (250, 550)), "{outcomes:?}");
    assert_eq!(prober.stats().rcpt - before, 4, "the control recipient was asked once for all");
}

#[tokio::test(start_paused = true)]
async fn where_everybody_is_greylisted_the_control_recipient_waits_beside_the_recipient() {
    let wait = Duration::from_secs(300);
    let (world, prober) = world(Rules { greylist: Some(wait), ..Rules::default() });
    let outcome = probe(&world, &prober, "user1@a.example").await;
    assert_eq!((code(&outcome), control_code(&outcome)), (450, 0));
    sleep(wait + SOON).await;
    assert_eq!(world.seen(MX).named.len(), 2, "both are known to the server now");
    let outcome = probe(&world, &prober, "user1@a.example").await;
    assert_eq!((code(&outcome), control_code(&outcome)), (250, 550), "one wait, not two");
}
