//! Remembered evidence: which questions it answers, and for how long.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{Bench, Options, Rules};
use crate::address::DomainName;
use crate::clock::Clock;
use crate::registration::{
    Registration, RegistrationFacts, RegistrationGap, RegistrationLookup, RegistrationState,
};
use crate::verdict::{Action, Reason, Verdict};

#[tokio::test(start_paused = true)]
async fn a_second_question_is_answered_from_memory() {
    let bench = Bench::new(Rules::default());
    let options = bench.within(30);
    let first = bench.verify("user1@a.example", &options).await;
    assert_eq!(first.judgement.verdict, Verdict::Deliverable);
    assert!(!first.evidence.from_cache);
    let second = bench.verify("User1@a.example", &options).await;
    assert_eq!(second.judgement, first.judgement);
    assert!(second.evidence.from_cache);
    assert_eq!(second.address, "User1@a.example", "the address is the caller's own");
    assert_eq!(second.evidence.gathered_at, first.evidence.gathered_at);
    assert_eq!(bench.named(), ["user1@a.example"]);
    let stats = bench.verifier.stats();
    assert_eq!((stats.remembered, stats.not_remembered), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_miss_hands_back_the_subject() {
    let bench = Bench::new(Rules::default());
    let options = bench.within(30);
    let subject = bench.cached(" <user1@a.example> ", &options).await.unwrap_err();
    assert_eq!((subject.text(), subject.asked()), (" <user1@a.example> ", "user1@a.example"));
    assert!(bench.named().is_empty() && bench.world.asked_domains().is_empty());
    bench.verifier.verify_uncached(subject, &options).await;
    assert!(bench.cached("user1@a.example", &options).await.is_ok());
    assert!(bench.cached("no address", &options).await.is_err(), "nothing to remember it by");
    assert!(bench.cached("user2@a.example", &options).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn evidence_older_than_the_caller_accepts_is_gathered_again() {
    let bench = Bench::new(Rules::default());
    bench.verify("user1@a.example", &bench.within(30)).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let fresh = Options { max_age: Some(Duration::from_secs(59)), ..bench.within(30) };
    assert!(bench.cached("user1@a.example", &fresh).await.is_err());
    let older = Options { max_age: Some(Duration::from_secs(61)), ..bench.within(30) };
    assert!(bench.cached("user1@a.example", &older).await.is_ok());
    assert!(!bench.verify("user1@a.example", &fresh).await.evidence.from_cache);
    assert_eq!(bench.named().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_exchanger_that_was_missing_is_looked_up_again_for_a_caller_that_accepts_nothing_old() {
    let bench = Bench::new(Rules::default());
    bench.world.domain("b.example", "mx.b.example");
    let missing = bench.verify("user1@b.example", &bench.within(30)).await;
    assert_eq!(missing.judgement.reason, Reason::NoMailHost);
    bench.world.host("mx.b.example", Rules::default());
    tokio::time::advance(Duration::from_secs(1)).await;
    let fresh = Options { max_age: Some(Duration::ZERO), ..bench.within(30) };
    let found = bench.verify("user1@b.example", &fresh).await;
    assert_eq!(found.judgement.reason, Reason::MailboxAccepted);
}

#[tokio::test(start_paused = true)]
async fn evidence_is_forgotten_when_its_time_is_over() {
    let bench = Bench::new(Rules::default());
    bench.verify("user1@a.example", &bench.within(30)).await;
    tokio::time::advance(Duration::from_secs(24 * 3600 - 60)).await;
    assert!(bench.cached("user1@a.example", &bench.within(30)).await.is_ok());
    tokio::time::advance(Duration::from_secs(120)).await;
    assert!(bench.cached("user1@a.example", &bench.within(30)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_wants_the_dialogue_is_not_served_without_one() {
    let bench = Bench::new(Rules::default());
    let plain = bench.within(30);
    bench.verify("user1@a.example", &plain).await;
    let talk = Options { transcript: true, ..plain };
    assert!(bench.cached("user1@a.example", &talk).await.is_err());
    let verification = bench.verify("user1@a.example", &talk).await;
    assert!(!verification.transcript.is_empty());
    let again = bench.cached("user1@a.example", &talk).await.unwrap();
    assert_eq!(again.transcript, verification.transcript);
    let without = bench.cached("user1@a.example", &plain).await.unwrap();
    assert!(without.transcript.is_empty(), "it was not asked for");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_wants_the_catch_all_test_is_not_served_without_one() {
    let bench = Bench::new(Rules { catch_all: true, ..Rules::default() });
    let untested = bench.within(30);
    let first = bench.verify("user1@a.example", &untested).await;
    assert_eq!(first.judgement.reason, Reason::MailboxAccepted);
    let tested = Options { test_catch_all: true, ..untested };
    assert!(bench.cached("user1@a.example", &tested).await.is_err());
    let second = bench.verify("user1@a.example", &tested).await;
    assert_eq!(second.judgement.reason, Reason::CatchAll);
    assert!(bench.cached("user1@a.example", &tested).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_open_question_is_asked_again_for_a_caller_whose_retry_window_is_open() {
    let rules = Rules { rcpt: Some("451 4.3.0 trouble"), ..Rules::default() };
    let bench = Bench::new(rules);
    let options = bench.within(30);
    let first = bench.verify("user1@a.example", &options).await;
    assert_eq!(first.judgement.reason, Reason::TemporaryFailure);
    assert!(bench.cached("user1@a.example", &options).await.is_ok(), "for a minute");
    let open = Options { retry_until: options.deadline, ..options };
    assert!(bench.cached("user1@a.example", &open).await.is_err());
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(bench.cached("user1@a.example", &bench.within(30)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn evidence_of_a_mailbox_does_not_answer_a_question_about_its_domain() {
    let bench = Bench::new(Rules::default());
    bench.verify("user1@a.example", &bench.within(30)).await;
    let domain = Options { depth: crate::verdict::Depth::Domain, ..bench.within(30) };
    assert!(bench.cached("user1@a.example", &domain).await.is_err());
    let verification = bench.verify("user1@a.example", &domain).await;
    assert_eq!(verification.judgement.reason, Reason::NotProbed);
    let stats = bench.verifier.stats();
    assert_eq!((stats.remembered, stats.not_remembered), (0, 1), "only mailboxes count");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_the_time_of_a_consent_is_for_review_and_no_answer_to_anybody_else() {
    let rules = Rules {
        ehlo: Some("250-mx.example.net\r\n250 RRVS"),
        rcpt: Some("550 5.7.17 the mailbox has another owner now"),
        ..Rules::default()
    };
    let bench = Bench::new(rules);
    let consented_at = Some(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_601));
    let options = Options { consented_at, ..bench.within(30) };
    let refused = bench.verify("user1@a.example", &options).await;
    assert_eq!(refused.judgement.reason, Reason::PolicyRefusal);
    assert_eq!(refused.judgement.action, Action::Review);
    assert!(refused.traits.registered_after_consent);
    let parameters = bench.world.seen(super::MX).parameters;
    assert!(parameters.contains(&"RRVS=2025-01-01T00:00:01Z".to_owned()), "{parameters:?}");
    assert!(bench.cached("user1@a.example", &bench.within(30)).await.is_err());
}

/// A registry whose answer is there two seconds after somebody begins to wait for it. Every domain
/// was registered in 2025.
struct SlowRegistry(Clock);

#[async_trait]
impl RegistrationLookup for SlowRegistry {
    async fn begin(&self, _: &DomainName) {}

    async fn current(&self, name: &DomainName) -> Registration {
        Registration::unknown(name.clone(), RegistrationGap::NotInTime)
    }

    async fn find(&self, name: &DomainName, deadline: SystemTime) -> Registration {
        let answer_at = self.0.now() + Duration::from_secs(2);
        tokio::time::sleep_until(self.0.instant(answer_at.min(deadline))).await;
        if deadline < answer_at {
            return self.current(name).await;
        }
        let registered_at = Some(day(20_100));
        let facts = RegistrationFacts { registered_at, ..RegistrationFacts::default() };
        let state = RegistrationState::Registered(Arc::new(facts));
        Registration { domain: name.clone(), state, source: None, asked_at: Some(answer_at) }
    }
}

/// A day since 1970.
fn day(number: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(number * 86_400)
}

#[tokio::test(start_paused = true)]
async fn remembered_evidence_waits_for_the_registry_where_a_consent_is_given_and_only_there() {
    let mut bench = Bench::new(Rules::default());
    let clock = bench.world.clock;
    bench.verifier = bench.verifier.with_registrations(Arc::new(SlowRegistry(clock)));
    bench.verify("user1@a.example", &bench.within(30)).await;
    let gap = |verification: &super::Verification| {
        verification.evidence.registration.as_ref().and_then(|known| known.registration.gap())
    };

    let began = clock.now();
    let waited = || clock.now().duration_since(began).unwrap().as_secs();
    let consented = Options { consented_at: Some(day(20_000)), ..bench.within(30) };
    let recycled = bench.cached("user1@a.example", &consented).await.unwrap();
    assert!(recycled.evidence.from_cache && recycled.traits.registered_after_consent);
    assert_eq!(recycled.judgement.action, Action::Review);
    assert_eq!(waited(), 2);

    let hasty = Options { consented_at: Some(day(20_000)), ..bench.within(1) };
    let hasty = bench.cached("user1@a.example", &hasty).await.unwrap();
    assert_eq!(gap(&hasty), Some(RegistrationGap::NotInTime));
    assert_eq!(waited(), 3, "the deadline holds");

    let plain = Options { registration: true, ..bench.within(30) };
    let plain = bench.cached("user1@a.example", &plain).await.unwrap();
    assert_eq!(gap(&plain), Some(RegistrationGap::NotInTime));
    assert_eq!(waited(), 3, "without a consent nobody waits");
    assert_eq!(bench.named(), ["user1@a.example"]);
}
