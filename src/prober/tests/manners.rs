//! What servers limit is respected, and what they show is taken as a limit.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::egress::EgressIdentity;
use crate::smtp::Meaning;

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

#[tokio::test(start_paused = true)]
async fn sessions_stay_within_exchanger_and_destination() {
    let world = World::new();
    let hosts: Vec<String> = (0..6).map(|n| format!("mx{n}.example.net")).collect();
    for host in &hosts {
        world.host(host, Rules { delay: Duration::from_millis(20), ..Rules::default() });
    }
    let mut config = Config::default();
    config.pacing.sessions_per_exchanger = count(2);
    config.pacing.sessions_per_destination = count(5);
    config.pacing.recipients_per_flight = count(10);
    let prober = world.prober(config);
    let mut requests = Vec::new();
    for (n, host) in hosts.iter().enumerate() {
        for user in users(100, &format!("d{n}.example")) {
            requests.push(world.request(&user, &[(host, 10)]));
        }
    }
    let watch = async {
        let mut peak = 0;
        for _ in 0..2000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let open: Vec<usize> = hosts.iter().map(|host| world.seen(host).open).collect();
            assert!(open.iter().all(|open| *open <= 2), "{open:?}");
            peak = peak.max(open.iter().sum::<usize>());
        }
        peak
    };
    let (outcomes, peak) = tokio::join!(probe_requests(&prober, requests), watch);
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    assert!((3..=5).contains(&peak), "{peak} sessions at once");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_sessions_makes_no_unknown() {
    let (world, _) = world(Rules { sessions: 2, ..Rules::default() });
    let mut config = Config::default();
    config.pacing.sessions_per_exchanger = count(10);
    config.pacing.recipients_per_flight = count(5);
    let prober = world.prober(config);
    let outcomes = probe_all(&world, &prober, &users(600, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
}

#[tokio::test(start_paused = true)]
async fn connections_a_minute_are_never_exceeded_and_nobody_goes_unanswered() {
    let (world, _) = world(Rules { recipients_per_session: 10, ..Rules::default() });
    let mut config = Config::default();
    config.pacing.connections_per_minute = count(6);
    let prober = world.prober(config);
    let outcomes = probe_all(&world, &prober, &users(200, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let seen = world.seen(MX);
    assert!(seen.connections.len() >= 20);
    for at in &seen.connections {
        let minute = *at..*at + Duration::from_secs(60);
        let within = seen.connections.iter().filter(|other| minute.contains(*other)).count();
        assert!(within <= 6, "{within} connections in a minute");
    }
}

#[tokio::test(start_paused = true)]
async fn recipients_a_minute_are_never_exceeded() {
    let (world, _) = world(Rules::default());
    let mut config = Config::default();
    config.pacing.recipients_per_minute = count(50);
    let prober = world.prober(config);
    let began = world.clock.now();
    let outcomes = probe_all(&world, &prober, &users(150, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let took = world.clock.now().duration_since(began).unwrap();
    assert!(took > Duration::from_secs(120), "{took:?}");
    assert!(took < Duration::from_secs(130), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_421_leaves_unanswered_is_answered_by_the_next_session() {
    let (world, prober) = world(Rules { recipients_per_session: 7, ..Rules::default() });
    let outcomes = probe_all(&world, &prober, &users(100, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_full_is_continued_in_the_next() {
    let (world, prober) = world(Rules { recipients_per_transaction: 4, ..Rules::default() });
    let outcomes = probe_all(&world, &prober, &users(60, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let transactions = world.seen(MX).transactions;
    let full = transactions.iter().skip(3).filter(|t| t.len() > 4).count();
    assert_eq!(full, 0, "the limit is learned");
}

#[tokio::test(start_paused = true)]
async fn sessions_end_before_the_server_counts_too_many_unknown_users() {
    let (world, prober) = world(Rules { errors: 20, ..Rules::default() });
    let addresses: Vec<String> =
        (0..400)
            .map(|n| {
                if n % 10 == 0 {
                    format!("gone{n}@a.example")
                } else {
                    format!("user{n}@a.example")
                }
            })
            .collect();
    let outcomes = probe_all(&world, &prober, &addresses).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(code(outcome), if n % 10 == 0 { 550 } else { 250 });
    }
    let seen = world.seen(MX);
    assert_eq!(seen.quits, seen.connections.len() - seen.open, "no session ended by the server");
    assert_eq!(seen.rcpt().len(), 400, "nobody was asked twice");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_unknown_users_is_answered_in_spite_of_the_error_limit() {
    let (world, prober) = world(Rules { errors: 20, ..Rules::default() });
    let addresses: Vec<String> = (0..100).map(|n| format!("gone{n}@a.example")).collect();
    let outcomes = probe_all(&world, &prober, &addresses).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 550));
}

#[tokio::test(start_paused = true)]
async fn a_recipient_at_whom_the_server_hangs_up_harms_nobody_else() {
    let (world, prober) = world(Rules { dies_at: Some("poison"), ..Rules::default() });
    let mut addresses = users(30, "a.example");
    addresses.insert(10, "poison@a.example".to_owned());
    let outcomes = probe_all(&world, &prober, &addresses).await;
    for (address, outcome) in addresses.iter().zip(&outcomes) {
        if address.starts_with("poison") {
            assert_eq!(no_reply(outcome), Some((Stage::Rcpt, NoReply::Closed)));
        } else {
            assert_eq!(code(outcome), 250);
        }
    }
    assert!(world.seen(MX).connections.len() <= 6);
}

#[tokio::test(start_paused = true)]
async fn a_block_is_answered_from_memory_without_knocking_again() {
    let rules = Rules { banner: Some("554 5.7.1 listed by a blocklist"), ..Rules::default() };
    let (world, prober) = world(rules);
    for _ in 0..5 {
        let outcome = prober.probe(world.request("user1@a.example", &[(MX, 10)])).await;
        let RecipientAnswer::Replied { stage: Stage::Banner, reply, explanation } =
            &last(&outcome).observation.answer
        else {
            panic!("{outcome:?}")
        };
        assert_eq!((reply.code, explanation.meaning), (554, Meaning::SenderBlocked));
    }
    assert_eq!(world.seen(MX).connections.len(), 1);
    tokio::time::sleep(Duration::from_secs(31 * 60)).await;
    prober.probe(world.request("user1@a.example", &[(MX, 10)])).await;
    assert_eq!(world.seen(MX).connections.len(), 2, "after the rest it knocks again");
}

#[tokio::test(start_paused = true)]
async fn a_long_refusal_is_told_whole_once_and_remembered_in_short() {
    let banner = "554-5.7.1 your address is listed, and this is why\r\n".repeat(199);
    let banner: &'static str = format!("{banner}554 5.7.1 so go away").leak();
    let (world, prober) = world(Rules { banner: Some(banner), ..Rules::default() });
    let plain = world.request("user1@a.example", &[(MX, 10)]);
    let curious = ProbeRequest { transcript: true, ..plain.clone() };
    let length = |outcome: &ProbeOutcome| match &last(outcome).observation.answer {
        RecipientAnswer::Replied { stage: Stage::Banner, reply, .. } => reply.text().len(),
        answer => panic!("{answer:?}"),
    };
    let first = probe_requests(&prober, vec![plain.clone(), curious.clone()]).await;
    let lines = |outcome: &ProbeOutcome| last(outcome).observation.dialogue().len();
    assert_eq!((lines(&first[0]), lines(&first[1]) > 200), (0, true));
    assert!(length(&first[0]) > 7000);
    for request in [plain, curious] {
        let again = prober.probe(request).await;
        assert_eq!(lines(&again), 0);
        assert!(length(&again) < 1100, "{}", length(&again));
    }
    assert_eq!(world.seen(MX).connections.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_block_behind_the_teaser_of_a_banner_is_remembered_as_one() {
    let banner = "220-mx.example ESMTP\r\n521 5.7.1 blocked using zen.spamhaus.org";
    let (world, prober) = world(Rules { banner: Some(banner), ..Rules::default() });
    for _ in 0..2 {
        let outcome = prober.probe(world.request("user1@a.example", &[(MX, 10)])).await;
        let answer = &last(&outcome).observation.answer;
        let RecipientAnswer::Replied { stage: Stage::Banner, reply, .. } = answer else {
            panic!("{outcome:?}")
        };
        assert_eq!(reply.code, 521);
    }
    assert_eq!(world.seen(MX).connections.len(), 1, "the identity rests");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_behind_its_teaser_is_asked_again() {
    let banner = Some("220-mx.example ESMTP\r\n421 4.3.2 All server ports are busy");
    let (world, prober) = world(Rules { banner, ..Rules::default() });
    let request = world.request("user1@a.example", &[(MX, 10)]);
    let recovery = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.host(MX, Rules::default());
    };
    let (outcome, ()) = tokio::join!(prober.probe(request), recovery);
    assert_eq!(code(&outcome), 250);
    assert_eq!(world.seen(MX).connections.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_block_at_mail_is_about_us_and_remembered() {
    let (world, prober) =
        world(Rules { mail: Some("550 5.7.1 you are listed"), ..Rules::default() });
    let outcomes = probe_all(&world, &prober, &users(20, "a.example")).await;
    for outcome in &outcomes {
        let answer = &last(outcome).observation.answer;
        assert!(matches!(answer, RecipientAnswer::Replied { stage: Stage::Mail, .. }));
    }
    assert_eq!(world.seen(MX).connections.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_identity_rests_and_another_asks() {
    let first = Ipv4Addr::new(192, 88, 2, 1);
    let (world, _) = world(Rules { blocks: vec![first.into()], ..Rules::default() });
    let identity = |name: &str, source| EgressIdentity {
        name: name.to_owned(),
        source_v4: Some(source),
        ..EgressIdentity::default()
    };
    let prober = world.prober(Config {
        identities: vec![
            identity("first", first),
            identity("second", Ipv4Addr::new(192, 88, 2, 2)),
        ],
        ..Config::default()
    });
    for n in 0..20 {
        let outcome = prober.probe(world.request(&format!("user@d{n}.example"), &[(MX, 10)])).await;
        assert_eq!(code(&outcome), 250);
    }
    assert_eq!(world.seen(MX).connections.len(), 2, "one refused, one that serves everybody");
}
