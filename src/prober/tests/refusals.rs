//! Sessions carry as many domains as the exchanger bears refusals: the control recipient of each
//! domain is one.

use std::time::Duration;

use tokio::time::sleep;

use super::*;

/// Domains of one exchanger, each with a single address.
const DOMAINS: usize = 40;

/// Asks about one address of each domain, in `rounds` with a pause between them. What a domain
/// showed is forgotten meanwhile, what the exchanger showed is not.
async fn ask(rules: Rules, rounds: usize) -> exchanger::Seen {
    let (world, prober) = world(rules);
    for round in 0..rounds {
        let requests = (0..DOMAINS).map(|n| {
            let address = format!("user1@d{}.example", n + round * DOMAINS);
            ProbeRequest { test_catch_all: true, ..world.request(&address, &[(MX, 10)]) }
        });
        let outcomes = probe_requests(&prober, requests.collect()).await;
        assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
        sleep(Duration::from_secs(60)).await;
    }
    let seen = world.seen(MX);
    let controls = seen.rcpt().iter().filter(|it| !it.starts_with("user1@")).count();
    assert!(controls >= DOMAINS * rounds, "{controls} control recipients");
    seen
}

#[tokio::test(start_paused = true)]
async fn an_exchanger_that_bears_refusals_is_asked_about_all_its_domains_in_one_session() {
    let seen = ask(Rules::default(), 1).await;
    assert_eq!(seen.connections.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delay_after_the_tenth_refusal_is_met_once() {
    let seen = ask(Rules { soft_errors: 10, ..Rules::default() }, 3).await;
    assert_eq!(seen.punished, 1);
    assert_eq!(seen.connections.len(), 15, "{DOMAINS} domains, nine in a session, three times");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_over_its_refusals_is_met_twice_at_most_and_costs_no_answer() {
    let seen = ask(Rules { errors: 20, ..Rules::default() }, 3).await;
    assert!((1..=2).contains(&seen.punished), "{}", seen.punished);
    assert!(seen.connections.len() <= 9, "two or three in each round: {}", seen.connections.len());
}
