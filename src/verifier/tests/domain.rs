//! Reports about domains, and what they cost.

use std::time::Duration;

use super::Bench;
use crate::address::DomainName;
use crate::prober::tests::exchanger::Rules;
use crate::verdict::Reason;
use crate::verifier::{DomainError, DomainOptions, ExchangerFailure};

#[tokio::test(start_paused = true)]
async fn a_domain_with_a_thousand_exchangers_costs_twenty_lookups() {
    let bench = Bench::new(Rules::default());
    bench.world.many_exchangers("many.example", 1000);
    let deadline = bench.world.clock.now() + Duration::from_secs(60);
    let options = DomainOptions::default();
    let report = bench.verifier.domain("many.example", options, deadline).await.unwrap();
    let mut asked = bench.world.asked_hosts();
    asked.sort();
    let mut best: Vec<_> = (0..20).map(|n| format!("mx{n}.many.example")).collect();
    best.sort();
    assert_eq!(asked, best);
    assert_eq!(report.exchangers.len(), 1000, "each is named");
    let failures: Vec<_> = report.exchangers.iter().map(|known| known.failure.as_ref()).collect();
    assert!(failures[..20].iter().all(|failure| *failure == Some(&ExchangerFailure::HostNotFound)));
    assert!(failures[20..].iter().all(|failure| *failure == Some(&ExchangerFailure::NotLookedUp)));
}

#[tokio::test(start_paused = true)]
async fn the_destination_of_a_domain_is_where_its_recipients_are_asked() {
    let bench = Bench::new(Rules::default());
    let hosts = ["mx.example.net", "mx.example.org"];
    bench.world.host(hosts[1], Rules::default());
    for n in 0..10 {
        let domain = format!("d{n}.example");
        bench.world.equal_exchangers(&domain, &hosts);
        let options = bench.within(60);
        let asked = bench.verify(&format!("user1@{domain}"), &options).await;
        assert_eq!(asked.judgement.reason, Reason::MailboxAccepted);
        let destination = bench.verifier.destination(&domain, options.deadline).await;
        assert_eq!(destination, asked.evidence.exchanger.map(|host| host.registrable()));
    }
}

#[test]
fn an_address_in_the_place_of_a_domain_is_told_what_is_wanted() {
    let told = |name| DomainError::from(DomainName::parse(name).unwrap_err()).to_string();
    assert!(told("jane@acme.test").starts_with("a domain is wanted, without a mailbox"));
    assert_eq!(told(""), "the domain is empty");
    assert!(told("acme .test").contains("space in the domain"));
    assert!(told("acme..test").contains("(at byte 5)"), "{}", told("acme..test"));
    let error = DomainError::from(DomainName::parse("jane@acme.test").unwrap_err());
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source, None, "its words would be about an address");
}
