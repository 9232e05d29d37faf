//! What OpenSMTPD says.

use crate::harness::Label::{self, *};
use crate::harness::{Dialogue, OpenSmtpd, Reply, Stage, answer_to, next_address, saw};

fn saw_at(stage: Stage, condition: &str, label: Label, reply: &Reply) {
    saw(&OpenSmtpd::version(), condition, stage, label, reply);
}

#[tokio::test]
async fn opensmtpd_tells_its_mailboxes_from_others() {
    let server = OpenSmtpd::builder()
        .mailbox("ok@a.test")
        .recipient("ok@listed.test")
        .catch_all("all.test")
        .start()
        .await;
    let ask = async |recipient| answer_to(server.address, recipient).await;
    saw_at(Stage::Rcpt, "existing mailbox", Accepted, &ask("ok@a.test").await);
    saw_at(Stage::Rcpt, "unknown virtual user", MailboxNotFound, &ask("no@a.test").await);
    saw_at(Stage::Rcpt, "catch-all domain", Accepted, &ask("anything@all.test").await);
    let unlisted = ask("no@listed.test").await;
    let foreign = ask("no@elsewhere.test").await;
    assert_eq!(unlisted.code, foreign.code, "it does not tell one from the other");
    saw_at(Stage::Rcpt, "recipient not listed", MailboxNotFound, &unlisted);
    saw_at(Stage::Rcpt, "domain that is not ours", MailboxNotFound, &foreign);
    assert_eq!(ask("ok@listed.test").await.code, 250);
}

#[tokio::test]
async fn opensmtpd_refuses_by_its_filters() {
    for (condition, phase, answer, label, stage) in [
        (
            "filter: no reverse name",
            "connect",
            "550 No reverse DNS for you",
            SenderBlocked,
            Stage::Connect,
        ),
        ("filter: sender refused", "mail-from", "550 Go away", SenderBlocked, Stage::Mail),
        ("filter: greylisted", "rcpt-to", "451 Greylisted, try again", Greylisted, Stage::Rcpt),
    ] {
        let filter = format!("filter \"f\" phase {phase} match src 127.0.0.1 reject \"{answer}\"");
        let server = OpenSmtpd::builder()
            .mailbox("ok@a.test")
            .setting(&filter)
            .listener("filter \"f\"")
            .start()
            .await;
        let (mut dialogue, mut reply) = Dialogue::open(server.address).await;
        if stage != Stage::Connect {
            dialogue.say("EHLO client.mailvet.test").await;
            reply = dialogue.say("MAIL FROM:<us@b.test>").await;
        }
        if stage == Stage::Rcpt {
            reply = dialogue.rcpt("ok@a.test").await;
        }
        saw_at(stage, condition, label, &reply);
    }
}

#[tokio::test]
async fn opensmtpd_counts_recipients() {
    let server =
        OpenSmtpd::builder().catch_all("a.test").setting("smtp limit max-rcpt 1").start().await;
    let mut dialogue = Dialogue::from(server.address, "").await;
    assert_eq!(dialogue.rcpt("one@a.test").await.code, 250);
    saw_at(Stage::Rcpt, "max-rcpt", RateLimited, &dialogue.rcpt("two@a.test").await);
}

#[tokio::test]
async fn opensmtpd_listens_where_it_is_told() {
    let address = next_address();
    let server = OpenSmtpd::builder().listen_on(address).mailbox("ok@a.test").start().await;
    assert_eq!(server.address, address);
    assert_eq!(answer_to(address, "ok@a.test").await.code, 250);
}
