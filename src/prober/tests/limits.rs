//! Every budget is kept, and what a server says of itself is believed.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::smtp::{self, StartTlsMode};

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// Every session was ended by us.
fn assert_polite(world: &World) {
    let seen = world.seen(MX);
    assert_eq!(seen.quits, seen.connections.len() - seen.open, "the server ended a session");
}

#[tokio::test(start_paused = true)]
async fn a_session_and_a_transaction_hold_no_more_recipients_than_configured() {
    // The server would hang up at one more.
    let (world, _) = world(Rules { recipients_per_session: 10, ..Rules::default() });
    let mut config = Config::default();
    config.pacing.recipients_per_session = count(10);
    config.pacing.recipients_per_transaction = count(4);
    config.pacing.connections_per_minute = count(100);
    let prober = world.prober(config);
    let outcomes = probe_all(&world, &prober, &users(100, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    prober.drain().await;
    assert_polite(&world);
    let seen = world.seen(MX);
    assert!(seen.transactions.iter().all(|transaction| transaction.len() <= 4));
    assert_eq!(seen.connections.len(), 10);
}

/// Asks about 40 users of a domain, one every five seconds, all of whom are there.
async fn ask_every_five_seconds(world: &World, prober: &Prober) {
    for n in 0..40 {
        let address = format!("user{n}@a.example");
        assert_eq!(code(&prober.probe(world.request(&address, &[(MX, 10)])).await), 250);
        sleep(Duration::from_secs(5)).await;
    }
    prober.drain().await;
    assert_polite(world);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_at_its_age() {
    let (world, _) = world(Rules::default());
    let mut config = Config::default();
    config.pacing.session_age = Duration::from_secs(60);
    let prober = world.prober(config);
    ask_every_five_seconds(&world, &prober).await;
    let seen = world.seen(MX);
    assert!((4..=5).contains(&seen.connections.len()), "{}", seen.connections.len());
    let oldest = seen.lasted.iter().max().unwrap();
    assert!(*oldest <= Duration::from_secs(61), "{oldest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_ends_before_its_time_limit_and_not_at_it() {
    let (world, _) = world(Rules::default());
    let mut smtp = smtp::Config::default();
    smtp.time_limits.session = Duration::from_secs(60);
    let prober = world.prober_with(Config::default(), &smtp);
    ask_every_five_seconds(&world, &prober).await;
    assert_eq!(world.seen(MX).rcpt().len(), 40, "nobody is named twice");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_of_its_limits_is_kept_to() {
    let (world, _) = world(Rules { limits: Some((2, 3)), ..Rules::default() });
    let mut config = Config::default();
    config.pacing.connections_per_minute = count(100);
    let prober = world.prober(config);
    let outcomes = probe_all(&world, &prober, &users(60, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    prober.drain().await;
    assert_polite(&world);
    let seen = world.seen(MX);
    assert!(seen.transactions.iter().all(|transaction| transaction.len() <= 3));
    assert_eq!((seen.connections.len(), seen.rcpt().len()), (10, 60));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_over_a_full_transaction_sets_no_limit_to_the_session() {
    let (world, prober) =
        world(Rules { recipients_per_transaction: 12, overshoot: 3, ..Rules::default() });
    let outcomes = probe_all(&world, &prober, &users(100, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let connections = world.seen(MX).connections.len();
    assert!(connections <= 2, "one is hung up on, one serves all others: {connections}");
}

#[tokio::test(start_paused = true)]
async fn a_421_half_way_through_a_flight_leaves_every_answer_with_its_recipient() {
    let (world, prober) = world(Rules { recipients_per_session: 7, ..Rules::default() });
    let addresses: Vec<String> = (0..90)
        .map(|n| format!("{}{n}@d{}.example", if n % 7 == 3 { "gone" } else { "user" }, n % 4))
        .collect();
    let outcomes = probe_all(&world, &prober, &addresses).await;
    for (address, outcome) in addresses.iter().zip(&outcomes) {
        assert_eq!(code(outcome), if address.starts_with("user") { 250 } else { 550 }, "{address}");
    }
    let seen = world.seen(MX);
    assert_eq!(seen.rcpt().len(), 90, "nobody is answered twice, nobody goes without");
}

#[tokio::test(start_paused = true)]
async fn tarpitting_reduces_the_sessions() {
    let world = World::new();
    let begins = Duration::from_secs(3);
    let tarpit = Some((world.clock.now() + begins, Duration::from_millis(500)));
    let delay = Duration::from_millis(10);
    world.host(MX, Rules { delay, tarpit, ..Rules::default() });
    let mut config = Config::default();
    config.pacing.sessions_per_exchanger = count(8);
    config.pacing.recipients_per_flight = count(20);
    config.pacing.recipients_per_minute = count(100_000);
    config.pacing.connections_per_minute = count(1000);
    let prober = world.prober(config);
    let addresses = users(8000, "a.example");
    let all = probe_all(&world, &prober, &addresses);
    let watch = async {
        sleep(begins - Duration::from_millis(100)).await;
        let before = world.seen(MX).open;
        sleep(Duration::from_secs(60)).await;
        (before, world.seen(MX).open)
    };
    tokio::select! {
        (before, after) = watch => {
            assert!(before >= 7, "{before} sessions before");
            assert!((1..=before / 2).contains(&after), "{after} sessions after");
        }
        _ = all => panic!("the list was too short"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_huge_lane_leaves_a_session_to_a_small_one_of_the_same_destination() {
    let delay = Duration::from_millis(100);
    let (world, _) = world(Rules { delay, ..Rules::default() });
    world.host("mx2.example.net", Rules::default());
    let mut config = Config::default();
    config.pacing.sessions_per_destination = count(2);
    let prober = world.prober(config);
    let addresses = users(2000, "huge.example");
    let huge = probe_all(&world, &prober, &addresses);
    let small = async {
        sleep(Duration::from_secs(1)).await;
        let request = world.request("user1@small.example", &[("mx2.example.net", 10)]);
        timeout(Duration::from_secs(30), prober.probe(request)).await
    };
    tokio::select! {
        outcome = small => assert_eq!(code(&outcome.unwrap()), 250),
        _ = huge => panic!("the huge lane was first"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_null_sender_is_remembered() {
    let (world, _) = world(Rules { refuses_null_sender: true, ..Rules::default() });
    let smtp = smtp::Config {
        fallback_mail_from: "probe@example.com".parse().ok(),
        ..smtp::Config::default()
    };
    let prober = world.prober_with(Config::default(), &smtp);
    for n in 0..3 {
        let outcome = prober.probe(world.request(&format!("user{n}@a.example"), &[(MX, 10)])).await;
        assert_eq!(code(&outcome), 250);
        sleep(Duration::from_secs(20)).await;
    }
    let seen = world.seen(MX);
    assert_eq!(seen.connections.len(), 3);
    let ours = "probe@example.com";
    assert_eq!(seen.senders, ["", ours, ours, ours], "<> is tried once");
}

#[tokio::test(start_paused = true)]
async fn a_block_at_ehlo_is_about_us_and_remembered() {
    let (world, prober) =
        world(Rules { ehlo: Some("550 5.7.1 you are listed"), ..Rules::default() });
    for _ in 0..3 {
        let outcome = prober.probe(world.request("user1@a.example", &[(MX, 10)])).await;
        let answer = &last(&outcome).observation.answer;
        assert!(matches!(answer, RecipientAnswer::Replied { stage: Stage::Ehlo, .. }));
    }
    assert_eq!(world.seen(MX).connections.len(), 1);
}

fn with_tls(starttls: StartTlsMode) -> smtp::Config {
    smtp::Config { starttls, ..smtp::Config::default() }
}

#[tokio::test(start_paused = true)]
async fn opportunistic_tls_that_fails_goes_on_in_the_clear_and_is_remembered() {
    let (world, _) = world(Rules { broken_tls: true, ..Rules::default() });
    let prober = world.prober_with(Config::default(), &with_tls(StartTlsMode::Opportunistic));
    for n in 0..3 {
        let outcome = prober.probe(world.request(&format!("user{n}@a.example"), &[(MX, 10)])).await;
        assert_eq!(code(&outcome), 250, "{outcome:?}");
        assert_eq!(outcome.attempts.len(), 1, "it is one question");
        sleep(Duration::from_secs(20)).await;
    }
    assert_eq!(world.seen(MX).connections.len(), 4, "TLS is tried once");
    sleep(Duration::from_secs(60 * 60)).await;
    prober.probe(world.request("user@a.example", &[(MX, 10)])).await;
    assert_eq!(world.seen(MX).connections.len(), 6, "and again after an hour");
}

#[tokio::test(start_paused = true)]
async fn tls_that_is_insisted_on_and_fails_is_the_answer() {
    let (world, _) = world(Rules { broken_tls: true, ..Rules::default() });
    let prober = world.prober_with(Config::default(), &with_tls(StartTlsMode::Always));
    let outcome = prober.probe(world.request("user@a.example", &[(MX, 10)])).await;
    let (stage, reason) = no_reply(&outcome).unwrap();
    assert_eq!(stage, Stage::StartTls);
    assert!(matches!(reason, NoReply::TlsFailed(_)), "{reason:?}");
    assert_eq!(world.seen(MX).connections.len(), 1);
}
