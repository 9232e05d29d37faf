//! The doctor in the sandbox's world: each check seen well and seen ill, over real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailvet::clock::Clock;
use mailvet::config::Config;
use mailvet::doctor::config::{Named, PublicAddresses};
use mailvet::doctor::{Doctor, Finding, Report, Status};
use mailvet::prober::Identity;
use mailvet::sandbox::{Counts, Exchanger, Failure, Name, QueryType, Reply, Sandbox, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use Status::{Fail, Pass, Skipped, Warn};

fn world() -> World {
    World::built_in().unwrap()
}

/// A report on this world, with the configuration that `--sandbox` makes, changed by `change`; and
/// what the world counted.
async fn examine(world: World, change: impl FnOnce(&mut Config)) -> (Report, Counts) {
    let sandbox = Sandbox::start(world).await.unwrap();
    let mut config = Config::default();
    mailvet::cli::sandboxed(&mut config, &sandbox);
    mailvet::cli::sandboxed_doctor(&mut config).unwrap();
    change(&mut config);
    let Config { doctor, smtp, prober, dns, .. } = config;
    let report = Doctor::new(doctor, smtp, &prober, dns, Clock::start()).examine().await.unwrap();
    let counts = sandbox.counts();
    sandbox.shutdown().await;
    (report, counts)
}

fn names(names: &[&str]) -> Vec<Named> {
    names.iter().map(|name| Named::try_from((*name).to_owned()).unwrap()).collect()
}

/// The findings of one check about one identity (`""` for the host), by a part of their subject.
fn found<'a>(report: &'a Report, identity: &str, id: &str, subject: &str) -> Vec<&'a Finding> {
    let is_about = |finding: &&Finding| {
        finding.id == id
            && finding.identity.as_deref().unwrap_or_default() == identity
            && finding.subject.as_deref().unwrap_or_default().contains(subject)
    };
    report.findings.iter().filter(is_about).collect()
}

#[track_caller]
fn assert_found(
    report: &Report,
    (identity, id, subject): (&str, &str, &str),
    status: Status,
    words: &str,
) {
    let findings = found(report, identity, id, subject);
    let hit = findings.iter().any(|f| f.status == status && f.seen.contains(words));
    assert!(hit, "{identity} {id} {subject} is not {status:?} with {words:?}: {findings:#?}");
}

#[tokio::test]
async fn a_well_kept_identity_passes_and_a_neglected_one_fails_with_advice() {
    let (report, _) = examine(world(), |_| {}).await;
    let well_kept = report.findings.iter().filter(|f| f.identity.as_deref() != Some("neglected"));
    for finding in well_kept {
        let cannot_be_told = ["port_25_ipv6", "blocklist"].contains(&finding.id);
        let fine = finding.status == Pass || (finding.status == Skipped && cannot_be_told);
        assert!(fine, "{finding:#?}");
    }
    let kept = |id, subject, status, words| {
        assert_found(&report, ("well-kept", id, subject), status, words);
    };
    kept("reverse_dns", "2001:db8::25", Pass, "probe.mailvet.test, which leads back");
    kept("spf", "192.0.2.25 for mailvet.test", Pass, "include:_spf.mailvet.test");
    kept("spf", "2001:db8::25 for mailvet.test", Pass, "include:_spf.mailvet.test");
    kept("spf", "192.0.2.25 for probe.mailvet.test", Pass, "\"a\"");
    kept("blocklist", "2001:db8::25 at zen.sandbox.test", Pass, "not listed");
    kept("blocklist", "192.0.2.25 at refusing.", Skipped, "does not mean listed");
    kept("blocklist", "192.0.2.25 at mute.", Skipped, "does not show its test entry");
    kept("blocklist", "192.0.2.25 at bl.sandbox.test", Skipped, "lists everybody");

    let neglected = |id, subject, status, words| {
        assert_found(&report, ("neglected", id, subject), status, words);
    };
    neglected("port_25_ipv4", "", Pass, "reached");
    neglected("helo_name", "", Fail, "mailer is not a full domain name");
    neglected("reverse_dns", "198.51.100.66", Fail, "host-66.dynamic.isp.test does not lead back");
    neglected("helo_matches", "198.51.100.66", Skipped, "no full host name");
    neglected("spf", "198.51.100.66 for neglected.test", Fail, "\"-all\" of neglected.test");
    neglected("sender_mail", "neglected.test", Fail, "null MX");
    neglected("sender_dmarc", "neglected.test", Warn, "no DMARC policy");
    neglected("blocklist", "at zen.sandbox.test", Fail, "XBL: an infected machine (127.0.0.4)");
    neglected("blocklist", "at psbl.sandbox.test", Warn, "it says \"mailed a spam trap\"");
    neglected("blocklist", "at refusing.sandbox.test", Skipped, "does not mean listed");
    for finding in &report.findings {
        let ill = matches!(finding.status, Warn | Fail);
        assert_eq!(ill, !finding.meaning.is_empty(), "{finding:#?}");
        assert!(!ill || !finding.remedy.is_empty(), "{finding:#?}");
    }
    assert_eq!(report.status(), Fail);
}

#[tokio::test]
async fn exchangers_hear_quit_and_nothing_else() {
    let (_, counts) = examine(world(), |_| {}).await;
    let total = counts.total();
    assert_eq!((total.connections, total.quit), (8, 8), "two identities, four domains");
    assert_eq!((total.mail, total.rcpt, total.rset, total.violations), (0, 0, 0, 0));
    assert_eq!((total.flights, total.early_talkers), (8, 0), "one flight each, after the banner");
}

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

fn greets(banner: &str) -> Exchanger {
    let mut exchanger = Exchanger::default();
    exchanger.words.banner = Reply::new(220, banner);
    exchanger
}

/// The built-in world with two more domains, whose exchangers greet so.
fn greeting_world(banners: [&str; 2]) -> World {
    world()
        .with_name("one.test", Name::with_mx(&["mx.one.test"]))
        .with_name("two.test", Name::with_mx(&["mx.two.test"]))
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

fn at(address: [u8; 4]) -> Name {
    Name { a: vec![address.into()], ..Name::default() }
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

    let (report, _) = examine(world().with_name("*.com", Name::default()), |_| {}).await;
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

#[tokio::test]
async fn the_name_and_its_address_are_looked_up_both_ways() {
    const PTR: &str = "25.2.0.192.in-addr.arpa";
    let look = async |world: World, change: fn(&mut Config)| examine(world, change).await.0;
    let with_ptr = |records| world().with_name(PTR, records);
    let fails = || Name { fails: [(QueryType::Any, Failure::Servfail)].into(), ..Name::default() };
    let named = |name: &str| {
        let ptr = Some(mailvet::address::DomainName::from_ascii(name));
        Name { ptr, ..Name::default() }
    };
    let kept = |report: &Report, id, status, words| {
        assert_found(report, ("well-kept", id, "192.0.2.25"), status, words);
    };
    let report = look(with_ptr(Name::default()), |_| {}).await;
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
        let mut name = Name::with_mx(&["mx1.acme.test"]);
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
    let (report, _) = examine(world(), |config| {
        config.smtp.fallback_mail_from = "me@dns-failure.test".parse().ok();
    })
    .await;
    kept(&report, "sender_mail", Skipped, "SERVFAIL");
    let (report, _) = examine(world(), |config| config.smtp.fallback_mail_from = None).await;
    kept(&report, "sender_mail", Skipped, "only the null sender");
    kept(&report, "null_sender", Warn, "nothing where that is refused");
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
        config.prober.identities = vec![Identity {
            name: "proxied".into(),
            socks5: Some(toml::from_str(&socks5).unwrap()),
            helo_name: "probe.mailvet.test".parse().ok(),
            ..Identity::default()
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
