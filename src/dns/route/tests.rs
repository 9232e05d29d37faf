//! A table of MX answers and the routes they mean.

use std::time::{Duration, SystemTime};

use super::*;

fn name(text: &str) -> DomainName {
    DomainName::from_ascii(text)
}

fn mx(records: &[(u16, &str)]) -> Answer<MxRecord> {
    let records = records
        .iter()
        .map(|(preference, exchange)| MxRecord {
            preference: *preference,
            exchange: name(exchange),
        })
        .collect();
    Answer::Records { records, alias_of: None, ttl: Duration::from_secs(60) }
}

fn exchangers(hosts: &[(u16, &str)]) -> Option<Route> {
    Some(Route::Exchangers(
        hosts
            .iter()
            .map(|(preference, host)| Exchanger { host: name(host), preference: *preference })
            .collect(),
    ))
}

fn host(addresses: &[&str], exists: bool) -> HostFacts {
    HostFacts {
        host: name("a.example"),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        exists,
        alias_of: None,
        looked_up_at: SystemTime::UNIX_EPOCH,
        valid_until: SystemTime::UNIX_EPOCH,
    }
}

#[test]
fn exchangers_are_sorted_by_preference_then_name() {
    let (route, notes) =
        from_mx(&mx(&[(20, "b.example."), (10, "d.example."), (10, "C.example.")]));
    assert_eq!(route, exchangers(&[(10, "c.example"), (10, "d.example"), (20, "b.example")]));
    assert!(notes.is_empty());
}

#[test]
fn a_host_named_twice_is_tried_once_at_its_best_preference() {
    let (route, _) = from_mx(&mx(&[(30, "a.example"), (20, "b.example"), (10, "A.example")]));
    assert_eq!(route, exchangers(&[(10, "a.example"), (20, "b.example")]));
}

#[test]
fn the_root_as_the_only_exchange_is_a_null_mx_whatever_its_preference() {
    for records in [&[(0, ".")][..], &[(10, ".")], &[(0, "."), (10, ".")]] {
        assert_eq!(from_mx(&mx(records)), (Some(Route::NullMx), vec![]));
    }
}

#[test]
fn a_null_mx_beside_others_is_skipped_with_a_note() {
    let (route, notes) = from_mx(&mx(&[(0, "."), (10, "a.example")]));
    assert_eq!(route, exchangers(&[(10, "a.example")]));
    assert_eq!(notes, [Note::NullMxBesideOthers]);
}

#[test]
fn an_address_in_place_of_a_host_is_skipped_with_a_note() {
    for literal in ["192.0.2.1.", "2001:db8::1.", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
        let (route, notes) = from_mx(&mx(&[(0, literal), (10, "a.example")]));
        assert_eq!(route, exchangers(&[(10, "a.example")]), "{literal}");
        assert_eq!(notes, [Note::ExchangerIsLiteral(name(literal))], "{literal}");
    }
}

#[test]
fn a_name_no_host_can_have_is_skipped_with_a_note() {
    for odd in ["mail\\032server.example", "@.example", "http://a.example", "a\\.b.example"] {
        let (route, notes) = from_mx(&mx(&[(0, odd), (10, "a.example")]));
        assert_eq!(route, exchangers(&[(10, "a.example")]), "{odd}");
        assert_eq!(notes, [Note::ExchangerIsNotAHost(name(odd))], "{odd}");
    }
}

#[test]
fn underscores_and_leading_hyphens_are_left_to_dns() {
    let (route, notes) = from_mx(&mx(&[(0, "_mx.-x.example")]));
    assert_eq!(route, exchangers(&[(0, "_mx.-x.example")]));
    assert!(notes.is_empty());
}

#[test]
fn mx_records_of_which_none_is_usable_are_no_mail_and_no_implicit_mx() {
    let (route, notes) = from_mx(&mx(&[(10, "192.0.2.1"), (20, ".")]));
    assert_eq!(route, Some(Route::NoMail));
    assert_eq!(notes, [Note::ExchangerIsLiteral(name("192.0.2.1")), Note::NullMxBesideOthers]);
}

#[test]
fn nxdomain_is_no_such_domain_and_nodata_leaves_the_question_open() {
    assert_eq!(from_mx(&Answer::NoSuchName { ttl: None }), (Some(Route::NoSuchDomain), vec![]));
    assert_eq!(from_mx(&Answer::NoData { alias_of: None, ttl: None }), (None, vec![]));
}

#[test]
fn a_domain_that_is_an_alias_is_noted() {
    let alias_of = Some(name("real.example"));
    let answer = Answer::NoData { alias_of, ttl: None };
    assert_eq!(from_mx(&answer).1, [Note::DomainIsAlias(name("real.example"))]);
}

#[test]
fn without_mx_the_domain_itself_is_the_exchanger_if_it_has_an_address() {
    let domain = name("a.example");
    let itself = Exchanger { host: domain.clone(), preference: 0 };
    assert_eq!(without_mx(&domain, &host(&["192.0.2.1"], true)), Route::ImplicitMx(itself));
    assert_eq!(without_mx(&domain, &host(&[], true)), Route::NoMail);
    // MX said that the name exists and A said that it does not: it has no mail either way.
    assert_eq!(without_mx(&domain, &host(&[], false)), Route::NoMail);
}
