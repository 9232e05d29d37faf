use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::*;
use crate::address::DomainName;
use crate::prober::TlsInspection;

#[tokio::test]
async fn three_replicas_look_like_one_sender() {
    let world = World3::new();
    let (config, rules) = bears(3, 10);
    world.world.host(MX, rules);
    let replicas = join_all((0..3).map(|_| world.replica(config.clone()))).await;
    let asking = (0..240).map(|n| {
        let request = world.request(&format!("user{n}@d{}.example", n % 12), MX, MINUTE);
        replicas[n % 3].prober.probe(request)
    });
    let outcomes = join_all(asking).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250), "{outcomes:?}");
    let seen = world.world.seen(MX);
    assert_eq!(seen.rcpt().iter().collect::<BTreeSet<_>>().len(), 240);
    assert_eq!(seen.rcpt().len(), 240, "nobody is asked about twice");
    assert!(seen.peak <= 3 && seen.connections.len() <= 10, "{} {:?}", seen.peak, seen.punished);
    let asked: Vec<u64> = replicas.iter().map(|it| it.prober.stats().connections).collect();
    assert_eq!(asked.iter().filter(|connections| **connections > 0).count(), 1, "{asked:?}");
    for replica in &replicas {
        replica.leave().await;
    }
}

#[tokio::test]
async fn a_blocked_identity_knocks_once_whatever_replica_asks_and_whoever_holds() {
    let world = World3::new();
    let banner = Some("554 5.7.1 your address is listed");
    world.world.host(MX, Rules { banner, ..Rules::default() });
    let first = world.replica(prober::Config::default()).await;
    let second = world.replica(prober::Config::default()).await;
    for replica in [&first, &second, &first] {
        let outcome = replica.prober.probe(world.request("user@a.example", MX, MINUTE)).await;
        assert!(matches!(
            &outcome.attempts[0].observation.answer,
            RecipientAnswer::Replied { stage: Stage::Banner, reply, .. } if reply.code == 554
        ));
    }
    first.leave().await;
    let outcome = second.prober.probe(world.request("user@a.example", MX, MINUTE)).await;
    assert!(matches!(
        &outcome.attempts[0].observation.answer,
        RecipientAnswer::Replied { reply, .. } if reply.code == 554
    ));
    assert_eq!(world.table.holders(), [second.member]);
    assert_eq!(world.world.seen(MX).connections.len(), 1);
    second.leave().await;
}

#[tokio::test]
async fn a_holder_that_leaves_hands_its_connections_of_the_last_minute_over() {
    let world = World3::new();
    let (config, rules) = bears(2, 2);
    world.world.host(MX, rules);
    let first = world.replica(config.clone()).await;
    let second = world.replica(config).await;
    let asking = (0..60).map(|n| {
        let request = world.request(&format!("user{n}@d{}.example", n % 8), MX, MINUTE);
        first.prober.probe(request)
    });
    assert!(join_all(asking).await.iter().all(|outcome| code(outcome) == 250));
    assert_eq!(world.world.seen(MX).connections.len(), 2);
    first.leave().await;
    let limit = Duration::from_millis(300);
    let outcome = second.prober.probe(world.request("user@a.example", MX, limit)).await;
    assert_eq!(code(&outcome), 0);
    let seen = world.world.seen(MX);
    assert_eq!((seen.connections.len(), seen.punished), (2, 0));
    second.leave().await;
}

#[tokio::test]
async fn while_a_holder_leaves_no_question_of_another_replica_is_put_off() {
    let world = World3::new();
    let (config, rules) = bears(4, 20);
    world.world.host(MX, Rules { delay: Duration::from_millis(5), ..rules });
    let first = world.replica(config.clone()).await;
    let second = world.replica(config).await;
    assert_eq!(code(&first.prober.probe(world.request("user@a.example", MX, MINUTE)).await), 250);
    let asking = (0..100).map(|n| {
        let request = world.request(&format!("user{n}@d{}.example", n % 10), MX, MINUTE);
        let second = &second;
        async move {
            tokio::time::sleep(Duration::from_millis(5 * n)).await;
            second.prober.probe(request).await
        }
    });
    let leaving = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        first.leave().await;
    };
    let (outcomes, ()) = tokio::join!(join_all(asking), leaving);
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250), "{outcomes:?}");
    assert_eq!(world.table.holders(), [second.member]);
    let seen = world.world.seen(MX);
    assert!(seen.peak <= 4 && seen.punished == 0, "{} {}", seen.peak, seen.punished);
    second.leave().await;
}

#[tokio::test]
async fn what_a_dead_holder_held_rests_until_it_is_missed_and_begins_again_with_one_session() {
    let world = World3::new();
    let (config, rules) = bears(4, 20);
    world.world.host(MX, rules);
    let first = world.replica(config.clone()).await;
    let second = world.replica(config).await;
    assert_eq!(code(&first.prober.probe(world.request("user@a.example", MX, MINUTE)).await), 250);
    // It is gone, and nobody knows.
    first.cluster.stop.cancel();
    first.cluster.begin_to_leave();
    let limit = Duration::from_secs(2);
    let outcome = second.prober.probe(world.request("user1@a.example", MX, limit)).await;
    assert!(is_postponed(&outcome), "{outcome:?}");
    assert_eq!(world.world.seen(MX).connections.len(), 1);
    first.die(&world);
    let asking = (0..20)
        .map(|n| second.prober.probe(world.request(&format!("user{n}@d{n}.example"), MX, MINUTE)));
    assert!(join_all(asking).await.iter().all(|outcome| code(outcome) == 250));
    let seen = world.world.seen(MX);
    assert_eq!(seen.connections.len(), 2, "one more, and the others in a minute");
    second.leave().await;
}

#[tokio::test]
async fn a_replica_that_cannot_renew_asks_nothing_more_and_goes_on_when_it_can() {
    let world = World3::new();
    let (config, rules) = bears(1, 20);
    world.world.host(MX, Rules { delay: Duration::from_millis(20), ..rules });
    let replica = world.replica(config).await;
    replica.renewed(&world, Duration::from_millis(11_700));
    let waiting = world.request("user0@a.example", MX, MINUTE);
    let asking = (0..50).map(|n| {
        let request = world.request(&format!("user{n}@d{n}.example"), MX, MINUTE);
        replica.prober.probe(request)
    });
    // Over in 0.3 seconds, and 50 recipients of 50 domains take longer on one session.
    let outcomes = join_all(asking).await;
    assert!(outcomes.iter().any(is_postponed), "{outcomes:?}");
    let named = world.world.seen(MX).rcpt().len();
    assert!(named < 50);
    assert!(is_postponed(&replica.prober.probe(waiting.clone()).await));
    assert_eq!(world.world.seen(MX).rcpt().len(), named);
    replica.renew(&world);
    while !replica.cluster.sharing.may_ask() {
        tokio::task::yield_now().await;
    }
    assert_eq!(code(&replica.prober.probe(waiting).await), 250);
    replica.leave().await;
}

#[tokio::test]
async fn a_look_at_tls_is_the_holder_s_alone() {
    let world = World3::new();
    world.world.host(MX, Rules::default());
    let first = world.replica(prober::Config::default()).await;
    let second = world.replica(prober::Config::default()).await;
    assert_eq!(code(&first.prober.probe(world.request("user@a.example", MX, MINUTE)).await), 250);
    let (exchanger, domain) = (DomainName::from_ascii(MX), DomainName::from_ascii("a.example"));
    let look = async |replica: &Replica| {
        let deadline = world.world.clock.now() + MINUTE;
        replica.prober.inspect_tls(&exchanger, &domain, deadline).await
    };
    assert!(matches!(look(&first).await, TlsInspection::NotOffered));
    let connections = world.world.seen(MX).connections.len();
    let seen = look(&second).await;
    let TlsInspection::NotReached(why) = seen else { panic!("another look was taken") };
    assert!(why.contains("another replica"), "{why}");
    assert_eq!(world.world.seen(MX).connections.len(), connections);
    second.leave().await;
    first.leave().await;
}

#[tokio::test]
async fn connections_over_which_nothing_is_said_keep_no_replica_from_asking() {
    let world = World3::new();
    world.world.host(MX, Rules::default());
    let holder = world.replica(prober::Config::default()).await;
    assert_eq!(code(&holder.prober.probe(world.request("user@a.example", MX, MINUTE)).await), 250);
    let silent = join_all((0..300).map(|_| tokio::net::TcpStream::connect(holder.listen))).await;
    assert!(silent.iter().all(Result::is_ok));
    let other = world.replica(prober::Config::default()).await;
    let outcome = other.prober.probe(world.request("user1@a.example", MX, MINUTE)).await;
    assert_eq!(code(&outcome), 250, "{outcome:?}");
    let limit = Duration::from_secs(2);
    // The oldest had to make room long before their time was over.
    let mut first = silent.into_iter().next().unwrap().unwrap();
    let mut octet = [0];
    let ended = tokio::io::AsyncReadExt::read(&mut first, &mut octet);
    let ended = tokio::time::timeout(limit, ended).await.expect("it is ended");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    other.leave().await;
    holder.leave().await;
}

#[tokio::test]
async fn a_question_without_the_secret_is_not_answered() {
    let world = World3::new();
    world.world.host(MX, Rules::default());
    let holder = world.replica(prober::Config::default()).await;
    assert_eq!(code(&holder.prober.probe(world.request("user@a.example", MX, MINUTE)).await), 250);
    std::fs::write(world.secret.path(), "another secret of somebody").unwrap();
    let stranger = world.replica(prober::Config::default()).await;
    let limit = Duration::from_secs(2);
    let outcome = stranger.prober.probe(world.request("user1@a.example", MX, limit)).await;
    assert!(is_postponed(&outcome), "{outcome:?}");
    assert_eq!(world.world.seen(MX).rcpt().len(), 1);
    holder.leave().await;
    stranger.leave().await;
}

#[tokio::test]
async fn replicas_with_certificates_of_one_authority_talk_and_others_do_not() {
    let world = World3::new();
    world.world.host(MX, Rules::default());
    let folder = tempfile::tempdir().unwrap();
    let authority = certificates(folder.path());
    let with_tls = async |own: &str| {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let prober = world.world.prober(prober::Config::default());
        let (store, tenure) = TableMember::join(&world.table, &free.to_string());
        let member = store.member;
        let config = Config {
            listen: Some(free),
            certificate: Some(folder.path().join(format!("{own}.pem"))),
            key: Some(folder.path().join(format!("{own}.key"))),
            ca: Some(authority.clone()),
            ..Config::default()
        };
        let store = Arc::new(store);
        let cluster =
            Cluster::start(&config, free, &prober, store, world.world.clock).await.unwrap();
        let replica = Replica { prober, cluster, member, tenure, listen: free };
        replica.renew(&world);
        while !replica.cluster.sharing.may_ask() {
            tokio::task::yield_now().await;
        }
        replica
    };
    let (first, second, stranger) =
        (with_tls("first").await, with_tls("first").await, with_tls("stranger").await);
    let ask = async |replica: &Replica, user: &str| {
        let request = world.request(&format!("{user}@a.example"), MX, Duration::from_secs(5));
        code(&replica.prober.probe(request).await)
    };
    assert_eq!((ask(&first, "user1").await, ask(&second, "user2").await), (250, 250));
    assert_eq!(ask(&stranger, "user3").await, 0);
    assert_eq!(world.world.seen(MX).connections.len(), 1);
    for replica in [&second, &stranger, &first] {
        replica.leave().await;
    }
}

/// Writes an authority, a certificate that it signed and one that it did not; the authority's file.
fn certificates(folder: &std::path::Path) -> std::path::PathBuf {
    let authority = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        (rcgen::Issuer::new(params, key), pem)
    };
    let (ours, pem) = authority("ours");
    let (theirs, _) = authority("theirs");
    let file = folder.join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    for (name, issuer) in [("first", &ours), ("stranger", &theirs)] {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["mailvet-replica".to_owned()]).unwrap();
        let signed = params.signed_by(&key, issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), signed.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    file
}
