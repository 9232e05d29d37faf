use hickory_resolver::proto::op::{Message, OpCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, NS, SOA};

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn alias(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
}

fn address(owner: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::A(A::new(192, 0, 2, 1)))
}

/// A response to the question for the address of `a.test`.
fn response(answers: Vec<Record>, authorities: Vec<Record>) -> DnsResponse {
    let mut message = Message::response(7, OpCode::Query);
    message.add_query(Query::query(name("a.test."), RecordType::A));
    message.add_answers(answers);
    message.add_authorities(authorities);
    DnsResponse::from_message(message).unwrap()
}

fn settled(answers: Vec<Record>) -> Settled {
    settle(response(answers, vec![]), &name("a.test."), RecordType::A)
}

#[test]
fn records_of_the_name_or_of_the_end_of_its_aliases_are_the_answer() {
    for (answers, end) in [
        (vec![address("a.test.")], "a.test."),
        (vec![address("A.Test.")], "a.test."),
        // In any order, and beside those of other names.
        (
            vec![
                address("c.test."),
                alias("b.test.", "c.test."),
                address("b.test."),
                alias("a.test.", "b.test."),
            ],
            "c.test.",
        ),
    ] {
        let Settled::Records { records, chain } = settled(answers) else { panic!("no records") };
        assert_eq!((records, &chain.end), (vec![address(end)], &name(end)));
    }
}

#[test]
fn a_chain_is_good_for_as_long_as_all_of_its_aliases_are() {
    let mut answers = vec![alias("a.test.", "b.test."), alias("b.test.", "c.test.")];
    answers[1].ttl = 7;
    answers.push(address("c.test."));
    let Settled::Records { chain, .. } = settled(answers) else { panic!("no records") };
    assert_eq!(chain.ttl, Duration::from_secs(7));
    let Settled::Records { chain, .. } = settled(vec![address("a.test.")]) else {
        panic!("no records")
    };
    assert_eq!(chain.ttl, Duration::MAX);
}

#[test]
fn an_alias_counts_before_records_that_its_name_must_not_have_beside_it() {
    let answers = vec![address("a.test."), alias("a.test.", "b.test.")];
    let Settled::Alias(chain) = settled(answers) else { panic!("no alias") };
    assert_eq!(chain.end, name("b.test."));
}

#[test]
fn a_response_that_ends_with_an_alias_leaves_its_target_to_be_asked_for() {
    let answers = vec![alias("a.test.", "b.test."), alias("b.test.", "c.test.")];
    let Settled::Alias(chain) = settled(answers.clone()) else { panic!("no alias") };
    assert_eq!(chain, Chain { end: name("c.test."), ttl: Duration::from_secs(60) });
    // Who asks for aliases has them.
    let found = settle(response(answers, vec![]), &name("a.test."), RecordType::CNAME);
    let Settled::Records { records, chain } = found else { panic!("{found:?}") };
    assert_eq!((records.len(), chain.end), (1, name("a.test.")));
}

#[test]
fn a_circle_records_of_other_names_and_another_class_are_no_records() {
    let mut chaos = address("a.test.");
    chaos.dns_class = DNSClass::CH;
    for answers in [
        vec![alias("a.test.", "a.test.")],
        vec![alias("a.test.", "b.test."), alias("b.test.", "a.test.")],
        vec![address("b.test.")],
        vec![chaos],
    ] {
        let found = settled(answers);
        let Settled::Nothing(none) = found else { panic!("{found:?}") };
        assert_eq!((none.response_code, none.negative_ttl), (ResponseCode::NoError, None));
        assert_eq!(*none.query.name(), name("a.test."));
    }
}

#[test]
fn a_chain_is_followed_as_far_as_resolvers_follow_it() {
    for (length, is_followed) in [(CHAIN, true), (CHAIN + 1, false), (4_000, false)] {
        let owner = |n: usize| if n == 0 { "a.test.".to_owned() } else { format!("a{n}.test.") };
        // The last first: each step has to look through all that follow.
        let mut answers = vec![address(&owner(length))];
        answers.extend((0..length).rev().map(|n| alias(&owner(n), &owner(n + 1))));
        match settled(answers) {
            Settled::Records { .. } => assert!(is_followed, "{length}"),
            Settled::Alias(chain) => {
                assert_eq!((is_followed, chain.end), (false, name(&owner(CHAIN))), "{length}");
            }
            Settled::Nothing(none) => panic!("{none:?}"),
        }
    }
}

#[test]
fn the_soa_tells_how_long_there_are_no_records() {
    let soa = SOA::new(name("ns.test."), name("admin.test."), 1, 60, 60, 60, 77);
    let soa = Record::from_rdata(name("test."), 90, RData::SOA(soa));
    let found = settle(response(vec![], vec![soa]), &name("a.test."), RecordType::A);
    let Settled::Nothing(none) = found else { panic!("{found:?}") };
    assert_eq!((none.soa.is_some(), none.negative_ttl), (true, Some(77)));
}

#[test]
fn a_referral_is_one_whatever_addresses_come_with_it() {
    let servers = Record::from_rdata(name("test."), 90, RData::NS(NS(name("a.test."))));
    let mut referral = response(vec![], vec![servers]).into_message();
    referral.add_additional(address("a.test."));
    let referral = DnsResponse::from_message(referral).unwrap();
    let found = settle(referral, &name("a.test."), RecordType::A);
    let Settled::Nothing(none) = found else { panic!("{found:?}") };
    assert!(none.ns.is_some() && none.soa.is_none());
}
