//! What Postfix says when it has had enough.

use crate::harness::Label::RateLimited;
use crate::harness::{Dialogue, Postfix, Reply, Stage, saw};

fn saw_at(stage: Stage, condition: &str, reply: &Reply) {
    saw(&Postfix::version(), condition, stage, RateLimited, reply);
}

#[tokio::test]
async fn postfix_hangs_up_at_the_hard_error_limit() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_soft_error_limit", "10")
        .setting("smtpd_hard_error_limit", "2")
        .start()
        .await;
    let mut dialogue = Dialogue::from(server.address, "").await;
    assert_eq!(dialogue.rcpt("no1@a.test").await.code, 550);
    assert_eq!(dialogue.rcpt("no2@a.test").await.code, 550);
    saw_at(Stage::Rcpt, "smtpd_hard_error_limit", &dialogue.rcpt("ok@a.test").await);
    server.has_logged("too many errors after RCPT").await;
}

#[tokio::test]
async fn postfix_answers_slowly_after_the_soft_error_limit() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_soft_error_limit", "1")
        .setting("smtpd_error_sleep_time", "1s")
        .start()
        .await;
    let mut dialogue = Dialogue::from(server.address, "").await;
    dialogue.rcpt("no1@a.test").await;
    dialogue.tell("RCPT TO:<no2@a.test>").await;
    let soon = std::time::Duration::from_millis(500);
    let early = tokio::time::timeout(soon, dialogue.listen()).await;
    assert!(early.is_err(), "it waits before it answers, but said {early:?}");
    assert_eq!(dialogue.listen().await.code, 550);
}

#[tokio::test]
async fn postfix_counts_connections_at_once() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_client_connection_count_limit", "2")
        .start()
        .await;
    let (_one, greeting) = Dialogue::open(server.address).await;
    assert_eq!(greeting.code, 220);
    let (_two, greeting) = Dialogue::open(server.address).await;
    assert_eq!(greeting.code, 220);
    let (_three, greeting) = Dialogue::open(server.address).await;
    saw_at(Stage::Connect, "smtpd_client_connection_count_limit", &greeting);
}

#[tokio::test]
async fn postfix_counts_connections_in_a_time() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_client_connection_rate_limit", "2")
        .start()
        .await;
    for _ in 0..2 {
        let (mut dialogue, greeting) = Dialogue::open(server.address).await;
        assert_eq!(greeting.code, 220, "{greeting:?}");
        dialogue.say("QUIT").await;
    }
    let (_third, greeting) = Dialogue::open(server.address).await;
    saw_at(Stage::Connect, "smtpd_client_connection_rate_limit", &greeting);
}

#[tokio::test]
async fn postfix_counts_recipients_in_a_transaction() {
    let server = Postfix::builder()
        .catch_all("a.test")
        .setting("smtpd_recipient_limit", "2")
        .setting("smtpd_recipient_overshoot_limit", "1000")
        .start()
        .await;
    let mut dialogue = Dialogue::from(server.address, "").await;
    assert_eq!(dialogue.rcpt("one@a.test").await.code, 250);
    assert_eq!(dialogue.rcpt("two@a.test").await.code, 250);
    saw_at(Stage::Rcpt, "smtpd_recipient_limit", &dialogue.rcpt("three@a.test").await);
    dialogue.say("RSET").await;
    dialogue.say("MAIL FROM:<>").await;
    assert_eq!(dialogue.rcpt("three@a.test").await.code, 250, "a new transaction counts anew");
}

#[tokio::test]
async fn postfix_counts_recipients_in_a_time() {
    let server = Postfix::builder()
        .catch_all("a.test")
        .setting("smtpd_client_recipient_rate_limit", "1")
        .start()
        .await;
    let mut dialogue = Dialogue::from(server.address, "").await;
    assert_eq!(dialogue.rcpt("one@a.test").await.code, 250);
    let second = dialogue.rcpt("two@a.test").await;
    saw_at(Stage::Rcpt, "smtpd_client_recipient_rate_limit", &second);
}

#[tokio::test]
async fn postfix_counts_messages_in_a_time() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_client_message_rate_limit", "1")
        .start()
        .await;
    let mut dialogue = Dialogue::from(server.address, "").await;
    dialogue.say("RSET").await;
    let second = dialogue.say("MAIL FROM:<>").await;
    saw_at(Stage::Mail, "smtpd_client_message_rate_limit", &second);
}
