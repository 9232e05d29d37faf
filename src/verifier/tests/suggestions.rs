//! The address that was probably meant: offered if DNS lets it receive mail.

use super::{Bench, Options, Rules};
use crate::verdict::{Action, Depth, Reason};

#[tokio::test(start_paused = true)]
async fn a_look_alike_domain_brings_the_address_that_was_meant() {
    let bench = Bench::new(Rules::default());
    bench.world.domain("gmail.com", super::MX);
    let verification = bench.verify("user.one@gmial.com", &bench.within(30)).await;
    assert_eq!(verification.suggestion.as_deref(), Some("user.one@gmail.com"));
    assert_eq!(verification.judgement.reason, Reason::DomainNotFound);
    let right = bench.verify("user.one@gmail.com", &bench.within(30)).await;
    assert_eq!(right.suggestion, None);
}

#[tokio::test(start_paused = true)]
async fn a_domain_without_exchangers_is_not_suggested() {
    let bench = Bench::new(Rules::default());
    let verification = bench.verify("user.one@gmial.com", &bench.within(30)).await;
    assert_eq!(verification.suggestion, None);
    let mut asked = bench.world.asked_domains();
    asked.sort_unstable();
    assert_eq!(asked, ["gmail.com", "gmial.com"]);
}

#[tokio::test(start_paused = true)]
async fn at_depth_syntax_a_suggestion_is_not_checked() {
    let bench = Bench::new(Rules::default());
    let options = Options { depth: Depth::Syntax, ..bench.within(30) };
    let verification = bench.verify("user.one@gmial.com", &options).await;
    assert_eq!(verification.suggestion.as_deref(), Some("user.one@gmail.com"));
    assert!(bench.world.asked_domains().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_no_address_brings_the_one_a_reader_would_take_it_for() {
    let bench = Bench::new(Rules::default());
    let text = "user1\u{ff20}a.example";
    let verification = bench.verify(text, &bench.within(30)).await;
    assert_eq!(verification.judgement.reason, Reason::InvalidSyntax);
    assert_eq!(verification.suggestion.as_deref(), Some("user1@a.example"));
    assert_eq!(bench.world.asked_domains(), ["a.example"], "whether it receives mail");
    assert!(bench.named().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_may_be_another_is_reviewed_and_not_asked() {
    let bench = Bench::new(Rules::default());
    for text in ["mary_ user1@a.example", "mary;user1@a.example", "bob@b@c; user1@a.example"] {
        let verification = bench.verify(text, &bench.within(30)).await;
        assert_eq!(verification.suggestion.as_deref(), Some("user1@a.example"), "{text}");
        assert_eq!(verification.judgement.action, Action::Review, "{text}");
    }
    assert!(bench.named().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_finer_apostrophe_is_asked_as_it_stands_and_brings_the_one_of_a_keyboard() {
    let bench = Bench::new(Rules::default());
    let text = "o\u{2019}brien@a.example";
    let verification = bench.verify(text, &bench.within(30)).await;
    assert_eq!(verification.address, text);
    assert_ne!(verification.judgement.reason, Reason::InvalidSyntax);
    assert_eq!(verification.suggestion.as_deref(), Some("o'brien@a.example"));
}

#[tokio::test(start_paused = true)]
async fn remembered_evidence_brings_its_suggestion_again() {
    let bench = Bench::new(Rules::default());
    bench.world.domain("gmial.com", super::MX);
    bench.world.domain("gmail.com", super::MX);
    let first = bench.verify("user.one@gmial.com", &bench.within(30)).await;
    bench.world.asked_domains();
    let second = bench.cached("user.one@gmial.com", &bench.within(30)).await.unwrap();
    assert_eq!(first.suggestion.as_deref(), Some("user.one@gmail.com"));
    assert_eq!(second.suggestion, first.suggestion);
    assert!(bench.world.asked_domains().is_empty());
}
