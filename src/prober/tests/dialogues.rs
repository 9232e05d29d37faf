//! Exchangers whose dialogue goes other ways than RFC 5321 has it.

use std::time::Duration;

use super::*;

/// Recipients of two domains, which go in two transactions.
fn of_two_domains() -> Vec<String> {
    users(3, "a.example").into_iter().chain(users(3, "b.example")).collect()
}

fn codes(outcomes: &[ProbeOutcome]) -> Vec<u16> {
    outcomes.iter().map(code).collect()
}

#[tokio::test(start_paused = true)]
async fn without_rset_a_session_carries_one_transaction_and_everybody_is_answered() {
    for reset in ["500 what?", "502 5.5.1 not implemented", "503 5.5.1 bad sequence"] {
        let (world, prober) = world(Rules { reset: Some(reset), ..Rules::default() });
        let outcomes = probe_all(&world, &prober, &of_two_domains()).await;
        assert_eq!(codes(&outcomes), [250; 6], "{reset}");
        let before = world.seen(MX);
        let again = users(2, "c.example").into_iter().chain(users(2, "d.example"));
        let outcomes = probe_all(&world, &prober, &again.collect::<Vec<_>>()).await;
        assert_eq!(codes(&outcomes), [250; 4], "{reset}");
        let after = world.seen(MX);
        let count = |seen: &exchanger::Seen| (seen.connections.len(), seen.transactions.len());
        let ((connections, transactions), (later, more)) = (count(&before), count(&after));
        assert_eq!(later - connections, more - transactions, "{reset}: it is remembered");
        assert_eq!(more - transactions, 2, "{reset}: nobody was asked twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_second_transaction_is_no_refusal_of_us() {
    for reply in ["503 nested MAIL command", "503 5.5.1 Issue a reset first"] {
        let (world, prober) = world(Rules { second_mail: Some(reply), ..Rules::default() });
        let outcomes = probe_all(&world, &prober, &of_two_domains()).await;
        assert_eq!(codes(&outcomes), [250; 6], "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn pipelining_that_loses_commands_is_done_without_and_that_is_remembered() {
    let (world, prober) = world(Rules { flushes: true, ..Rules::default() });
    let asked: Vec<String> =
        users(3, "a.example").into_iter().chain(["x@a.example".into()]).collect();
    let outcomes = probe_all(&world, &prober, &asked).await;
    assert_eq!(codes(&outcomes), [250, 250, 250, 550]);
    let before = world.clock.now();
    assert_eq!(codes(&probe_all(&world, &prober, &users(3, "b.example")).await), [250; 3]);
    let took = world.clock.now().duration_since(before).unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn pipelining_that_lost_commands_is_tried_again_after_an_hour() {
    let (world, prober) = world(Rules { flushes: true, ..Rules::default() });
    probe_all(&world, &prober, &users(3, "a.example")).await;
    world.host(MX, Rules::default());
    let flights = async |domain: &str| {
        let before = prober.stats().flights;
        let outcomes = probe_all(&world, &prober, &users(20, domain)).await;
        assert_eq!(codes(&outcomes), [250; 20]);
        prober.stats().flights - before
    };
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!(flights("b.example").await > 20, "one command a flight");
    tokio::time::sleep(Duration::from_secs(1900)).await;
    assert!(flights("c.example").await < 10, "it was an accident");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_on_ehlo_is_greeted_with_helo_and_that_is_remembered() {
    let (world, prober) = world(Rules { rfc821: true, pipelining: false, ..Rules::default() });
    assert_eq!(codes(&probe_all(&world, &prober, &users(1, "a.example")).await), [250]);
    assert_eq!(world.seen(MX).connections.len(), 2);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(codes(&probe_all(&world, &prober, &users(1, "b.example")).await), [250]);
    assert_eq!(world.seen(MX).connections.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_known_to_answer_ehlo_that_hangs_up_on_it_is_asked_again_with_ehlo() {
    let (world, prober) = world(Rules::default());
    assert_eq!(codes(&probe_all(&world, &prober, &users(1, "a.example")).await), [250]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.host(MX, Rules { rfc821: true, ..Rules::default() });
    let addresses = users(1, "b.example");
    let restart = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.host(MX, Rules::default());
    };
    let (outcomes, ()) = tokio::join!(probe_all(&world, &prober, &addresses), restart);
    assert_eq!(codes(&outcomes), [250]);
    let seen = world.seen(MX);
    assert_eq!((seen.connections.len(), seen.helos.len()), (3, 2), "HELO is never said");
}

#[tokio::test(start_paused = true)]
async fn a_demand_for_tls_after_helo_brings_ehlo_back_and_is_no_refusal_of_us() {
    let (world, prober) = world(Rules { rfc821: true, ..Rules::default() });
    assert_eq!(codes(&probe_all(&world, &prober, &users(1, "a.example")).await), [250]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mail = Some("530 5.7.0 Must issue a STARTTLS command first");
    world.host(MX, Rules { mail, ..Rules::default() });
    let addresses = users(1, "b.example");
    let began = world.clock.now();
    let ehlo = async {
        while world.seen(MX).helos.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.clock.now().duration_since(began).unwrap()
    };
    let (_, took) = tokio::join!(probe_all(&world, &prober, &addresses), ehlo);
    assert!(took < Duration::from_secs(10), "the next session says it: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_believed_of_a_server_that_is_out_of_step() {
    let rules = [
        Rules { second_banner: true, ..Rules::default() },
        Rules { rcpt: Some("220 2.1.5 ok"), ..Rules::default() },
        Rules { rcpt: Some("221 2.0.0 bye"), ..Rules::default() },
        Rules { rcpt: Some("214 2.0.0 help"), ..Rules::default() },
    ];
    for rules in rules {
        let (world, prober) = world(rules.clone());
        let asked = vec!["user@a.example".to_owned(), "x@a.example".to_owned()];
        for outcome in probe_all(&world, &prober, &asked).await {
            let (_, reason) = no_reply(&outcome).expect("no reply that counts");
            assert!(matches!(reason, NoReply::Protocol(_)), "{reason:?} of {rules:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_one_address_of_many_that_answers_is_found() {
    let (world, prober) = world(Rules { refusing: 20, ..Rules::default() });
    assert_eq!(codes(&probe_all(&world, &prober, &users(1, "a.example")).await), [250]);
    assert_eq!(world.seen(MX).connections.len(), 1);
}
