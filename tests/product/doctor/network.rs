//! What connecting shows.

use super::*;

#[tokio::test]
async fn a_closed_port_25_fails_and_a_half_open_one_warns() {
    let port_25 = async |exchangers: &[&str], status, words| {
        let (report, _) = examine(world(), |config| {
            config.doctor.exchangers = names(exchangers);
        })
        .await;
        assert_found(&report, ("well-kept", "port_25_ipv4", ""), status, words);
        report
    };
    let report = port_25(&["no-connection.test"], Fail, "0 of 1 exchangers reached").await;
    assert_found(&report, ("well-kept", "greeting", ""), Skipped, "no exchanger was reached");
    assert_found(&report, ("well-kept", "reverse_dns", "192.0.2.25"), Pass, "leads back");
    port_25(&["gmail.com", "no-connection.test"], Warn, "mx.no-connection.test").await;
    port_25(&["no-such-domain.test"], Skipped, "it has no exchanger").await;
    port_25(&["dns-failure.test"], Skipped, "SERVFAIL").await;
}

#[tokio::test]
async fn an_exchanger_that_is_not_in_dns_gives_way_to_the_next_one() {
    let world = world()
        .with_name("one.test", NameRecords::with_mx(&["gone.one.test", "mx.one.test"]))
        .with_exchanger("mx.one.test", greets("{host}"));
    let (report, _) = examine(world, |config| {
        config.doctor.exchangers = names(&["one.test"]);
    })
    .await;
    assert_found(&report, ("well-kept", "port_25_ipv4", ""), Pass, "reached mx.one.test");
}

#[tokio::test]
async fn a_domain_that_dns_is_silent_about_keeps_no_other_one_from_being_connected_to() {
    let (report, _) = examine(world(), |config| {
        config.doctor.exchangers = names(&["gmail.com", "dns-silent.test"]);
        config.doctor.timeout = Duration::from_secs(4);
        config.dns.timeout = Duration::from_secs(10);
    })
    .await;
    assert_found(&report, ("well-kept", "port_25_ipv4", ""), Pass, "reached");
    assert_found(&report, ("well-kept", "greeting", ""), Pass, "all 1");
}

#[tokio::test]
async fn servers_that_turn_us_away_are_quoted() {
    let greeting = async |exchangers: &[&str], status, words| {
        let (report, _) = examine(world(), |config| {
            config.doctor.exchangers = names(exchangers);
            config.doctor.timeout = Duration::from_secs(3);
        })
        .await;
        assert_found(&report, ("well-kept", "greeting", ""), status, words);
    };
    greeting(&["gmail.com", "acme.test"], Pass, "all 2").await;
    greeting(&["gmail.com", "sender-blocked.test"], Warn, "554 Service unavailable").await;
    greeting(&["sender-blocked.test"], Fail, "1 of 1 do not let us in").await;
    greeting(&["gmail.com", "protocol-error.test"], Warn, "they say nothing").await;
    greeting(&["gmail.com", "timeout.test"], Warn, "they say nothing").await;
}

fn greets(banner: &str) -> ExchangerSpec {
    let mut exchanger = ExchangerSpec::default();
    exchanger.words.banner = ReplyTemplate::new(220, banner);
    exchanger
}

/// The built-in world with two more domains, whose exchangers greet so.
fn greeting_world(banners: [&str; 2]) -> World {
    world()
        .with_name("one.test", NameRecords::with_mx(&["mx.one.test"]))
        .with_name("two.test", NameRecords::with_mx(&["mx.two.test"]))
        .with_exchanger("mx.one.test", greets(banners[0]))
        .with_exchanger("mx.two.test", greets(banners[1]))
}

#[tokio::test]
async fn the_clock_is_compared_with_banners_and_a_man_in_the_middle_seen() {
    let look = async |banners: [&str; 2]| {
        let (report, _) = examine(greeting_world(banners), |config| {
            config.doctor.exchangers = names(&["one.test", "two.test"]);
            config.prober.identities.truncate(1);
        })
        .await;
        report
    };
    let old = "{host} ESMTP; Sat, 1 Jan 2000 00:00:00 +0000";
    let report = look(["{host} {date}", "{host}"]).await;
    assert_found(&report, ("", "clock", ""), Pass, "within 30s of 1 banner(s)");
    assert_found(&report, ("well-kept", "interception", ""), Pass, "names of their own");
    let report = look([old, old]).await;
    assert_found(&report, ("", "clock", ""), Fail, "ahead of what 2 of 2 banner(s) say");
    let report = look([old, "{host}"]).await;
    assert_found(&report, ("", "clock", ""), Warn, "1 of 1 banner(s)");
    let report = look(["relay.isp.test ESMTP", "relay.isp.test ESMTP"]).await;
    assert_found(&report, ("well-kept", "interception", ""), Fail, "all greet as relay.isp.test");
    assert_found(&report, ("", "clock", ""), Skipped, "no banner said the time");
}

#[tokio::test]
async fn behind_a_nat_the_address_has_to_be_named() {
    let (report, _) = examine(world(), |config| {
        config.doctor.public_addresses = PublicAddresses::default();
    })
    .await;
    let kept = |id, words| assert_found(&report, ("well-kept", id, ""), Skipped, words);
    kept("public_address", "which is not public (NAT)");
    for id in ["reverse_dns", "helo_matches", "spf", "blocklist"] {
        kept(id, "the public address is not known");
    }
    let remedy = &found(&report, "well-kept", "public_address", "")[0].remedy;
    assert!(remedy.contains("doctor.public_addresses"), "{remedy}");
    // Both connect from the same address.
    let share = "neglected and well-kept share 127.";
    assert_found(&report, ("", "identity_addresses", ""), Warn, share);
}

/// A SOCKS5 proxy (RFC 1928) that counts whom it lets through.
async fn proxy(tasks: &mut JoinSet<()>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tasks.spawn(async move {
        let mut through = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            through.spawn(pass_through(client));
        }
    });
    (address, count)
}

async fn pass_through(mut client: TcpStream) -> std::io::Result<()> {
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting).await?;
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 10];
    client.read_exact(&mut request).await?;
    let octets: [u8; 4] = request[4..8].try_into().unwrap();
    let port = u16::from_be_bytes(request[8..].try_into().unwrap());
    let mut server = TcpStream::connect((IpAddr::from(octets), port)).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[tokio::test]
async fn an_identity_behind_a_proxy_is_looked_at_through_it() {
    let mut tasks = JoinSet::new();
    let (address, count) = proxy(&mut tasks).await;
    let socks5 = format!("address = \"{address}\"");
    let (report, _) = examine(world(), |config| {
        config.prober.identities = vec![EgressIdentity {
            name: "proxied".into(),
            socks5: Some(toml::from_str(&socks5).unwrap()),
            helo_name: "probe.mailvet.test".parse().ok(),
            ..EgressIdentity::default()
        }];
    })
    .await;
    assert_found(&report, ("proxied", "port_25_ipv4", ""), Pass, "reached");
    let words = format!("through the proxy {address}");
    assert_found(&report, ("proxied", "public_address", ""), Skipped, &words);
    assert_eq!(count.load(Ordering::Relaxed), 4, "one connection for each domain");
    // Nothing listens any more.
    tasks.shutdown().await;
    let (report, _) = examine(world(), |config| {
        config.prober.identities[0].socks5 = Some(toml::from_str(&socks5).unwrap());
    })
    .await;
    assert_found(
        &report,
        ("well-kept", "port_25_ipv4", ""),
        Fail,
        "no connection through the proxy",
    );
    assert_found(&report, ("neglected", "port_25_ipv4", ""), Pass, "reached");
}
