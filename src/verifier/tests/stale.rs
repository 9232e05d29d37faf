//! Expired DNS answers serve while DNS fails, and condemn nobody.

use std::time::Duration;

use super::{Bench, MX, Options, Rules};
use crate::verdict::{Action, Reason, Verdict};

/// A bench whose world was looked up two hours ago: what DNS said of it has expired.
async fn expired_bench() -> Bench {
    expired(Rules::default()).await
}

/// The same, with an exchanger of these manners.
async fn expired(rules: Rules) -> Bench {
    let bench = Bench::new(rules);
    bench.verify("user0@a.example", &bench.within(30)).await;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    bench
}

/// An exchanger whose answer about a recipient takes most of a second.
fn leisurely() -> Rules {
    Rules { delay: Duration::from_millis(200), ..Rules::default() }
}

#[tokio::test(start_paused = true)]
async fn exchangers_of_an_expired_answer_condemn_no_mailbox_and_accept_for_a_minute() {
    let bench = expired_bench().await;
    bench.world.fail_dns(true, false);
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::DnsFailure);
    assert_eq!(refused.judgement.action, Action::RetryLater);
    assert!(refused.retry_at.unwrap() > bench.world.clock.now());
    assert_eq!(refused.evidence.reply.as_ref().map(|reply| reply.code), Some(550));
    assert!(refused.evidence.failure.as_ref().unwrap().contains("has expired"), "{refused:?}");
    let again = bench.cached("gone@a.example", &bench.within(30)).await.unwrap();
    assert_eq!(again.judgement.reason, Reason::DnsFailure, "memory condemns as little");
    let accepted = bench.verify("user1@a.example", &bench.within(30)).await;
    assert_eq!(accepted.judgement.verdict, Verdict::Deliverable);
    assert_eq!(accepted.evidence.failure, None);

    bench.world.fail_dns(false, false);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(bench.cached("user1@a.example", &bench.within(30)).await.is_err());
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::MailboxNotFound);
}

#[tokio::test(start_paused = true)]
async fn an_exchanger_at_an_expired_address_condemns_no_mailbox_and_accepts() {
    let bench = expired_bench().await;
    bench.world.fail_dns(false, true);
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::DnsFailure);
    assert_eq!(refused.judgement.action, Action::RetryLater);
    assert_eq!(refused.evidence.reply.as_ref().map(|reply| reply.code), Some(550));
    assert!(refused.evidence.failure.as_ref().unwrap().contains("has expired"), "{refused:?}");
    let accepted = bench.verify("user1@a.example", &bench.within(30)).await;
    assert_eq!(accepted.judgement.verdict, Verdict::Deliverable);
    assert_eq!(bench.named(), ["user0@a.example", "gone@a.example", "user1@a.example"]);
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_an_exchanger_at_an_expired_address_refuses_is_not_named_at_a_backup() {
    const BACKUP: &str = "mx2.example.net";
    let bench = Bench::new(Rules::default());
    bench.world.host(BACKUP, Rules { catch_all: true, ..Rules::default() });
    bench.world.domain_with_backup("a.example", MX, BACKUP);
    bench.world.domain("b.example", BACKUP);
    for address in ["user0@a.example", "user0@b.example"] {
        bench.verify(address, &bench.within(30)).await;
    }
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    bench.world.fail_dns(false, true);
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::DnsFailure);
    assert_eq!(bench.world.seen(BACKUP).rcpt(), ["user0@b.example"]);
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_accepted_at_an_expired_address_is_remembered_for_a_minute() {
    let bench = expired_bench().await;
    bench.world.fail_dns(false, true);
    bench.verify("user1@a.example", &bench.within(30)).await;
    assert!(bench.cached("user1@a.example", &bench.within(30)).await.is_ok());
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(bench.cached("user1@a.example", &bench.within(30)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_session_at_an_expired_address_is_not_kept_when_dns_answers_again() {
    let bench = expired_bench().await;
    bench.world.fail_dns(false, true);
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::DnsFailure);
    bench.world.fail_dns(false, false);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let refused = bench.verify("gone2@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::MailboxNotFound);
}

#[tokio::test(start_paused = true)]
async fn expired_exchangers_that_a_slow_look_up_confirms_meanwhile_are_believed() {
    let bench = expired(leisurely()).await;
    bench.world.asked_domains();
    // A moment longer than an expired answer waits for.
    bench.world.slow_dns(Duration::from_secs(2));
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::MailboxNotFound);
    assert_eq!(bench.world.asked_domains(), ["a.example"]);
}

#[tokio::test(start_paused = true)]
async fn expired_exchangers_that_a_slow_look_up_replaces_meanwhile_condemn_no_mailbox() {
    let bench = expired(leisurely()).await;
    bench.world.slow_dns(Duration::from_secs(2));
    bench.world.domain("a.example", "mx2.example.net");
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::DnsFailure);
}

#[tokio::test(start_paused = true)]
async fn an_expired_address_that_a_slow_look_up_confirms_meanwhile_is_believed() {
    let bench = expired(leisurely()).await;
    bench.world.asked_hosts();
    // A moment longer than the two waits, before it is asked and when the session opens.
    bench.world.slow_hosts(Duration::from_millis(3700));
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::MailboxNotFound);
    assert_eq!(bench.world.asked_hosts(), [MX]);
}

#[tokio::test(start_paused = true)]
async fn a_host_at_an_expired_address_shows_nothing_of_a_domain_that_accepts_everybody() {
    let catch_all = || Rules { catch_all: true, ..Rules::default() };
    let bench = expired(catch_all()).await;
    // Another host has the address by now.
    bench.world.host(MX, Rules::default());
    bench.world.fail_dns(false, true);
    let refused = bench.verify("gone@a.example", &bench.within(30)).await;
    assert_eq!(refused.judgement.reason, Reason::DnsFailure);
    bench.world.host(MX, catch_all());
    bench.world.fail_dns(false, false);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tested = Options { test_catch_all: true, ..bench.within(30) };
    let accepted = bench.verify("user1@a.example", &tested).await;
    assert_eq!(accepted.judgement.reason, Reason::CatchAll);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_domain_that_accepts_everybody_counts_at_an_expired_address() {
    let bench = Bench::new(Rules { catch_all: true, ..leisurely() });
    let tested = || Options { test_catch_all: true, ..bench.within(30) };
    let accepted = bench.verify("any@a.example", &tested()).await;
    assert_eq!(accepted.judgement.reason, Reason::CatchAll);
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    // The control recipient was the second unknown one; refused are the odd ones.
    bench.world.host(MX, Rules { unknown_alternates: true, ..leisurely() });
    bench.world.slow_hosts(Duration::from_millis(3700));
    let doubted = bench.verify("gone@a.example", &tested()).await;
    assert_eq!(doubted.judgement.reason, Reason::CatchAll);
    assert_eq!(bench.named()[2..], ["gone@a.example", "gone@a.example"]);
}
