//! The examples of RFC 7208: section 7.4 and appendix A, and what a record must not do.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::expand::{MacroString, MacroValues};
use super::*;
use crate::address::DomainName;
use crate::dns::DnsFailure;
use crate::dns::query::{Query, QueryResult};

fn name(text: &str) -> DomainName {
    DomainName::from_ascii(text)
}

/// The zone files of appendix A, and what a test adds to them.
#[derive(Default)]
struct Zone(BTreeMap<Query, QueryResult>);

impl Zone {
    fn rfc(record: &str) -> Self {
        let mut zone = Self::default().text("example.com", record);
        for (host, addresses) in [
            ("example.com", &["192.0.2.10", "192.0.2.11"][..]),
            ("amy.example.com", &["192.0.2.65"]),
            ("bob.example.com", &["192.0.2.66"]),
            ("mail-a.example.com", &["192.0.2.129"]),
            ("mail-b.example.com", &["192.0.2.130"]),
            ("mail-c.example.org", &["192.0.2.140"]),
        ] {
            zone = zone.host(host, addresses);
        }
        for (address, host) in [
            ("192.0.2.10", "example.com"),
            ("192.0.2.65", "amy.example.com"),
            ("192.0.2.140", "mail-c.example.org"),
            ("10.0.0.4", "bob.example.com"),
        ] {
            let question = Query::Names(address.parse().unwrap());
            zone.0.insert(question, QueryResult::Names(vec![name(host)]));
        }
        zone.mx("example.com", &["mail-a.example.com", "mail-b.example.com"])
            .mx("example.org", &["mail-c.example.org"])
    }

    fn text(mut self, owner: &str, text: &str) -> Self {
        match self.0.entry(Query::Texts(name(owner))).or_insert(QueryResult::Texts(Vec::new())) {
            QueryResult::Texts(texts) => texts.push(text.to_owned()),
            _ => unreachable!("only texts are put there"),
        }
        self
    }

    fn host(mut self, owner: &str, addresses: &[&str]) -> Self {
        let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        self.0
            .insert(Query::addresses(name(owner), addresses[0]), QueryResult::Addresses(addresses));
        self
    }

    fn mx(mut self, owner: &str, hosts: &[&str]) -> Self {
        let hosts = hosts.iter().map(|host| name(host)).collect();
        self.0.insert(Query::Exchangers(name(owner)), QueryResult::Names(hosts));
        self
    }

    fn fails(mut self, question: Query) -> Self {
        self.0.insert(question, QueryResult::Failed(DnsFailure::Timeout));
        self
    }

    /// Answers what is asked, and nothing else; what is not in the zone does not exist.
    fn outcome(&self, ip: &str, sender: &str) -> SpfOutcome {
        let (local, domain) = sender.rsplit_once('@').unwrap();
        let request = Request {
            ip: ip.parse().unwrap(),
            local: local.to_owned(),
            domain: name(domain),
            helo: "mx.example.org".to_owned(),
        };
        let mut known = BTreeMap::new();
        loop {
            match evaluate(&request, &known) {
                SpfStep::Done(outcome) => return outcome,
                SpfStep::Ask(question) => {
                    let nothing = QueryResult::NoSuchName { with_soa: true };
                    let heard = self.0.get(&question).cloned().unwrap_or(nothing);
                    assert!(known.insert(question, heard).is_none(), "asked twice");
                }
            }
        }
    }

    fn verdict(&self, ip: &str) -> SpfResult {
        self.outcome(ip, "jane@example.com").verdict
    }
}

fn passes(record: &str, yes: &[&str], no: &[&str]) {
    let zone = Zone::rfc(record);
    for ip in yes {
        assert_eq!(zone.verdict(ip), SpfResult::Pass, "{record} {ip}");
    }
    for ip in no {
        assert_eq!(zone.verdict(ip), SpfResult::Fail, "{record} {ip}");
    }
}

#[test]
fn simple_examples_of_appendix_a_1() {
    passes("v=spf1 +all", &["192.0.2.129", "203.0.113.1"], &[]);
    passes("v=spf1 a -all", &["192.0.2.10", "192.0.2.11"], &["192.0.2.129"]);
    passes("v=spf1 a:example.org -all", &[], &["192.0.2.10", "192.0.2.140"]);
    passes("v=spf1 mx -all", &["192.0.2.129", "192.0.2.130"], &["192.0.2.140"]);
    passes("v=spf1 mx:example.org -all", &["192.0.2.140"], &["192.0.2.129"]);
    passes(
        "v=spf1 mx mx:example.org -all",
        &["192.0.2.129", "192.0.2.130", "192.0.2.140"],
        &["192.0.2.10"],
    );
    passes(
        "v=spf1 mx/30 mx:example.org/30 -all",
        &["192.0.2.128", "192.0.2.131", "192.0.2.143"],
        &["192.0.2.132", "192.0.2.144"],
    );
    passes("v=spf1 ptr -all", &["192.0.2.10", "192.0.2.65"], &["192.0.2.140", "10.0.0.4"]);
    passes("v=spf1 ip4:192.0.2.128/28 -all", &["192.0.2.129"], &["192.0.2.65"]);
}

#[test]
fn several_domains_of_appendix_a_2() {
    let zone = Zone::rfc("v=spf1 ip4:192.0.2.1 -all")
        .text("example.net", "v=spf1 ip4:198.51.100.1 -all")
        .text("example.org", "v=spf1 include:example.com include:example.net -all")
        .text("la.example.org", "v=spf1 redirect=example.org");
    for domain in ["example.org", "la.example.org"] {
        let verdict = |ip: &str| zone.outcome(ip, &format!("jane@{domain}")).verdict;
        assert_eq!(verdict("192.0.2.1"), SpfResult::Pass, "{domain}");
        assert_eq!(verdict("198.51.100.1"), SpfResult::Pass, "{domain}");
        assert_eq!(verdict("203.0.113.1"), SpfResult::Fail, "{domain}");
    }
}

#[test]
fn a_table_in_dns_as_in_appendix_a_3() {
    let zone =
        Zone::rfc("v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all")
            .text("mobile-users._spf.example.com", "v=spf1 exists:%{l1r+}.%{d}")
            .text("remote-users._spf.example.com", "v=spf1 exists:%{ir}.%{l1r+}.%{d}")
            .host("mary.mobile-users._spf.example.com", &["127.0.0.2"])
            .host("15.15.168.192.joel.remote-users._spf.example.com", &["127.0.0.2"]);
    let verdict = |ip, sender| zone.outcome(ip, sender).verdict;
    assert_eq!(verdict("203.0.113.9", "mary@example.com"), SpfResult::Pass);
    assert_eq!(verdict("203.0.113.9", "mary+list@example.com"), SpfResult::Pass);
    assert_eq!(verdict("192.168.15.15", "joel@example.com"), SpfResult::Pass);
    assert_eq!(verdict("192.168.15.16", "joel@example.com"), SpfResult::Fail);
}

#[test]
fn several_requirements_of_appendix_a_4() {
    let zone = Zone::rfc("v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all")
        .text("ip4._spf.example.com", "v=spf1 -ip4:192.0.2.0/24 +all")
        .text("ptr._spf.example.com", "v=spf1 -ptr:example.com +all");
    assert_eq!(zone.verdict("192.0.2.65"), SpfResult::Pass);
    assert_eq!(zone.verdict("192.0.2.140"), SpfResult::Fail, "the name is another domain's");
    assert_eq!(zone.verdict("10.0.0.4"), SpfResult::Fail, "the network is another");
}

fn expanded(macros: &str, ip: &str) -> String {
    let values = MacroValues {
        local: "strong-bad",
        sender_domain: "email.example.com",
        domain: &name("email.example.com"),
        ip: ip.parse().unwrap(),
        helo: "mx.example.org",
    };
    MacroString::string(macros).unwrap().text(&values)
}

#[test]
fn macros_expand_as_in_section_7_4() {
    for (macros, text) in [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{h} %{p} %%%_%-", "mx.example.org unknown % %20"),
        ("%{S}", "strong-bad%40email.example.com"),
    ] {
        let macros = macros.replace(' ', "/");
        assert_eq!(expanded(&macros, "192.0.2.3"), text.replacen(' ', "/", 2), "{macros}");
    }
    assert_eq!(
        expanded("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01"),
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    );
}

#[test]
fn a_name_that_grew_too_long_loses_labels_on_the_left() {
    let long = format!(
        "{}.{}.{}.{}.example.com",
        "a".repeat(63),
        "b".repeat(63),
        "c".repeat(63),
        "d".repeat(63)
    );
    let zone = Zone::rfc(&format!("v=spf1 exists:{long} -all")).host(&long[64..], &["127.0.0.2"]);
    assert_eq!(zone.verdict("192.0.2.1"), SpfResult::Pass);
}

#[test]
fn a_record_that_cannot_be_read_is_a_permanent_error_wherever_the_mistake_stands() {
    for term in [
        "ip4:192.0.2.300",
        "ip4:192.0.2.0/33",
        "ip4:192.0.2.0/08",
        "ip4",
        "ip6:192.0.2.1",
        "ip6:2001:db8::/129",
        "include",
        "include:",
        "exists",
        "all:x",
        "a/",
        "a:",
        "a:localhost",
        "a:example.1",
        "mx:%{z}.test",
        "a:%{c}.example.com",
        "a:%{d0}",
        "a:%x.test",
        "a:%{d",
        "foo:example.com",
        "foo",
        "redirect=",
        "redirect=a.test redirect=b.test",
        "exp=a.test exp=b.test",
        "exp=%",
        "x=%{q}",
        "-",
        "a//129",
    ] {
        let zone = Zone::rfc(&format!("v=spf1 +all {term}"));
        let outcome = zone.outcome("192.0.2.1", "jane@example.com");
        assert_eq!(outcome.verdict, SpfResult::PermError, "{term}");
        assert!(outcome.because.contains("cannot be read"), "{}", outcome.because);
    }
}

#[test]
fn what_a_record_may_have_is_read() {
    for record in [
        "v=spf1 A -ALL",
        "V=SPF1 a",
        "v=spf1  ip4:203.0.113.0/24  a  ",
        "v=spf1 unknown=%{s} a",
        "v=spf1 exp=explain.%{d} a",
        "v=spf1 a:example.com/24//64",
        "v=spf1 a:example.com.",
        "v=spf1 ?exists:%{l}.%{o}.nowhere.test a",
        "v=spf1 a/31",
        "v=spf1 redirect=example.org a",
    ] {
        assert_eq!(Zone::rfc(record).verdict("192.0.2.10"), SpfResult::Pass, "{record}");
    }
    for (term, verdict) in
        [("~all", SpfResult::SoftFail), ("?all", SpfResult::Neutral), ("", SpfResult::Neutral)]
    {
        assert_eq!(Zone::rfc(&format!("v=spf1 {term}")).verdict("192.0.2.1"), verdict, "{term}");
    }
}

#[test]
fn ipv6_addresses_match_ipv6_terms_and_mapped_ones_ipv4_terms() {
    let zone = Zone::rfc("v=spf1 ip6:2001:db8::/32 a:six.example.com//64 ip4:192.0.2.0/24 -all")
        .host("six.example.com", &["2001:4860::1"]);
    for ip in ["2001:db8::1", "2001:4860::ffff", "::ffff:192.0.2.7"] {
        assert_eq!(zone.verdict(ip), SpfResult::Pass, "{ip}");
    }
    assert_eq!(zone.verdict("2001:4860:1::1"), SpfResult::Fail);
}

#[test]
fn only_a_record_that_says_its_version_counts_and_only_one() {
    let none = Zone::default().text("example.com", "v=spf10 +all").text("example.com", "hello");
    assert_eq!(none.verdict("192.0.2.1"), SpfResult::None);
    assert_eq!(Zone::default().verdict("192.0.2.1"), SpfResult::None);
    let bare = Zone::default().text("example.com", "v=spf1");
    assert_eq!(bare.verdict("192.0.2.1"), SpfResult::Neutral);
    let two = Zone::rfc("v=spf1 +all").text("example.com", "v=spf1 -all");
    assert_eq!(two.verdict("192.0.2.1"), SpfResult::PermError);
    assert_eq!(Zone::default().outcome("192.0.2.1", "a@localhost").verdict, SpfResult::None);
}

#[test]
fn an_include_or_a_redirect_to_nothing_is_a_permanent_error() {
    for record in ["v=spf1 include:nowhere.test +all", "v=spf1 redirect=nowhere.test"] {
        let outcome = Zone::rfc(record).outcome("192.0.2.1", "jane@example.com");
        assert_eq!(outcome.verdict, SpfResult::PermError, "{record}");
        assert!(outcome.because.contains("nowhere.test has no SPF record"), "{}", outcome.because);
    }
}

#[test]
fn ten_lookups_are_allowed_and_no_more() {
    let record = |lookups: usize| format!("v=spf1{} +all", " a:mail-a.example.com".repeat(lookups));
    let ten = Zone::rfc(&record(10)).outcome("203.0.113.1", "jane@example.com");
    assert_eq!((ten.verdict, ten.lookups), (SpfResult::Pass, 10));
    let eleven = Zone::rfc(&record(11)).outcome("203.0.113.1", "jane@example.com");
    assert_eq!(eleven.verdict, SpfResult::PermError);
    assert!(eleven.because.contains("more than 10 lookups"), "{}", eleven.because);
    // A record that includes itself ends the same way.
    assert_eq!(
        Zone::rfc("v=spf1 include:example.com +all").verdict("203.0.113.1"),
        SpfResult::PermError
    );
}

#[test]
fn two_lookups_may_bring_nothing_and_no_more() {
    let record = |voids: u8| {
        let terms: String = (0..voids).map(|n| format!(" exists:void{n}.test")).collect();
        Zone::rfc(&format!("v=spf1{terms} +all"))
    };
    assert_eq!(record(2).verdict("203.0.113.1"), SpfResult::Pass);
    assert_eq!(record(3).verdict("203.0.113.1"), SpfResult::PermError);
}

#[test]
fn exchangers_without_an_address_of_the_family_are_one_void_lookup_together() {
    let hosts = ["mx1.example.com", "mx2.example.com", "mx3.example.com", "mx4.example.com"];
    let record = |further: &str| Zone::rfc(&format!("v=spf1 mx{further} +all"));
    let verdict = |further| record(further).mx("example.com", &hosts).verdict("2001:db8::9");
    assert_eq!(verdict(""), SpfResult::Pass);
    assert_eq!(verdict(" exists:void0.test"), SpfResult::Pass);
    assert_eq!(verdict(" exists:void0.test exists:void1.test"), SpfResult::PermError);
}

#[test]
fn more_than_ten_exchangers_are_a_permanent_error() {
    let hosts: Vec<String> = (0..11).map(|n| format!("mx{n}.example.com")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let zone = Zone::rfc("v=spf1 mx +all").mx("example.com", &hosts);
    assert_eq!(zone.verdict("203.0.113.1"), SpfResult::PermError);
}

#[test]
fn a_null_mx_matches_nobody() {
    let zone = Zone::rfc("v=spf1 mx -all").mx("example.com", &["."]);
    assert_eq!(zone.verdict("203.0.113.1"), SpfResult::Fail);
}

#[test]
fn a_failure_of_dns_is_temporary_but_for_ptr() {
    let zone = Zone::default().fails(Query::Texts(name("example.com")));
    assert_eq!(zone.verdict("192.0.2.1"), SpfResult::TempError);
    let zone = Zone::rfc("v=spf1 mx +all").fails(Query::Ipv4(name("mail-a.example.com")));
    assert_eq!(zone.verdict("192.0.2.1"), SpfResult::TempError);
    let names = Query::Names("192.0.2.1".parse().unwrap());
    let zone = Zone::rfc("v=spf1 ptr -all").fails(names);
    assert_eq!(zone.verdict("192.0.2.1"), SpfResult::Fail);
}
