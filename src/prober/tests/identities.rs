//! Egress identities: each with its address, its name, its sender and its own pace.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::egress::EgressIdentity;

const FIRST: Ipv4Addr = Ipv4Addr::new(192, 88, 2, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 88, 2, 2);
const SIX: Ipv6Addr = Ipv6Addr::new(0x2600, 1, 0, 0, 0, 0, 0, 1);

fn identity(name: &str, source: Ipv4Addr) -> EgressIdentity {
    EgressIdentity {
        name: name.to_owned(),
        source_v4: Some(source),
        helo_name: format!("{name}.example.com").parse().ok(),
        mail_from: format!("<probe@{name}.example.com>").parse().ok(),
        ..EgressIdentity::default()
    }
}

fn two() -> Config {
    let identities = vec![identity("first", FIRST), identity("second", SECOND)];
    Config { identities, ..Config::default() }
}

#[tokio::test(start_paused = true)]
async fn an_identity_has_its_own_name_and_sender() {
    let (world, _) = world(Rules::default());
    let prober = world.prober(two());
    for n in 0..20 {
        prober.probe(world.request(&format!("user@d{n}.example"), &[(MX, 10)])).await;
    }
    let seen = world.seen(MX);
    assert_eq!(seen.clients.len(), 2);
    for (client, helo) in seen.clients.iter().zip(&seen.helos) {
        let name = if *client == Some(FIRST.into()) { "first" } else { "second" };
        assert_eq!(*helo, format!("{name}.example.com"));
    }
    let senders: BTreeSet<&str> = seen.senders.iter().map(String::as_str).collect();
    let both = BTreeSet::from(["probe@first.example.com", "probe@second.example.com"]);
    assert_eq!(senders, both);
}

#[tokio::test(start_paused = true)]
async fn a_domain_stays_with_its_identity() {
    let (world, _) = world(Rules::default());
    let prober = world.prober(two());
    for n in 0..60 {
        let address = format!("user{n}@d{}.example", n % 6);
        prober.probe(world.request(&address, &[(MX, 10)])).await;
    }
    for domain in 0..6 {
        let named = world.seen(MX).named;
        let of_it = named.iter().filter(|(r, ..)| r.ends_with(&format!("@d{domain}.example")));
        let clients: BTreeSet<Option<IpAddr>> = of_it.map(|(_, client, _)| *client).collect();
        assert_eq!(clients.len(), 1, "d{domain}");
    }
}

#[tokio::test(start_paused = true)]
async fn identities_pace_themselves_apart() {
    let (world, _) = world(Rules::default());
    let mut config = two();
    config.pacing.recipients_per_minute = NonZeroU32::new(10).unwrap();
    let prober = world.prober(config);
    let addresses: Vec<String> = (0..16).map(|n| format!("user@d{n}.example")).collect();
    let began = world.clock.now();
    probe_all(&world, &prober, &addresses).await;
    let named = world.seen(MX).named;
    let within = |client: Ipv4Addr| {
        let at_once = |at: &SystemTime| *at < began + Duration::from_secs(30);
        named.iter().filter(|(_, c, at)| *c == Some(client.into()) && at_once(at)).count()
    };
    let (first, second) = (within(FIRST), within(SECOND));
    assert!(first <= 10 && second <= 10 && first + second > 10, "{first}, {second}");
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_exchanger_is_asked_from_the_ipv6_source() {
    let (world, _) = world(Rules { v6: true, ..Rules::default() });
    let both = EgressIdentity { source_v6: Some(SIX), ..identity("both", FIRST) };
    let prober = world.prober(Config { identities: vec![both], ..Config::default() });
    let outcome = prober.probe(world.request("user@a.example", &[(MX, 10)])).await;
    assert_eq!(code(&outcome), 250);
    assert!(last(&outcome).observation.address.is_some_and(|address| address.is_ipv6()));
    assert_eq!(world.seen(MX).clients, [Some(SIX.into())]);
}

#[tokio::test(start_paused = true)]
async fn an_identity_does_not_dial_in_a_family_it_has_no_address_of() {
    let (world, _) = world(Rules { v6: true, ..Rules::default() });
    let prober = world.prober(two());
    let outcome = prober.probe(world.request("user@a.example", &[(MX, 10)])).await;
    assert_eq!(no_reply(&outcome), Some((Stage::Connect, NoReply::TargetRefused)));
    assert!(world.seen(MX).connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_greylisted_control_recipient_is_asked_again_from_the_same_identity() {
    let minute = Duration::from_secs(60);
    let (world, _) = world(Rules { greylist: Some(minute), ..Rules::default() });
    let prober = world.prober(two());
    for n in 0..6 {
        let mut request = world.request(&format!("user@d{n}.example"), &[(MX, 10)]);
        request.test_catch_all = true;
        let outcome = prober.probe(request).await;
        assert_eq!(code(&outcome), 250);
        assert_eq!(control_code(&outcome), 550);
        let named = world.seen(MX).named;
        let domain = format!("@d{n}.example");
        let of_it = named.iter().filter(|(recipient, ..)| recipient.ends_with(&domain));
        let (controls, users): (Vec<_>, Vec<_>) =
            of_it.partition(|(recipient, ..)| !recipient.starts_with("user"));
        assert_eq!((users.len(), controls.len()), (2, 2), "each is asked twice");
        assert_eq!(controls[0].0, controls[1].0, "the same mailbox that cannot exist");
        assert!(controls[1].2 >= controls[0].2 + minute, "not before the time it was told");
        assert!(controls.iter().chain(&users).all(|(_, client, _)| *client == users[0].1));
    }
    assert_eq!(world.seen(MX).clients.iter().collect::<BTreeSet<_>>().len(), 2, "both were used");
}
