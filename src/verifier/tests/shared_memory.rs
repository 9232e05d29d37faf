//! Evidence that two processes share: which questions of the one the other's answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Bench, Options, Rules};
use crate::cache::{SecondLevel, SharedAnswer, SharedKind};
use crate::verdict::Reason;

/// A place in memory.
#[derive(Default)]
struct MemoryLevel(Mutex<HashMap<(SharedKind, String), SharedAnswer>>);

#[async_trait]
impl SecondLevel for MemoryLevel {
    async fn recall(&self, kind: SharedKind, name: &str) -> Option<SharedAnswer> {
        self.0.lock().get(&(kind, name.to_owned())).cloned()
    }

    fn keep(&self, kind: SharedKind, name: &str, answer: SharedAnswer) {
        self.0.lock().insert((kind, name.to_owned()), answer);
    }
}

/// Two processes that share what they find out, before exchangers of these manners.
fn two(rules: &Rules) -> (Bench, Bench) {
    let store = Arc::new(MemoryLevel::default());
    let bench = || {
        let bench = Bench::new(rules.clone());
        bench.verifier.share_evidence(Arc::clone(&store) as _);
        bench.verifier.prober.share_evidence(Arc::clone(&store) as _);
        bench
    };
    (bench(), bench())
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_one_process_asked_about_is_not_asked_about_by_the_other() {
    let (one, two) = two(&Rules::default());
    for (address, reason) in
        [("user1@a.example", Reason::MailboxAccepted), ("gone@a.example", Reason::MailboxNotFound)]
    {
        let first = one.verify(address, &one.within(30)).await;
        let second = two.verify(address, &two.within(30)).await;
        assert_eq!((first.judgement.reason, second.judgement.reason), (reason, reason));
        assert_eq!(second.judgement, first.judgement);
        assert_eq!(second.evidence.reply, first.evidence.reply);
        assert!(second.evidence.from_cache && !first.evidence.from_cache);
        assert!(two.cached(address, &two.within(30)).await.is_ok(), "it is remembered here too");
    }
    assert_eq!((one.named().len(), two.named().len()), (2, 0));
    let stats = two.verifier.stats();
    assert_eq!((stats.remembered, stats.not_remembered), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_an_exchanger_at_an_expired_address_is_not_shared() {
    let (one, two) = two(&Rules::default());
    one.verify("user0@a.example", &one.within(30)).await;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    one.world.fail_dns(false, true);
    for bench in [&one, &two] {
        let found = bench.verify("user1@a.example", &bench.within(30)).await;
        assert_eq!(found.judgement.reason, Reason::MailboxAccepted);
        assert!(!found.evidence.from_cache);
    }
    assert_eq!(two.named(), ["user1@a.example"]);
}

#[tokio::test(start_paused = true)]
async fn shared_evidence_serves_as_long_and_for_the_same_questions_as_ones_own() {
    let (one, two) = two(&Rules::default());
    one.verify("user1@a.example", &one.within(30)).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let fresh = Options { max_age: Some(Duration::from_secs(59)), ..two.within(30) };
    assert!(!two.verify("user1@a.example", &fresh).await.evidence.from_cache);
    one.verify("user2@a.example", &one.within(30)).await;
    let talk = Options { transcript: true, ..two.within(30) };
    assert!(!two.verify("user2@a.example", &talk).await.transcript.is_empty());
    one.verify("user3@a.example", &one.within(30)).await;
    tokio::time::advance(Duration::from_secs(24 * 3600 + 1)).await;
    assert!(!two.verify("user3@a.example", &two.within(30)).await.evidence.from_cache);
    assert_eq!(two.named().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_said_nothing_is_shared_for_as_long_as_it_is_remembered() {
    let (one, two) = two(&Rules { rcpt: Some("451 4.3.0 trouble"), ..Rules::default() });
    one.verify("user1@a.example", &one.within(30)).await;
    tokio::time::advance(Duration::from_secs(40)).await;
    let patient = Options { retry_until: two.within(30).deadline, ..two.within(30) };
    let second = two.verify("user1@a.example", &two.within(30)).await;
    assert_eq!((second.judgement.reason, two.named().len()), (Reason::TemporaryFailure, 0));
    assert!(two.cached("user1@a.example", &patient).await.is_err());
    // For what is left of its minute, and no minute more.
    tokio::time::advance(Duration::from_secs(21)).await;
    assert!(!two.verify("user1@a.example", &two.within(30)).await.evidence.from_cache);
    assert_eq!(two.named().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_control_recipient_is_asked_for_once_whichever_process_needs_it() {
    for catch_all in [false, true] {
        let (one, two) = two(&Rules { catch_all, ..Rules::default() });
        let tested = |bench: &Bench| Options { test_catch_all: true, ..bench.within(30) };
        let first = one.verify("user1@a.example", &tested(&one)).await;
        let second = two.verify("user2@a.example", &tested(&two)).await;
        assert_eq!(second.judgement.reason, first.judgement.reason);
        assert_eq!(second.judgement.catch_all, first.judgement.catch_all);
        assert_eq!((one.named().len(), two.named().len()), (2, 1), "{catch_all}");
    }
}
