//! A look at an exchanger's TLS keeps every limit, and ends before any `MAIL`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::address::DomainName;
use crate::prober::TlsInspection;

async fn inspect(world: &World, prober: &Prober) -> TlsInspection {
    let (mx, domain) = (DomainName::from_ascii(MX), DomainName::from_ascii("a.example"));
    prober.inspect_tls(&mx, &domain, world.clock.now() + Duration::from_secs(60)).await
}

#[tokio::test(start_paused = true)]
async fn a_look_at_tls_is_one_session_that_ends_with_quit_before_mail() {
    let (world, prober) = world(Rules::default());
    assert_eq!(inspect(&world, &prober).await, TlsInspection::NotOffered);
    prober.drain().await;
    let seen = world.seen(MX);
    assert_eq!((seen.connections.len(), seen.quits, seen.open), (1, 1, 0));
    assert!(seen.transactions.is_empty(), "{:?}", seen.transactions);
    assert_eq!(prober.stats().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn tls_that_breaks_off_is_told_and_keeps_nobody_from_asking() {
    let (world, prober) = world(Rules { broken_tls: true, ..Rules::default() });
    let inspection = inspect(&world, &prober).await;
    assert!(matches!(&inspection, TlsInspection::Failed(_)), "{inspection:?}");
    let outcomes = probe_all(&world, &prober, &users(1, "a.example")).await;
    assert_eq!(code(&outcomes[0]), 250);
    prober.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_exchanger_that_is_greeted_with_helo_is_not_said_to_offer_no_tls() {
    let (world, prober) = world(Rules { rfc821: true, ..Rules::default() });
    let outcomes = probe_all(&world, &prober, &users(1, "a.example")).await;
    assert_eq!(code(&outcomes[0]), 250);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let inspection = inspect(&world, &prober).await;
    assert!(matches!(&inspection, TlsInspection::NotReached(_)), "{inspection:?}");
    let connections = world.seen(MX).connections.len();
    let mut request = world.request("user2@a.example", &[(MX, 10)]);
    request.deadline = world.clock.now() + Duration::from_millis(500);
    assert_eq!(code(&prober.probe(request).await), 250, "it is not left alone for that");
    assert_eq!(world.seen(MX).connections.len(), connections + 1, "and HELO is said at once");
    world.host(MX, Rules { broken_tls: true, ..Rules::default() });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let inspection = inspect(&world, &prober).await;
    assert!(matches!(&inspection, TlsInspection::Failed(_)), "{inspection:?}");
    prober.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_as_that_of_any_session() {
    let (world, prober) = world(Rules { banner: Some("554 5.7.1 blocked"), ..Rules::default() });
    let inspection = inspect(&world, &prober).await;
    let TlsInspection::NotReached(cause) = inspection else { panic!("{inspection:?}") };
    assert!(cause.contains("5.7.1 blocked"), "{cause}");
    let again = inspect(&world, &prober).await;
    let TlsInspection::NotReached(cause) = again else { panic!("{again:?}") };
    assert!(cause.contains("left alone"), "{cause}");
    probe_all(&world, &prober, &users(1, "a.example")).await;
    prober.drain().await;
    assert_eq!(world.seen(MX).connections.len(), 1, "nobody knocks again");
}

#[tokio::test(start_paused = true)]
async fn a_look_at_tls_is_a_connection_among_those_of_a_minute() {
    let world = World::new();
    world.host(MX, Rules::default());
    let mut config = Config::default();
    config.pacing.connections_per_minute = NonZeroU32::MIN;
    let prober = world.prober(config);
    assert_eq!(inspect(&world, &prober).await, TlsInspection::NotOffered);
    let second = inspect(&world, &prober).await;
    let TlsInspection::NotReached(cause) = second else { panic!("{second:?}") };
    assert!(cause.contains("no further connection"), "{cause}");
    tokio::time::advance(Duration::from_secs(63)).await;
    assert_eq!(inspect(&world, &prober).await, TlsInspection::NotOffered);
    prober.drain().await;
    assert_eq!(world.seen(MX).connections.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_with_quit() {
    let (world, prober) = world(Rules { delay: Duration::from_millis(700), ..Rules::default() });
    let (mx, domain) = (DomainName::from_ascii(MX), DomainName::from_ascii("a.example"));
    let deadline = world.clock.now() + Duration::from_millis(500);
    let inspection = prober.inspect_tls(&mx, &domain, deadline).await;
    assert_eq!(inspection, TlsInspection::NotReached("no answer in time".to_owned()));
    prober.drain().await;
    assert_eq!(world.seen(MX).open, 0);
}
