//! What Exim says.

use crate::harness::Label::{self, *};
use crate::harness::{Dialogue, Exim, Reply, Stage, answer_to, next_address, saw};

fn saw_at(stage: Stage, condition: &str, label: Label, reply: &Reply) {
    saw(&Exim::version(), condition, stage, label, reply);
}

#[tokio::test]
async fn exim_tells_its_mailboxes_from_others() {
    let server = Exim::builder().mailbox("ok@a.test").catch_all("all.test").start().await;
    let ask = async |recipient| answer_to(server.address, recipient).await;
    saw_at(Stage::Rcpt, "existing mailbox", Accepted, &ask("ok@a.test").await);
    saw_at(Stage::Rcpt, "unknown mailbox", MailboxNotFound, &ask("no@a.test").await);
    saw_at(Stage::Rcpt, "catch-all domain", Accepted, &ask("anything@all.test").await);
    saw_at(Stage::Rcpt, "domain that is not ours", RelayDenied, &ask("ok@elsewhere.test").await);
}

#[tokio::test]
async fn exim_gives_the_routers_answer() {
    let router = |name: &str, local: &str, data: &str| {
        format!(
            "{name}:\n  driver = redirect\n  local_parts = {local}\n  domains = a.test\n  \
             allow_fail\n  allow_defer\n  data = {data}"
        )
    };
    let server = Exim::builder()
        .mailbox("ok@a.test")
        .router(&router("gone", "gone", ":fail: No such person at this address"))
        .router(&router("full", "full", ":fail: Mailbox quota exceeded"))
        .router(&router("later", "later", ":defer: Mailbox store is down"))
        .start()
        .await;
    let ask = async |recipient| answer_to(server.address, recipient).await;
    saw_at(Stage::Rcpt, "router: no such person", MailboxNotFound, &ask("gone@a.test").await);
    saw_at(Stage::Rcpt, "router: over quota", MailboxFull, &ask("full@a.test").await);
    saw_at(Stage::Rcpt, "router: defers", TemporaryFailure, &ask("later@a.test").await);
}

#[tokio::test]
async fn exim_refuses_by_its_acl() {
    for (condition, statements, label) in [
        ("acl: deny without a message", "  deny", AmbiguousPolicy),
        ("acl: defer without a message", "  defer", TemporaryFailure),
        ("acl: encryption required", "  require encrypted = *", AmbiguousPolicy),
        ("acl: greylisted", "  defer message = Greylisted, please try again later", Greylisted),
        ("acl: rate limit", "  defer ratelimit = 0 / 1h / per_rcpt", TemporaryFailure),
    ] {
        let server = Exim::builder().mailbox("ok@a.test").rcpt_acl(statements).start().await;
        let reply = answer_to(server.address, "ok@a.test").await;
        saw_at(Stage::Rcpt, condition, label, &reply);
    }
}

#[tokio::test]
async fn exim_verifies_the_sender() {
    let acl = "  require verify = sender";
    let server = Exim::builder().mailbox("ok@a.test").rcpt_acl(acl).start().await;
    let mut dialogue = Dialogue::from(server.address, "no@a.test").await;
    let reply = dialogue.rcpt("ok@a.test").await;
    saw_at(Stage::Rcpt, "acl: sender does not exist", SenderBlocked, &reply);
}

#[tokio::test]
async fn exim_counts_recipients_and_connections() {
    let server = Exim::builder()
        .catch_all("a.test")
        .main("recipients_max = 1")
        .main("smtp_accept_max_per_host = 1")
        .start()
        .await;
    let mut first = Dialogue::from(server.address, "").await;
    assert_eq!(first.rcpt("one@a.test").await.code, 250);
    saw_at(Stage::Rcpt, "recipients_max", RateLimited, &first.rcpt("two@a.test").await);
    let (_second, greeting) = Dialogue::open(server.address).await;
    saw_at(Stage::Connect, "smtp_accept_max_per_host", RateLimited, &greeting);
}

#[tokio::test]
async fn exim_refuses_the_client_and_the_name_we_give() {
    let server = Exim::builder().main("host_reject_connection = *").start().await;
    let (_, greeting) = Dialogue::open(server.address).await;
    saw_at(Stage::Connect, "host_reject_connection", SenderBlocked, &greeting);

    let server = Exim::builder().mailbox("ok@a.test").start().await;
    let (mut dialogue, _) = Dialogue::open(server.address).await;
    let hello = dialogue.say("EHLO not_a_name!").await;
    saw_at(Stage::Ehlo, "EHLO with a bad name", SyntaxError, &hello);
}

#[tokio::test]
async fn exim_listens_where_it_is_told() {
    let address = next_address();
    let server = Exim::builder().listen_on(address).mailbox("ok@a.test").start().await;
    assert_eq!(server.address, address);
    assert_eq!(answer_to(address, "ok@a.test").await.code, 250);
}
