//! What Postfix's postscreen says before it lets us in.

use std::time::Duration;

use crate::harness::Label::*;
use crate::harness::{Dialogue, Postfix, Stage, saw};

#[tokio::test]
async fn postscreen_teases_and_then_greets() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .postscreen()
        .setting("postscreen_greet_action", "enforce")
        .setting("postscreen_greet_wait", "1s")
        .start()
        .await;
    let (mut patient, greeting) = Dialogue::open(server.address).await;
    assert_eq!(greeting.code, 220);
    assert!(greeting.text.contains('\n'), "a teaser, then the greeting: {greeting:?}");
    patient.say("EHLO client.mailvet.test").await;
    patient.say("MAIL FROM:<>").await;
    assert_eq!(patient.rcpt("ok@a.test").await.code, 250);
}

#[tokio::test]
async fn postscreen_refuses_who_talks_first() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .postscreen()
        .setting("postscreen_greet_action", "enforce")
        .setting("postscreen_greet_wait", "1s")
        .start()
        .await;
    let mut rude = Dialogue::open_rudely(server.address).await;
    rude.tell("EHLO client.mailvet.test").await;
    assert_eq!(rude.listen().await.code, 220);
    // It threw away what came too early.
    assert_eq!(rude.say("EHLO client.mailvet.test").await.code, 250);
    rude.say("MAIL FROM:<us@b.test>").await;
    let reply = rude.rcpt("ok@a.test").await;
    saw(&Postfix::version(), "postscreen: talked first", Stage::Rcpt, SenderBlocked, &reply);
}

#[tokio::test]
async fn postscreen_refuses_a_listed_client() {
    for (action, condition, stage) in [
        ("enforce", "postscreen: client in an access list", Stage::Rcpt),
        ("drop", "postscreen: client in an access list, dropped", Stage::Connect),
    ] {
        let server = Postfix::builder()
            .mailbox("ok@a.test")
            .postscreen()
            .table("clients", "127.0.0.1 reject\n")
            .setting("postscreen_access_list", "$clients")
            .setting("postscreen_denylist_action", action)
            .setting("postscreen_greet_wait", "1s")
            .start()
            .await;
        let (mut dialogue, greeting) = Dialogue::open(server.address).await;
        let reply = if stage == Stage::Connect {
            greeting
        } else {
            dialogue.say("EHLO client.mailvet.test").await;
            dialogue.say("MAIL FROM:<us@b.test>").await;
            dialogue.rcpt("ok@a.test").await
        };
        saw(&Postfix::version(), condition, stage, SenderBlocked, &reply);
    }
}

#[tokio::test]
async fn postscreen_sends_a_newcomer_away_and_lets_him_in_later() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .postscreen()
        .setting("postscreen_pipelining_enable", "yes")
        .setting("postscreen_greet_wait", "1s")
        .start()
        .await;
    let (mut first, _) = Dialogue::open(server.address).await;
    first.say("EHLO client.mailvet.test").await;
    first.say("MAIL FROM:<us@b.test>").await;
    let reply = first.rcpt("ok@a.test").await;
    saw(&Postfix::version(), "postscreen: first visit", Stage::Rcpt, Greylisted, &reply);
    first.say("QUIT").await;

    let second = tokio::time::timeout(Duration::from_secs(60), async {
        let (mut second, _) = Dialogue::open(server.address).await;
        second.say("EHLO client.mailvet.test").await;
        second.say("MAIL FROM:<us@b.test>").await;
        second.rcpt("ok@a.test").await
    });
    assert_eq!(second.await.unwrap().code, 250);
}
