//! Limits of a session that the server does not announce are learned, and kept to.

use std::time::Duration;

use super::*;

/// Asks about 1,000 addresses at 5 exchangers that behave so; returns the `RCPT` and connections.
async fn thousand_at_five(rules: &Rules) -> (u64, u64) {
    let world = World::new();
    for n in 0..5 {
        world.host(&format!("mx{n}.example.net"), rules.clone());
    }
    let prober = world.prober(Config::default());
    let began = world.clock.now();
    let requests = (0..1000).map(|n| {
        let address = format!("user{n}@d{}.example", n % 25);
        world.request(&address, &[(&format!("mx{}.example.net", n % 5), 10)])
    });
    let outcomes = probe_requests(&prober, requests.collect()).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let took = world.clock.now().duration_since(began).unwrap();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let stats = prober.stats();
    (stats.rcpt, stats.connections)
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_recipients_in_a_session_costs_few_recipients_and_connections() {
    let rules = Rules { session_full: 100, ..Rules::default() };
    let (rcpt, connections) = thousand_at_five(&rules).await;
    println!("RCPT {rcpt}, connections {connections}");
    assert!(rcpt <= 1050, "{rcpt} RCPT for 1000 addresses");
    assert!(connections <= 12, "{connections} connections where 10 are needed");
}

#[tokio::test(start_paused = true)]
async fn a_longer_list_at_one_exchanger_meets_its_session_limit_once_a_session_in_flight() {
    let world = World::new();
    world.host(MX, Rules { session_full: 100, ..Rules::default() });
    let prober = world.prober(Config::default());
    let outcomes = probe_all(&world, &prober, &users(2000, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let stats = prober.stats();
    println!("RCPT {}, connections {}", stats.rcpt, stats.connections);
    assert!(stats.rcpt <= 2100, "{stats:?}");
    assert!(stats.connections <= 24, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_messages_in_a_session_is_learned_whatever_it_is_said_with() {
    for reply in [
        "421 4.7.0 too many messages in this connection",
        "451 4.7.0 too many messages in this session",
    ] {
        let world = World::new();
        world.host(MX, Rules { messages: Some((10, reply)), ..Rules::default() });
        let prober = world.prober(Config::default());
        let addresses: Vec<String> =
            (0..1000).map(|n| format!("user{n}@d{}.example", n / 10)).collect();
        let began = world.clock.now();
        let outcomes = probe_all(&world, &prober, &addresses).await;
        assert!(outcomes.iter().all(|outcome| code(outcome) == 250), "{reply}");
        let stats = prober.stats();
        let took = world.clock.now().duration_since(began).unwrap();
        println!("{reply}: RCPT {}, connections {}, {took:?}", stats.rcpt, stats.connections);
        assert!(stats.connections <= 12, "{reply}: {stats:?}");
        assert!(took < Duration::from_secs(10), "{reply}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_each_recipient_is_a_message_of_its_own_the_limit_costs_no_more_connections() {
    for (limit, reply) in [
        (10, "421 4.7.0 too many messages in this connection"),
        (25, "421 mx.example.net: message limit of this session reached"),
        (20, "451 4.7.0 maximum of 20 transactions per connection"),
    ] {
        let world = World::new();
        world.host(MX, Rules { messages: Some((limit, reply)), ..Rules::default() });
        let prober = world.prober(Config::default());
        let addresses: Vec<String> = (0..1000).map(|n| format!("user@d{n}.example")).collect();
        let outcomes = probe_all(&world, &prober, &addresses).await;
        assert!(outcomes.iter().all(|outcome| code(outcome) == 250), "{reply}");
        let stats = prober.stats();
        let most = u64::try_from(1000_usize.div_ceil(limit) * 12 / 10).unwrap();
        assert!(stats.connections <= most, "{reply}: {stats:?}, at most {most}");
        assert!(stats.rcpt <= 1100, "{reply}: {stats:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_resets_costs_no_answer_and_is_met_once() {
    let domains = |from: usize| -> Vec<String> {
        (from..from + 40).map(|n| format!("user@d{n}.example")).collect()
    };
    let (world, prober) = world(Rules { resets: 11, ..Rules::default() });
    let outcomes = probe_all(&world, &prober, &domains(0)).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let seen = world.seen(MX);
    assert_eq!(seen.rcpt().len(), 40, "nobody is asked twice");
    let before = (prober.stats(), seen.connections.len());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let outcomes = probe_all(&world, &prober, &domains(40)).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let (connections, stats) = (world.seen(MX).connections.len() - before.1, prober.stats());
    assert_eq!(connections, 4, "eleven domains in each");
    let flights = stats.flights - before.0.flights;
    assert!(flights <= 4 * 3, "they still go together: {flights}");
}

#[tokio::test(start_paused = true)]
async fn exim_is_brought_no_reset_too_many() {
    let banner = Some("220-mx.example ESMTP Exim 4.96\r\n220 no spam please");
    let (world, prober) = world(Rules { resets: 11, banner, ..Rules::default() });
    let addresses: Vec<String> = (0..40).map(|n| format!("user@d{n}.example")).collect();
    let outcomes = probe_all(&world, &prober, &addresses).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    prober.drain().await;
    let seen = world.seen(MX);
    assert_eq!(seen.quits, seen.connections.len(), "no session was ended by the server");
}

#[tokio::test(start_paused = true)]
async fn a_session_limit_is_remembered_of_an_exchanger() {
    let world = World::new();
    world.host(MX, Rules { session_full: 30, ..Rules::default() });
    let prober = world.prober(Config::default());
    probe_all(&world, &prober, &users(60, "a.example")).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let before = prober.stats();
    probe_all(&world, &prober, &users(90, "b.example")).await;
    let after = prober.stats();
    assert_eq!(after.rcpt - before.rcpt, 90, "nobody is refused a place any more");
    assert_eq!(after.connections - before.connections, 3);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_in_the_same_words_sets_no_limit_to_sessions() {
    let world = World::new();
    world.host(MX, Rules { rcpt: Some("452 4.5.3 too many recipients"), ..Rules::default() });
    let prober = world.prober(Config::default());
    let mut request = world.request("user1@a.example", &[(MX, 10)]);
    request.retry_until = world.clock.now();
    assert_eq!(code(&prober.probe(request).await), 452);
    world.host(MX, Rules::default());
    tokio::time::sleep(Duration::from_secs(120)).await;
    let before = prober.stats().connections;
    probe_all(&world, &prober, &users(100, "a.example")).await;
    assert_eq!(prober.stats().connections - before, 1);
}

#[tokio::test(start_paused = true)]
async fn one_accident_sets_no_limit_to_sessions() {
    let world = World::new();
    world.host(MX, Rules { recipients_per_session: 12, ..Rules::default() });
    let prober = world.prober(Config::default());
    probe_all(&world, &prober, &users(13, "a.example")).await;
    assert_eq!(world.seen(MX).punished, 1, "a session ended without a cause");
    world.host(MX, Rules::default());
    tokio::time::sleep(Duration::from_secs(120)).await;
    let before = prober.stats().connections;
    probe_all(&world, &prober, &users(300, "b.example")).await;
    let connections = prober.stats().connections - before;
    assert!(connections <= 3, "{connections}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_at_which_sessions_end_is_kept_to_for_an_hour() {
    let world = World::new();
    world.host(MX, Rules { recipients_per_session: 12, ..Rules::default() });
    let prober = world.prober(Config::default());
    let outcomes = probe_all(&world, &prober, &users(200, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let punished = world.seen(MX).punished;
    // The sessions of the beginning, and a later one that shows that it was no accident.
    assert!(punished <= 4, "{punished} sessions were ended");
    world.host(MX, Rules::default());
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    let before = prober.stats().connections;
    probe_all(&world, &prober, &users(300, "b.example")).await;
    let connections = prober.stats().connections - before;
    assert!(connections <= 3, "{connections}");
}
