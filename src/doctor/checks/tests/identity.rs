//! What DNS says of an identity: its addresses, its names, its sender.

use super::*;

#[test]
fn the_helo_name() {
    table(
        "helo_name",
        &["helo_matches"],
        &[
            (Fail, "not set", |i| (i.setup.helo, i.helo) = (None, None)),
            (Fail, "[192.0.2.1] is an address", |i| {
                (i.setup.helo, i.helo) = (Some("[192.0.2.1]".into()), None);
            }),
            (Fail, "192.0.2.1 is an address", |i| {
                (i.setup.helo, i.helo) = (Some("192.0.2.1".into()), None);
            }),
            (Fail, "mailer is not a full domain name", |i| {
                i.setup.helo = Some("mailer".into());
                if let Some(helo) = &mut i.helo {
                    helo.name = name("mailer");
                }
            }),
            (Fail, "has no address in DNS", |i| {
                if let Some(helo) = &mut i.helo {
                    (helo.ipv4, helo.ipv6) = (NXDOMAIN, NXDOMAIN);
                }
            }),
            (Skipped, "could not be looked up: the name servers answered SERVFAIL", |i| {
                if let Some(helo) = &mut i.helo {
                    (helo.ipv4, helo.ipv6) = (servfail(), QueryResult::NoData);
                }
            }),
        ],
    );
}

#[test]
fn reverse_dns() {
    table(
        "reverse_dns",
        &["helo_matches"],
        &[
            (Fail, "no PTR record", |i| i.addresses[0].names = NXDOMAIN),
            (Fail, "names no host", |i| {
                i.addresses[0].names = QueryResult::Names(vec![name(".")]);
                i.addresses[0].forward.clear();
            }),
            (Skipped, "could not be looked up", |i| i.addresses[0].names = servfail()),
            (Fail, "does not lead back", |i| {
                i.addresses[0].forward[0].1 = addresses(&["192.88.9.9"])
            }),
            (Skipped, "could not be looked up", |i| i.addresses[0].forward[0].1 = servfail()),
        ],
    );
    for generic in [
        "host-192-88-1-25.isp.example",
        "25.1.88.192.isp.example",
        "c0580119.isp.example",
        "pool-7.isp.example",
        "a.dynamic.isp.example",
    ] {
        changed("reverse_dns", &["helo_matches"], Warn, "out of a pattern", |facts| {
            let address = &mut facts.identities[0].addresses[0];
            address.names = QueryResult::Names(vec![name(generic)]);
            address.forward[0].0 = name(generic);
        });
    }
    for own in ["mx25.mailvet.example", "carpool2.mailvet.example", "a1-b2-c3-d4.example"] {
        changed("reverse_dns", &["helo_matches"], Pass, own, |facts| {
            let address = &mut facts.identities[0].addresses[0];
            address.names = QueryResult::Names(vec![name(own)]);
            address.forward[0].0 = name(own);
        });
    }
}

#[test]
fn one_name_out_of_a_pattern_is_told_wherever_it_stands_among_several() {
    let names = ["probe.mailvet.example", "pool-7.isp.example"].map(name);
    for order in [[0, 1], [1, 0]] {
        changed("reverse_dns", &[], Warn, "pool-7.isp.example is a name out of", |facts| {
            let address = &mut facts.identities[0].addresses[0];
            let names = order.map(|at: usize| names[at].clone());
            address.forward = names.clone().map(|name| (name, addresses(&[V4]))).into();
            address.names = QueryResult::Names(names.into());
        });
    }
}

#[test]
fn helo_and_reverse_dns_together() {
    table(
        "helo_matches",
        &["reverse_dns", "helo_name"],
        &[
            (Pass, "name each other", |_| {}),
            (Warn, "which has another name", |i| {
                let other = name("other.mailvet.example");
                i.addresses[0].names = QueryResult::Names(vec![other.clone()]);
                i.addresses[0].forward[0].0 = other;
            }),
            (Fail, "does not lead to the address", |i| {
                i.helo.as_mut().unwrap().ipv4 = addresses(&["192.88.9.9"]);
            }),
            (Skipped, "could not be looked up", |i| i.helo.as_mut().unwrap().ipv4 = servfail()),
        ],
    );
}

#[test]
fn spf_of_the_sender_and_of_helo() {
    use spf::SpfResult;
    for (verdict, status, words) in [
        (SpfResult::Pass, Pass, "covered by"),
        (SpfResult::Fail, Fail, "forbids the address"),
        (SpfResult::SoftFail, Warn, "does not vouch"),
        (SpfResult::Neutral, Warn, "does not vouch"),
        (SpfResult::None, Warn, "no record"),
        (SpfResult::PermError, Fail, "the record is broken"),
        (SpfResult::TempError, Skipped, "DNS did not say"),
    ] {
        for of_helo in [0, 1] {
            changed("spf", &[], status, words, |facts| {
                facts.identities[0].addresses[0].spf[of_helo].outcome.verdict = verdict;
            });
        }
    }
    table("spf", &[], &[(Skipped, "neither", |i| i.addresses[0].spf.clear())]);
}

#[test]
fn a_domain_that_has_an_spf_record_is_never_told_to_publish_another() {
    use spf::SpfResult;
    let remedy = |address: usize, verdict| {
        let mut facts = healthy();
        facts.identities[0].addresses[address].spf[1].outcome.verdict = verdict;
        let found = report(&facts).findings.into_iter();
        let [found]: [_; 1] = found
            .filter(|f| f.id == "spf" && f.status != Pass)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        found.remedy
    };
    for verdict in [SpfResult::Fail, SpfResult::SoftFail, SpfResult::Neutral] {
        let words = "add ip4:192.88.1.25 to the one SPF record of mailvet.example";
        let v4 = remedy(0, verdict);
        assert!(v4.starts_with(words) && v4.contains("never publish a second"), "{v4}");
        let v6 = remedy(1, verdict);
        assert!(v6.starts_with("add ip6:2a00:1450::25 to the one SPF record"), "{v6}");
    }
    let none = remedy(0, SpfResult::None);
    assert!(none.starts_with("publish a TXT record for mailvet.example"), "{none}");
    // Of both addresses the same: a second record would spoil the first.
    for none in [none, remedy(1, SpfResult::None)] {
        let record = "\"v=spf1 a mx ip4:192.88.1.25 ip6:2a00:1450::25 -all\"";
        assert!(none.contains(record), "{none}");
    }
    let broken = remedy(0, SpfResult::PermError);
    assert!(broken.starts_with("repair the record"), "{broken}");
}

#[test]
fn a_domain_that_has_a_dmarc_record_is_never_told_to_publish_another() {
    for records in [&["v=DMARC1; sp=none"][..], &["v=DMARC1; p=none", "v=DMARC1; p=none"]] {
        let mut facts = healthy();
        facts.identities[0].sender.as_mut().unwrap().dmarc = texts(records);
        let found = report(&facts).findings.into_iter().find(|f| f.id == "sender_dmarc").unwrap();
        assert!(!found.remedy.contains("publish"), "{}", found.remedy);
        assert!(found.remedy.contains("_dmarc.mailvet.example"), "{}", found.remedy);
    }
}

#[test]
fn the_sender_s_domain() {
    fn route(identity: &mut IdentityFacts, route: Result<Route, DnsFailure>) {
        identity.sender.as_mut().unwrap().route = route;
    }
    table(
        "sender_mail",
        &[],
        &[
            (Pass, "through 1 exchanger", |_| {}),
            (Pass, "at its own address", |i| {
                let host = Exchanger { host: name("mailvet.example"), preference: 0 };
                route(i, Ok(Route::ImplicitMx(host)));
            }),
            (Fail, "null MX", |i| route(i, Ok(Route::NullMx))),
            (Fail, "does not exist", |i| route(i, Ok(Route::NoSuchDomain))),
            (Fail, "no mail host", |i| route(i, Ok(Route::NoMail))),
            (Skipped, "DNS did not say", |i| route(i, Err(DnsFailure::Timeout))),
        ],
    );
    fn dmarc(identity: &mut IdentityFacts, heard: QueryResult) {
        identity.sender.as_mut().unwrap().dmarc = heard;
    }
    table(
        "sender_dmarc",
        &[],
        &[
            (Pass, "p=reject", |_| {}),
            (Pass, "p=None", |i| dmarc(i, texts(&["v = DMARC1 ; p = None; rua=mailto:a@b.test"]))),
            (Warn, "no DMARC policy", |i| dmarc(i, NXDOMAIN)),
            (Warn, "no DMARC policy", |i| dmarc(i, texts(&["v=DMARC10; p=none"]))),
            (Warn, "has no policy", |i| dmarc(i, texts(&["v=DMARC1; sp=none"]))),
            (Warn, "more than one", |i| dmarc(i, texts(&["v=DMARC1; p=none", "v=DMARC1; p=none"]))),
            (Skipped, "DNS did not say", |i| dmarc(i, servfail())),
            (Pass, "publishes DMARC: p=reject", |i| {
                dmarc(i, texts(&["v=DMARC1; sp=none; p=reject"]));
            }),
            (Pass, "has the DMARC policy of example: sp=none", |i| {
                i.sender.as_mut().unwrap().dmarc_of = name("example");
                dmarc(i, texts(&["v=DMARC1; p=reject; sp=none"]));
            }),
            (Pass, "has the DMARC policy of example: p=reject", |i| {
                i.sender.as_mut().unwrap().dmarc_of = name("example");
                dmarc(i, texts(&["v=DMARC1; p=reject"]));
            }),
        ],
    );
    let both = ["sender_mail", "sender_dmarc", "sender_registration"];
    table("sender_mail", &both, &[(Skipped, "only the null sender", |i| i.sender = None)]);
    table("sender_dmarc", &both, &[(Skipped, "only the null sender", |i| i.sender = None)]);
}

#[test]
fn a_dmarc_record_whose_first_p_or_whose_sp_is_no_policy_is_followed_by_nobody() {
    for (record, tag) in [
        ("v=DMARC1; p=monitor; p=none", "p"),
        ("v=DMARC1; p=; rua=mailto:a@b.test", "p"),
        ("v=DMARC1; p=reject; sp=other", "sp"),
    ] {
        for holder in ["mailvet.example", "example"] {
            let words = format!("the DMARC record of {holder} has no policy in its tag {tag}");
            changed("sender_dmarc", &[], Warn, &words, |facts| {
                let sender = facts.identities[0].sender.as_mut().unwrap();
                (sender.dmarc, sender.dmarc_of) = (texts(&[record]), name(holder));
            });
        }
    }
}

#[test]
fn the_registration_of_the_sender_s_domain() {
    fn set(identity: &mut IdentityFacts, state: RegistrationState) {
        identity.sender.as_mut().unwrap().registration = Some(registration(state));
    }
    fn facts(identity: &mut IdentityFacts, facts: RegistrationFacts) {
        set(identity, RegistrationState::Registered(Arc::new(facts)));
    }
    fn on(day: &str) -> RegistrationFacts {
        RegistrationFacts { registered_at: Some(time(day)), ..RegistrationFacts::default() }
    }
    table(
        "sender_registration",
        &["sender_mail"],
        &[
            (Pass, "registered since 2020-03-01", |_| {}),
            (Pass, "registered since 2026-10-26", |i| facts(i, on("2026-10-26"))),
            (Warn, "registered on 2026-10-27: a new domain", |i| facts(i, on("2026-10-27"))),
            (Warn, "ends on 2026-12-01", |i| {
                let expires_at = Some(time("2026-12-01"));
                facts(i, RegistrationFacts { expires_at, ..on("2020-03-01") });
            }),
            (Warn, "ended on 2026-11-01", |i| {
                let expires_at = Some(time("2026-11-01"));
                facts(i, RegistrationFacts { expires_at, ..on("2020-03-01") });
            }),
            (Fail, "is being deleted: redemption period", |i| {
                let statuses = vec!["pending delete".into(), "redemption period".into()];
                facts(i, RegistrationFacts { statuses, ..on("2020-03-01") });
            }),
            (Fail, "is being deleted: pending delete", |i| {
                let statuses = vec!["pending delete".into()];
                facts(i, RegistrationFacts { statuses, ..on("2020-03-01") });
            }),
            (Fail, "client hold", |i| {
                let statuses = vec!["client hold".into()];
                facts(i, RegistrationFacts { statuses, ..on("2020-03-01") });
            }),
            (Skipped, "names below this suffix are held elsewhere", |i| {
                set(i, RegistrationState::NotRegistered);
            }),
            (Skipped, "and DNS did not say", |i| {
                set(i, RegistrationState::NotRegistered);
                i.sender.as_mut().unwrap().route = Err(DnsFailure::Timeout);
            }),
            (Skipped, "asked for fewer requests", |i| {
                set(i, RegistrationState::Unknown(RegistrationGap::RateLimited));
            }),
        ],
    );
    let gone = ["sender_mail"];
    table(
        "sender_registration",
        &gone,
        &[(Fail, "not registered, and not in DNS", |i| {
            set(i, RegistrationState::NotRegistered);
            i.sender.as_mut().unwrap().route = Ok(Route::NoSuchDomain);
        })],
    );
}

#[test]
fn the_null_sender_needs_a_fallback() {
    table(
        "null_sender",
        &[],
        &[
            (Pass, "a mailbox where that is refused", |_| {}),
            (Pass, "a mailbox is the sender", |i| i.setup.null_sender = false),
            (Warn, "nothing where that is refused", |i| i.setup.has_fallback = false),
        ],
    );
}

#[test]
fn blocklists_by_address() {
    table(
        "blocklist",
        &[],
        &[
            (Pass, "not listed", |_| {}),
            (Fail, "listed: an entry", |i| i.addresses[0].lists[0].own = addresses(&["127.0.0.2"])),
            (Skipped, "does not mean listed", |i| {
                i.addresses[0].lists[0].own = addresses(&["127.255.255.254"]);
            }),
        ],
    );
}

#[test]
fn identities_of_one_address() {
    let two = |v4: &str| {
        let mut facts = healthy();
        facts.identities.push(identity("b", v4));
        facts.identities[1].addresses.truncate(1);
        let found = report(&facts).findings.into_iter().find(|f| f.id == "identity_addresses");
        let found = found.unwrap();
        (found.status, found.seen)
    };
    assert_eq!(two("192.88.1.26").0, Pass);
    let (status, seen) = two(V4);
    assert!(status == Warn && seen.ends_with("share 192.88.1.25"), "{seen}");
    // Behind one NAT each is known by its public address alone.
    let mut facts = healthy();
    facts.identities.push(identity("b", "192.88.1.26"));
    for identity in &mut facts.identities {
        identity.addresses.truncate(1);
        identity.attempts.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.5")));
    }
    let same = |facts: &Observations| setup::same_address(facts).map(|found| found.status);
    assert_eq!(same(&facts), Some(Pass));
    facts.identities.iter_mut().for_each(|identity| identity.addresses.clear());
    assert_eq!(same(&facts), Some(Warn));
    facts.identities[0].attempts.clear();
    assert_eq!(same(&facts), Some(Skipped), "one alone is compared with nothing");
    facts.identities.iter_mut().for_each(|identity| identity.attempts.clear());
    assert_eq!(same(&facts), Some(Skipped));
    assert_eq!(same(&healthy()), None, "there is nothing to compare");
}

#[test]
fn addresses_for_a_name_that_no_identity_has_are_told() {
    let found = |names: &[&str]| {
        let by_name = names.iter().map(|name| ((*name).to_owned(), vec![ip(V4)])).collect();
        let config =
            Config { public_addresses: PublicAddresses::ByIdentity(by_name), ..Config::default() };
        let mut facts = healthy();
        facts.identities = vec![identity("a", V4), identity("b", V4)];
        let found = judge(&facts, &config).findings.into_iter();
        found.filter(|f| f.id == "public_address" && f.status == Warn).map(|f| f.seen).next()
    };
    assert_eq!(found(&["a", "b"]), None);
    let seen = found(&["a", "B", "c"]).unwrap();
    assert!(seen.contains("\"B\" and \"c\""), "{seen}");
}
