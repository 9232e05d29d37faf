//! What DNS says of an identity, and what the name servers are like.

use super::*;

fn at(address: [u8; 4]) -> NameRecords {
    NameRecords { a: vec![address.into()], ..NameRecords::default() }
}

#[tokio::test]
async fn a_name_server_that_makes_answers_up_is_seen() {
    let hijacked = ["com", "net", "org", "de"]
        .iter()
        .fold(world(), |world, tld| world.with_name(&format!("*.{tld}"), at([192, 0, 2, 99])));
    let (report, _) = examine(hijacked, |_| {}).await;
    let words = "4 of 5 names that do not exist are said to be at 192.0.2.99";
    assert_found(&report, ("", "dns_nxdomain", ""), Fail, words);

    let (report, _) = examine(world(), |config| {
        config.doctor.exchangers = names(&["no-such-domain.test", "no-mail-host.test"]);
    })
    .await;
    assert_found(&report, ("", "dns_known", ""), Fail, "2 of 2 well-known mail domains");

    let (report, _) = examine(world(), |config| {
        config.doctor.exchangers = names(&["implicit-mx.test"]);
    })
    .await;
    assert_found(&report, ("", "dns_known", ""), Pass, "implicit-mx.test are found");

    let (report, _) = examine(world().with_name("*.com", NameRecords::default()), |_| {}).await;
    assert_found(&report, ("", "dns_known", ""), Pass, "gmail.com, outlook.com");
    assert_found(&report, ("", "dns_nxdomain", ""), Warn, "is said to exist without records");
}

#[tokio::test]
async fn a_name_server_is_seen_to_validate_to_be_slow_or_to_lose_large_answers() {
    let (report, _) = examine(world().with_dns_delay(Duration::from_millis(40)), |config| {
        config.doctor.resolver.bogus = names(&["signed.dnssec.test"]);
        config.doctor.resolver.slow = Duration::from_millis(20);
        config.doctor.resolver.large = names(&["dns-silent.test"]);
    })
    .await;
    assert_found(&report, ("", "dns_dnssec", ""), Warn, "answered all the same");
    assert_found(&report, ("", "dns_speed", ""), Warn, "median");
    assert_found(&report, ("", "dns_large_answers", ""), Warn, "did not arrive");

    let (report, _) = examine(world(), |config| {
        config.doctor.resolver.signed = names(&["dns-failure.test"]);
    })
    .await;
    assert_found(&report, ("", "dns_dnssec", ""), Skipped, "so is every name");
    assert_found(&report, ("", "dns_large_answers", ""), Pass, "large.sandbox.test arrived");
}

#[tokio::test]
async fn a_silent_name_server_is_told_in_time_and_stops_no_other_check() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let clock = Clock::start();
    let start = clock.now();
    let (report, _) = examine(world(), |config| {
        let honest = config.dns.nameservers[0];
        config.dns.nameservers = vec![address, honest];
        config.dns.timeout = Duration::from_millis(200);
        config.doctor.timeout = Duration::from_secs(6);
    })
    .await;
    assert!(clock.now().duration_since(start).unwrap() < Duration::from_secs(12));
    let silent = address.to_string();
    assert_found(&report, ("", "dns_speed", &silent), Fail, "no answer");
    assert_found(&report, ("", "dns_nxdomain", &silent), Skipped, "no name server answered");
    assert_found(&report, ("well-kept", "reverse_dns", "192.0.2.25"), Pass, "leads back");
    assert_eq!(found(&report, "", "dns_nxdomain", "").len(), 2, "each server by itself");
}

#[tokio::test]
async fn the_name_and_its_address_are_looked_up_both_ways() {
    const PTR: &str = "25.2.0.192.in-addr.arpa";
    let look = async |world: World, change: fn(&mut Config)| examine(world, change).await.0;
    let with_ptr = |records| world().with_name(PTR, records);
    let fails = || NameRecords {
        fails: [(QueryType::Any, QueryFailure::Servfail)].into(),
        ..NameRecords::default()
    };
    let named = |name: &str| {
        let ptr = Some(mailvet::address::DomainName::from_ascii(name));
        NameRecords { ptr, ..NameRecords::default() }
    };
    let kept = |report: &Report, id, status, words| {
        assert_found(report, ("well-kept", id, "192.0.2.25"), status, words);
    };
    let report = look(with_ptr(NameRecords::default()), |_| {}).await;
    kept(&report, "reverse_dns", Fail, "no PTR record");
    let report = look(with_ptr(fails()), |_| {}).await;
    kept(&report, "reverse_dns", Skipped, "SERVFAIL");
    let generic = with_ptr(named("host-192-0-2-25.isp.test"))
        .with_name("host-192-0-2-25.isp.test", at([192, 0, 2, 25]));
    let report = look(generic, |_| {}).await;
    kept(&report, "reverse_dns", Warn, "out of a pattern");
    kept(&report, "helo_matches", Warn, "which has another name");

    let helo = |report: &Report, status, words| {
        assert_found(report, ("well-kept", "helo_name", ""), status, words);
    };
    let report = look(world(), |config| config.prober.identities[0].helo_name = None).await;
    helo(&report, Fail, "not set");
    assert_found(&report, ("well-kept", "helo_matches", ""), Skipped, "no full host name");
    let report = look(world(), |config| {
        config.prober.identities[0].helo_name = "nowhere.mailvet.test".parse().ok();
    })
    .await;
    helo(&report, Fail, "has no address in DNS");
    kept(&report, "helo_matches", Fail, "does not lead to the address");
    let report = look(world().with_name("probe.mailvet.test", fails()), |_| {}).await;
    helo(&report, Skipped, "SERVFAIL");
}

#[tokio::test]
async fn spf_of_the_sender_is_evaluated_as_a_receiver_does() {
    for (txt, status, words) in [
        (&["v=spf1 ip4:192.0.2.25 ip6:2001:db8::/32 -all"][..], Pass, "covered"),
        (&["v=spf1 redirect=_spf.mailvet.test"], Pass, "ip4:192.0.2.16/28"),
        (&["v=spf1 exists:%{ir}.zen.sandbox.test ~all"], Warn, "does not vouch"),
        (&["v=spf1 mx"], Warn, "does not vouch"),
        (&["v=spf1 -all"], Fail, "forbids the address"),
        (&["hello"], Warn, "no record"),
        (&["v=spf1 -all", "v=spf1 +all"], Fail, "more than one SPF record"),
        (&["v=spf1 include:nowhere.test -all"], Fail, "nowhere.test has no SPF record"),
        (&["v=spf1 include:dns-failure.test -all"], Skipped, "SERVFAIL"),
        (&["v=spf1 include:mailvet.test -all"], Fail, "more than 10 lookups"),
    ] {
        let txt = txt.iter().map(|text| (*text).to_owned()).collect();
        let mut name = NameRecords::with_mx(&["mx1.acme.test"]);
        name.txt = txt;
        let (report, _) = examine(world().with_name("mailvet.test", name), |_| {}).await;
        let subject = "192.0.2.25 for mailvet.test";
        assert_found(&report, ("well-kept", "spf", subject), status, words);
    }
}

#[tokio::test]
async fn the_sender_s_domain_is_looked_up() {
    let (report, _) = examine(world(), |config| {
        config.smtp.fallback_mail_from = "me@implicit-mx.test".parse().ok();
    })
    .await;
    let kept = |report: &Report, id, status, words| {
        assert_found(report, ("well-kept", id, ""), status, words);
    };
    kept(&report, "sender_mail", Pass, "at its own address");
    kept(&report, "sender_dmarc", Warn, "no DMARC policy");
    let (report, _) = examine(world(), |config| {
        config.smtp.fallback_mail_from = "me@sub.mailvet.test".parse().ok();
    })
    .await;
    kept(&report, "sender_mail", Fail, "does not exist");
    kept(&report, "sender_dmarc", Pass, "p=reject");
    let txt = vec!["of something else".to_owned()];
    let unrelated = NameRecords { txt, ..NameRecords::default() };
    let (report, _) = examine(world().with_name("_dmarc.sub.mailvet.test", unrelated), |config| {
        config.smtp.fallback_mail_from = "me@sub.mailvet.test".parse().ok();
    })
    .await;
    kept(&report, "sender_dmarc", Pass, "has the DMARC policy of mailvet.test: p=reject");
    let (report, _) = examine(world(), |config| {
        config.smtp.fallback_mail_from = "me@dns-failure.test".parse().ok();
    })
    .await;
    kept(&report, "sender_mail", Skipped, "SERVFAIL");
    let (report, _) = examine(world(), |config| config.smtp.fallback_mail_from = None).await;
    kept(&report, "sender_mail", Skipped, "only the null sender");
    kept(&report, "null_sender", Warn, "nothing where that is refused");
}
