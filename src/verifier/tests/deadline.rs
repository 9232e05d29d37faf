//! The caller's deadline: a verdict by then, and nothing lost of what comes later.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{Bench, Rules};
use crate::address::DomainName;
use crate::clock::Clock;
use crate::registration::{Registration, RegistrationGap, RegistrationLookup, RegistrationState};
use crate::verdict::{DecisionStage, Reason, Verdict};
use crate::verifier::{DomainOptions, Options};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_silent_exchanger_leaves_the_caller_with_a_verdict_at_its_deadline() {
    let bench = Bench::new(Rules { delay: LONG, ..Rules::default() });
    let began = bench.world.clock.now();
    let verification = bench.verify("user1@a.example", &bench.within(5)).await;
    assert_eq!(verification.judgement.verdict, Verdict::Unknown);
    assert_eq!(verification.judgement.reason, Reason::Timeout);
    let took = bench.world.clock.now().duration_since(began).unwrap();
    assert!(took <= Duration::from_millis(5_100), "{took:?}");
    assert_eq!(verification.elapsed, took);
}

#[tokio::test(start_paused = true)]
async fn a_silent_name_server_leaves_the_caller_with_a_verdict_at_its_deadline() {
    let bench = Bench::new(Rules::default());
    bench.world.slow_dns(LONG);
    let verification = bench.verify("user1@a.example", &bench.within(5)).await;
    assert_eq!(verification.judgement.reason, Reason::DnsFailure);
    assert_eq!(verification.judgement.stage, DecisionStage::Dns);
    assert!(verification.evidence.failure.is_some_and(|failure| !failure.is_empty()));
    assert!(verification.elapsed <= Duration::from_millis(5_100), "{:?}", verification.elapsed);
    assert!(bench.named().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_dns_after_the_deadline_is_kept_for_the_next_caller() {
    let bench = Bench::new(Rules::default());
    bench.world.slow_dns(LONG);
    bench.verify("user1@a.example", &bench.within(5)).await;
    tokio::time::sleep(LONG).await;
    let verification = bench.verify("user1@a.example", &bench.within(5)).await;
    assert_eq!(verification.judgement.reason, Reason::MailboxAccepted);
    assert_eq!(bench.world.asked_domains(), ["a.example"], "once for both callers");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_for_lack_of_time_is_asked_again_a_minute_later() {
    let bench = Bench::new(Rules { delay: LONG, ..Rules::default() });
    bench.verify("user1@a.example", &bench.within(5)).await;
    assert!(bench.cached("user1@a.example", &bench.within(5)).await.is_ok());
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(bench.cached("user1@a.example", &bench.within(5)).await.is_err());
}

/// A registry that never answers.
struct SilentRegistry(Clock);

#[async_trait]
impl RegistrationLookup for SilentRegistry {
    async fn begin(&self, _name: &DomainName) {}

    async fn current(&self, name: &DomainName) -> Registration {
        Registration::unknown(name.clone(), RegistrationGap::NotInTime)
    }

    async fn find(&self, name: &DomainName, deadline: SystemTime) -> Registration {
        tokio::time::sleep_until(self.0.instant(deadline)).await;
        self.current(name).await
    }
}

fn beside_a_silent_registry() -> Bench {
    let mut bench = Bench::new(Rules::default());
    let registry = Arc::new(SilentRegistry(bench.world.clock));
    bench.verifier = bench.verifier.with_registrations(registry);
    bench
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_waited_for_takes_no_time_from_the_exchangers() {
    let bench = beside_a_silent_registry();
    let options = Options { registration: true, registration_wait: LONG, ..bench.within(5) };
    // The second one is remembered, and its registry is waited for all the same.
    for _ in 0..2 {
        let began = bench.world.clock.now();
        let verification = bench.verify("user1@a.example", &options).await;
        assert_eq!(verification.judgement.reason, Reason::MailboxAccepted);
        let report = verification.evidence.registration.unwrap();
        let not_in_time = RegistrationState::Unknown(RegistrationGap::NotInTime);
        assert_eq!(report.registration.state, not_in_time);
        let took = bench.world.clock.now().duration_since(began).unwrap();
        assert!(took >= LONG && took < LONG + Duration::from_secs(5), "{took:?}");
    }
    assert_eq!(bench.named().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_exchangers_of_a_domain_are_looked_up_beside_its_registration() {
    let bench = beside_a_silent_registry();
    let options = DomainOptions { registration: true, ..DomainOptions::default() };
    let deadline = bench.world.clock.now() + LONG;
    let report = bench.verifier.domain("a.example", options, deadline).await.unwrap();
    assert!(report.registration.is_some());
    let [exchanger] = &report.exchangers[..] else { panic!("{report:?}") };
    assert!(!exchanger.addresses.is_empty(), "{:?}", exchanger.failure);
}
