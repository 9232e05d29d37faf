//! The caller's deadline: a verdict by then, and nothing lost of what comes later.

use std::time::Duration;

use super::{Bench, Rules};
use crate::verdict::{DecisionStage, Reason, Verdict};

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
