//! What Postfix says about mailboxes.

use crate::harness::Label::{self, *};
use crate::harness::{Dialogue, Postfix, Reply, Stage, answer_to, next_address, saw};

fn saw_at_rcpt(condition: &str, label: Label, reply: &Reply) {
    saw(&Postfix::version(), condition, Stage::Rcpt, label, reply);
}

#[tokio::test]
async fn postfix_tells_its_mailboxes_from_others() {
    let server = Postfix::builder().mailbox("ok@a.test").catch_all("all.test").start().await;
    let ask = async |recipient| answer_to(server.address, recipient).await;
    saw_at_rcpt("existing mailbox", Accepted, &ask("ok@a.test").await);
    saw_at_rcpt("unknown virtual mailbox", MailboxNotFound, &ask("no@a.test").await);
    saw_at_rcpt("catch-all domain", Accepted, &ask("anything@all.test").await);
    saw_at_rcpt("domain that is not ours", RelayDenied, &ask("ok@elsewhere.test").await);
    server.has_logged("reject: RCPT from localhost[127.0.0.1]: 550 5.1.1 <no@a.test>").await;
    let log = server.log();
    assert!(!log.contains("fatal:") && !log.contains("panic:"), "{log}");
}

#[tokio::test]
async fn postfix_names_the_table_where_a_mailbox_is_missing() {
    let server = Postfix::builder()
        .setting("mydestination", "local.test")
        .table("local_recipient_maps", "ok x\n")
        .setting("relay_domains", "relay.test")
        .table("relay_recipient_maps", "ok@relay.test x\n")
        .setting("virtual_alias_domains", "alias.test")
        .start()
        .await;
    let ask = async |recipient| answer_to(server.address, recipient).await;
    saw_at_rcpt("unknown local user", MailboxNotFound, &ask("no@local.test").await);
    saw_at_rcpt("unknown relay recipient", MailboxNotFound, &ask("no@relay.test").await);
    saw_at_rcpt("unknown virtual alias", MailboxNotFound, &ask("no@alias.test").await);
}

#[tokio::test]
async fn postfix_gives_the_access_maps_answer() {
    let full = "452 4.2.2 The mailbox is over its quota";
    let server = Postfix::builder()
        .recipient_access("full@a.test", full)
        .recipient_access("fuller@a.test", "552 5.2.2 Mailbox is full")
        .recipient_access("disabled@a.test", "550 5.2.1 This mailbox is disabled")
        .recipient_access("bare@a.test", "550 No such user here")
        .recipient_access("reject@a.test", "REJECT")
        .recipient_access("defer@a.test", "DEFER")
        .recipient_access("busy@a.test", "450 4.2.1 Mailbox busy, try again later")
        .start()
        .await;
    let ask = async |recipient| answer_to(server.address, recipient).await;
    saw_at_rcpt("access map: over quota, temporary", MailboxFull, &ask("full@a.test").await);
    saw_at_rcpt("access map: over quota, permanent", MailboxFull, &ask("fuller@a.test").await);
    saw_at_rcpt("access map: disabled mailbox", MailboxDisabled, &ask("disabled@a.test").await);
    let bare = ask("bare@a.test").await;
    assert_eq!(bare.enhanced.as_deref(), Some("5.7.1"), "Postfix adds a status that misleads");
    saw_at_rcpt("access map: code without a status", MailboxNotFound, &bare);
    saw_at_rcpt("access map: REJECT", AmbiguousPolicy, &ask("reject@a.test").await);
    saw_at_rcpt("access map: DEFER", TemporaryFailure, &ask("defer@a.test").await);
    saw_at_rcpt("access map: busy mailbox", TemporaryFailure, &ask("busy@a.test").await);
}

#[tokio::test]
async fn postfix_says_where_a_user_has_gone() {
    let server = Postfix::builder()
        .mailbox("moved@a.test")
        .table("relocated_maps", "moved@a.test new@b.test\n")
        .start()
        .await;
    let moved = answer_to(server.address, "moved@a.test").await;
    saw_at_rcpt("relocated user", MailboxDisabled, &moved);
}

#[tokio::test]
async fn postfix_passes_on_what_the_next_server_said() {
    let next = Postfix::builder().mailbox("ok@v.test").start().await;
    let gateway = Postfix::builder().relay_to("v.test", next.address).start().await;
    let ask = async |recipient| answer_to(gateway.address, recipient).await;
    saw_at_rcpt("verified recipient: exists", Accepted, &ask("ok@v.test").await);
    saw_at_rcpt("verified recipient: unknown", MailboxNotFound, &ask("no@v.test").await);

    let nobody = next_address();
    let gateway = Postfix::builder().relay_to("v.test", nobody).start().await;
    let reply = answer_to(gateway.address, "ok@v.test").await;
    saw_at_rcpt("verified recipient: next server is down", TemporaryFailure, &reply);
}

#[tokio::test]
async fn postfix_rejects_what_is_no_address() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("strict_rfc821_envelopes", "yes")
        .start()
        .await;
    let mut dialogue = Dialogue::from(server.address, "").await;
    saw_at_rcpt("no domain after @", SyntaxError, &dialogue.rcpt("ok@").await);
    saw_at_rcpt("no angle brackets", SyntaxError, &dialogue.say("RCPT TO:ok@a.test").await);
    let (mut dialogue, _) = Dialogue::open(server.address).await;
    saw_at_rcpt("RCPT before MAIL", SyntaxError, &dialogue.rcpt("ok@a.test").await);
}

#[tokio::test]
async fn postfix_listens_where_it_is_told() {
    let address = next_address();
    let server = Postfix::builder().listen_on(address).mailbox("ok@a.test").start().await;
    assert_eq!(server.address, address);
    assert_eq!(answer_to(address, "ok@a.test").await.code, 250);
}
