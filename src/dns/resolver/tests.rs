//! The resolver against real DNS on loopback.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::dns::test_server::{
    AnswerTable, NODATA, NXDOMAIN, NameServer, SERVFAIL, Says, address, cname, mx,
};
use RecordType::{A, AAAA, CNAME, MX};

use super::*;
use crate::dns::{Exchanger, Note, Route};
use hickory_server::proto::op::ResponseCode;

mod system;

fn name(text: &str) -> DomainName {
    DomainName::from_ascii(text)
}

fn resolver_of(servers: &[&NameServer], timeout: Duration) -> Resolver {
    let config = Config {
        nameservers: servers.iter().map(|server| server.address).collect(),
        timeout,
        ..Config::default()
    };
    Resolver::new(config, Clock::start()).unwrap()
}

fn resolver(servers: &[&NameServer]) -> Resolver {
    resolver_of(servers, Duration::from_secs(5))
}

fn life(looked_up_at: SystemTime, valid_until: SystemTime) -> u64 {
    valid_until.duration_since(looked_up_at).unwrap().as_secs()
}

/// Asks one server about a domain.
async fn domain(table: AnswerTable, text: &str) -> Result<DomainLookup, DnsFailure> {
    let server = NameServer::start(table).await;
    resolver(&[&server]).domain(&name(text)).await
}

fn failed_with(result: Result<DomainLookup, DnsFailure>, text: &str) {
    assert_eq!(result, Err(DnsFailure::ServerFailure(text.into())));
}

#[tokio::test]
async fn mx_records_are_the_route_and_live_as_long_as_their_ttl() {
    let records = mx("a.test", 120, &[(20, "mx2.a.test"), (10, "MX1.a.test")]);
    let server =
        NameServer::start(AnswerTable::default().with("a.test", MX, Says::Records(records))).await;
    let found = resolver(&[&server]).domain(&name("a.test")).await.unwrap();
    assert_eq!(
        found.facts.route,
        Route::Exchangers(Arc::new([
            Exchanger { host: name("mx1.a.test"), preference: 10 },
            Exchanger { host: name("mx2.a.test"), preference: 20 },
        ]))
    );
    assert_eq!(life(found.facts.looked_up_at, found.facts.valid_until), 120);
    assert_eq!(found.host, None);
    assert_eq!(server.asked_at_all(), server.asked("a.test", MX), "addresses are not asked for");
}

#[tokio::test]
async fn a_null_mx_is_told_from_no_mx() {
    let table =
        AnswerTable::default().with("a.test", MX, Says::Records(mx("a.test", 60, &[(0, ".")])));
    assert_eq!(domain(table, "a.test").await.unwrap().facts.route, Route::NullMx);
}

#[tokio::test]
async fn nxdomain_lives_as_long_as_its_soa_allows() {
    let facts = domain(AnswerTable::default().otherwise(NXDOMAIN), "a.test").await.unwrap().facts;
    assert_eq!(facts.route, Route::NoSuchDomain);
    assert_eq!(life(facts.looked_up_at, facts.valid_until), 77);
}

#[tokio::test]
async fn nxdomain_without_an_soa_is_believed_for_half_a_minute_unless_another_server_knows_better()
{
    let bare = || AnswerTable::default().otherwise(Says::No(ResponseCode::NXDomain, false));
    let facts = domain(bare(), "a.test").await.unwrap().facts;
    assert_eq!(facts.route, Route::NoSuchDomain);
    assert_eq!(life(facts.looked_up_at, facts.valid_until), 30);

    let filtering = NameServer::start(bare()).await;
    let records = Says::Records(mx("a.test", 60, &[(10, "mx.test")]));
    let honest = NameServer::start(AnswerTable::default().with("a.test", MX, records)).await;
    let found = resolver(&[&filtering, &honest]).domain(&name("a.test")).await.unwrap();
    assert_eq!(found.facts.route.exchangers().len(), 1);
}

#[tokio::test]
async fn without_mx_the_domains_own_addresses_are_asked_for_and_handed_on() {
    let table = AnswerTable::default()
        .with("a.test", A, Says::Records(vec![address("a.test", 70, "192.0.2.1")]))
        .with("a.test", AAAA, Says::Records(vec![address("a.test", 65, "2001:db8::1")]))
        .otherwise(NODATA);
    let found = domain(table, "a.test").await.unwrap();
    let itself = Exchanger { host: name("a.test"), preference: 0 };
    assert_eq!(found.facts.route, Route::ImplicitMx(itself));
    assert_eq!(life(found.facts.looked_up_at, found.facts.valid_until), 65);
    assert_eq!(found.host.unwrap().addresses.len(), 2);
}

#[tokio::test]
async fn a_domain_with_neither_mx_nor_address_has_no_mail() {
    let found = domain(AnswerTable::default().otherwise(NODATA), "a.test").await.unwrap();
    assert_eq!(found.facts.route, Route::NoMail);
    let bare = AnswerTable::default().otherwise(Says::No(ResponseCode::NoError, false));
    assert_eq!(domain(bare, "a.test").await.unwrap().facts.route, Route::NoMail);
}

#[tokio::test]
async fn a_failure_is_never_a_negative_answer() {
    failed_with(domain(AnswerTable::default().otherwise(SERVFAIL), "a.test").await, "SERVFAIL");
    failed_with(domain(AnswerTable::default(), "a.test").await, "REFUSED");
    let referral = "a referral instead of an answer";
    failed_with(domain(AnswerTable::default().otherwise(Says::Referral), "a.test").await, referral);
    let odd = Says::No(ResponseCode::Unknown(12), false);
    failed_with(domain(AnswerTable::default().otherwise(odd), "a.test").await, "response code 12");
    let no_mx_and_then_silence = AnswerTable::default()
        .with("a.test", MX, NODATA)
        .with("a.test", A, NODATA)
        .otherwise(SERVFAIL);
    failed_with(domain(no_mx_and_then_silence, "a.test").await, "SERVFAIL");
}

#[tokio::test]
async fn a_domain_that_is_an_alias_is_followed_with_a_note_and_the_shortest_ttl() {
    let alias = cname("a.test", 61, "real.test");
    let whole_chain = [vec![alias.clone()], mx("real.test", 3_600, &[(10, "mx.test")])].concat();
    let one_step = AnswerTable::default().with("a.test", MX, Says::Records(vec![alias])).with(
        "real.test",
        MX,
        Says::Records(mx("real.test", 3_600, &[(10, "mx.test")])),
    );
    for table in [AnswerTable::default().with("a.test", MX, Says::Records(whole_chain)), one_step] {
        let facts = domain(table, "a.test").await.unwrap().facts;
        assert_eq!(facts.route.exchangers()[0].host, name("mx.test"));
        assert_eq!(facts.notes, [Note::DomainIsAlias(name("real.test"))]);
        assert_eq!(life(facts.looked_up_at, facts.valid_until), 61);
    }
}

#[tokio::test]
async fn an_alias_of_a_name_that_does_not_exist_has_no_mail() {
    let alias = || Says::Records(vec![cname("a.test", 60, "gone.test")]);
    let table = AnswerTable::default()
        .with("a.test", MX, alias())
        .with("a.test", A, alias())
        .with("a.test", AAAA, alias())
        .otherwise(NXDOMAIN);
    let facts = domain(table, "a.test").await.unwrap().facts;
    assert_eq!(facts.route, Route::NoMail);
    assert_eq!(facts.notes, [Note::DomainIsAlias(name("gone.test"))]);
}

#[tokio::test]
async fn an_alias_without_mx_is_no_loop_even_if_the_server_sends_no_soa() {
    let alias = || Says::Records(vec![cname("a.test", 60, "real.test")]);
    let table = AnswerTable::default()
        .with("a.test", MX, alias())
        .with("a.test", AAAA, alias())
        .with("a.test", A, alias())
        .with("real.test", A, Says::Records(vec![address("real.test", 60, "192.0.2.1")]))
        .otherwise(Says::No(ResponseCode::NoError, false));
    let facts = domain(table, "a.test").await.unwrap().facts;
    assert!(matches!(facts.route, Route::ImplicitMx(_)), "{facts:?}");
}

#[tokio::test]
async fn aliases_that_go_in_a_circle_are_a_failure() {
    let mut table = AnswerTable::default();
    for record_type in [MX, A, AAAA, CNAME] {
        let there = Says::Records(vec![cname("a.test", 60, "b.test")]);
        let back = Says::Records(vec![cname("b.test", 60, "a.test")]);
        table = table.with("a.test", record_type, there).with("b.test", record_type, back);
    }
    failed_with(domain(table, "a.test").await, "aliases without an end");
}

#[tokio::test]
async fn a_chain_over_several_responses_is_followed_for_eight_questions() {
    let name = |n: u32| if n == 0 { "a.test".to_owned() } else { format!("a{n}.test") };
    for (aliases, in_one, is_followed) in [(7, 1_u32, true), (8, 1, false), (24, 12, true)] {
        let mut table = AnswerTable::default();
        for record_type in [MX, CNAME] {
            for n in (0..aliases).step_by(in_one as usize) {
                let next = n..n + in_one;
                let steps = next.map(|n| cname(&name(n), 60, &name(n + 1))).collect();
                table = table.with(&name(n), record_type, Says::Records(steps));
            }
        }
        let records = Says::Records(mx(&name(aliases), 60, &[(10, "mx.test")]));
        let found =
            domain(table.with(&name(aliases), MX, records).otherwise(NODATA), "a.test").await;
        assert_eq!(found.is_ok(), is_followed, "{aliases}: {found:?}");
    }
}

#[tokio::test]
async fn a_circle_of_aliases_that_ends_where_it_began_is_a_failure_too() {
    for circle in [vec![("a.test", "a.test")], vec![("a.test", "b.test"), ("b.test", "a.test")]] {
        let all: Vec<_> = circle.iter().map(|(from, to)| cname(from, 60, to)).collect();
        let mut table = AnswerTable::default();
        for record_type in [MX, A, AAAA, CNAME] {
            for (from, _) in &circle {
                table = table.with(from, record_type, Says::Records(all.clone()));
            }
        }
        failed_with(domain(table, "a.test").await, "aliases without an end");
    }
}

#[tokio::test]
async fn no_mx_record_and_no_soa_is_still_no_mx_record() {
    let empty = Says::No(ResponseCode::NoError, false);
    let table = AnswerTable::default()
        .with("a.test", A, Says::Records(vec![address("a.test", 60, "192.0.2.1")]))
        .otherwise(empty);
    let facts = domain(table, "a.test").await.unwrap().facts;
    assert!(matches!(facts.route, Route::ImplicitMx(_)), "{facts:?}");
}

#[tokio::test]
async fn a_server_that_refuses_edns_is_asked_without_it_and_remembered() {
    for code in [ResponseCode::FormErr, ResponseCode::NotImp] {
        let records = Says::Records(mx("a.test", 60, &[(10, "mx.test")]));
        let table = AnswerTable::default()
            .with("a.test", MX, records)
            .answering_edns(Says::No(code, false));
        let server = NameServer::start(table).await;
        let resolver = resolver(&[&server]);
        for _ in 0..5 {
            let found = resolver.domain(&name("a.test")).await.unwrap();
            assert_eq!(found.facts.route.exchangers().len(), 1, "{code}");
        }
        assert_eq!(server.asked_with_edns(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_server_that_is_silent_to_edns_is_asked_again_without_it() {
    let records = Says::Records(mx("a.test", 60, &[(10, "mx.test")]));
    let table = AnswerTable::default().with("a.test", MX, records).answering_edns(Says::Nothing);
    let server = NameServer::start(table).await;
    let config = Config {
        nameservers: vec![server.address],
        timeout: Duration::from_millis(400),
        attempts: 10,
        ..Config::default()
    };
    let resolver = Resolver::new(config, Clock::start()).unwrap();
    assert!(resolver.domain(&name("a.test")).await.is_ok());
    let before = server.asked_with_edns();
    assert!(resolver.domain(&name("a.test")).await.is_ok());
    assert_eq!(server.asked_with_edns(), before);
}

#[tokio::test]
async fn a_server_that_refuses_every_question_as_malformed_is_a_failure() {
    let refusal = Says::No(ResponseCode::FormErr, false);
    failed_with(domain(AnswerTable::default().otherwise(refusal), "a.test").await, "FORMERR");
}

#[tokio::test]
async fn a_server_that_fails_turns_the_question_to_the_next() {
    let records = || Says::Records(mx("a.test", 60, &[(10, "mx.test")]));
    let healthy = NameServer::start(AnswerTable::default().with("a.test", MX, records())).await;
    for table in [AnswerTable::default().otherwise(SERVFAIL), AnswerTable::default()] {
        let broken = NameServer::start(table).await;
        for _ in 0..5 {
            let found = resolver(&[&broken, &healthy]).domain(&name("a.test")).await;
            assert!(found.is_ok(), "{found:?}");
        }
        assert!(broken.asked_at_all() >= 5);
    }
}

#[tokio::test]
async fn a_silent_server_costs_its_timeout_once_and_is_then_asked_last() {
    let records = Says::Records(mx("a.test", 60, &[(10, "mx.test")]));
    let healthy = NameServer::start(AnswerTable::default().with("a.test", MX, records)).await;
    let silent = NameServer::start(AnswerTable::default().otherwise(Says::Nothing)).await;
    let resolver = resolver_of(&[&silent, &healthy], Duration::from_millis(400));
    assert!(resolver.domain(&name("a.test")).await.is_ok());
    let asked = silent.asked_at_all();
    assert!(asked > 0);
    for _ in 0..10 {
        assert!(resolver.domain(&name("a.test")).await.is_ok());
    }
    assert_eq!(silent.asked_at_all(), asked);
}

#[tokio::test]
async fn silence_everywhere_is_a_timeout() {
    let silent = NameServer::start(AnswerTable::default().otherwise(Says::Nothing)).await;
    let resolver = resolver_of(&[&silent], Duration::from_millis(50));
    assert_eq!(resolver.domain(&name("a.test")).await, Err(DnsFailure::Timeout));
    assert_eq!(resolver.host(&name("a.test")).await, Err(DnsFailure::Timeout));
}

#[tokio::test]
async fn a_hundred_mx_records_arrive_over_tcp() {
    let names: Vec<String> = (0..100).map(|i| format!("mx{i}.a-rather-long-name.test")).collect();
    let exchanges: Vec<(u16, &str)> = names.iter().map(|name| (10, name.as_str())).collect();
    let records = Says::Records(mx("big.test", 60, &exchanges));
    let table = AnswerTable::default().with("big.test", MX, records);
    let found = domain(table, "big.test").await.unwrap();
    assert_eq!(found.facts.route.exchangers().len(), 100);
}

#[tokio::test]
async fn a_host_whose_aaaa_fails_or_stays_unanswered_keeps_its_ipv4_address() {
    for aaaa in [SERVFAIL, Says::Nothing] {
        let table = AnswerTable::default()
            .with("mx.test", A, Says::Records(vec![address("mx.test", 3_600, "192.0.2.1")]))
            .with("mx.test", AAAA, aaaa);
        let server = NameServer::start(table).await;
        let config = Config {
            nameservers: vec![server.address],
            family_wait: Duration::from_millis(50),
            ..Config::default()
        };
        let resolver = Resolver::new(config, Clock::start()).unwrap();
        let facts = resolver.host(&name("mx.test")).await.unwrap();
        assert_eq!(facts.addresses, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(life(facts.looked_up_at, facts.valid_until), 300);
    }
}

#[tokio::test]
async fn an_exchanger_that_is_an_alias_is_used_with_a_note() {
    let alias = cname("mx.test", 60, "real.test");
    let chain = vec![alias.clone(), address("real.test", 60, "192.0.2.1")];
    let table = AnswerTable::default()
        .with("mx.test", A, Says::Records(chain))
        .with("mx.test", AAAA, Says::Records(vec![alias]))
        .otherwise(NODATA);
    let server = NameServer::start(table).await;
    let facts = resolver(&[&server]).host(&name("mx.test")).await.unwrap();
    assert_eq!(facts.addresses.len(), 1);
    assert_eq!(facts.note(), Some(Note::ExchangerIsAlias(name("mx.test"))));
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_told_from_one_without_an_address() {
    for (says, exists) in [(NXDOMAIN, false), (NODATA, true)] {
        let server = NameServer::start(AnswerTable::default().otherwise(says)).await;
        let facts = resolver(&[&server]).host(&name("mx.test")).await.unwrap();
        assert_eq!((facts.exists, facts.addresses.len()), (exists, 0));
    }
}

#[tokio::test]
async fn names_that_stay_at_home_are_never_asked_for() {
    let server = NameServer::start(AnswerTable::default()).await;
    let resolver = resolver(&[&server]);
    for text in ["x.invalid", "x.onion"] {
        let found = resolver.domain(&name(text)).await.unwrap();
        assert_eq!(found.facts.route, Route::NoSuchDomain, "{text}");
    }
    let found = resolver.domain(&name("localhost")).await.unwrap();
    assert!(found.host.unwrap().addresses.iter().all(IpAddr::is_loopback));
    assert_eq!(server.asked_at_all(), 0);
}

#[tokio::test]
async fn odd_names_are_asked_as_they_are_and_impossible_ones_are_a_failure() {
    let records = Says::Records(mx(
        "-a_b.test",
        60,
        &[(10, "-mx_1.test"), (20, "[192.0.2.1]"), (30, "a b\\.test")],
    ));
    let table = AnswerTable::default().with("-a_b.test", MX, records).otherwise(NXDOMAIN);
    let server = NameServer::start(table).await;
    let resolver = resolver(&[&server]);
    let found = resolver.domain(&name("-a_b.test")).await.unwrap();
    assert_eq!(found.facts.route.exchangers()[0].host, name("-mx_1.test"));
    assert_eq!(
        found.facts.notes,
        [
            Note::ExchangerIsLiteral(name("[192.0.2.1]")),
            Note::ExchangerIsNotAHost(name("a\\032b\\\\.test")),
        ]
    );
    let long = format!("{}.test", "x".repeat(64));
    for text in [long.as_str(), "a..test"] {
        let refused = resolver.domain(&name(text)).await;
        assert!(matches!(refused, Err(DnsFailure::Unreachable(_))), "{text}: {refused:?}");
    }
    assert!(resolver.domain(&name("-a_b.test")).await.is_ok(), "no fault of the server's");
}
