//! The depth of a verification: who is asked, and who is not.

use super::{Bench, Options, Rules};
use crate::verdict::{DecisionStage, Depth, Reason, Verdict};

#[tokio::test(start_paused = true)]
async fn at_depth_syntax_nobody_is_asked() {
    let bench = Bench::new(Rules::default());
    let options = Options { depth: Depth::Syntax, ..bench.within(30) };
    let verification = bench.verify("user1@a.example", &options).await;
    assert_eq!(verification.judgement.reason, Reason::NotProbed);
    let broken = bench.verify("user1@@a.example", &options).await;
    assert_eq!(broken.judgement.reason, Reason::InvalidSyntax);
    assert_eq!(broken.judgement.stage, DecisionStage::Syntax);
    assert!(broken.syntax_error.is_some());
    assert!(bench.world.asked_domains().is_empty());
    assert!(bench.world.seen(super::MX).connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_depth_domain_dns_is_asked_and_no_exchanger() {
    let bench = Bench::new(Rules::default());
    let options = Options { depth: Depth::Domain, ..bench.within(30) };
    let verification = bench.verify("user1@a.example", &options).await;
    assert_eq!(verification.judgement.reason, Reason::NotProbed);
    assert!(verification.evidence.gathered_at.is_some());
    let missing = bench.verify("user1@missing.example", &options).await;
    assert_eq!(missing.judgement.verdict, Verdict::Undeliverable);
    assert_eq!(missing.judgement.reason, Reason::DomainNotFound);
    assert_eq!(bench.world.asked_domains(), ["a.example", "missing.example"]);
    assert!(bench.world.seen(super::MX).connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_depth_mailbox_the_exchanger_is_asked_for_the_recipient() {
    let bench = Bench::new(Rules::default());
    let options = bench.within(30);
    let found = bench.verify("user1@a.example", &options).await;
    let missing = bench.verify("nobody@a.example", &options).await;
    assert_eq!(found.judgement.reason, Reason::MailboxAccepted);
    assert_eq!(missing.judgement.reason, Reason::MailboxNotFound);
    assert_eq!(found.evidence.exchanger.unwrap().as_str(), super::MX);
    assert_eq!(bench.named(), ["user1@a.example", "nobody@a.example"]);
    assert_eq!(bench.world.asked_domains(), ["a.example"], "once for both");
}

#[tokio::test(start_paused = true)]
async fn a_local_part_that_the_provider_cannot_have_given_out_is_not_asked_about() {
    let bench = Bench::new(Rules::default());
    bench.world.domain("gmail.com", super::MX);
    let verification = bench.verify("jane_doe@gmail.com", &bench.within(30)).await;
    assert_eq!(verification.judgement.reason, Reason::ProviderRule);
    assert!(bench.named().is_empty() && bench.world.asked_domains().is_empty());
}
