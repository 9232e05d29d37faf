//! From facts in which all is well, one thing is changed at a time.

mod identity;
mod reach;
mod resolver;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::address::DomainName;
use crate::dns::query::QueryResult;
use crate::dns::{DnsFailure, Exchanger, Route};
use crate::doctor::config::PublicAddresses;
use crate::doctor::facts::{
    AddressFacts, ConnectionAttempt, Greeting, HeloFacts, IdentitySetup, ListFacts,
    NameserverFacts, NoTarget, SenderFacts, SpfFacts, TimedResult,
};
use crate::doctor::finding::Status;
use crate::registration::{Registration, RegistrationFacts, RegistrationGap, RegistrationState};
use crate::smtp::{NoReply, Reply};
use crate::spf;

use Status::{Fail, Pass, Skipped, Warn};

const V4: &str = "192.88.1.25";
const V6: &str = "2a00:1450::25";
const NXDOMAIN: QueryResult = QueryResult::NoSuchName { with_soa: true };

fn name(text: &str) -> DomainName {
    DomainName::from_ascii(text)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn now() -> SystemTime {
    SystemTime::try_from("2026-11-25T14:34:37Z".parse::<jiff::Timestamp>().unwrap()).unwrap()
}

fn addresses(texts: &[&str]) -> QueryResult {
    QueryResult::Addresses(texts.iter().map(|text| ip(text)).collect())
}

fn texts(texts: &[&str]) -> QueryResult {
    QueryResult::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn servfail() -> QueryResult {
    QueryResult::Failed(DnsFailure::ServerFailure("SERVFAIL".into()))
}

fn attempt(host: &str, local: &str, banner: &str) -> ConnectionAttempt {
    let domain = name(host).registrable();
    let number = if host == "mx.google.com" { 1 } else { 2 };
    let network = if ip(local).is_ipv4() { "192.88.2." } else { "2a00:1450::" };
    let address = format!("{network}{number}");
    let banner = Reply::parse_text(banner).unwrap();
    ConnectionAttempt {
        domain,
        target: Ok((name(host), ip(&address))),
        connected: true,
        outcome: Ok(Greeting { banner, at: now() }),
        local: Some(ip(local)),
    }
}

fn shut(attempt: &mut ConnectionAttempt, why: NoReply) {
    (attempt.connected, attempt.local, attempt.outcome) = (false, None, Err(why));
}

fn unreachable() -> NoReply {
    NoReply::ConnectFailed("Network is unreachable (os error 101)".into())
}

fn no_address() -> NoReply {
    NoReply::ConnectFailed("Cannot assign requested address (os error 99)".into())
}

fn no_route() -> NoReply {
    NoReply::ConnectFailed("No route to host (os error 113)".into())
}

fn address_facts(address: &str) -> AddressFacts {
    let host = name("probe.mailvet.example");
    let outcome = |verdict| spf::SpfOutcome { verdict, because: "\"a\" of it".into(), lookups: 1 };
    let spf = |domain: &str, of_helo| SpfFacts {
        domain: name(domain),
        of_helo,
        outcome: outcome(spf::SpfResult::Pass),
    };
    AddressFacts {
        address: ip(address),
        names: QueryResult::Names(vec![host.clone()]),
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
        setup: IdentitySetup {
            name: name_.to_owned(),
            helo: Some("probe.mailvet.example".into()),
            null_sender: true,
            has_fallback: true,
            ..IdentitySetup::default()
        },
        attempts: vec![
            attempt("mx.google.com", v4, "220 mx.google.com ESMTP"),
            attempt("mx.outlook.com", v4, dated),
            attempt("mx2.outlook.com", v4, dated),
            attempt("mx.google.com", V6, "220 mx.google.com ESMTP"),
        ],
        addresses: vec![address_facts(v4), address_facts(V6)],
        helo: Some(HeloFacts {
            name: name("probe.mailvet.example"),
            ipv4: addresses(&[v4]),
            ipv6: addresses(&[V6]),
        }),
        sender: Some(SenderFacts {
            domain: name("mailvet.example"),
            route: Ok(Route::Exchangers([exchanger].into())),
            dmarc: texts(&["unrelated", "v=DMARC1; p=reject"]),
            dmarc_of: name("mailvet.example"),
            registration: Some(registration(RegistrationState::Registered(Arc::new(
                RegistrationFacts { registered_at: Some(time("2020-03-01")), ..Default::default() },
            )))),
        }),
    }
}

/// A registration as of the end of November 2026.
fn registration(state: RegistrationState) -> Registration {
    let asked_at = Some(time("2026-11-25"));
    Registration { domain: name("mailvet.example"), state, source: None, asked_at }
}

/// The beginning of a day.
fn time(day: &str) -> SystemTime {
    SystemTime::try_from(format!("{day}T00:00:00Z").parse::<jiff::Timestamp>().unwrap()).unwrap()
}

fn timed(host: &str, heard: QueryResult) -> TimedResult {
    TimedResult { name: name(host), heard, took: Duration::from_millis(20) }
}

/// All is well.
fn healthy() -> Observations {
    let exchangers = QueryResult::Names(vec![name("mx.google.com")]);
    Observations {
        identities: vec![identity("", V4)],
        nameservers: vec![NameserverFacts {
            address: "192.88.3.53:53".parse().unwrap(),
            made_up: vec![timed("made-up.com", NXDOMAIN), timed("made-up.net", NXDOMAIN)],
            made_up_below: vec![timed("made-up.example.com", QueryResult::NoData)],
            known: vec![timed("gmail.com", exchangers)],
            bogus: vec![timed("bogus.example", servfail())],
            signed: vec![timed("signed.example", addresses(&["192.88.4.1"]))],
            large: vec![timed("large.example", texts(&["a", "b"]))],
        }],
    }
}

fn report(facts: &Observations) -> Report {
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
/// name is not in `also` still passes. Whatever is not a pass says what it means and what to do,
/// and whatever is skipped why.
#[track_caller]
fn changed(
    id: &str,
    also: &[&str],
    status: Status,
    words: &str,
    change: impl FnOnce(&mut Observations),
) {
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
