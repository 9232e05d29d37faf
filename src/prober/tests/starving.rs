//! Names that a domain's owner chose must not keep others from a provider.

use std::time::Duration;

use futures_util::future::join;
use tokio::time::timeout;

use super::*;

/// An address whose domain names 500 hosts below a provider's name.
fn attacker(world: &World, n: usize) -> ProbeRequest {
    let names: Vec<String> = (0..500).map(|host| format!("h{host}.example.net")).collect();
    let exchangers: Vec<(&str, u16)> = names.iter().map(|name| (name.as_str(), 10)).collect();
    world.request(&format!("user{n}@attacker{n}.example"), &exchangers)
}

#[tokio::test(start_paused = true)]
async fn exchangers_that_do_not_exist_take_no_connection_from_those_that_do() {
    let (world, prober) = world(Rules::default());
    let attack = probe_requests(&prober, (0..50).map(|n| attacker(&world, n)).collect());
    let addresses = users(200, "honest.example");
    let honest = timeout(Duration::from_secs(5), probe_all(&world, &prober, &addresses));
    let (attacked, honest) = join(attack, honest).await;
    let honest = honest.expect("everybody else is answered as if nothing was");
    assert!(honest.iter().all(|outcome| code(outcome) == 250));
    for outcome in attacked {
        assert!(outcome.attempts.len() <= 20, "{} looked at", outcome.attempts.len());
        assert!(matches!(no_reply(&outcome), Some((Stage::Connect, NoReply::HostNotFound))));
    }
    let stats = prober.stats();
    assert!(stats.connections <= 5, "{stats:?}");
    assert_eq!(stats.connections_failed, 0, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn one_domain_uses_no_more_than_its_share_of_a_provider_s_connections() {
    let (world, prober) = world(Rules::default());
    for n in 0..100 {
        let down = Rules { down: true, ..Rules::default() };
        world.host(&format!("down{n}.example.net"), down);
    }
    let attack = (0..100).map(|n| {
        let host = format!("down{n}.example.net");
        world.request(&format!("user{n}@attacker.example"), &[(&host, 10)])
    });
    let attack = probe_requests(&prober, attack.collect());
    let honest = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        timeout(Duration::from_secs(5), probe_all(&world, &prober, &users(20, "b.example"))).await
    };
    tokio::select! {
        outcomes = honest => {
            let outcomes = outcomes.expect("connections are left for others");
            assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
        }
        _ = attack => panic!("the attack was too short"),
    }
}
