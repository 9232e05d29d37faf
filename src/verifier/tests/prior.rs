//! What became of earlier mail decides before anything is asked.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{Bench, Options, Rules};
use crate::address::Identity;
use crate::verdict::{Action, Depth, Reason};
use crate::verifier::{DeliveredMail, PriorLookupError, PriorMail, PriorOutcome, PriorOutcomes};

/// Knows that mail to `user1` came back.
#[derive(Debug)]
struct OneBounce;

#[async_trait]
impl PriorOutcomes for OneBounce {
    async fn find(
        &self,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<PriorMail, PriorLookupError> {
        let words = "gone on 2026-11-28, source: bounce".to_owned();
        let prior = PriorOutcome { reason: Reason::BouncedBefore, words };
        let delivered = DeliveredMail { at: now, source: "postfix".to_owned() };
        let delivered = (identity.mailbox == "user2@a.example").then_some(delivered);
        let suppression = (identity.mailbox == "user1@a.example").then_some(prior);
        Ok(PriorMail { suppression, delivered })
    }
}

/// Cannot be reached.
#[derive(Debug)]
struct OutcomesAway;

#[async_trait]
impl PriorOutcomes for OutcomesAway {
    async fn find(&self, _: &Identity, _: SystemTime) -> Result<PriorMail, PriorLookupError> {
        Err(PriorLookupError("the database is away".to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_bounced_is_not_asked_about_and_others_are() {
    let Bench { world, verifier } = Bench::new(Rules::default());
    let verifier = verifier.with_prior_outcomes(Arc::new(OneBounce));
    let bench = Bench { world, verifier };
    for depth in [Depth::Syntax, Depth::Mailbox] {
        let options = Options { depth, ..bench.within(30) };
        let verification = bench.verify("user1@a.example", &options).await;
        assert_eq!(verification.judgement.reason, Reason::BouncedBefore);
        assert_eq!(verification.judgement.action, Action::Suppress);
        let told = verification.evidence.failure.unwrap();
        assert_eq!(told, "gone on 2026-11-28, source: bounce");
        assert_eq!(verification.canonical.as_deref(), Some("user1@a.example"));
    }
    assert!(bench.world.asked_domains().is_empty(), "nobody was asked");
    let other = bench.verify("user2@a.example", &bench.within(30)).await;
    assert_eq!(other.judgement.reason, Reason::MailboxAccepted);
    assert_eq!(other.evidence.delivered.unwrap().source, "postfix");
}

#[tokio::test(start_paused = true)]
async fn while_nobody_can_tell_who_is_suppressed_nobody_is_asked_about() {
    let Bench { world, verifier } = Bench::new(Rules::default());
    let verifier = verifier.with_prior_outcomes(Arc::new(OutcomesAway));
    let bench = Bench { world, verifier };
    let verification = bench.verify("user1@a.example", &bench.within(30)).await;
    assert_eq!(verification.judgement.reason, Reason::NotProbed);
    assert_eq!(verification.judgement.action, Action::RetryLater);
    let wait = Duration::from_secs(60);
    assert_eq!(verification.retry_at, Some(bench.world.clock.now() + wait));
    let told = verification.evidence.failure.unwrap();
    assert!(told.contains("earlier mail") && told.contains("database is away"), "{told}");
    assert!(bench.world.asked_domains().is_empty(), "nobody was asked");
}
