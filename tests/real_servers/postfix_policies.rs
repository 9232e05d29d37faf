//! What Postfix says about us, not about a mailbox.

use std::time::Duration;

use crate::harness::Label::{self, *};
use crate::harness::{Dialogue, Postfix, Postgrey, Reply, Stage, answer_to, next_address, saw};

fn saw_at(stage: Stage, condition: &str, label: Label, reply: &Reply) {
    saw(&Postfix::version(), condition, stage, label, reply);
}

/// What a Postfix with `name` set to `value` answers to RCPT for a mailbox that it has.
async fn answer_with(name: &str, value: &str, sender: &str) -> Reply {
    let server = Postfix::builder().mailbox("ok@a.test").setting(name, value).start().await;
    Dialogue::from(server.address, sender).await.rcpt("ok@a.test").await
}

#[tokio::test]
async fn postfix_without_tls_takes_no_sender() {
    let server = Postfix::builder().mailbox("ok@a.test").require_starttls().start().await;
    let (mut dialogue, _) = Dialogue::open(server.address).await;
    let hello = dialogue.say("EHLO client.mailvet.test").await;
    assert!(hello.text.contains("STARTTLS"), "{hello:?}");
    let mail = dialogue.say("MAIL FROM:<>").await;
    saw_at(Stage::Mail, "STARTTLS required", AuthOrTlsRequired, &mail);
    let ready = dialogue.say("STARTTLS").await;
    assert_eq!(ready.code, 220, "{ready:?}");
}

#[tokio::test]
async fn postgrey_defers_the_first_attempt_of_known_and_unknown_mailboxes() {
    let grey = Postgrey::start(Duration::from_secs(300)).await;
    let server =
        Postfix::builder().mailbox("ok@a.test").restriction(&grey.restriction()).start().await;
    let known = answer_to(server.address, "ok@a.test").await;
    saw_at(Stage::Rcpt, "postgrey, existing mailbox", Greylisted, &known);
    let unknown = answer_to(server.address, "no@a.test").await;
    saw_at(Stage::Rcpt, "postgrey, unknown mailbox", Greylisted, &unknown);
    let again = answer_to(server.address, "ok@a.test").await;
    assert_eq!(again, known, "it stays deferred for the delay");
}

#[tokio::test]
async fn postgrey_lets_us_through_after_its_delay() {
    let grey = Postgrey::start(Duration::from_secs(1)).await;
    let server =
        Postfix::builder().mailbox("ok@a.test").restriction(&grey.restriction()).start().await;
    assert_eq!(answer_to(server.address, "ok@a.test").await.code, 450);
    let accepted = tokio::time::timeout(Duration::from_secs(60), async {
        while answer_to(server.address, "ok@a.test").await.code != 250 {}
    });
    assert!(accepted.await.is_ok(), "postgrey never let us through");
}

#[tokio::test]
async fn postfix_looks_for_the_mailbox_first_when_told() {
    let grey = Postgrey::start(Duration::from_secs(300)).await;
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .restriction("reject_unlisted_recipient")
        .restriction(&grey.restriction())
        .start()
        .await;
    assert_eq!(answer_to(server.address, "ok@a.test").await.code, 450);
    assert_eq!(answer_to(server.address, "no@a.test").await.code, 550);
}

#[tokio::test]
async fn postfix_refuses_the_client() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_client_restrictions", "check_client_access $client_access")
        .table("client_access", "127.0.0.1 REJECT\n")
        .start()
        .await;
    let reply = answer_to(server.address, "ok@a.test").await;
    saw_at(Stage::Rcpt, "client in an access map", SenderBlocked, &reply);
}

#[tokio::test]
async fn postfix_refuses_the_sender() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_sender_restrictions", "check_sender_access $sender_access")
        .setting("smtpd_null_access_lookup_key", "null")
        .table("sender_access", "us@b.test REJECT\nnull 550 5.7.1 No bounces here\n")
        .start()
        .await;
    let mut us = Dialogue::from(server.address, "us@b.test").await;
    let reply = us.rcpt("ok@a.test").await;
    saw_at(Stage::Rcpt, "sender in an access map", SenderBlocked, &reply);
    let reply = answer_to(server.address, "ok@a.test").await;
    saw_at(Stage::Rcpt, "null sender in an access map", SenderBlocked, &reply);

    let reply = answer_with("smtpd_reject_unlisted_sender", "yes", "no@a.test").await;
    saw_at(Stage::Rcpt, "sender that the domain does not have", SenderBlocked, &reply);
    let restriction = "reject_non_fqdn_sender";
    let reply = answer_with("smtpd_sender_restrictions", restriction, "us@b").await;
    saw_at(Stage::Rcpt, restriction, SenderBlocked, &reply);
}

#[tokio::test]
async fn postfix_refuses_the_name_we_give() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_helo_required", "yes")
        .setting("smtpd_helo_restrictions", "reject_non_fqdn_helo_hostname")
        .start()
        .await;
    let (mut dialogue, _) = Dialogue::open(server.address).await;
    let mail = dialogue.say("MAIL FROM:<>").await;
    saw_at(Stage::Mail, "MAIL before EHLO", SyntaxError, &mail);
    dialogue.say("EHLO client").await;
    dialogue.say("MAIL FROM:<>").await;
    let reply = dialogue.rcpt("ok@a.test").await;
    saw_at(Stage::Rcpt, "reject_non_fqdn_helo_hostname", SenderBlocked, &reply);

    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_helo_restrictions", "reject_invalid_helo_hostname")
        .setting("smtpd_delay_reject", "no")
        .start()
        .await;
    let (mut dialogue, _) = Dialogue::open(server.address).await;
    let hello = dialogue.say("EHLO not_a_name!").await;
    saw_at(Stage::Ehlo, "reject_invalid_helo_hostname", SenderBlocked, &hello);
}

#[tokio::test]
async fn postfix_refuses_everybody_with_tls_or_without() {
    let reply = answer_with("smtpd_recipient_restrictions", "reject_plaintext_session", "").await;
    saw_at(Stage::Rcpt, "reject_plaintext_session", AuthOrTlsRequired, &reply);
    let reply = answer_with("smtpd_recipient_restrictions", "reject", "").await;
    saw_at(Stage::Rcpt, "reject everybody", AmbiguousPolicy, &reply);
    let reply = answer_with("smtpd_recipient_restrictions", "defer", "").await;
    saw_at(Stage::Rcpt, "defer everybody", TemporaryFailure, &reply);
}

#[tokio::test]
async fn postfix_defers_when_something_of_its_own_is_broken() {
    let reply = answer_with("virtual_mailbox_maps", "texthash:/nowhere/mailboxes", "").await;
    saw_at(Stage::Rcpt, "mailbox table is missing", TemporaryFailure, &reply);

    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .restriction(&format!("check_policy_service inet:{}", next_address()))
        .setting("smtpd_policy_service_retry_delay", "1s")
        .start()
        .await;
    let reply = answer_to(server.address, "ok@a.test").await;
    saw_at(Stage::Rcpt, "policy service is down", NetworkOrServerError, &reply);

    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("queue_minfree", "9000000000000000")
        .start()
        .await;
    let (mut dialogue, _) = Dialogue::open(server.address).await;
    dialogue.say("EHLO client.mailvet.test").await;
    let mail = dialogue.say("MAIL FROM:<>").await;
    saw_at(Stage::Mail, "no room in the queue", TemporaryFailure, &mail);
}

#[tokio::test]
async fn postfix_defers_relaying_when_told() {
    let reply = answer_with("smtpd_relay_restrictions", "defer_unauth_destination", "").await;
    assert_eq!(reply.code, 250, "{reply:?}");
    let server = Postfix::builder()
        .setting("smtpd_relay_restrictions", "defer_unauth_destination")
        .start()
        .await;
    let reply = answer_to(server.address, "ok@elsewhere.test").await;
    saw_at(Stage::Rcpt, "defer_unauth_destination", RelayDenied, &reply);
}

#[tokio::test]
async fn postfix_refuses_a_message_by_its_announced_size() {
    let server = Postfix::builder().mailbox("ok@a.test").start().await;
    let (mut dialogue, _) = Dialogue::open(server.address).await;
    dialogue.say("EHLO client.mailvet.test").await;
    let mail = dialogue.say("MAIL FROM:<> SIZE=999999999").await;
    saw_at(Stage::Mail, "announced size over the limit", MessageContent, &mail);
}
