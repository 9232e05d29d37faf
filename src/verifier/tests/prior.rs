//! What became of earlier mail decides before anything is asked.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Bench, Options, Rules};
use crate::address::Identity;
use crate::verdict::{Action, Depth, Reason};
use crate::verifier::{PriorOutcome, PriorOutcomes};

/// Knows that mail to `user1` came back.
#[derive(Debug)]
struct OneBounce;

impl PriorOutcomes for OneBounce {
    fn find(&self, identity: &Identity, _: SystemTime) -> Option<PriorOutcome> {
        let words = "gone on 2026-11-28, source: bounce".to_owned();
        let prior = PriorOutcome { reason: Reason::BouncedBefore, words };
        (identity.mailbox == "user1@a.example").then_some(prior)
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
}
