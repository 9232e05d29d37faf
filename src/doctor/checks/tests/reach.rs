//! What connecting shows: reach, greeting, public address, clock.

use super::*;

#[test]
fn port_25_over_ipv4() {
    let no_banner =
        ["port_25_ipv4", "port_25_ipv6", "greeting", "interception", "clock", "public_address"];
    table(
        "port_25_ipv4",
        &no_banner,
        &[
            (
                Warn,
                "2 of 3 exchangers reached; mx.google.com (192.88.2.1): no answer in time",
                |i| {
                    shut(&mut i.attempts[0], NoReply::Timeout);
                },
            ),
            (Fail, "0 of 3 exchangers reached", |i| {
                i.attempts[..3].iter_mut().for_each(|k| shut(k, NoReply::Timeout));
            }),
            (Fail, "Network is unreachable", |i| {
                i.attempts.iter_mut().for_each(|k| shut(k, unreachable()));
            }),
            (Skipped, "does not connect from such an address", |i| {
                i.setup.source_v6 = V6.parse().ok();
                i.attempts.drain(..3);
            }),
            (Skipped, "names no domain", |i| i.attempts.clear()),
            (Skipped, "has an IPv4 address", |i| drop(i.attempts.drain(..3))),
        ],
    );
    table(
        "port_25_ipv4",
        &no_banner,
        &[(Skipped, "gmail.com: DNS did not say", |i| {
            i.attempts = vec![ConnectionAttempt {
                domain: name("gmail.com"),
                target: Err(NoTarget::Dns(DnsFailure::Timeout)),
                connected: false,
                outcome: Err(NoReply::NoAddress),
                local: None,
            }];
        })],
    );
}

#[test]
fn port_25_over_ipv6() {
    table(
        "port_25_ipv6",
        &[],
        &[
            (Skipped, "this host has no IPv6", |i| shut(&mut i.attempts[3], unreachable())),
            // A container with IPv6 off, and one with an address of its own network alone.
            (Skipped, "this host has no IPv6", |i| shut(&mut i.attempts[3], no_address())),
            (Skipped, "this host has no IPv6", |i| shut(&mut i.attempts[3], no_route())),
            (Warn, "0 of 1 exchangers reached", |i| shut(&mut i.attempts[3], NoReply::Timeout)),
            (Skipped, "has an IPv6 address", |i| drop(i.attempts.pop())),
            (Skipped, "does not connect", |i| i.setup.source_v4 = V4.parse().ok()),
        ],
    );
    table(
        "port_25_ipv6",
        &["public_address"],
        &[
            (Warn, "No route to host", |i| {
                i.setup.source_v4 = V4.parse().ok();
                i.setup.source_v6 = V6.parse().ok();
                shut(&mut i.attempts[3], no_route());
            }),
            (Warn, "no connection from our own address", |i| {
                i.setup.source_v4 = V4.parse().ok();
                i.setup.source_v6 = V6.parse().ok();
                shut(&mut i.attempts[3], NoReply::SourceFailed("not here".into()));
            }),
        ],
    );
    table(
        "port_25_ipv6",
        &["port_25_ipv4", "greeting", "interception", "clock", "public_address"],
        &[(Fail, "0 of 1 exchangers reached", |i| {
            i.attempts.iter_mut().for_each(|k| shut(k, NoReply::Timeout))
        })],
    );
}

#[test]
fn an_identity_s_own_way_out_that_is_shut_is_no_blocked_port() {
    for (why, words) in [
        (NoReply::SourceFailed("not here".into()), "source_v4 and source_v6"),
        (NoReply::ProxyFailed("no answer in time".into()), "the proxy"),
    ] {
        let mut facts = healthy();
        let attempts = &mut facts.identities[0].attempts;
        attempts.iter_mut().for_each(|attempt| shut(attempt, why.clone()));
        let found = report(&facts).findings.into_iter().find(|f| f.id == "port_25_ipv4").unwrap();
        assert!(found.status == Fail && found.remedy.contains(words), "{found:?}");
        assert!(!found.remedy.contains("hosting provider"), "{found:?}");
    }
}

#[test]
fn the_greeting() {
    fn turn_away(attempt: &mut ConnectionAttempt) {
        let banner =
            Reply::parse_text("554 5.7.1 blocked using a list, ask jane@example.com").unwrap();
        attempt.outcome = Ok(Greeting { banner, at: now() });
    }
    table(
        "greeting",
        &["interception", "clock"],
        &[
            (
                Warn,
                "1 of 4 do not let us in; mx.google.com says 554 blocked using a list, ask j***@",
                |i| {
                    turn_away(&mut i.attempts[0]);
                },
            ),
            (Warn, "1 of 4 do not let us in; they say nothing", |i| {
                i.attempts[0].outcome = Err(NoReply::Timeout);
            }),
            (Fail, "4 of 4 do not let us in", |i| i.attempts.iter_mut().for_each(turn_away)),
        ],
    );
    table(
        "greeting",
        &["interception", "clock", "port_25_ipv4", "port_25_ipv6", "public_address"],
        &[(Skipped, "no exchanger was reached", |i| {
            i.attempts.iter_mut().for_each(|k| shut(k, NoReply::Timeout))
        })],
    );
}

#[test]
fn an_intercepted_port_25() {
    table(
        "interception",
        &["clock"],
        &[
            (
                Fail,
                "the exchangers of google.com and outlook.com all greet as relay.isp.example",
                |i| {
                    for attempt in &mut i.attempts {
                        let banner = Reply::parse_text("220 relay.isp.example ESMTP").unwrap();
                        attempt.outcome = Ok(Greeting { banner, at: now() });
                    }
                },
            ),
            (Skipped, "two organisations", |i| {
                i.attempts.truncate(1);
                i.attempts.push(attempt("mx.google.com", V6, "220 mx.google.com ESMTP"));
            }),
            // A provider's host that two domains name each by a name of their own.
            (Skipped, "at addresses of their own", |i| {
                let dialed = [("mx.a.example", V4), ("mx.a.example", V6), ("mx.b.example", V4)];
                let greets = |(host, local)| attempt(host, local, "220 mx.shared.example ESMTP");
                i.attempts = dialed.map(greets).into();
            }),
        ],
    );
}

#[test]
fn the_public_address() {
    table(
        "public_address",
        &[],
        &[
            (Pass, "192.88.1.25 and 2a00:1450::25, this host's own", |_| {}),
            (Skipped, "connections leave from 10.0.0.5, which is not public (NAT)", |i| {
                i.attempts.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.5")));
            }),
            (Skipped, "no connection was opened", |i| {
                i.attempts.iter_mut().for_each(|k| k.local = None);
            }),
            (Pass, "192.88.1.25 by configuration", |i| {
                i.attempts.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.5")));
                i.setup.public_addresses = vec![ip(V4)];
            }),
            (Warn, "10.0.0.5 by configuration, which only a network of its own sees", |i| {
                i.attempts.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.5")));
                i.setup.public_addresses = vec![ip("10.0.0.5")];
            }),
            (Warn, "100.64.0.5 by configuration, which only a network of its own sees", |i| {
                i.setup.proxy = "10.0.0.9:1080".parse().ok();
                i.setup.public_addresses = vec![ip(V4), ip("100.64.0.5")];
            }),
            (Warn, "192.88.1.99 by configuration, but connections leave from 192.88.1.25", |i| {
                i.setup.public_addresses = vec![ip("192.88.1.99")];
            }),
            (Pass, "2a00:1450::25, this host's own", |i| {
                i.setup.public_addresses = vec![ip("192.88.1.99")];
            }),
            (Skipped, "connections leave from 10.0.0.5, which is not public (NAT)", |i| {
                i.attempts[..3].iter_mut().for_each(|k| k.local = Some(ip("10.0.0.5")));
            }),
            (Skipped, "connections leave through the proxy 10.0.0.9:1080", |i| {
                i.setup.proxy = "10.0.0.9:1080".parse().ok();
                i.attempts.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.9")));
            }),
            (Pass, "192.88.1.9, the proxy's", |i| {
                i.setup.proxy = "192.88.1.9:1080".parse().ok();
                i.attempts.iter_mut().for_each(|k| k.local = Some(ip("192.88.1.9")));
            }),
        ],
    );
}

#[test]
fn each_family_has_its_own_address_and_one_behind_nat_is_not_hidden_by_the_other() {
    let found = |change: Change| {
        let mut facts = healthy();
        facts.identities[0].attempts[..3]
            .iter_mut()
            .for_each(|attempt| attempt.local = Some(ip("10.0.0.5")));
        change(&mut facts.identities[0]);
        let found = report(&facts).findings.into_iter().filter(|f| f.id == "public_address");
        found.map(|finding| (finding.status, finding.seen)).collect::<Vec<_>>()
    };
    let own = (Pass, "2a00:1450::25, this host's own".to_owned());
    let nat = "connections leave from 10.0.0.5, which is not public (NAT)".to_owned();
    assert_eq!(found(|_| {}), [(Skipped, nat), own.clone()]);
    let named = (Pass, "192.88.1.25 by configuration".to_owned());
    let configured = found(|i| i.setup.public_addresses = vec![ip(V4)]);
    assert_eq!(configured, [named, own], "the IPv6 address is no stray");
}

#[test]
fn without_a_public_address_what_needs_one_is_skipped() {
    let skipped = ["reverse_dns", "helo_matches", "spf", "blocklist"];
    for id in skipped {
        changed(id, &skipped, Skipped, "the public address is not known", |facts| {
            facts.identities[0].addresses.clear();
        });
    }
}

#[test]
fn the_clock() {
    let says = |attempt: &mut ConnectionAttempt, date: &str| {
        let banner = Reply::parse_text(&format!("220 mx.outlook.com ready at {date}")).unwrap();
        attempt.outcome = Ok(Greeting { banner, at: now() });
    };
    changed("clock", &[], Pass, "within 30s of 2 banner(s)", |_| {});
    changed("clock", &[], Fail, "1h ahead of what 2 of 2 banner(s) say", |facts| {
        for attempt in &mut facts.identities[0].attempts[1..3] {
            says(attempt, "Wed, 25 Nov 2026 13:34:37 +0000");
        }
    });
    changed("clock", &[], Warn, "1m behind what 1 of 1 banner(s) say", |facts| {
        facts.identities[0].attempts.remove(2);
        says(&mut facts.identities[0].attempts[1], "Wed, 25 Nov 2026 15:35:37 +0100");
    });
    // Two that do not agree with each other are one witness.
    changed("clock", &[], Warn, "1 of 2 banner(s)", |facts| {
        says(&mut facts.identities[0].attempts[1], "Wed, 25 Nov 2026 13:34:37 +0000");
        says(&mut facts.identities[0].attempts[2], "Tue, 25 Nov 2025 13:34:37 +0000");
    });
    changed("clock", &[], Skipped, "no banner said the time", |facts| {
        facts.identities[0].attempts.drain(1..3);
        facts.identities[0].attempts.push(attempt("mx.a.example", V4, "220 mx.a.example"));
    });
}
