//! From facts in which all is well, one thing is changed at a time.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::*;
use crate::address::DomainName;
use crate::dns::{DnsFailure, Exchanger, Route};
use crate::doctor::facts::{
    AddressFacts, Greeting, HeloFacts, Knock, ListFacts, NameserverFacts, NoTarget, SenderFacts,
    Setup, SpfFacts, Timed,
};
use crate::doctor::finding::Status;
use crate::doctor::question::Heard;
use crate::doctor::spf;
use crate::smtp::{NoReply, Reply};

use Status::{Fail, Pass, Skipped, Warn};

const V4: &str = "192.88.1.25";
const V6: &str = "2a00:1450::25";
const NXDOMAIN: Heard = Heard::NoSuchName { with_soa: true };

fn name(text: &str) -> DomainName {
    DomainName::from_ascii(text)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn now() -> SystemTime {
    humantime::parse_rfc3339("2026-11-25T14:34:37Z").unwrap()
}

fn addresses(texts: &[&str]) -> Heard {
    Heard::Addresses(texts.iter().map(|text| ip(text)).collect())
}

fn texts(texts: &[&str]) -> Heard {
    Heard::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn servfail() -> Heard {
    Heard::Failed(DnsFailure::ServerFailure("SERVFAIL".into()))
}

fn knock(host: &str, local: &str, banner: &str) -> Knock {
    let domain = name(host).registrable();
    let address = if ip(local).is_ipv4() { "192.88.2.1" } else { "2a00:1450::1" };
    let banner = Reply::parse_text(banner).unwrap();
    Knock {
        domain,
        target: Ok((name(host), ip(address))),
        connected: true,
        outcome: Ok(Greeting { banner, at: now() }),
        local: Some(ip(local)),
    }
}

fn shut(knock: &mut Knock, why: NoReply) {
    (knock.connected, knock.local, knock.outcome) = (false, None, Err(why));
}

fn unreachable() -> NoReply {
    NoReply::ConnectFailed("Network is unreachable (os error 101)".into())
}

fn address_facts(address: &str) -> AddressFacts {
    let host = name("probe.mailvet.example");
    let outcome = |verdict| spf::Outcome { verdict, because: "\"a\" of it".into(), lookups: 1 };
    let spf = |domain: &str, of_helo| SpfFacts {
        domain: name(domain),
        of_helo,
        outcome: outcome(spf::Verdict::Pass),
    };
    AddressFacts {
        address: ip(address),
        names: Heard::Names(vec![host.clone()]),
        forward: vec![(host, addresses(&[address]))],
        spf: vec![spf("probe.mailvet.example", true), spf("mailvet.example", false)],
        lists: vec![ListFacts {
            list: toml::from_str("zone = \"bl.example\"").unwrap(),
            listed_point: addresses(&["127.0.0.2"]),
            unlisted_point: NXDOMAIN,
            own: NXDOMAIN,
            reason: None,
        }],
    }
}

fn identity(name_: &str, v4: &str) -> IdentityFacts {
    let dated = "220 mx.outlook.com ready at Wed, 25 Nov 2026 14:34:35 +0000";
    let exchanger = Exchanger { host: name("mx.mailvet.example"), preference: 10 };
    IdentityFacts {
        setup: Setup {
            name: name_.to_owned(),
            helo: Some("probe.mailvet.example".into()),
            null_sender: true,
            has_fallback: true,
            ..Setup::default()
        },
        knocks: vec![
            knock("mx.google.com", v4, "220 mx.google.com ESMTP"),
            knock("mx.outlook.com", v4, dated),
            knock("mx2.outlook.com", v4, dated),
            knock("mx.google.com", V6, "220 mx.google.com ESMTP"),
        ],
        addresses: vec![address_facts(v4), address_facts(V6)],
        helo: Some(HeloFacts {
            name: name("probe.mailvet.example"),
            ipv4: addresses(&[v4]),
            ipv6: addresses(&[V6]),
        }),
        sender: Some(SenderFacts {
            domain: name("mailvet.example"),
            route: Ok(Route::Exchangers(vec![exchanger])),
            dmarc: texts(&["unrelated", "v=DMARC1; p=reject"]),
        }),
    }
}

fn timed(host: &str, heard: Heard) -> Timed {
    Timed { name: name(host), heard, took: Duration::from_millis(20) }
}

/// All is well.
fn healthy() -> Facts {
    let exchangers = Heard::Names(vec![name("mx.google.com")]);
    Facts {
        identities: vec![identity("", V4)],
        nameservers: vec![NameserverFacts {
            address: "192.88.3.53:53".parse().unwrap(),
            made_up: vec![timed("made-up.com", NXDOMAIN), timed("made-up.net", NXDOMAIN)],
            made_up_below: vec![timed("made-up.example.com", Heard::NoData)],
            known: vec![timed("gmail.com", exchangers)],
            bogus: vec![timed("bogus.example", servfail())],
            signed: vec![timed("signed.example", addresses(&["192.88.4.1"]))],
            large: vec![timed("large.example", texts(&["a", "b"]))],
        }],
    }
}

fn report(facts: &Facts) -> Report {
    judge(facts, &Config::default())
}

#[test]
fn where_all_is_well_every_check_passes() {
    let found = report(&healthy());
    let worse: Vec<_> = found.findings.iter().filter(|f| f.status != Pass).collect();
    assert!(worse.is_empty(), "{worse:#?}");
    assert_eq!(found.status(), Pass);
}

/// Changes one thing: the check `id` then ends so, with these words, and every other check whose
/// name is not in `also` still passes. Whatever is not a pass says what it means and what to do, and
/// whatever is skipped why.
#[track_caller]
fn changed(id: &str, also: &[&str], status: Status, words: &str, change: impl FnOnce(&mut Facts)) {
    let mut facts = healthy();
    change(&mut facts);
    let found = report(&facts);
    let of_id: Vec<_> = found.findings.iter().filter(|f| f.id == id).collect();
    let hit = of_id.iter().any(|f| f.status == status && f.seen.contains(words));
    assert!(hit, "{id} is not {status:?} with {words:?}: {of_id:#?}");
    for finding in &found.findings {
        let expected = finding.id == id || also.contains(&finding.id);
        assert!(expected || finding.status == Pass, "{finding:#?}");
        assert!(!finding.seen.is_empty(), "{finding:#?}");
        if matches!(finding.status, Warn | Fail) {
            assert!(!finding.meaning.is_empty() && !finding.remedy.is_empty(), "{finding:#?}");
        }
    }
}

type Change = fn(&mut IdentityFacts);

/// A table of changes to the one identity.
#[track_caller]
fn table(id: &str, also: &[&str], rows: &[(Status, &str, Change)]) {
    for (status, words, change) in rows {
        changed(id, also, *status, words, |facts| change(&mut facts.identities[0]));
    }
}

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
                    shut(&mut i.knocks[0], NoReply::Timeout);
                },
            ),
            (Fail, "0 of 3 exchangers reached", |i| {
                i.knocks[..3].iter_mut().for_each(|k| shut(k, NoReply::Timeout));
            }),
            (Fail, "Network is unreachable", |i| {
                i.knocks.iter_mut().for_each(|k| shut(k, unreachable()));
            }),
            (Skipped, "does not connect from such an address", |i| {
                i.setup.source_v6 = V6.parse().ok();
                i.knocks.drain(..3);
            }),
            (Skipped, "names no domain", |i| i.knocks.clear()),
            (Skipped, "has an IPv4 address", |i| drop(i.knocks.drain(..3))),
        ],
    );
    table(
        "port_25_ipv4",
        &no_banner,
        &[(Skipped, "gmail.com: DNS did not say", |i| {
            i.knocks = vec![Knock {
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
            (Skipped, "this host has no IPv6", |i| shut(&mut i.knocks[3], unreachable())),
            (Warn, "0 of 1 exchangers reached", |i| shut(&mut i.knocks[3], NoReply::Timeout)),
            (Skipped, "has an IPv6 address", |i| drop(i.knocks.pop())),
            (Skipped, "does not connect", |i| i.setup.source_v4 = V4.parse().ok()),
        ],
    );
    table(
        "port_25_ipv6",
        &["port_25_ipv4", "greeting", "interception", "clock", "public_address"],
        &[(Fail, "0 of 1 exchangers reached", |i| {
            i.knocks.iter_mut().for_each(|k| shut(k, NoReply::Timeout))
        })],
    );
}

#[test]
fn the_greeting() {
    fn turn_away(knock: &mut Knock) {
        let banner =
            Reply::parse_text("554 5.7.1 blocked using a list, ask jane@example.com").unwrap();
        knock.outcome = Ok(Greeting { banner, at: now() });
    }
    table(
        "greeting",
        &["interception", "clock"],
        &[
            (
                Warn,
                "1 of 4 do not let us in; mx.google.com says 554 blocked using a list, ask j***@",
                |i| {
                    turn_away(&mut i.knocks[0]);
                },
            ),
            (Warn, "1 of 4 do not let us in; they say nothing", |i| {
                i.knocks[0].outcome = Err(NoReply::Timeout);
            }),
            (Fail, "4 of 4 do not let us in", |i| i.knocks.iter_mut().for_each(turn_away)),
        ],
    );
    table(
        "greeting",
        &["interception", "clock", "port_25_ipv4", "port_25_ipv6", "public_address"],
        &[(Skipped, "no exchanger was reached", |i| {
            i.knocks.iter_mut().for_each(|k| shut(k, NoReply::Timeout))
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
                    for knock in &mut i.knocks {
                        let banner = Reply::parse_text("220 relay.isp.example ESMTP").unwrap();
                        knock.outcome = Ok(Greeting { banner, at: now() });
                    }
                },
            ),
            (Skipped, "two organisations", |i| {
                i.knocks.truncate(1);
                i.knocks.push(knock("mx.google.com", V6, "220 mx.google.com ESMTP"));
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
                i.knocks.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.5")));
            }),
            (Skipped, "no connection was opened", |i| {
                i.knocks.iter_mut().for_each(|k| k.local = None);
            }),
            (Pass, "192.88.1.25 by configuration", |i| {
                i.knocks.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.5")));
                i.setup.public_addresses = vec![ip(V4)];
            }),
            (Warn, "but connections leave from 192.88.1.25 and 2a00:1450::25", |i| {
                i.setup.public_addresses = vec![ip("192.88.1.99")];
            }),
            (Skipped, "connections leave through the proxy 10.0.0.9:1080", |i| {
                i.setup.proxy = "10.0.0.9:1080".parse().ok();
                i.knocks.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.9")));
            }),
            (Pass, "192.88.1.9, the proxy's", |i| {
                i.setup.proxy = "192.88.1.9:1080".parse().ok();
                i.knocks.iter_mut().for_each(|k| k.local = Some(ip("192.88.1.9")));
            }),
        ],
    );
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
fn the_helo_name() {
    table(
        "helo_name",
        &["helo_matches"],
        &[
            (Fail, "not set", |i| (i.setup.helo, i.helo) = (None, None)),
            (Fail, "[192.0.2.1] is an address", |i| {
                (i.setup.helo, i.helo) = (Some("[192.0.2.1]".into()), None);
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
                    (helo.ipv4, helo.ipv6) = (servfail(), Heard::NoData);
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
            address.names = Heard::Names(vec![name(generic)]);
            address.forward[0].0 = name(generic);
        });
    }
    for own in ["mx25.mailvet.example", "carpool2.mailvet.example", "a1-b2-c3-d4.example"] {
        changed("reverse_dns", &["helo_matches"], Pass, own, |facts| {
            let address = &mut facts.identities[0].addresses[0];
            address.names = Heard::Names(vec![name(own)]);
            address.forward[0].0 = name(own);
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
                i.addresses[0].names = Heard::Names(vec![other.clone()]);
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
    use spf::Verdict;
    for (verdict, status, words) in [
        (Verdict::Pass, Pass, "covered by"),
        (Verdict::Fail, Fail, "forbids the address"),
        (Verdict::SoftFail, Warn, "does not vouch"),
        (Verdict::Neutral, Warn, "does not vouch"),
        (Verdict::None, Warn, "no record"),
        (Verdict::PermError, Fail, "the record is broken"),
        (Verdict::TempError, Skipped, "DNS did not say"),
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
    fn dmarc(identity: &mut IdentityFacts, heard: Heard) {
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
            (Warn, "without a policy", |i| dmarc(i, texts(&["v=DMARC1; sp=none"]))),
            (Warn, "more than one", |i| dmarc(i, texts(&["v=DMARC1; p=none", "v=DMARC1; p=none"]))),
            (Skipped, "DNS did not say", |i| dmarc(i, servfail())),
        ],
    );
    let both = ["sender_mail", "sender_dmarc"];
    table("sender_mail", &both, &[(Skipped, "only the null sender", |i| i.sender = None)]);
    table("sender_dmarc", &both, &[(Skipped, "only the null sender", |i| i.sender = None)]);
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
        identity.knocks.iter_mut().for_each(|k| k.local = Some(ip("10.0.0.5")));
    }
    let same = |facts: &Facts| setup::same_address(facts).map(|found| found.status);
    assert_eq!(same(&facts), Some(Pass));
    facts.identities.iter_mut().for_each(|identity| identity.addresses.clear());
    assert_eq!(same(&facts), Some(Warn));
    facts.identities.iter_mut().for_each(|identity| identity.knocks.clear());
    assert_eq!(same(&facts), Some(Skipped));
    assert_eq!(same(&healthy()), None, "there is nothing to compare");
}

#[test]
fn the_clock() {
    let says = |knock: &mut Knock, date: &str| {
        let banner = Reply::parse_text(&format!("220 mx.outlook.com ready at {date}")).unwrap();
        knock.outcome = Ok(Greeting { banner, at: now() });
    };
    changed("clock", &[], Pass, "within 30s of 2 banner(s)", |_| {});
    changed("clock", &[], Fail, "1h ahead of what 2 of 2 banner(s) say", |facts| {
        for knock in &mut facts.identities[0].knocks[1..3] {
            says(knock, "Wed, 25 Nov 2026 13:34:37 +0000");
        }
    });
    changed("clock", &[], Warn, "1m behind what 1 of 1 banner(s) say", |facts| {
        facts.identities[0].knocks.remove(2);
        says(&mut facts.identities[0].knocks[1], "Wed, 25 Nov 2026 15:35:37 +0100");
    });
    // Two that do not agree with each other are one witness.
    changed("clock", &[], Warn, "1 of 2 banner(s)", |facts| {
        says(&mut facts.identities[0].knocks[1], "Wed, 25 Nov 2026 13:34:37 +0000");
        says(&mut facts.identities[0].knocks[2], "Tue, 25 Nov 2025 13:34:37 +0000");
    });
    changed("clock", &[], Skipped, "no banner said the time", |facts| {
        facts.identities[0].knocks.drain(1..3);
        facts.identities[0].knocks.push(knock("mx.a.example", V4, "220 mx.a.example"));
    });
}

#[test]
fn the_name_server() {
    type Row = (&'static str, Status, &'static str, fn(&mut NameserverFacts));
    let rows: [Row; 22] = [
        ("dns_known", Pass, "gmail.com are found", |_| {}),
        ("dns_known", Fail, "1 of 1 well-known mail domains", |n| n.known[0].heard = NXDOMAIN),
        ("dns_known", Warn, "gone.example is one", |n| {
            n.known.push(timed("gone.example", NXDOMAIN))
        }),
        ("dns_known", Skipped, "gmail.com: no name server", |n| {
            n.known[0].heard = Heard::Failed(DnsFailure::Timeout);
        }),
        ("dns_nxdomain", Pass, "3 names that do not exist", |_| {}),
        (
            "dns_nxdomain",
            Fail,
            "1 of 3 names that do not exist are said to be at 192.88.8.8",
            |n| {
                n.made_up[0].heard = addresses(&["192.88.8.8"]);
            },
        ),
        ("dns_nxdomain", Fail, "are said to be at", |n| {
            n.made_up_below[0].heard = addresses(&["192.88.8.8"]);
        }),
        ("dns_nxdomain", Warn, "made-up.com, which does not exist, is said to exist", |n| {
            n.made_up[0].heard = Heard::NoData;
        }),
        ("dns_nxdomain", Warn, "without an SOA", |n| {
            n.made_up[0].heard = Heard::NoSuchName { with_soa: false };
        }),
        ("dns_nxdomain", Skipped, "made-up.com: no name server answered", |n| {
            for timed in n.made_up.iter_mut().chain(&mut n.made_up_below) {
                timed.heard = Heard::Failed(DnsFailure::Timeout);
            }
        }),
        ("dns_dnssec", Pass, "broken signatures are refused", |_| {}),
        ("dns_dnssec", Warn, "answered all the same", |n| {
            n.bogus[0].heard = addresses(&["192.88.4.2"]);
        }),
        ("dns_dnssec", Skipped, "so is every name with good signatures", |n| {
            n.signed[0].heard = servfail();
        }),
        ("dns_dnssec", Skipped, "no name server answered", |n| {
            n.bogus[0].heard = Heard::Failed(DnsFailure::Timeout);
        }),
        ("dns_dnssec", Skipped, "does not exist any more", |n| n.bogus[0].heard = NXDOMAIN),
        ("dns_speed", Pass, "median 20 ms over 4 questions", |_| {}),
        ("dns_speed", Warn, "median 900 ms", |n| {
            for timed in n.made_up.iter_mut().chain(&mut n.known) {
                timed.took = Duration::from_millis(900);
            }
        }),
        ("dns_speed", Warn, "1 were not answered", |n| {
            n.known[0].heard = Heard::Failed(DnsFailure::Timeout);
        }),
        ("dns_speed", Fail, "4 questions, no answer", |n| {
            let all = n.made_up.iter_mut().chain(&mut n.made_up_below).chain(&mut n.known);
            all.for_each(|timed| timed.heard = Heard::Failed(DnsFailure::Timeout));
        }),
        ("dns_large_answers", Pass, "2 octets of large.example arrived", |_| {}),
        ("dns_large_answers", Warn, "did not arrive", |n| {
            n.large[0].heard = Heard::Failed(DnsFailure::Timeout);
        }),
        ("dns_large_answers", Skipped, "no large answer any more", |n| {
            n.large[0].heard = Heard::NoData;
        }),
    ];
    for (id, status, words, change) in rows {
        let also = ["dns_speed", "dns_nxdomain", "dns_known"];
        changed(id, &also, status, words, |facts| change(&mut facts.nameservers[0]));
    }
}
