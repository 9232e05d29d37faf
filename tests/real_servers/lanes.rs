//! Many addresses at once against a Postfix that sets limits: each gets its answer, and Postfix has
//! no more to complain about than the test wants it to.

use std::num::NonZeroU32;
use std::time::Duration;

use mailvet::pacing;
use mailvet::verdict::{Action, Reason};
use mailvet::verifier::Verification;

use crate::harness::{Dialogue, Postfix, Postgrey, Visit};
use crate::verdicts::Mailvet;

/// How long a caller waits at most, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(90);

/// Mailboxes of a.test (see `mailboxes`), and addresses that it does not have spread among them.
fn addresses(known: usize, unknown: usize) -> Vec<String> {
    let all = known + unknown;
    let list = (0..all).map(|n| {
        let unknown_so_far = n * unknown / all;
        if (n + 1) * unknown / all > unknown_so_far {
            format!("no{unknown_so_far}@a.test")
        } else {
            format!("ok{}@a.test", n - unknown_so_far)
        }
    });
    list.collect()
}

async fn mailvet(server: &Postfix, pace: impl FnOnce(&mut pacing::Config)) -> Mailvet {
    let domains = [("a.test", server.address)];
    Mailvet::with(&domains, |config| pace(&mut config.prober.pacing)).await
}

/// Asks about all of them at once, with a retry window, and gets the truth about every one.
async fn learns_the_truth(mailvet: &Mailvet, addresses: &[String]) {
    let verifications = mailvet.vet_all(addresses, LIMIT, LIMIT).await;
    assert_eq!(verifications.len(), addresses.len());
    for v in &verifications {
        let known = v.address.starts_with("ok");
        let truth = if known { Reason::MailboxAccepted } else { Reason::MailboxNotFound };
        assert_eq!(v.judgement.reason, truth, "{}", told(v));
    }
}

fn told(v: &Verification) -> String {
    format!("{}: {:?}, {:?} after {:?}", v.address, v.judgement, v.evidence, v.elapsed)
}

/// Ends all sessions; what Postfix counted in each. Whatever a test is about, a guest behaves.
async fn visits(mailvet: &Mailvet, server: &Postfix) -> Vec<Visit> {
    mailvet.drain().await;
    let visits = server.visits().await;
    assert!(visits.iter().all(|visit| visit.heard("data") == 0), "{visits:?}");
    let log = server.log();
    for rudeness in ["improper command pipelining", "PREGREET", "non-SMTP command"] {
        assert!(!log.contains(rudeness), "{rudeness}");
    }
    visits
}

fn sum(visits: &[Visit], count: impl Fn(&Visit) -> u32) -> u32 {
    visits.iter().map(count).sum()
}

/// Each of the addresses, and perhaps one that cannot exist: before Postfix has refused anybody.
fn asked_once(addresses: u32, visits: &[Visit]) {
    let asked = sum(visits, |visit| visit.heard("rcpt"));
    assert!((addresses..=addresses + 1).contains(&asked), "{asked}: {visits:?}");
}

fn some(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

#[tokio::test]
async fn a_usual_list_stays_below_the_hard_error_limit() {
    let server = Postfix::builder()
        .mailboxes(270, "a.test")
        .setting("smtpd_soft_error_limit", "100")
        .start()
        .await;
    let mailvet = mailvet(&server, |_| {}).await;
    learns_the_truth(&mailvet, &addresses(270, 30)).await;
    let visits = visits(&mailvet, &server).await;
    assert!(!server.log().contains("too many errors"));
    assert!(visits.iter().all(|visit| visit.refused("rcpt") < 20), "{visits:?}");
    asked_once(300, &visits);
    assert!(visits.len() <= 6, "{visits:?}");
}

#[tokio::test]
async fn a_hard_error_limit_lower_than_our_budget_costs_no_answer() {
    let server = Postfix::builder()
        .mailboxes(40, "a.test")
        .setting("smtpd_hard_error_limit", "5")
        .start()
        .await;
    let mailvet = mailvet(&server, |_| {}).await;
    learns_the_truth(&mailvet, &addresses(40, 40)).await;
    server.has_logged("too many errors after RCPT").await;
    let visits = visits(&mailvet, &server).await;
    assert!(visits.len() <= 20, "5 unknown users each would be 8: {visits:?}");
}

#[tokio::test]
async fn a_limit_of_connections_at_once_is_found_and_kept() {
    let server = Postfix::builder()
        .mailboxes(150, "a.test")
        .setting("smtpd_client_connection_count_limit", "2")
        .start()
        .await;
    let mailvet = mailvet(&server, |pacing| {
        pacing.sessions_per_exchanger = some(8);
        pacing.recipients_per_flight = some(4);
    })
    .await;
    learns_the_truth(&mailvet, &addresses(150, 10)).await;
    server.has_logged("Connection concurrency limit exceeded").await;
    let visits = visits(&mailvet, &server).await;
    let refused = visits.iter().filter(|visit| visit.heard("ehlo") == 0).count();
    // Five are opened at first. On a busy machine Postfix may count the end of a session so late
    // that the one after it is refused; so each session that was let in may cost one more.
    let let_in = visits.len() - refused;
    assert!((1..=5 + let_in).contains(&refused), "{visits:?}");
    asked_once(160, &visits);
}

#[tokio::test]
async fn who_finds_all_connections_taken_comes_again() {
    let server = Postfix::builder()
        .mailboxes(50, "a.test")
        .setting("smtpd_client_connection_count_limit", "2")
        .start()
        .await;
    let mailvet = mailvet(&server, |_| {}).await;
    let others = [Dialogue::open(server.address).await, Dialogue::open(server.address).await];
    let addresses = addresses(50, 10);
    tokio::join!(learns_the_truth(&mailvet, &addresses), async {
        server.has_logged("Connection concurrency limit exceeded").await;
        drop(others);
    });
    visits(&mailvet, &server).await;
}

#[tokio::test]
async fn two_connections_a_minute_are_enough_for_200_addresses() {
    let server = Postfix::builder()
        .mailboxes(190, "a.test")
        .setting("smtpd_client_connection_rate_limit", "2")
        .start()
        .await;
    let mailvet = mailvet(&server, |_| {}).await;
    learns_the_truth(&mailvet, &addresses(190, 10)).await;
    let visits = visits(&mailvet, &server).await;
    assert!(visits.len() <= 2, "{visits:?}");
    asked_once(200, &visits);
}

#[tokio::test]
async fn a_limit_of_connections_in_a_time_is_waited_out() {
    let server = Postfix::builder()
        .mailboxes(50, "a.test")
        .setting("smtpd_client_connection_rate_limit", "2")
        .setting("anvil_rate_time_unit", "2s")
        .start()
        .await;
    // So that it needs six connections.
    let mailvet = mailvet(&server, |pacing| {
        pacing.recipients_per_session = some(10);
        pacing.connect_backoff_longest = Duration::from_secs(2);
    })
    .await;
    learns_the_truth(&mailvet, &addresses(50, 10)).await;
    server.has_logged("Connection rate limit exceeded").await;
    let visits = visits(&mailvet, &server).await;
    assert!(visits.len() <= 12, "it does not hammer: {visits:?}");
}

#[tokio::test]
async fn a_limit_of_recipients_makes_transactions_smaller() {
    let server = Postfix::builder()
        .mailboxes(60, "a.test")
        .setting("smtpd_recipient_limit", "5")
        .setting("smtpd_soft_error_limit", "100")
        .start()
        .await;
    let mailvet = mailvet(&server, |_| {}).await;
    learns_the_truth(&mailvet, &addresses(60, 20)).await;
    let visits = visits(&mailvet, &server).await;
    assert!(visits.len() <= 6, "{visits:?}");
    let (mail, rcpt) =
        (sum(&visits, |visit| visit.heard("mail")), sum(&visits, |visit| visit.heard("rcpt")));
    assert!(mail >= 12, "60 accepted, 5 in each: {visits:?}");
    assert!(rcpt <= 2 * 80, "only the first flight is too large: {visits:?}");
}

#[tokio::test]
async fn a_limit_of_recipients_costs_a_long_list_a_quarter_more_at_most() {
    let server = Postfix::builder()
        .mailboxes(400, "a.test")
        .setting("smtpd_recipient_limit", "40")
        .setting("smtpd_soft_error_limit", "100")
        .start()
        .await;
    let mailvet = mailvet(&server, |_| {}).await;
    learns_the_truth(&mailvet, &addresses(400, 4)).await;
    let visits = visits(&mailvet, &server).await;
    let rcpt = sum(&visits, |visit| visit.heard("rcpt"));
    assert!(rcpt * 4 <= 404 * 5, "{rcpt} RCPT for 404 addresses: {visits:?}");
}

#[tokio::test]
async fn a_server_that_may_hang_up_over_its_limit_of_recipients_answers_about_all() {
    let server = Postfix::builder()
        .mailboxes(80, "a.test")
        .setting("smtpd_recipient_limit", "5")
        .setting("smtpd_recipient_overshoot_limit", "1")
        .setting("smtpd_soft_error_limit", "100")
        .start()
        .await;
    let mailvet = mailvet(&server, |_| {}).await;
    learns_the_truth(&mailvet, &addresses(80, 4)).await;
    let visits = visits(&mailvet, &server).await;
    // It hangs up at most once: then the transactions are small enough for one session.
    assert!(visits.len() <= 3, "{visits:?}");
}

#[tokio::test]
async fn a_greet_delay_is_waited_for() {
    let server = Postfix::builder()
        .mailboxes(150, "a.test")
        .postscreen()
        .setting("postscreen_greet_action", "enforce")
        .setting("postscreen_greet_wait", "2s")
        .start()
        .await;
    let mailvet = mailvet(&server, |_| {}).await;
    learns_the_truth(&mailvet, &addresses(150, 10)).await;
    server.has_logged("PASS NEW [127.0.0.1]").await;
    let visits = visits(&mailvet, &server).await;
    assert!(visits.len() <= 3, "{visits:?}");
}

#[tokio::test]
async fn postscreen_lets_a_second_visit_in() {
    let server = Postfix::builder()
        .mailboxes(50, "a.test")
        .postscreen()
        .setting("postscreen_greet_action", "enforce")
        .setting("postscreen_pipelining_enable", "yes")
        .setting("postscreen_pipelining_action", "enforce")
        .setting("postscreen_greet_wait", "1s")
        .start()
        .await;
    // Postscreen says "later" to the end of the session: come back in another one.
    let mailvet = mailvet(&server, |pacing| {
        pacing.greylist_wait = Duration::from_secs(2);
        pacing.temporary_wait = Duration::from_secs(2);
        pacing.session_idle = Duration::from_millis(100);
    })
    .await;
    learns_the_truth(&mailvet, &addresses(50, 10)).await;
    visits(&mailvet, &server).await;
}

#[tokio::test]
async fn a_retry_window_outlasts_postgrey() {
    let grey = Postgrey::start(Duration::from_secs(1)).await;
    let server =
        Postfix::builder().mailboxes(40, "a.test").restriction(&grey.restriction()).start().await;
    let mailvet = mailvet(&server, |pacing| pacing.greylist_wait = Duration::from_secs(2)).await;
    let addresses = addresses(40, 20);
    learns_the_truth(&mailvet, &addresses).await;
    visits(&mailvet, &server).await;
    let log = server.log();
    let refused: Vec<&str> = log.lines().filter(|line| line.contains(": reject: RCPT")).collect();
    let us = "from=<> ";
    assert!(refused.iter().all(|line| line.contains(us)), "{refused:?}");
    assert!(refused.iter().all(|line| line.contains("helo=<client.mailvet.test>")), "{refused:?}");
    for address in &addresses {
        let to = format!("to=<{address}>");
        let deferred = |line: &&&str| line.contains(&to) && line.contains("Greylisted");
        assert_eq!(refused.iter().filter(deferred).count(), 1, "{address}: {refused:?}");
    }
}

#[tokio::test]
async fn who_cannot_wait_for_postgrey_is_told_when_to_come_again() {
    let grey = Postgrey::start(Duration::from_secs(300)).await;
    let server =
        Postfix::builder().mailboxes(40, "a.test").restriction(&grey.restriction()).start().await;
    let mailvet = mailvet(&server, |_| {}).await;
    let verifications = mailvet.vet_all(&addresses(40, 20), LIMIT, Duration::ZERO).await;
    for v in &verifications {
        assert_eq!(v.judgement.reason, Reason::Greylisted, "{}", told(v));
        assert_eq!(v.judgement.action, Action::RetryLater, "{}", told(v));
        assert!(v.judgement.retry_after.unwrap() >= Duration::from_secs(290), "{}", told(v));
    }
    let visits = visits(&mailvet, &server).await;
    asked_once(60, &visits);
}
